"""The link: both layers of TLS are pinned, only the entry is dialled, nothing is looked up."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import picows
import pytest

from cloister.device import link as link_module
from cloister.device.errors import EntryRefused, WrongCertificate
from cloister.device.link import PING_RID, Link, check_relay
from cloister.errors import LocalError, NetworkError
from cloister.limits import MAX_FRAME_BYTES, MAX_FRAME_MESSAGES, PART_BYTES
from cloister.values import replace
from cloister.wire.commands import AnyRequest, Ping, PutBox, Stage
from cloister.wire.events import AnyEvent, Challenge, Done
from cloister.wire.frame import SUBPROTOCOL, decode_requests, encode_frame
from unit.device.relays import make_identity, stand_in_relays
from unit.device.scripted import ROUTE

CHALLENGE = Challenge(versions=(1,), relay_id=bytes(32), nonce=bytes(32), now=5)


def run(story: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(bounded())


def put_all(queue: asyncio.Queue[AnyEvent], events: list[AnyEvent]) -> None:
    for event in events:
        queue.put_nowait(event)


def say(message: AnyEvent) -> Callable[[picows.WSTransport], None]:
    frame = encode_frame([message])
    return lambda transport: transport.send(picows.WSMsgType.BINARY, frame)


def test_requests_go_out_and_events_come_in_through_both_relays(tmp_path: Path) -> None:
    def echo(transport: picows.WSTransport, frame: bytes) -> None:
        for request in decode_requests(frame):
            transport.send(picows.WSMsgType.BINARY, encode_frame([Done(rid=request.rid, n=1)]))

    async def story() -> None:
        events: asyncio.Queue[AnyEvent] = asyncio.Queue()
        async with stand_in_relays(tmp_path, greet=say(CHALLENGE), on_frame=echo) as relays:
            link = await Link.open(relays.route(), lambda got: put_all(events, got))
            await asyncio.sleep(0)
            assert events.empty(), "nothing is handed on before start"
            link.start()
            assert await events.get() == CHALLENGE
            link.send([Ping(rid=3), Ping(rid=4)])
            assert [await events.get(), await events.get()] == [Done(rid=3, n=1), Done(rid=4, n=1)]
            assert relays.dialled == [f"127.0.0.1:{relays.home_port}"]
            assert relays.subprotocols == [SUBPROTOCOL]
            link.close()
            assert await link.wait_closed() is None

    run(story())


def watched_opening(tmp_path: Path, watched: str, body: str) -> list[str]:
    """Open a link with an audit hook; in a process of its own, for a hook cannot be taken off."""
    program = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from unit.device.relays import stand_in_relays; from cloister.device.link import Link\n"
        "seen = []\n"
        f"sys.addaudithook(lambda e, a: seen.append((e, a)) if e in {watched} else 0)\n"
        "async def main():\n"
        "    async with stand_in_relays(Path(sys.argv[1])) as relays:\n"
        "        seen.clear()\n"
        "        link = await Link.open(relays.route(), lambda e: None)\n"
        "        link.close()\n"
        f"{body}"
        "asyncio.run(main())"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root / 'tests'}"}
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return result.stdout.splitlines()


def test_the_device_connects_to_the_entry_only_and_asks_no_name_server(tmp_path: Path) -> None:
    printed = watched_opening(
        tmp_path,
        "('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname')",
        "        entry = ('127.0.0.1', relays.entry_port); home = ('127.0.0.1', relays.home_port)\n"
        "        print([e for e, _ in seen])\n"
        "        print([a[1] == entry for e, a in seen if e == 'socket.connect'])\n",
    )
    # The second connection is the stand-in entry's own, in the same process, to the home.
    assert printed == ["['socket.connect', 'socket.connect']", "[True, False]"]


def test_connecting_writes_no_file(tmp_path: Path) -> None:
    """Which relays a device talks to is the vault's to know, and a full disk cuts nobody off."""
    printed = watched_opening(
        tmp_path,
        "('open', 'tempfile.mkstemp')",
        "        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT\n"
        "        print([e for e, a in seen if e != 'open' or a[2] & writes])\n",
    )
    assert printed == ["[]"]


