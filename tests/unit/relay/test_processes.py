"""A relay in several processes: the pipe between two, the door, and how many there are."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cloister.relay import door as door_module
from cloister.relay import waiting
from cloister.relay.door import BEAT_S, MOST, Door, bind
from cloister.relay.entry import Counted
from cloister.relay.metrics import Metrics
from cloister.relay.processes import tunnels
from cloister.relay.processes.count import FOR_ONE, held_by_one, process_count
from cloister.relay.processes.orders import SPARE_FILES
from cloister.relay.processes.pipe import HEAD, MAX_MESSAGE_BYTES, PORTION, SOON_S, Pipe
from cloister.relay.processes.places import PlacesOf
from cloister.relay.settings import LimitsSection, ListenSection, RelaySection, Role, Settings
from cloister.relay.waiting import FRESH_OF_ADDRESS, ByAddress, FirstCome, Line

PATIENCE_S = 60.0


class End:
    """Who lives at one end of a pipe: notes what comes."""

    def __init__(self) -> None:
        self.got: list[tuple[int, int, bytes]] = []
        self.is_blocked = False
        self.is_lost = False
        self.pipe = Pipe(self)

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        self.got.append((kind, number, payload))

    def on_blocked(self, is_blocked: bool) -> None:
        self.is_blocked = is_blocked

    def on_pipe_lost(self) -> None:
        self.is_lost = True


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.005)


async def ends() -> tuple[End, End]:
    one, other = End(), End()
    for end, half in zip((one, other), socket.socketpair(), strict=True):
        half.setblocking(False)
        await end.pipe.connect(half)
    return one, other


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


def test_messages_come_whole_and_in_order_over_a_pipe() -> None:
    async def scenario() -> None:
        one, other = await ends()
        sent = [(n % 200, n, bytes(n % 7) * n) for n in range(3 * PORTION)]
        sent.append((9, 2**40, bytes(1024 * 1024)))
        for message in sent:
            one.pipe.post(*message)
        await until(lambda: len(other.got) == len(sent))
        assert other.got == sent
        one.pipe.close()
        await until(lambda: other.is_lost)

    run(scenario)


class Written(asyncio.Transport):
    """Notes what is written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))


def test_what_is_only_remarked_leaves_with_the_next_message_and_before_it() -> None:
    async def scenario() -> None:
        transport = Written()
        pipe = End().pipe
        pipe.connection_made(transport)
        for number in range(3):
            pipe.remark(1, number)
            await asyncio.sleep(0)
        assert transport.written == []
        pipe.post(2, 7, b"now")
        pipe.remark(1, 3)
        await asyncio.sleep(0)
        together = [HEAD.pack(1, n, 0) for n in range(3)]
        together += [HEAD.pack(2, 7, 3), b"now", HEAD.pack(1, 3, 0)]
        assert transport.written == [b"".join(together)]

    run(scenario)


def test_what_is_only_remarked_leaves_soon_by_itself_each_time() -> None:
    async def scenario() -> None:
        one, other = await ends()
        for number in range(3):
            one.pipe.remark(1, number)
            await until(lambda number=number: len(other.got) == number + 1)  # type: ignore[misc]
        assert [number for _, number, _ in other.got] == [0, 1, 2]
        one.pipe.remark(1, 3)
        one.pipe.close()
        await until(lambda: other.is_lost)
        await asyncio.sleep(2 * SOON_S)
        one.pipe.remark(1, 4)
        await asyncio.sleep(2 * SOON_S)

    run(scenario)


def test_what_is_posted_before_a_pipe_is_there_waits_for_it() -> None:
    async def scenario() -> None:
        one, other = End(), End()
        one.pipe.post(1, 2, b"early")
        await asyncio.sleep(0.01)
        ours, theirs = socket.socketpair()
        for end, half in ((one, ours), (other, theirs)):
            half.setblocking(False)
            await end.pipe.connect(half)
        await until(lambda: other.got == [(1, 2, b"early")])

    run(scenario)


