"""Connections that end together end one after another, and soon."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from cloister.relay.entry import _Half
from cloister.relay.way_out import BEAT_S, SHARE, WayOut


def run(scenario: Callable[[WayOut, list[int]], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            await scenario(WayOut(), [])

    asyncio.run(main())


async def turn() -> None:
    """One turn of the loop in which a beat that is due ends."""
    await asyncio.sleep(BEAT_S)
    await asyncio.sleep(0)


def test_who_goes_alone_goes_at_once() -> None:
    async def scenario(way_out: WayOut, gone: list[int]) -> None:
        for number in range(3):
            way_out.put(partial(gone.append, number))
            assert gone == list(range(number + 1))
            await asyncio.sleep(5 * BEAT_S)

    run(scenario)


@pytest.mark.parametrize("count", [2, 40, 10 * SHARE])
def test_a_heap_leaves_the_loop_to_others_and_keeps_its_order(count: int) -> None:
    async def scenario(way_out: WayOut, gone: list[int]) -> None:
        for number in range(count):
            way_out.put(partial(gone.append, number))
        assert gone == [0]
        turns = 0
        while len(gone) < count:
            before, waiting = len(gone), count - len(gone)
            await turn()
            turns += 1
            # A clock that jumped may end a beat and the next in what is one turn here.
            assert len(gone) - before <= 2 * -(-waiting // SHARE)
        assert gone == list(range(count))
        assert turns <= min(count, 8 * SHARE)

    run(scenario)


def test_twenty_thousand_are_out_within_some_hundred_beats() -> None:
    async def scenario(way_out: WayOut, gone: list[int]) -> None:
        for number in range(20_000):
            way_out.put(partial(gone.append, number))
        beats = 0
        while len(gone) < 20_000:
            way_out._on_beat()
            beats += 1
        assert beats <= 512
        way_out.close()

    run(scenario)


def test_whoever_comes_while_others_go_waits_behind_them() -> None:
    async def scenario(way_out: WayOut, gone: list[int]) -> None:
        def go(number: int) -> None:
            gone.append(number)
            if number == 1:
                way_out.put(partial(gone.append, 3))

        for number in range(3):
            way_out.put(partial(go, number))
        while len(gone) < 4:
            await turn()
        assert gone == [0, 1, 2, 3]

    run(scenario)


def test_when_it_is_closed_nobody_waits() -> None:
    async def scenario(way_out: WayOut, gone: list[int]) -> None:
        for number in range(5):
            way_out.put(partial(gone.append, number))
        way_out.close()
        assert gone == [0, 1, 2, 3, 4]
        for number in range(5, 8):
            way_out.put(partial(gone.append, number))
        assert gone == list(range(8))

    run(scenario)


class Side(asyncio.Transport):
    """One socket of a tunnel."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_tunnels_that_end_together_close_and_free_their_other_sides_in_turn() -> None:
    async def scenario(way_out: WayOut, _gone: list[int]) -> None:
        inner_sides = [Side() for _ in range(40)]
        freed: list[int] = []
        for number, side in enumerate(inner_sides):
            outer, inner, outer_side = _Half(way_out), _Half(way_out), Side()
            outer.transport, inner.transport = outer_side, side
            outer.other, inner.other = inner, outer
            weakref.finalize(outer_side, freed.append, number)
            del outer_side
            outer.connection_lost(None)
            # Nothing more goes there meanwhile.
            inner.data_received(b"late")
        assert [side.is_closed for side in inner_sides] == [True] + 39 * [False]
        while not inner_sides[-1].is_closed:
            assert len(freed) == sum(side.is_closed for side in inner_sides)
            await turn()
        assert freed == list(range(40))

    run(scenario)
