"""A relay that dials finds a free port at once, however many are taken, and the last one too."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Iterator

import pytest
import uvloop

from cloister.relay import dialling
from cloister.relay.dialling import PORTS, Dialling, local_ports

LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        yield server


def dial(way: Dialling, port: int, times: int) -> list[socket.socket]:
    async def story() -> list[socket.socket]:
        return [await way.connect("127.0.0.1", port) for _ in range(times)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(story())


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def knows_the_option() -> bool:
    with socket.socket() as one:
        try:
            one.setsockopt(socket.IPPROTO_IP, 51, (0).to_bytes(4, sys.byteorder))
        except OSError as error:
            return error.errno != errno.ENOPROTOOPT
    return True


needs_the_option = pytest.mark.skipif(
    sys.platform != "linux" or not knows_the_option(), reason="the kernel is older than Linux 6.3"
)


@needs_the_option
def test_ports_come_from_the_part_that_is_given(listening: socket.socket) -> None:
    first, last = local_ports()
    middle = (first + last) // 2
    for one in dial(Dialling((middle, middle + 9)), port_of(listening), 4):
        with one:
            assert middle <= one.getsockname()[1] <= middle + 9


@needs_the_option
def test_parts_are_drawn_from_all_ports(listening: socket.socket) -> None:
    first, last = local_ports()
    ports = []
    for one in dial(Dialling((first, last)), port_of(listening), 64):
        with one:
            ports.append(one.getsockname()[1])
    assert max(ports) - min(ports) > 8 * PORTS


def test_where_a_part_is_full_the_kernel_looks_everywhere(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()) as taken:
        only = taken.getsockname()[1]
        (other,) = dial(Dialling((only, only)), port_of(listening), 1)
        with other:
            assert other.getsockname()[1] != only


@pytest.mark.parametrize("ports", [local_ports(), (1, 2), (65535, 65535)])
def test_ports_that_are_not_the_kernels_do_no_harm(
    listening: socket.socket, ports: tuple[int, int]
) -> None:
    for one in dial(Dialling(ports), port_of(listening), 3):
        with one:
            assert one.getpeername() == listening.getsockname()


def test_a_kernel_that_refuses_the_option_searches_by_itself(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "_IP_LOCAL_PORT_RANGE", 9999)
    (one,) = dial(Dialling((1, 2)), port_of(listening), 1)
    with one:
        assert one.getpeername() == listening.getsockname()


@pytest.mark.parametrize("make", LOOPS)
def test_who_is_not_there_is_said_and_leaves_no_socket(make: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = port_of(gone)

    async def story() -> None:
        with pytest.raises(ConnectionRefusedError):
            await Dialling(local_ports()).connect("127.0.0.1", port)

    with asyncio.Runner(loop_factory=make) as runner:  # type: ignore[arg-type]
        runner.run(story())


@needs_the_option
@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
def test_ports_are_drawn_for_ipv6_too() -> None:
    first, last = local_ports()
    middle = (first + last) // 2

    async def story(port: int) -> int:
        with await Dialling((middle, middle + 9)).connect("::1", port) as one:
            return int(one.getsockname()[1])

    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert middle <= asyncio.run(story(port_of(server))) <= middle + 9


def test_of_several_addresses_the_one_that_answers_is_used(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = server.getsockname()

    async def story() -> None:
        async def both(*_: object, **__: object) -> list[object]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            return [(*kind, gone), (*kind, listening.getsockname())]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
        with await Dialling(local_ports()).connect("home.example", 1) as one:
            assert one.getpeername() == listening.getsockname()

    asyncio.run(story())


def test_a_name_without_an_address_is_said() -> None:
    async def story() -> None:
        with pytest.raises(socket.gaierror):
            await Dialling(local_ports()).connect("no.such.name.invalid", 1)

    asyncio.run(story())