def test_a_pipe_takes_bytes_as_they_come_and_gives_up_on_what_is_none_of_ours() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        end = End()
        await end.pipe.connect(ours)
        for byte in HEAD.pack(7, 8, 3) + b"abc":
            theirs.send(bytes([byte]))
            await asyncio.sleep(0)
        await until(lambda: bool(end.got))
        assert end.got == [(7, 8, b"abc")]
        theirs.send(HEAD.pack(7, 8, MAX_MESSAGE_BYTES + 1))
        await until(lambda: end.is_lost)
        theirs.close()

    run(scenario)


def test_a_pipe_says_when_the_other_side_takes_nothing_and_when_it_does_again() -> None:
    async def scenario() -> None:
        one, other = await ends()
        other.pipe.hold(True)
        posted = 0
        while not one.is_blocked:
            one.pipe.post(1, posted, bytes(64 * 1024))
            posted += 1
            await asyncio.sleep(0)
        assert posted < 64
        assert len(other.got) < posted
        other.pipe.hold(False)
        await until(lambda: len(other.got) == posted and not one.is_blocked)
        assert [number for _, number, _ in other.got] == list(range(posted))

    run(scenario)


class Hall:
    """Behind a door: handshakes that go on until they are let go."""

    def __init__(self) -> None:
        self.inside: list[socket.socket] = []
        self.came: list[Any] = []
        self.may_end = asyncio.Event()

    async def take(self, connection: socket.socket, address: Any) -> None:
        self.inside.append(connection)
        self.came.append(address[1])
        try:
            await self.may_end.wait()
        finally:
            self.inside.remove(connection)
            connection.close()


def crowd(
    port: int, count: int, host: str = "127.0.0.1", word: bytes = b"\x16"
) -> list[socket.socket]:
    people = [
        socket.create_connection(("127.0.0.1", port), 5, source_address=(host, 0))
        for _ in range(count)
    ]
    for one in people:
        one.sendall(word)
    return people


@pytest.mark.parametrize("line", [FirstCome, lambda: ByAddress(1000)], ids=["all", "by address"])
def test_who_says_nothing_takes_nobodys_place_and_is_closed(line: Callable[[], Line]) -> None:
    async def scenario() -> None:
        hall = Hall()
        door = Door(bind("127.0.0.1", 0), hall.take, lambda: True, line(), silent_s=1.0)
        door.open()
        silent = crowd(door.port, 2 * MOST, word=b"")
        await until(lambda: door.outside == len(silent))
        assert not hall.inside
        speaking = crowd(door.port, 1)
        silent[0].sendall(b"\x16")
        await until(lambda: len(hall.inside) == 2)
        await until(lambda: door.outside == 2)
        assert all(one.recv(1) == b"" for one in silent[1:])
        hall.may_end.set()
        door.shut()
        for one in silent + speaking:
            one.close()

    run(scenario)


def test_of_too_many_silent_ones_the_oldest_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "MOST_SILENT", 5)

    async def scenario() -> None:
        door = Door(bind("127.0.0.1", 0), Hall().take, lambda: True, FirstCome())
        door.open()
        silent = [one for _ in range(8) for one in crowd(door.port, 1, word=b"")]
        await until(lambda: door.outside == 5)
        assert [one.recv(1) for one in silent[:3]] == [b""] * 3
        door.shut()
        assert [one.recv(1) for one in silent[3:]] == [b""] * 5
        for one in silent:
            one.close()

    run(scenario)


def test_no_more_handshakes_at_once_and_the_first_come_is_the_first_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However busy the machine is, none of them becomes slow meanwhile.
    monkeypatch.setattr(waiting, "FRESH_BEHIND_ENTRY_S", 600)

    async def scenario() -> None:
        hall = Hall()
        door = Door(bind("127.0.0.1", 0), hall.take, lambda: True, FirstCome())
        door.open()
        people = crowd(door.port, 3 * MOST)
        await until(lambda: door.outside == len(people))
        await until(lambda: len(hall.inside) == MOST)
        hall.may_end.set()
        await until(lambda: len(hall.came) == len(people))
        assert hall.came == [one.getsockname()[1] for one in people]
        door.shut()
        assert door.outside == 0 or not hall.inside
        for one in people:
            one.close()

    run(scenario)


