"""What a door does in one turn of the loop: a little, so that nobody who is inside waits for it."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from cloister.relay import door as door_module
from cloister.relay import waiting as waiting_module
from cloister.relay.door import AT_ONCE, PER_TURN, Door, bind
from cloister.relay.handshake_place import shortened
from cloister.relay.waiting import FirstCome

CROWD = 100


class Turns:
    """How much of something happens in each turn of the loop."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._count = count
        self._before = count()
        self.most = 0
        self._is_over = False
        self._loop.call_soon(self._look)

    def _look(self) -> None:
        now = self._count()
        self.most = max(self.most, now - self._before)
        self._before = now
        if not self._is_over:
            self._loop.call_soon(self._look)

    def end(self) -> None:
        self._is_over = True


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0)


def crowd(port: int, count: int, *, speak: bool) -> list[socket.socket]:
    people = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for one in people if speak else ():
        one.send(b"hello")
    return people


def door_of(take: Callable[[socket.socket, Any], Awaitable[None]], **values: Any) -> Door:
    return Door(bind("127.0.0.1", 0), take, lambda: True, FirstCome(), **values)


async def nobody(connection: socket.socket, address: Any) -> None:
    raise AssertionError("somebody was let in who says nothing")


def sweeps_of(door: Door) -> list[float]:
    """Return a list that holds, from now on, when the door looked for those whose time is over."""
    looks: list[float] = []
    sweep = door._sweep

    def noted() -> None:
        looks.append(asyncio.get_running_loop().time())
        sweep()

    door._sweep = noted  # type: ignore[method-assign]
    return looks


def leave(people: list[socket.socket]) -> None:
    for one in people:
        one.close()


def test_a_crowd_is_taken_in_a_few_a_turn() -> None:
    async def story() -> None:
        door = door_of(nobody)
        people = crowd(door.port, CROWD, speak=False)
        turns = Turns(lambda: door.outside)
        door.open()
        await until(lambda: door.outside == CROWD)
        turns.end()
        assert 1 <= turns.most <= PER_TURN
        door.shut()
        leave(people)

    asyncio.run(story())


def test_handshakes_begin_one_after_another() -> None:

    async def story() -> None:
        came = 0

        async def take(connection: socket.socket, address: Any) -> None:
            nonlocal came
            came += 1
            # Not over in the turn in which it begins.
            await asyncio.sleep(0.002)
            connection.close()

        door = door_of(take)
        people = crowd(door.port, CROWD, speak=True)
        turns = Turns(lambda: came)
        door.open()
        await until(lambda: came == CROWD)
        turns.end()
        assert turns.most == AT_ONCE == 1
        door.shut()
        leave(people)

    asyncio.run(story())


def test_those_whose_time_is_over_are_closed_a_few_a_turn() -> None:
    async def story() -> None:
        door = door_of(nobody, silent_s=0.05)
        door.open()
        people = crowd(door.port, CROWD, speak=False)
        await until(lambda: door.outside == CROWD)
        turns = Turns(lambda: CROWD - door.outside)
        await until(lambda: door.outside == 0)
        turns.end()
        assert 1 <= turns.most <= PER_TURN
        # And who comes now is looked after as well.
        people += crowd(door.port, 1, speak=False)
        await until(lambda: door.outside == 1)
        await until(lambda: door.outside == 0)
        door.shut()
        leave(people)

    asyncio.run(story())


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="only Linux tells")
def test_those_who_have_gone_are_seen_a_few_a_turn_and_all_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door_module, "MOST", 1)

    async def story() -> None:
        may_end = asyncio.Event()

        async def take(connection: socket.socket, address: Any) -> None:
            await may_end.wait()
            connection.close()

        # Nobody becomes slow, and no beat comes that would do the rest.
        monkeypatch.setattr(waiting_module, "FRESH_BEHIND_ENTRY_S", 60)
        door = door_of(take)
        door.open()
        first = crowd(door.port, 1, speak=True)
        await until(lambda: door.outside == 1)
        leave(crowd(door.port, CROWD, speak=True))
        await until(lambda: door.outside == CROWD + 1)
        turns = Turns(lambda: CROWD + 1 - door.outside)
        may_end.set()
        await until(lambda: door.outside == 0)
        turns.end()
        # The one who was inside leaves as well.
        assert 1 <= turns.most <= PER_TURN + 1
        door.shut()
        leave(first)

    asyncio.run(story())


def test_nobody_waits_for_the_end_of_a_silence_in_a_busy_loop() -> None:
    """Timers of uvloop, with which relays run, end up to a millisecond early."""

    async def story() -> None:
        door = door_of(nobody, silent_s=0.3)
        looks = sweeps_of(door)
        people = crowd(door.port, CROWD, speak=False)
        door.open()
        await until(lambda: door.outside == CROWD)
        async with asyncio.timeout(10):
            while door.outside:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        # For each it may come once too early.
        assert len(looks) <= 2 * CROWD
        door.shut()
        leave(people)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


def test_who_spoke_in_time_is_not_looked_at_one_by_one_when_it_would_have_been_over() -> None:
    async def story() -> None:
        async def take(connection: socket.socket, address: Any) -> None:
            connection.close()

        door = door_of(take, silent_s=2.0)
        looks = sweeps_of(door)
        people = crowd(door.port, CROWD, speak=False)
        door.open()
        await until(lambda: door.outside == CROWD)
        for one in people:
            one.send(b"hello")
        await until(lambda: door.outside == 0)
        await asyncio.sleep(2.1)
        assert not door._ends
        # A hundred times to be silent until, sixty-four forgotten in a turn.
        assert 1 <= len(looks) <= 3
        # And who is silent after that is looked after again.
        people += crowd(door.port, 1, speak=False)
        await until(lambda: door.outside == 1)
        assert door._sweeping is not None
        door.shut()
        leave(people)

    asyncio.run(story())


def test_who_came_together_is_closed_apart_and_everybody_is() -> None:
    async def story() -> None:
        door = door_of(nobody, silent_s=0.5)
        people = crowd(door.port, CROWD, speak=False)
        door.open()
        began = asyncio.get_running_loop().time()
        await until(lambda: door.outside == CROWD)
        took = asyncio.get_running_loop().time() - began
        ends = [end for _, _, end in door._silent.values()]
        assert max(ends) - min(ends) > 0.1
        assert began + 0.35 <= min(ends)
        assert max(ends) <= began + took + 0.5
        await until(lambda: door.outside == 0)
        assert asyncio.get_running_loop().time() >= max(ends)
        assert not door._ends
        door.shut()
        leave(people)

    asyncio.run(story())


def test_nobody_has_more_than_all_of_the_time_nor_less_than_two_thirds() -> None:
    drawn = [shortened(10.0) for _ in range(1000)]
    assert 6.6 < min(drawn) < 7.5
    assert 9.5 < max(drawn) <= 10
