"""Strangers at a home's door: who comes from where nobody has proved anything waits, and is few."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cloister.crypto.entropy import SystemEntropy
from cloister.relay import acquaintances as strangers
from cloister.relay.acquaintances import KNOWN_S, MOST_KNOWN, MOST_WAITING, Acquaintances
from cloister.relay.door import Door, bind
from cloister.relay.listener import OwnSocket, Sessions
from cloister.relay.metrics import Metrics
from cloister.relay.mirror_listener import HomeConnection, MirrorListener
from cloister.relay.processes.front import Client, Front
from cloister.relay.sockets import Socket
from cloister.relay.waiting import LOOK_S, ByAddress
from unit.relay.home_core import HomeCore
from unit.relay.test_unproven import Line, run

ENTRY, ELSEWHERE = "127.0.0.1", "127.0.0.2"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1.0

    def __call__(self) -> float:
        return self.now


class House:
    """A door, who has come in by address, and the sockets of those who knock."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.somebody_came = asyncio.Event()
        self.acquaintances = Acquaintances(asyncio.get_running_loop().time)
        self.door = Door(
            bind("0.0.0.0", 0),
            self._take,
            lambda: True,
            self.acquaintances,
        )
        self.door.open()
        self.knocking: list[socket.socket] = []

    async def _take(self, connection: socket.socket, address: Any) -> None:
        self.came[address[0]] += 1
        self.somebody_came.set()
        connection.close()

    def knock(self, host: str, count: int) -> None:
        for _ in range(count):
            knocking = socket.socket()
            knocking.bind((host, 0))
            knocking.connect(("127.0.0.1", self.door.port))
            knocking.send(b"x")
            self.knocking.append(knocking)

    def close(self) -> None:
        self.door.shut()
        for one in self.knocking:
            one.close()


async def _until(house: House, host: str, count: int) -> None:
    async with asyncio.timeout(10):
        while house.came[host] < count:
            house.somebody_came.clear()
            await house.somebody_came.wait()


def test_who_is_known_does_not_wait_for_strangers_and_they_come_one_by_one() -> None:
    async def story() -> None:
        house = House()
        house.acquaintances.know(ENTRY)
        house.knock(ELSEWHERE, 40)
        house.knock(ENTRY, 40)
        began = asyncio.get_running_loop().time()
        await _until(house, ENTRY, 40)
        took = asyncio.get_running_loop().time() - began
        shortest = strangers.STRANGER_BEAT_S * (1 - strangers.SPREAD)
        assert house.came[ELSEWHERE] <= 2 + took / shortest
        assert house.acquaintances.strangers >= 30
        await _until(house, ELSEWHERE, house.came[ELSEWHERE] + 2)
        house.close()

    asyncio.run(story())


def test_two_relays_at_which_the_same_strangers_knock_do_not_keep_time() -> None:
    async def beats(count: int) -> list[float]:
        loop, line = asyncio.get_running_loop(), strangers.Acquaintances(lambda: 0.0)
        line.know(ENTRY)
        found = []
        for _ in range(count):
            assert not line.begin(ELSEWHERE)
            beat = line._beat
            assert beat is not None
            found.append(beat.when() - loop.time())
            beat.cancel()
            line._on_beat()
        return found

    found = asyncio.run(beats(200))
    mean, spread = strangers.STRANGER_BEAT_S, strangers.STRANGER_BEAT_S * strangers.SPREAD
    assert max(found) <= mean + spread
    assert max(found) - min(found) > spread
    assert abs(sum(found) / len(found) - mean) < spread / 2


def test_strangers_come_sooner_while_nobody_is_known() -> None:
    def beat_s(line: Acquaintances) -> float:
        assert not line.begin(ELSEWHERE)
        beat = line._beat
        assert beat is not None
        beat.cancel()
        line._on_beat()
        return beat.when() - asyncio.get_running_loop().time()

    async def story() -> None:
        clock = Clock()
        line = Acquaintances(clock)
        longest = strangers.FIRST_BEAT_S * (1 + strangers.SPREAD)
        assert beat_s(line) <= longest
        line.know(ENTRY)
        assert beat_s(line) > longest
        clock.now += KNOWN_S / 2
        line.know("192.0.2.7")
        clock.now += KNOWN_S - 1
        assert not line.knows(ENTRY)
        assert beat_s(line) > longest
        clock.now += 2
        assert beat_s(line) <= longest

    asyncio.run(story())