@pytest.mark.parametrize("layer", ["entry_certificate", "home_certificate"])
def test_another_certificate_on_either_layer_is_refused(tmp_path: Path, layer: str) -> None:
    async def story() -> None:
        async with stand_in_relays(tmp_path) as relays:
            other = make_identity(tmp_path, "other").certificate
            with pytest.raises(WrongCertificate, match="not the pinned one") as caught:
                await Link.open(relays.route(**{layer: other}), lambda events: None)
            assert caught.value.exit_code == 6
            assert relays.connected == [], "no WebSocket was spoken"

    run(story())


def test_a_certificate_signed_by_the_pinned_one_is_not_the_pinned_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with stand_in_relays(tmp_path) as relays:
            link = await Link.open(relays.route(), lambda events: None)
            swapped = relays.route(home_certificate=b"another")
            with pytest.raises(ssl.SSLCertVerificationError):
                check_relay(swapped, link._transport)  # type: ignore[arg-type]
            link.close()

    run(story())


def test_a_letter_may_be_fetched_without_pins(tmp_path: Path) -> None:
    async def story() -> None:
        async with stand_in_relays(tmp_path) as relays:
            route = relays.route(entry_certificate=None, home_certificate=None)
            (await Link.open(route, lambda events: None)).close()

    run(story())


def test_a_home_off_the_entrys_list_is_refused_with_words(tmp_path: Path) -> None:
    async def story() -> None:
        async with stand_in_relays(tmp_path) as relays:
            with pytest.raises(EntryRefused, match="refuses to reach") as caught:
                await Link.open(relays.route(home_port=9), lambda events: None)
            assert caught.value.exit_code == 5

    run(story())


def test_a_home_of_another_protocol_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with stand_in_relays(tmp_path, subprotocol="chat.v9") as relays:
            with pytest.raises(NetworkError, match="does not speak this program's protocol"):
                await Link.open(relays.route(), lambda events: None)

    run(story())


def test_an_entry_that_is_not_there_is_a_network_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        async def story() -> None:
            missing = replace(ROUTE, entry_port=port)
            with pytest.raises(NetworkError, match="connection refused") as caught:
                await Link.open(missing, lambda events: None)
            assert caught.value.exit_code == 4

        run(story())


def test_a_relay_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "PATIENCE_S", 0.2)

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def story() -> None:
        silent = await asyncio.start_server(nothing, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        async with stand_in_relays(tmp_path) as relays:
            with pytest.raises(NetworkError, match="did not answer in time"):
                await Link.open(relays.route(entry_port=port), lambda events: None)
        silent.close()

    run(story())


def test_a_relay_that_speaks_no_tls_is_a_network_error(tmp_path: Path) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready\r\n" * 10)
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(garbage, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with stand_in_relays(tmp_path) as relays:
            with pytest.raises(NetworkError):
                await Link.open(relays.route(entry_port=port), lambda events: None)
        server.close()

    run(story())


def test_an_entry_named_by_name_is_refused_because_nothing_is_looked_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with stand_in_relays(tmp_path) as relays:
            with pytest.raises(LocalError, match="not an address"):
                await Link.open(relays.route(entry_host="localhost"), lambda events: None)

    run(story())


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (picows.WSMsgType.BINARY, b"\xc1garbage"),
        (picows.WSMsgType.BINARY, b"\x90"),
        (picows.WSMsgType.BINARY, encode_frame([Ping(rid=1)]) + b"x"),
        (picows.WSMsgType.TEXT, b"hello"),
        (picows.WSMsgType.CLOSE, b""),
        (picows.WSMsgType.BINARY, bytes(MAX_FRAME_BYTES + 1)),
    ],
    ids=["no msgpack", "no messages", "trailing", "text", "close", "too large"],
)
def test_garbage_ends_the_link_with_a_reason(
    tmp_path: Path, kind: picows.WSMsgType, payload: bytes
) -> None:
    async def story() -> None:
        got: list[AnyEvent] = []
        greet = lambda transport: transport.send(kind, payload)  # noqa: E731
        async with stand_in_relays(tmp_path, greet=greet) as relays:
            link = await Link.open(relays.route(), got.extend)
            link.start()
            assert isinstance(await link.wait_closed(), NetworkError)
            assert got == []

    run(story())


