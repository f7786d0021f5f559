"""Connections leave nothing that only the garbage collector finds, and it looks at what is new."""

from __future__ import annotations

import asyncio
import gc
import io
import socket
import ssl
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cloister.crypto.entropy import SystemEntropy
from cloister.relay.garbage import CONNECTIONS, THAW_S, Collector
from cloister.relay.listener import Listener, Sessions
from cloister.relay.logsafe import Log
from cloister.wire.frame import HOME_PATH
from unit.relay.home_core import NOW, HomeCore

HANDSHAKE_S = 0.2
COUNT = 5
OURS = ("cloister.relay.", "aiofastnet.", "picows.")
"""Of the client, which is in this process too, nothing is."""


@pytest.fixture(scope="module", autouse=True)
def _rest_of_this_process() -> Iterator[None]:
    """Thousands of tests stand in memory, which are not looked through each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def comes_and_goes(line: socket.socket) -> None:
    """Both handshakes, and the challenge of the relay."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    with anyone.wrap_socket(line) as inside:
        inside.sendall(
            f"GET {HOME_PATH} HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        got = b""
        while b"\r\n\r\n" not in got or not got.split(b"\r\n\r\n", 1)[1]:
            got += inside.recv(4096)


def says_no_tls(line: socket.socket) -> None:
    line.sendall(b"GET / HTTP/1.1\r\n\r\n")
    read_to_end(line)


def says_half(line: socket.socket) -> None:
    hello = ssl.MemoryBIO()
    context = ssl.create_default_context()
    speaking = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="relay")
    with pytest.raises(ssl.SSLWantReadError):
        speaking.do_handshake()
    line.sendall(hello.read())
    read_to_end(line)


def hangs_up(line: socket.socket) -> None:
    line.sendall(b"\x16\x03\x01")


def read_to_end(line: socket.socket) -> None:
    try:
        while line.recv(4096):
            pass
    except ConnectionResetError:
        pass  # another way to end it


@pytest.mark.parametrize(
    "client", [comes_and_goes, says_no_tls, says_half, hangs_up], ids=lambda one: one.__name__
)
def test_a_connection_leaves_nothing_for_the_collector(
    server_tls: ssl.SSLContext, client: Callable[[socket.socket], None]
) -> None:
    async def main() -> Counter[str]:
        core = HomeCore()
        await core.found()
        sessions = Sessions(
            core.context,
            core.dispatch,
            entropy=SystemEntropy(),
            log=Log(lambda: NOW, io.StringIO()),
            max_connections=100,
        )
        listener = Listener(sessions, HANDSHAKE_S)
        port = listener.start("127.0.0.1", 0, server_tls)

        def come(times: int) -> None:
            for _ in range(times):
                with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
                    client(line)

        async def gone() -> None:
            await asyncio.sleep(2 * HANDSHAKE_S)
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

        await asyncio.to_thread(come, 1)
        await gone()
        with saving_garbage():
            await asyncio.to_thread(come, COUNT)
            await gone()
            gc.collect()
            found = [type(one) for one in gc.garbage]
        listener.shut()
        return Counter(one.__name__ for one in found if one.__module__.startswith(OURS))

    assert asyncio.run(main()) == Counter()


@contextmanager
def saving_garbage() -> Iterator[None]:
    """What is found to be garbage is kept, to be seen."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@contextmanager
def at_work(collector: Collector) -> Iterator[None]:
    """It is this process' collector for a while."""
    thresholds = gc.get_threshold()
    collector.begin()
    try:
        yield
    finally:
        collector.end()
        gc.set_threshold(*thresholds)


class Ring:
    """Keeps itself, so that only the collector can end it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_found_alive_is_looked_at_once_a_day() -> None:
    time = 0.0
    thresholds, was_frozen = gc.get_threshold(), gc.get_freeze_count()
    collector = Collector(lambda: time)
    collector.begin()
    try:
        frozen = gc.get_freeze_count()
        assert frozen > was_frozen
        ring = Ring()
        looked_at = weakref.ref(ring)
        gc.collect(0)
        assert gc.get_freeze_count() > frozen
        assert gc.get_objects(generation=2) == []
        del ring
        gc.collect()
        assert looked_at() is not None
        time = THAW_S
        gc.collect()
        assert looked_at() is None
    finally:
        collector.end()
        gc.set_threshold(*thresholds)


def test_where_as_many_go_as_come_it_never_has_many_before_it() -> None:
    collector = Collector()
    with at_work(collector):
        inside: deque[list[list[object]]] = deque(maxlen=200)
        most = 0
        for _ in range(2000):
            # The interpreter counts those that are more than before: from the 200th on none.
            inside.append([[] for _ in range(60)])
            collector.on_connection()
            most = max(most, len(gc.get_objects(generation=0)))
        assert most < 2 * CONNECTIONS * 60
        ring = Ring()
        looked_at = weakref.ref(ring)
        del ring
        for _ in range(CONNECTIONS):
            collector.on_connection()
        assert looked_at() is None


def test_a_day_is_over_for_who_only_has_connections_too() -> None:
    time = 0.0
    collector = Collector(lambda: time)
    with at_work(collector):
        ring = Ring()
        looked_at = weakref.ref(ring)
        gc.collect(0)
        del ring
        time = THAW_S
        for _ in range(CONNECTIONS):
            collector.on_connection()
        assert looked_at() is None
