"""The clients that load Mosquitto and ejabberd: what they write, and what they read in any cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.bench import mqtt, xmpp
from counts import examples


def test_the_packets_of_a_client_are_those_of_the_standard() -> None:
    # Figures 3.6, 3.20 and 3.10 of MQTT 3.1.1, with our flags.
    assert mqtt.connect("s1") == bytes.fromhex("100e 0004 4d515454 04 00 0000 0002 7331")
    assert mqtt.subscribe(10, "a/b") == bytes.fromhex("8208 000a 0003 612f62 01")
    assert mqtt.publish(10, "a/b", b"x") == bytes.fromhex("3208 0003 612f62 000a 78")
    assert mqtt.puback(b"\x00\x0a") == bytes.fromhex("4002 000a")


@pytest.mark.parametrize("size", [0, 1, 119, 120, 121, 16_376, 16_377, 60_000])
def test_a_length_takes_as_many_bytes_as_it_needs(size: int) -> None:
    packet = mqtt.publish(1, "t", bytes(size))
    rest = len(packet) - packet.index(b"\x00\x01t")
    digits = packet[1 : len(packet) - rest]
    assert sum((one & 0x7F) << 7 * place for place, one in enumerate(digits)) == rest
    [(kind, body)] = mqtt.Packets().feed(packet)
    assert (kind, mqtt.published(body)) == (mqtt.PUBLISH, (b"\x00\x01", bytes(size)))


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(0, 1600), max_size=6))
def test_packets_are_the_same_however_they_were_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(mqtt.publish(n + 1, "t", one) for n, one in enumerate(payloads))
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    packets = mqtt.Packets()
    got = [
        mqtt.published(body)
        for start, end in pairwise(edges)
        for _, body in packets.feed(stream[start:end])
    ]
    assert got == [((n + 1).to_bytes(2, "big"), one) for n, one in enumerate(payloads)]


@pytest.mark.parametrize("data", ["30ffffffffff01", "30ffff7f"])
def test_a_length_without_end_is_refused(data: str) -> None:
    with pytest.raises(mqtt.MqttError):
        list(mqtt.Packets().feed(bytes.fromhex(data)))


def test_a_publication_without_packet_id_is_refused() -> None:
    with pytest.raises(mqtt.MqttError):
        mqtt.published(b"\x00\x03abc\x00")


HEADER = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='s' from='x'>"


def test_stanzas_are_the_same_however_they_were_cut() -> None:
    stream = (
        HEADER
        + b"<stream:features><mechanisms xmlns='m'><mechanism>PLAIN</mechanism></mechanisms>"
        + b"</stream:features><a xmlns='urn:xmpp:sm:3' h='7'/>"
        + xmpp.message("r1", 3, "a < b & c")
        + xmpp.ASK_ACK
    )
    stanzas = xmpp.Stanzas()
    got = [one for place in range(len(stream)) for one in stanzas.feed(stream[place : place + 1])]
    assert got == xmpp.Stanzas().feed(stream)
    features, ack, message, ask = got
    assert (features.name, features.children) == ("stream:features", ["mechanisms", "mechanism"])
    assert (ack.name, ack.attributes["h"]) == ("a", "7")
    assert (message.name, message.attributes["to"]) == ("message", "r1@localhost/load")
    assert message.text == "a < b & c"
    assert ask.name == "r"


@pytest.mark.parametrize("data", [HEADER + b"</stream:stream>", HEADER + b"<a></b>", b"hello <"])
def test_an_ended_stream_and_what_is_no_xml_are_errors(data: bytes) -> None:
    with pytest.raises(xmpp.XmppError):
        xmpp.Stanzas().feed(data)


def test_a_password_travels_as_sasl_plain_says() -> None:
    assert b">AHVzZXIAcGFzcw==</auth>" in xmpp.authenticate("user", "pass")