def test_many_requests_are_split_by_number_and_by_size(tmp_path: Path) -> None:
    async def story() -> None:
        frames: asyncio.Queue[bytes] = asyncio.Queue()
        async with stand_in_relays(
            tmp_path, on_frame=lambda transport, frame: frames.put_nowait(frame)
        ) as relays:
            link = await Link.open(relays.route(), lambda events: None)
            link.send([Ping(rid=n) for n in range(MAX_FRAME_MESSAGES + 1)])
            assert len(decode_requests(await frames.get())) == MAX_FRAME_MESSAGES
            assert len(decode_requests(await frames.get())) == 1
            large = [
                Stage(
                    rid=n,
                    kind=1,
                    object_id=bytes(16),
                    object_hash=bytes(32),
                    index=n,
                    count=6,
                    part=bytes(PART_BYTES),
                )
                for n in range(6)
            ]
            link.send(large)
            got: list[AnyRequest] = []
            while len(got) < len(large):
                got += decode_requests(await frames.get())
            assert got == large
            with pytest.raises(LocalError, match="larger than a frame"):
                link.send([PutBox(rid=1, box_id=bytes(16), item=bytes(MAX_FRAME_BYTES))])
            link.close()

    run(story())


def test_pings_are_answered_within_the_link_or_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "PING_INTERVAL_S", 0.05)
    answered = 0

    def answer_twice(transport: picows.WSTransport, frame: bytes) -> None:
        nonlocal answered
        assert decode_requests(frame) == [Ping(rid=PING_RID)]
        answered += 1
        if answered < 3:
            transport.send(picows.WSMsgType.BINARY, encode_frame([Done(rid=PING_RID, n=7)]))

    async def story() -> None:
        got: list[AnyEvent] = []
        async with stand_in_relays(tmp_path, on_frame=answer_twice) as relays:
            link = await Link.open(relays.route(), got.extend)
            link.start()
            reason = await link.wait_closed()
            assert "stopped answering" in str(reason)
            assert answered == 3
            assert got == []

    run(story())


def test_a_relay_that_takes_nothing_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "STALLED_SESSION_S", 0.2)

    def stop_reading(transport: picows.WSTransport) -> None:
        transport.underlying_transport.pause_reading()

    async def story() -> None:
        part = Stage(
            rid=1,
            kind=1,
            object_id=bytes(16),
            object_hash=bytes(32),
            index=0,
            count=1,
            part=bytes(PART_BYTES),
        )
        async with stand_in_relays(tmp_path, greet=stop_reading) as relays:
            link = await Link.open(relays.route(), lambda events: None)
            for _ in range(64):
                link.send([part])
            assert "took nothing" in str(await link.wait_closed())

    run(story())


def test_what_had_come_before_it_was_paused_is_handed_on_when_it_reads_on(tmp_path: Path) -> None:
    many = 2000

    def talk(transport: picows.WSTransport) -> None:
        for _ in range(many):
            say(CHALLENGE)(transport)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        came = 0

        def take(events: list[AnyEvent]) -> None:
            nonlocal came
            came += len(events)
            link.pause()
            loop.call_later(0.01, link.resume)

        async with stand_in_relays(tmp_path, greet=talk) as relays:
            link = await Link.open(relays.route(), take)
            link.start()
            async with asyncio.timeout(10):
                while came < many:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            link.close()

    run(story())


def test_a_connection_that_is_lost_in_the_moment_it_is_made_is_a_network_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lost(*_arguments: object, **_more: object) -> None:
        # What the library does when the socket is gone before it has looked at it.
        raise AttributeError("'NoneType' object has no attribute 'setsockopt'")

    async def story() -> None:
        monkeypatch.setattr(picows, "ws_connect", lost)
        with pytest.raises(NetworkError, match="cannot be reached"):
            await Link.open(ROUTE, lambda _events: None)

    run(story())