def test_the_first_proof_from_an_address_lets_all_in_who_wait_from_there() -> None:
    async def story() -> None:
        house = House()
        house.knock(ENTRY, 30)
        house.knock(ELSEWHERE, 5)
        await _until(house, ENTRY, 1)
        house.acquaintances.know(ENTRY)
        await _until(house, ENTRY, 30)
        assert house.acquaintances.strangers
        house.close()
        assert not house.acquaintances.strangers

    asyncio.run(story())


def test_who_gave_up_and_comes_again_finds_the_place_that_he_left() -> None:
    async def story() -> None:
        async def hang(_connection: socket.socket, _address: Any) -> None:
            await asyncio.Event().wait()

        most = 4
        door = Door(bind(ENTRY, 0), hang, lambda: True, ByAddress(most))
        door.open()
        ends: list[socket.socket] = []

        async def knock(count: int) -> None:
            for _ in range(count):
                ends.append(socket.create_connection((ENTRY, door.port)))
                ends[-1].send(b"x")
                await asyncio.sleep(0.01)

        def is_refused(end: socket.socket) -> bool:
            end.setblocking(False)
            try:
                return end.recv(1) == b""
            except ConnectionResetError:
                return True
            except BlockingIOError:
                return False

        async with asyncio.timeout(10):
            await knock(1)
            while not is_refused(ends[-1]):  # all its places are taken, and all it may wait for
                await knock(1)
        for end in ends[-1 - most : -1]:
            end.close()
        await asyncio.sleep(2 * LOOK_S)
        await knock(1)
        assert not is_refused(ends[-1])
        door.shut()
        for end in ends:
            end.close()
        await asyncio.sleep(0)

    asyncio.run(story())


def test_who_says_nothing_makes_room_for_who_speaks() -> None:
    async def story() -> None:
        came = asyncio.Event()

        async def take(connection: socket.socket, _address: Any) -> None:
            connection.close()
            came.set()

        door = Door(bind(ENTRY, 0), take, lambda: door.outside < 3, ByAddress(64))
        door.open()
        silent = [socket.create_connection((ENTRY, door.port)) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert door.outside == 3
        speaking = socket.create_connection((ENTRY, door.port))
        speaking.send(b"x")
        async with asyncio.timeout(5):
            await came.wait()
        assert silent[0].recv(1) == b"", "the oldest has gone"
        door.shut()
        for end in (*silent, speaking):
            end.close()

    asyncio.run(story())


def test_of_too_many_who_wait_one_that_is_drawn_goes() -> None:
    waiting = Acquaintances(Clock())
    ends: list[tuple[socket.socket, socket.socket]] = []
    for number in range(MOST_WAITING + 50):
        ends.append(socket.socketpair())
        waiting.put(ends[-1][0], (ELSEWHERE, number))
    assert waiting.strangers == MOST_WAITING
    gone = [number for number, (held, _) in enumerate(ends) if held.fileno() < 0]
    assert len(gone) == 50
    assert gone != list(range(50)), "not the first ones"
    assert gone != list(range(MOST_WAITING, MOST_WAITING + 50)), "not the last ones"
    waiting.close()
    for held, other in ends:
        assert held.fileno() < 0
        other.close()


def test_an_address_with_many_strangers_loses_one_before_another_with_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strangers, "MOST_WAITING", 20)
    line = Acquaintances(Clock())
    alone, _ = pair = socket.socketpair()
    line.put(alone, (ENTRY, 1))
    ends = [socket.socketpair() for _ in range(40)]
    for number, (held, _) in enumerate(ends):
        line.put(held, (ELSEWHERE, number))
    assert alone.fileno() >= 0
    assert line.strangers == 20
    line.close()
    for one in (pair, *ends):
        one[1].close()