def test_slow_handshakes_do_not_keep_the_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FRESH_BEHIND_ENTRY_S", 0.05)

    async def scenario() -> None:
        hall = Hall()
        door = Door(bind("127.0.0.1", 0), hall.take, lambda: True, FirstCome())
        door.open()
        people = crowd(door.port, MOST + 5)
        await until(lambda: len(hall.inside) == len(people))
        door.shut()
        await until(lambda: not hall.inside)
        for one in people:
            one.close()

    run(scenario)


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="only Linux tells")
def test_who_has_gone_while_waiting_costs_no_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FRESH_BEHIND_ENTRY_S", 0.2)

    async def scenario() -> None:
        hall = Hall()
        door = Door(bind("127.0.0.1", 0), hall.take, lambda: True, FirstCome())
        door.open()
        first = crowd(door.port, MOST)
        await until(lambda: len(hall.inside) == MOST)
        gone, patient = crowd(door.port, 10), crowd(door.port, 1)
        for one in gone:
            one.close()
        await until(lambda: len(hall.inside) == MOST + 1)
        assert hall.came[-1] == patient[0].getsockname()[1]
        door.shut()
        for one in (*first, *patient):
            one.close()

    run(scenario)


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address")


@on_linux
def test_half_open_ones_of_an_address_leave_places_for_everybody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "FRESH_S", 600)

    async def scenario() -> None:
        hall = Hall()
        door = Door(bind("127.0.0.1", 0), hall.take, lambda: True, ByAddress(64))
        door.open()
        slow = crowd(door.port, 64, "127.9.0.1")
        await until(lambda: door.outside == len(slow))
        await until(lambda: len(hall.inside) == FRESH_OF_ADDRESS)
        await asyncio.sleep(3 * BEAT_S)
        assert len(hall.inside) == FRESH_OF_ADDRESS
        honest = crowd(door.port, FRESH_OF_ADDRESS, "127.9.0.2")
        await until(lambda: {one.getsockname()[1] for one in honest} <= set(hall.came))
        # And no more of one address wait than may.
        more = crowd(door.port, 70, "127.9.0.1")
        await until(lambda: sum(map(has_ended, closed(more))) >= 6)
        door.shut()
        for one in (*slow, *honest, *more):
            one.close()

    run(scenario)


def has_ended(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except ConnectionResetError:
        return True  # closed before what it said was read


@on_linux
def test_who_comes_from_an_address_with_a_slow_one_waits_behind_everybody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "FRESH_S", 0.05)
    monkeypatch.setattr(waiting, "MOST_SUSPECT", 0)

    async def scenario() -> None:
        hall = Hall()
        door = Door(bind("127.0.0.1", 0), hall.take, lambda: True, ByAddress(64))
        door.open()
        slow = crowd(door.port, 1, "127.9.0.1")
        await until(lambda: door.outside == 1)
        await asyncio.sleep(0.1)
        late = crowd(door.port, 1, "127.9.0.1")
        await until(lambda: door.outside == 2)
        honest = crowd(door.port, 1, "127.9.0.2")
        await until(lambda: hall.came[1:] == [honest[0].getsockname()[1]])
        hall.may_end.set()
        await until(lambda: not hall.inside)
        # None of its address is slow any more: who waited has a turn, and who comes next too.
        again = crowd(door.port, 1, "127.9.0.1")
        await until(lambda: hall.came[2:] == [one.getsockname()[1] for one in (*late, *again)])
        door.shut()
        for one in (*slow, *late, *honest, *again):
            one.close()

    run(scenario)


def closed(people: list[socket.socket]) -> list[socket.socket]:
    return select.select(people, [], [], 0)[0]


