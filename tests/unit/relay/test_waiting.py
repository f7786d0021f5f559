"""Who is next at a door where an address is somebody's network."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from cloister.relay import door as door_module
from cloister.relay import waiting
from cloister.relay.door import Door, bind
from cloister.relay.handshake_place import look
from cloister.relay.waiting import FRESH_OF_ADDRESS, LOOK_S, MOST_SUSPECT, ByAddress


class People:
    """Who comes to a line: sockets of which nothing is read."""

    def __init__(self) -> None:
        self.ends: list[socket.socket] = []

    def come(self, line: ByAddress, host: str, count: int) -> None:
        for _ in range(count):
            ours, theirs = socket.socketpair()
            self.ends += [ours, theirs]
            line.put(ours, (host, len(self.ends)))

    def leave(self) -> None:
        for end in self.ends:
            end.close()


@pytest.fixture
def people() -> Iterator[People]:
    people = People()
    yield people
    people.leave()


def begun(line: ByAddress) -> list[tuple[str, bool]]:
    """Begin with all whose turn it is: address, and whether it is a suspect's."""
    hosts = []
    while (one := line.draw()) is not None:
        hosts.append((one[1][0], line.begin(one[1][0])))
    return hosts


def make_suspects(line: ByAddress, hosts: list[str], people: People) -> None:
    """Let each have one that is slow and two who wait."""
    for host in hosts:
        people.come(line, host, 1)
    assert begun(line) == [(host, False) for host in hosts]
    for host in hosts:
        line.on_slow(host, False)
        people.come(line, host, 2)


def test_addresses_take_turns_and_each_has_few_at_once(people: People) -> None:
    line = ByAddress(64)
    people.come(line, "crowd", 60)
    people.come(line, "alone", 1)
    hosts = [host for host, _ in begun(line)]
    assert hosts[:2] == ["crowd", "alone"]
    assert hosts.count("crowd") == FRESH_OF_ADDRESS
    line.on_over("crowd", False, False)
    assert begun(line) == [("crowd", False)]
    assert len(line) == 60 - FRESH_OF_ADDRESS - 1