def test_of_strangers_an_address_is_drawn_and_its_first() -> None:
    line = Acquaintances(Clock())
    ends = [socket.socketpair() for _ in range(101)]
    for number, (held, _) in enumerate(ends[:100]):
        line.put(held, (ELSEWHERE, number))
    line.put(ends[100][0], (ENTRY, 100))
    drawn = []
    while (one := line.draw()) is not None:
        drawn.append(one[1][1])
    # After a hundred fair draws of two the one who is alone is still there once in 10^30 times.
    assert drawn.index(100) < 99
    assert sorted(drawn) == list(range(101))
    assert [number for number in drawn if number != 100] == list(range(100))
    assert len(line) == 0
    for held, other in ends:
        held.close()
        other.close()


def test_an_address_is_forgotten_after_long_silence_and_the_oldest_of_too_many() -> None:
    clock = Clock()
    known = Acquaintances(clock)
    known.know("one")
    clock.now += KNOWN_S - 1
    assert known.knows("one")
    assert not known.knows("other")
    clock.now += 2
    assert not known.knows("one")
    known.know("entry")
    for number in range(MOST_KNOWN - 1):
        known.know(f"member {number}")
    assert known.knows("entry")
    known.know("entry")
    known.know("one more")
    assert known.knows("entry")
    assert not known.knows("member 0")


def test_the_first_proof_of_a_connection_is_told_once() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        line = Line(sessions)
        assert line.proofs == 0
        line.prove(core)
        line.prove(core)
        assert line.proofs == 1

    run(scenario)


def test_a_home_that_has_said_who_it_is_is_no_stranger_to_the_mirror() -> None:
    class Transport:
        """One that only says where it comes from."""

        underlying_transport = SimpleNamespace(get_extra_info=lambda _name: (ENTRY, 1))

    nobody: Any = None
    clock = Clock()
    listener = MirrorListener(nobody, nobody, nobody, Metrics(), SystemEntropy(), nobody)
    listener.known = Acquaintances(clock)
    home = HomeConnection(listener)
    home._transport = cast(Any, Transport())
    listener.strangers[home] = None
    assert not listener.known.knows(ENTRY)
    listener.welcome(home)
    assert listener.known.knows(ENTRY)
    assert listener.homes == {home}
    assert not listener.strangers
    # It stays for days, and says only once who it is.
    clock.now += 100 * KNOWN_S
    assert listener.known.knows(ENTRY)
    assert listener.known.knows_anybody
    home._forget()
    home._forget()
    assert not listener.homes
    clock.now += KNOWN_S - 1
    assert listener.known.knows(ENTRY)
    clock.now += 2
    assert not listener.known.knows(ENTRY)
    assert not listener.known.knows_anybody


@pytest.mark.parametrize("is_front", [False, True], ids=["own", "front"])
def test_an_address_is_known_while_somebody_is_inside_who_has_proved_something(
    is_front: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Socket, "host", ENTRY)
    clock = Clock()
    known = Acquaintances(clock)

    def make() -> tuple[Callable[[], None], Callable[[], None]]:
        if not is_front:
            own = OwnSocket(cast(Any, SimpleNamespace()), known)
            return own.proved, own.ended
        pipe = SimpleNamespace(post=lambda *_: None)
        house = cast(Any, Front.__new__(Front))
        house.clients, house._waiting, house._known, house.pipe = {}, set(), known, pipe
        client = Client(house)
        house.clients[client.number] = client
        return lambda: known.take_in(client, client.host), client.ended

    (first_proves, first_goes), (second_proves, second_goes), (_, third_goes) = (
        make() for _ in range(3)
    )
    first_proves()
    first_proves()
    second_proves()
    clock.now += 100 * KNOWN_S
    third_goes()
    first_goes()
    clock.now += 100 * KNOWN_S
    assert known.knows(ENTRY)
    assert known.knows_anybody
    second_goes()
    clock.now += KNOWN_S - 1
    assert known.knows(ENTRY)
    clock.now += 2
    assert not known.knows(ENTRY)
    assert not known.knows_anybody
