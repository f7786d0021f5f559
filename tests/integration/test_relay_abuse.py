"""What strangers send: the relays refuse, cut, and go on serving."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import picows
import pytest

from cloister.bench.process_cost import rss_kib
from cloister.crypto.hashing import sha256
from cloister.limits import MAX_UNPROVEN_REQUESTS
from cloister.relay.mirror_listener import MAX_STRANGERS
from cloister.relay.services.context import WRONG_PROOF
from cloister.wire import commands, events
from cloister.wire.frame import MIRROR_PATH, encode_frame
from integration.relay_world import CHANNEL, Circle, Device, Pair, Relay, pinned

pytestmark = pytest.mark.process


def dial(pair: Pair) -> ssl.SSLSocket:
    """A TLS connection to the entry relay."""
    card = pair.entry.card
    plain = socket.create_connection((card.host, card.port), 10)
    return pinned(card.tls_certificate).wrap_socket(plain, server_hostname=card.host)


def _same(listener: picows.WSListener) -> picows.WSListener:
    return listener


def pid_of(relay: Relay) -> int:
    assert relay.process is not None
    return relay.process.pid


def connect(pair: Pair, request: bytes) -> bytes:
    """Send a request to the entry relay and return the first line of its answer."""
    with dial(pair) as tunnel:
        tunnel.sendall(request)
        return tunnel.recv(4096).split(b"\r\n", 1)[0]


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:22",
        "localhost:{port}",
        "127.0.0.2:{port}",
        "[::1]:{port}",
        "169.254.169.254:80",
        "127.0.0.1:{mirror}",
        "127.0.0.1:0{port}0",
    ],
)
def test_connect_off_the_list_is_forbidden(pair: Pair, target: str) -> None:
    values = {"port": pair.home.card.port, "mirror": pair.entry.card.mirror_port}
    authority = target.format(**values).encode()
    line = connect(pair, b"CONNECT " + authority + b" HTTP/1.1\r\n\r\n")
    assert line in {b"HTTP/1.1 403 Forbidden", b"HTTP/1.1 400 Bad Request"}
    assert b"200" not in line


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"CONNECT nonsense HTTP/1.1\r\n\r\n",
        b"CONNECT 127.0.0.1:x HTTP/1.1\r\n\r\n",
        b"\x00\xff\x00\xff\r\n\r\n",
        b"CONNECT ::1:443 HTTP/1.1\r\n\r\n",
    ],
)
def test_anything_but_connect_is_a_bad_request(pair: Pair, request_bytes: bytes) -> None:
    assert connect(pair, request_bytes) == b"HTTP/1.1 400 Bad Request"


def test_a_head_without_end_is_refused(pair: Pair) -> None:
    line = connect(pair, b"CONNECT " + b"a" * 4096)
    assert line.startswith(b"HTTP/1.1 431")


def test_a_home_with_another_certificate_is_refused_by_the_device(pair: Pair) -> None:
    async def main() -> None:
        with pytest.raises((ssl.SSLError, TypeError)):
            await Device.connect(pair, certificate=pair.entry.card.tls_certificate)

    asyncio.run(main())


def test_the_home_gives_no_session_tickets_and_nothing_below_tls_1_3(pair: Pair) -> None:
    card = pair.home.card
    context = pinned(card.tls_certificate)
    with (
        socket.create_connection((card.host, card.port), 10) as plain,
        context.wrap_socket(plain, server_hostname=card.host) as tls,
    ):
        assert tls.version() == "TLSv1.3"
        request = (
            b"GET /nowhere HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        tls.sendall(request)
        assert b"404" in tls.recv(4096)
        assert tls.session is None or not tls.session.has_ticket
    old = pinned(card.tls_certificate)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((card.host, card.port), 10) as plain,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(plain, server_hostname=card.host)


GARBAGE = [
    b"",
    b"\xc1",
    b"\x90",
    b"\x91\x92\x16",
    encode_frame([commands.Ping(1)])[:-1],
    encode_frame([commands.Ping(1)]) + b"\x00",
    encode_frame([commands.Put(1, b"short", 0, b"i" * 16, b"e" * 1024)]),
    encode_frame([commands.Follow(1, 9, b"o" * 16, 0)]),
    encode_frame([commands.Follow(1, 1, b"o" * 16, 2**63)]),
    encode_frame([commands.Ping(1)] * 257),
    b"\x91" * 5000 + b"\x00",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_ends_its_connection_and_no_other(pair: Pair, garbage: bytes) -> None:
    async def main() -> None:
        other = await Device.connect(pair)
        device = await Device.connect(pair)
        device.transport.send(picows.WSMsgType.BINARY, garbage)
        await asyncio.wait_for(device.gone.wait(), 60)
        await other.ask(commands.Ping)
        await other.close()

    asyncio.run(main())


@pytest.mark.parametrize(("kind", "fin"), [("TEXT", True), ("BINARY", False)])
def test_text_and_fragments_are_no_frames(pair: Pair, kind: str, fin: bool) -> None:
    async def main() -> None:
        device = await Device.connect(pair)
        device.transport.send(picows.WSMsgType[kind], b"\x91", fin=fin)
        await asyncio.wait_for(device.gone.wait(), 60)

    asyncio.run(main())


def test_an_oversized_frame_ends_the_connection(pair: Pair) -> None:
    async def main() -> None:
        device = await Device.connect(pair)
        device.transport.send(picows.WSMsgType.BINARY, bytes(1024 * 1024 + 1))
        await asyncio.wait_for(device.gone.wait(), 60)

    asyncio.run(main())


def test_one_address_gets_a_bounded_number_of_tunnels(pair: Pair) -> None:
    held: list[Any] = []
    try:
        refused = 0
        for _ in range(80):
            try:
                held.append(dial(pair))
            except (ConnectionError, ssl.SSLError, OSError):
                refused += 1
        # A refused one is closed right behind its handshake: reading shows it.
        readable, _, _ = select.select(held, [], [], 2)
        until = time.monotonic() + 2
        while len(readable) + refused < 16 and time.monotonic() < until:
            readable, _, _ = select.select(held, [], [], 0.05)
        assert 80 - refused - len(readable) <= 64
    finally:
        for one in held:
            one.close()


WRONG = commands.Prove(1, CHANNEL, bytes(16), 0, bytes(64))


@pytest.mark.parametrize(
    ("request_", "cost"),
    [(commands.Ping(1), 1), (WRONG, 1 + WRONG_PROOF), (commands.Follow(1, 1, bytes(16), 0), 1)],
)
def test_a_stranger_who_asks_without_end_is_cut_and_nobody_else(
    pair: Pair, request_: Any, cost: int
) -> None:
    async def main() -> None:
        other = await Device.connect(pair)
        device = await Device.connect(pair)
        for _ in range(MAX_UNPROVEN_REQUESTS // cost):
            device.send(request_)
        await device.next_push()
        for _ in range(20):
            device.send(request_)
        await asyncio.wait_for(device.gone.wait(), 60)
        await other.ask(commands.Ping)
        await other.close()

    asyncio.run(main())


def test_pings_of_the_websocket_that_nobody_reads_end_in_backpressure(pair: Pair) -> None:
    """The library answers them; when its answers are not taken, it is not read."""

    async def main() -> None:
        other = await Device.connect(pair)
        device = await Device.connect(pair, is_direct=True)
        before = rss_kib(pid_of(pair.home))
        device.transport.underlying_transport.pause_reading()
        for _ in range(200):
            for _ in range(200):
                device.transport.send_ping(b"p" * 100)
            await asyncio.sleep(0)
        await other.ask(commands.Ping)
        assert rss_kib(pid_of(pair.home)) - before < 8 * 1024
        device.transport.disconnect(graceful=False)
        await other.close()

    asyncio.run(main())


def test_who_takes_no_answers_gets_none_made(pair: Pair) -> None:
    """A member asks for a quarter of a gigabyte of parts in four frames, and reads nothing."""

    async def main() -> None:
        device = await Device.connect(pair, is_direct=True)
        circle = await Circle.found(device, pair.home.new_code())
        await circle.prove(device)
        part = bytes(256 * 1024)
        name = sha256(part)
        await device.ask(commands.Stage, CHANNEL, circle.commons_id, name, 0, 1, part)
        values = circle.commit(device, 0, b"c" * 16, envelope=b"", staged=name)
        done = await device.ask(commands.Commit, **values)
        before = rss_kib(pid_of(pair.home))
        device.transport.underlying_transport.pause_reading()
        read = commands.ReadPart(9, CHANNEL, circle.commons_id, done.n, 0)
        for _ in range(4):
            device.send(*[read] * 256)
        other = await Device.connect(pair)
        for _ in range(20):
            await other.ask(commands.Ping)
            await asyncio.sleep(0.02)
        assert rss_kib(pid_of(pair.home)) - before < 16 * 1024
        device.transport.underlying_transport.resume_reading()
        parts = [await device.next_of(events.Part) for _ in range(40)]
        assert all(one.part == part for one in parts)
        await device.close()
        await other.close()

    asyncio.run(main())


def test_strangers_at_the_mirror_do_not_keep_homes_out(pair: Pair) -> None:
    card = pair.entry.card

    class Quiet(picows.WSListener):
        def __init__(self) -> None:
            self.is_gone = False

        def on_ws_disconnected(self, transport: Any) -> None:
            self.is_gone = True

    async def main() -> None:
        held = [Quiet() for _ in range(MAX_STRANGERS + 6)]
        for one in held:
            await picows.ws_connect(
                partial(_same, one),
                f"wss://{card.host}:{card.mirror_port}{MIRROR_PATH}",
                ssl_context=pinned(card.tls_certificate),
            )
        async with asyncio.timeout(10):
            while sum(one.is_gone for one in held) < 6:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert [one.is_gone for one in held] == [True] * 6 + [False] * MAX_STRANGERS
        # The home's own connection is known, and goes on being used.
        device = await Device.connect(pair)
        circle = await Circle.found(device, pair.home.new_code())
        await circle.prove(device)
        head = (await device.ask(commands.ReadHead, circle.origin)).note
        async with asyncio.timeout(20):
            while head.count(b"\n\xe2\x80\x94") < 2:
                await asyncio.sleep(0.1)
                head = (await device.ask(commands.ReadHead, circle.origin)).note
        await device.close()

    asyncio.run(main())


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Pair]:
    """A pair whose home waits half a second for a proof instead of ten."""
    made = Pair(
        Relay(tmp_path / "home", "home", "HK", "North"),
        Relay(tmp_path / "entry", "entry", "PA", "South"),
    )
    made.home.peer(made.entry)
    made.entry.peer(made.home)
    made.home.program = IMPATIENT
    made.entry.begin()
    made.home.start()
    made.entry.wait()
    yield made
    made.stop()


IMPATIENT = (
    "-c",
    """
