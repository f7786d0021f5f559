"""The load of the bench of peers: MQTT or XMPP devices in pairs, in a process of its own.

Run as ``python -m cloister.bench.peer_load CONFIG``, a JSON object; prints a JSON object.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from abc import abstractmethod
from collections.abc import Iterable
from typing import Final, cast

from cloister.bench import mqtt, xmpp
from cloister.bench.paired_load import (
    ENVELOPE_BYTES,
    BenchFailed,
    PairedConfig,
    PairedLoad,
    main_of,
)
from cloister.crypto.entropy import SystemEntropy

PASSWORD: Final = "load"  # noqa: S105  of accounts that live as long as the load
_ID_CHARACTERS: Final = 32
"""Of the payload: the number of the message, as long as an id of Cloister in hexadecimal."""


class PeerConfig(PairedConfig, frozen=True, kw_only=True):
    """What to do, and with which server."""

    protocol: str
    """mqtt or xmpp."""
    port: int
    certificate: str
    """Path of the certificate that the server must show."""


class PeerDevice(asyncio.Protocol):
    """One connection: a sender or a receiver."""

    def __init__(self, load: PeerLoad, index: int, name: str) -> None:
        self.load = load
        self.index = index
        self.name = name
        self.sent = 0
        self.received = 0
        self.stamps: list[float] = []
        self.transport: asyncio.Transport | None = None
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is there: introduce the device."""
        self.transport = cast("asyncio.Transport", transport)
        self.introduce()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection must not end while it is measured."""
        self.load.lost += 1
        if not self.is_ready.done():
            self.is_ready.set_exception(BenchFailed("the server closed a fresh connection"))

    def send(self, data: bytes) -> None:
        """Send to the server."""
        if self.transport is not None:
            self.transport.write(data)

    def put(self, count: int) -> None:
        """Send so many messages at once."""
        now = time.perf_counter()
        start = self.sent
        self.sent += count
        self.stamps += [now] * count
        for message in self.encode(start, self.sent):
            self.send(message)

    def on_accepted(self, count: int) -> None:
        """As many answers, as many new messages, when more is put than the server takes."""
        load = self.load
        load.accepted += count
        if load.is_running and load.config.mode == "saturated":
            self.put(count)

    def on_delivered(self, number: int) -> None:
        """A receiver: every id, in order, each once."""
        load = self.load
        if number != self.received:
            raise BenchFailed(f"message {number} came where {self.received} was due")
        self.received = number + 1
        load.latencies.append(time.perf_counter() - load.senders[self.index].stamps[number])
        load.delivered += 1

    @abstractmethod
    def introduce(self) -> None:
        """Say who this is; ``is_ready`` is set when the server has answered all of it."""

    @abstractmethod
    def encode(self, start: int, end: int) -> Iterable[bytes]:
        """Return the messages of these numbers, as they are to be written."""


class MqttDevice(PeerDevice):
    """Publishes to the topic of its pair, or subscribes to it, at QoS 1.

    Each packet is written by itself, as by a device that has one thing to say."""

    def __init__(self, load: PeerLoad, index: int, name: str) -> None:
        super().__init__(load, index, name)
        self._packets = mqtt.Packets()
        self._topic = f"pair/{index}"
        self._subscribes = name.startswith("r") or load.config.mode == "idle"

    def introduce(self) -> None:
        """Connect; the answer is CONNACK."""
        self.send(mqtt.connect(self.name))

    def data_received(self, data: bytes) -> None:
        """Packets of the broker."""
        accepted = 0
        for kind, body in self._packets.feed(data):
            if kind == mqtt.PUBACK:
                accepted += 1
            elif kind == mqtt.PUBLISH:
                packet_id, payload = mqtt.published(body)
                self.send(mqtt.puback(packet_id))
                self.on_delivered(int(payload[:_ID_CHARACTERS], 16))
            elif kind == mqtt.CONNACK and body[1:] == b"\0" and self._subscribes:
                self.send(mqtt.subscribe(1, self._topic))
            elif (kind == mqtt.CONNACK and body[1:] == b"\0") or (
                kind == mqtt.SUBACK and body[2:] == b"\x01"
            ):
                self.is_ready.set_result(None)
            else:
                raise mqtt.MqttError(f"an unexpected packet {kind:#x} {body.hex()}")
        if accepted:
            self.on_accepted(accepted)

    def encode(self, start: int, end: int) -> Iterable[bytes]:
        """PUBLISH packets."""
        filler = self.load.filler.encode("ascii")
        for number in range(start, end):
            packet_id = number % mqtt.MAX_PACKET_ID + 1
            yield mqtt.publish(packet_id, self._topic, f"{number:032x}".encode() + filler)


class XmppDevice(PeerDevice):
    """An account with one resource; XEP-0198 on both sides."""

    def __init__(self, load: PeerLoad, index: int, name: str) -> None:
        super().__init__(load, index, name)
        self._stanzas = xmpp.Stanzas()
        self._handled = 0
        """Stanzas taken from the server since acknowledgements are on."""
        self._acknowledged = 1
        """Stanzas that the server has handled of ours; the presence is the first."""

    def introduce(self) -> None:
        """Open the stream; every answer brings the next step."""
        self.send(xmpp.open_stream())

    def data_received(self, data: bytes) -> None:
        """Stanzas of the server."""
        before = self._acknowledged
        for stanza in self._stanzas.feed(data):
            if stanza.name == "message":
                self._handled += 1
                self.on_delivered(int(stanza.text[:_ID_CHARACTERS], 16))
            elif stanza.name == "r":
                self.send(xmpp.ack(self._handled))
            elif stanza.name == "a":
                self._on_ack(int(stanza.attributes["h"]))
            elif stanza.name in {"presence", "iq"} and self.is_ready.done():
                self._handled += 1
            else:
                self._on_step(stanza)
        if self.is_ready.done() and self._acknowledged > before:
            self.on_accepted(self._acknowledged - before)

    def _on_ack(self, handled: int) -> None:
        if handled > self.sent + 1:
            raise xmpp.XmppError(f"{handled} stanzas acknowledged of {self.sent + 1}")
        self._acknowledged = max(self._acknowledged, handled)

    def _on_step(self, stanza: xmpp.Stanza) -> None:
        """One step of the introduction."""
        identity = stanza.attributes.get("id"), stanza.attributes.get("type")
        if stanza.name == "stream:features" and "mechanisms" in stanza.children:
            self.send(xmpp.register(self.name, PASSWORD))
        elif identity == ("register", "result"):
            self.send(xmpp.authenticate(self.name, PASSWORD))
        elif stanza.name == "success":
            self._stanzas = xmpp.Stanzas()
            self.send(xmpp.open_stream())
        elif stanza.name == "stream:features":
            self.send(xmpp.bind())
        elif identity == ("bind", "result"):
            self.send(xmpp.ENABLE_ACKS)
        elif stanza.name == "enabled":
            self.send(xmpp.PRESENT + xmpp.ASK_ACK)
            self.is_ready.set_result(None)
        else:
            raise xmpp.XmppError(f"an unexpected stanza: {stanza}")

    def encode(self, start: int, end: int) -> Iterable[bytes]:
        """Messages, and one request to acknowledge them."""
        to = f"r{self.index}"
        stanzas = [
            xmpp.message(to, number, f"{number:032x}{self.load.filler}")
            for number in range(start, end)
        ]
        yield b"".join([*stanzas, xmpp.ASK_ACK])


class PeerLoad(PairedLoad[PeerDevice]):
    """All connections to the peer."""

    config: PeerConfig

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        random = SystemEntropy().random((ENVELOPE_BYTES - _ID_CHARACTERS) // 2)
        self.filler = random.hex()
        """Text, as XMPP carries nothing else."""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.load_verify_locations(config.certificate)
        self._gate = asyncio.Semaphore(32)

    async def set_up(self) -> None:
        """Connect all devices; the receivers first."""
        pairs = range(self.config.pairs)
        self.receivers = list(await asyncio.gather(*(self.connect("r", one) for one in pairs)))
        self.senders = list(await asyncio.gather(*(self.connect("s", one) for one in pairs)))

    async def connect(self, side: str, index: int) -> PeerDevice:
        """Connect one device and wait until it is introduced."""
        kind = MqttDevice if self.config.protocol == "mqtt" else XmppDevice
        async with self._gate:
            _, device = await asyncio.get_running_loop().create_connection(
                lambda: kind(self, index, f"{side}{index}"),
                "127.0.0.1",
                self.config.port,
                ssl=self._tls,
            )
            await device.is_ready
        return device


if __name__ == "__main__":
    main_of(PeerConfig, PeerLoad)