def test_an_address_that_has_all_it_may_have_is_turned_away_at_once() -> None:
    async def scenario() -> None:
        hall, metrics = Hall(), Metrics()
        counted = Counted(metrics, 100, 2)
        assert counted.may_enter("127.0.0.1")
        door = Door(
            bind("127.0.0.1", 0),
            hall.take,
            lambda: True,
            ByAddress(2, counted.refuses),
        )
        door.open()
        first = crowd(door.port, 1)
        await until(lambda: len(hall.inside) == 1)
        assert counted.may_enter("127.0.0.1")
        second = crowd(door.port, 1)
        await until(lambda: sum(map(has_ended, closed(second))) == 1)
        assert metrics.tunnels_refused == 1
        assert len(hall.came) == 1
        door.shut()
        for one in first + second:
            one.close()

    run(scenario)


def test_a_door_without_room_leaves_people_outside_until_there_is() -> None:
    async def scenario() -> None:
        hall = Hall()
        has_room = [False]
        door = Door(bind("127.0.0.1", 0), hall.take, lambda: has_room[0], FirstCome())
        door.open()
        people = crowd(door.port, 2)
        await asyncio.sleep(0.05)
        assert door.outside == 0
        has_room[0] = True
        await until(lambda: len(hall.inside) == 2)
        door.shut()
        for one in people:
            one.close()

    run(scenario)


def settings(role: Role, **limits: Any) -> Settings:
    relay = RelaySection(
        role=role, name="x", jurisdiction="HK", operator="o", host="127.0.0.1", port=1
    )
    listen = ListenSection(host="127.0.0.1", health_port=2)
    return Settings(relay=relay, listen=listen, limits=LimitsSection(**limits))


@pytest.mark.parametrize(
    ("role", "most", "files", "count"),
    [
        ("home", 1000, 20_000, 0),
        ("home", FOR_ONE, 20_000, 0),
        ("home", FOR_ONE, 8000, 2),
        ("home", 20_000, 20_000, 2),
        ("home", 20_000, None, 2),
        ("entry", 9000, 20_000, 0),
        ("entry", FOR_ONE, 20_000, 2),
        ("entry", 20_000, 20_000, 3),
        ("entry", 20_000, 1_000_000, 2),
        ("entry", 2000, 1024, 5),
    ],
)
def test_auto_makes_as_many_processes_as_connections_and_files_ask_for(
    role: Role, most: int, files: int | None, count: int
) -> None:
    asked = settings(role, max_connections=most, processes="auto")
    assert process_count(asked, files) == count
    if count:
        assert count * held_by_one(asked, files) >= most
        assert files is None or held_by_one(asked, files) * (2 if role == "entry" else 1) <= (
            files - SPARE_FILES
        )


def test_a_number_of_processes_is_taken_as_it_is() -> None:
    assert process_count(settings("home", max_connections=10, processes=3), 100) == 3
    assert process_count(settings("home"), 1) == 0


class Answers:
    """The pipe to one process of an entry: notes the answers."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def post(self, kind: int, number: int, payload: bytes = b"") -> None:
        self.given.append(kind)


def test_limits_hold_over_all_processes_and_what_a_dead_one_held_is_free() -> None:
    metrics = Metrics()
    counted = Counted(metrics, 5, 3)
    pipes = [Answers(), Answers()]
    one, other = (PlacesOf(counted, pipe) for pipe in pipes)  # type: ignore[arg-type]
    for number, places in enumerate((one, other, one, other)):
        places.on_message(tunnels.ENTER, number, b"192.0.2.1")
    one.on_message(tunnels.JOIN, 0, b"")
    assert pipes[0].given == [tunnels.COME, tunnels.COME]
    assert pipes[1].given == [tunnels.COME, tunnels.NO_PLACE]
    for number in range(3):
        other.on_message(tunnels.ENTER, number, b"192.0.2.%d" % (2 + number))
    assert pipes[1].given[2:] == [tunnels.COME, tunnels.COME, tunnels.NO_PLACE]
    assert (metrics.connections, metrics.tunnels, metrics.tunnels_refused) == (5, 1, 2)
    one.on_lost()
    assert (metrics.connections, metrics.tunnels) == (3, 0)
    other.on_message(tunnels.LEAVE, 0, b"192.0.2.1")
    assert all(counted.may_enter("192.0.2.1") for _ in range(3))
    assert not counted.may_enter("192.0.2.9")