import cloister.relay.listener as listener
listener.UNPROVEN_SILENT_S, listener.UNPROVEN_SWEEP_S = 0.5, 0.1
from cloister.__main__ import main
main()
""",
)


def test_silence_without_a_proof_ends_the_tunnel_too(impatient: Pair) -> None:
    async def main() -> None:
        device = await Device.connect(impatient)
        circle = await Circle.found(device, impatient.home.code)
        await circle.prove(device)
        strangers = [await Device.connect(impatient) for _ in range(3)]
        for one in strangers:
            await asyncio.wait_for(one.gone.wait(), 60)
        await device.ask(commands.Ping)
        assert impatient.home.status()["connections"] == 1
        async with asyncio.timeout(5):
            while impatient.entry.status()["tunnels"] > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await device.close()

    asyncio.run(main())


def test_logs_and_files_of_the_entry_hold_no_addresses_and_no_ids(pair: Pair) -> None:
    async def main() -> tuple[bytes, bytes]:
        device = await Device.connect(pair)
        circle = await Circle.found(device, pair.home.new_code())
        await circle.prove(device)
        await device.close()
        return circle.commons_id, circle.inbox_id

    ids = asyncio.run(main())
    for relay in (pair.home, pair.entry):
        log = relay.log()
        assert b"127.0.0.1" not in log
        for one in ids:
            assert one not in log
            assert one.hex().encode() not in log
    for path in pair.entry.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for one in ids:
                assert one not in data
                assert one.hex().encode() not in data