def test_who_tries_again_and_again_has_nobody_looked_at_each_time(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[socket.socket] = []

    def looking(connection: socket.socket) -> int:
        looks.append(connection)
        return look(connection)

    monkeypatch.setattr(waiting, "look", looking)
    now = 1.0
    line = ByAddress(8, now=lambda: now)
    people.come(line, "crowd", 108)
    assert len(line) == 8
    assert len(looks) == 8
    now += 2 * LOOK_S
    people.come(line, "crowd", 100)
    assert len(looks) == 16


def test_all_addresses_with_slow_ones_share_a_few_places_and_come_last(people: People) -> None:
    line = ByAddress(64)
    hosts = [f"host {number}" for number in range(2 * MOST_SUSPECT)]
    make_suspects(line, hosts, people)
    people.come(line, "good", 1)
    came = begun(line)
    assert came[0] == ("good", False)
    assert came[1:] == [(host, True) for host in hosts[:MOST_SUSPECT]]
    line.on_slow(hosts[0], True)
    assert begun(line) == [(hosts[MOST_SUSPECT], True)]
    line.on_over(hosts[1], True, False)
    assert begun(line) == [(hosts[MOST_SUSPECT + 1], True)]


def test_who_has_no_slow_ones_any_more_waits_for_no_suspect(people: People) -> None:
    line = ByAddress(64)
    hosts = [f"host {number}" for number in range(MOST_SUSPECT + 1)]
    make_suspects(line, hosts, people)
    assert len(begun(line)) == MOST_SUSPECT
    last = hosts[-1]
    line.on_over(last, False, True)
    assert begun(line) == [(last, False)] * 2


@pytest.mark.parametrize("seed", range(20))
def test_everybody_has_a_turn_in_the_end_and_no_address_stays_known(
    seed: int, people: People
) -> None:
    rng = random.Random(seed)
    line = ByAddress(64)
    under_way: list[list[Any]] = []
    come = came = 0
    fresh: Counter[str] = Counter()

    def some_event() -> None:
        nonlocal came
        kind = rng.choice(["draw", "draw", "slow", "over"])
        if kind == "draw" and (one := line.draw()) is not None:
            host = one[1][0]
            is_suspect = line.begin(host)
            came += 1
            fresh[host] += 1
            under_way.append([host, is_suspect, False])
            assert is_suspect or fresh[host] <= FRESH_OF_ADDRESS
            assert sum(is_one and not was_slow for _, is_one, was_slow in under_way) <= MOST_SUSPECT
        elif kind == "slow" and (left := [one for one in under_way if not one[2]]):
            slow = rng.choice(left)
            slow[2] = True
            fresh[slow[0]] -= 1
            line.on_slow(slow[0], slow[1])
        elif kind == "over" and under_way:
            host, is_suspect, was_slow = under_way.pop(rng.randrange(len(under_way)))
            fresh[host] -= not was_slow
            line.on_over(host, is_suspect, was_slow)

    for _ in range(400):
        if rng.random() < 0.2:
            people.come(line, rng.choice("abcdefgh"), 1)
            come += 1
        some_event()
    for _ in range(20 * come):
        some_event()
    assert came == come, "everybody"
    assert len(line) == 0
    for host, is_suspect, was_slow in under_way:
        line.on_over(host, is_suspect, was_slow)
    assert not line._addresses
    assert not line._suspects


def test_who_shakes_hands_and_then_does_nothing_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "SETTLED_S", 0.1)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        settled: list[asyncio.Future[None]] = []

        async def take(connection: socket.socket, address: Any) -> asyncio.Future[None]:
            settled.append(loop.create_future())
            return settled[-1]

        async def until(count: int) -> None:
            async with asyncio.timeout(10):
                while len(settled) < count:  # noqa: ASYNC110  what is waited for has no event
                    await asyncio.sleep(0.001)

        def come() -> socket.socket:
            one = socket.create_connection(("127.0.0.1", door.port))
            one.send(b"x")
            return one

        line = ByAddress(64)
        door = Door(bind("127.0.0.1", 0), take, lambda: True, line)
        door.open()
        ends = [come() for _ in range(FRESH_OF_ADDRESS + 1)]
        await until(FRESH_OF_ADDRESS)
        await asyncio.sleep(0.01)
        assert len(settled) == FRESH_OF_ADDRESS, "an address has few who have not settled"
        assert door.outside == 1, "who has shaken hands is not outside"
        settled[0].set_result(None)
        await until(FRESH_OF_ADDRESS + 1)
        assert line.begin("127.0.0.1") is False
        await asyncio.sleep(0.15)
        assert line.begin("127.0.0.1") is True
        door.shut()
        await asyncio.sleep(0)
        for one in ends:
            one.close()

    asyncio.run(story())


def test_who_is_slow_twice_is_slow_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FRESH_S", 0.02)
    monkeypatch.setattr(door_module, "SETTLED_S", 0.02)

    async def story() -> None:
        settled = asyncio.get_running_loop().create_future()

        async def take(connection: socket.socket, address: Any) -> asyncio.Future[None]:
            await asyncio.sleep(0.05)
            return settled

        line = ByAddress(64)
        door = Door(bind("127.0.0.1", 0), take, lambda: True, line)
        door.open()
        with socket.create_connection(("127.0.0.1", door.port)) as one:
            one.send(b"x")
            async with asyncio.timeout(10):
                while not line._addresses:  # noqa: ASYNC110  what is waited for has no event
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.15)
            settled.set_result(None)
            await asyncio.sleep(0.01)
        assert not line._addresses, "nothing of it is left"
        door.shut()

    asyncio.run(story())
