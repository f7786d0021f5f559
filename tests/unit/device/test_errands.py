"""Errands: each once at a time, orders at once and together, again until the core has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from cloister.client.effects import Route
from cloister.client.errands import ErasureErrand, Errand, OrderErrand
from cloister.client.inputs import ErrandDone, ErrandRefused
from cloister.device.errands import MOST_DELAY_S, Errands
from cloister.device.link import Link, OnEvents
from cloister.errors import CloisterError, NetworkError
from cloister.ids import Handle
from cloister.values import replace
from cloister.wire.codes import Refusal
from cloister.wire.commands import AnyRequest
from cloister.wire.events import AnyEvent, Challenge, Done, Failed
from unit.device.scripted import ROUTE

RELAY_ID = b"r" * 32


@dataclass
class Card:
    """All that the runner reads of a relay card."""

    relay_id: bytes = RELAY_ID


CARD: Any = Card()


def order(text: bytes = b"order") -> OrderErrand:
    return OrderErrand(card=CARD, routes=(ROUTE,), order=text)


def erasure() -> ErasureErrand:
    return ErasureErrand(card=CARD, routes=(ROUTE,), handle=Handle(bytes(16)), order_hash=bytes(32))


class RelayLink:
    """A relay in memory that answers as a test says."""

    def __init__(self, world: World, on_events: OnEvents) -> None:
        self._world = world
        self._on_events = on_events
        self._closed: asyncio.Future[CloisterError | None] = asyncio.Future()

    def start(self) -> None:
        self._on_events([Challenge((1,), self._world.relay_id, b"n" * 32, 0)])

    def send(self, requests: Sequence[AnyRequest]) -> None:
        self._world.requests.extend(requests)
        if not self._world.is_silent:
            self._on_events([self._world.answer(request.rid) for request in requests])

    def close(self, reason: CloisterError | None = None) -> None:
        if not self._closed.done():
            self._closed.set_result(reason)

    async def wait_closed(self) -> CloisterError | None:
        return await asyncio.shield(self._closed)


@dataclass
class World:
    """What the runner saw and gave."""

    answer: Callable[[int], AnyEvent] = lambda rid: Done(rid, 1)
    relay_id: bytes = RELAY_ID
    failures: int = 0
    is_silent: bool = False
    given: list[ErrandDone | ErrandRefused] = field(default_factory=list)
    requests: list[AnyRequest] = field(default_factory=list)
    opened: int = 0
    delays: list[tuple[float, float]] = field(default_factory=list)

    async def open_link(self, route: Route, on_events: OnEvents) -> Link:
        self.opened += 1
        if self.opened <= self.failures:
            raise NetworkError("not there")
        return cast("Link", RelayLink(self, on_events))

    def uniform(self, low: float, high: float) -> float:
        self.delays.append((low, high))
        return 0.0

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():  # noqa: ASYNC110 (what is waited for happens in this loop's next turns)
            await asyncio.sleep(0)


def play(world: World, story: Callable[[Errands], Awaitable[None]]) -> None:
    async def main() -> None:
        errands = Errands(world.given.append, open_link=world.open_link, uniform=world.uniform)
        try:
            async with asyncio.timeout(5):
                await story(errands)
        finally:
            await errands.close()

    asyncio.run(main())


def test_an_answer_is_given_to_the_core_under_the_errands_id() -> None:
    world = World()

    async def story(errands: Errands) -> None:
        errands.look((order(),))
        await world.until(lambda: bool(world.given))
        assert world.given == [ErrandDone(errand_id=order().errand_id, event=Done(1, 1))]

    play(world, story)


def test_a_refusal_is_given_with_its_code() -> None:
    world = World(answer=lambda rid: Failed(rid, int(Refusal.BAD_TICKET), 3))

    async def story(errands: Errands) -> None:
        errands.look((order(),))
        await world.until(lambda: bool(world.given))
        (given,) = world.given
        assert isinstance(given, ErrandRefused)
        assert (given.code, given.detail) == (Refusal.BAD_TICKET, 3)

    play(world, story)


def test_one_errand_never_runs_twice_at_a_time() -> None:
    world = World(is_silent=True)

    async def story(errands: Errands) -> None:
        for _ in range(20):
            errands.look((order(),))
            await asyncio.sleep(0)
        assert (world.opened, len(world.requests)) == (1, 1)

    play(world, story)


def test_orders_go_out_at_once_and_together_and_others_after_a_random_moment() -> None:
    world = World(is_silent=True)

    async def story(errands: Errands) -> None:
        errands.look((order(b"1"), order(b"2")))
        await world.until(lambda: len(world.requests) == 2)
        assert world.delays == []
        errands.look((order(b"1"), order(b"2"), erasure()))
        await world.until(lambda: len(world.requests) == 3)
        assert world.delays == [(0, MOST_DELAY_S)]

    play(world, story)


def test_a_relay_that_is_away_is_asked_again() -> None:
    world = World(failures=3)

    async def story(errands: Errands) -> None:
        errands.look((order(),))
        await world.until(lambda: bool(world.given))
        assert world.opened == 4

    play(world, story)


def test_another_relay_in_its_place_is_told_nothing() -> None:
    world = World(relay_id=b"x" * 32)

    async def story(errands: Errands) -> None:
        errands.look((order(),))
        await world.until(lambda: world.opened >= 3)
        assert (world.requests, world.given) == ([], [])

    play(world, story)


def test_what_the_core_no_longer_names_is_stopped() -> None:
    world = World(is_silent=True)

    async def story(errands: Errands) -> None:
        errands.look((order(),))
        await world.until(lambda: bool(world.requests))
        errands.look(())
        errands.look((order(),))
        await world.until(lambda: len(world.requests) == 2)

    play(world, story)


def test_a_bug_in_an_errand_is_not_swallowed() -> None:
    class Broken(OrderErrand):
        def request(self, rid: int, relay_id: bytes, nonce: bytes) -> Any:
            raise ZeroDivisionError

    world = World()
    broken: tuple[Errand, ...] = (Broken(card=CARD, routes=(ROUTE,), order=b""),)

    async def story(errands: Errands) -> None:
        async def looking() -> None:
            while True:
                errands.look(broken)
                await asyncio.sleep(0)

        with pytest.raises(ZeroDivisionError):
            await looking()

    play(world, story)


def test_an_errand_goes_the_ways_that_are_named_now() -> None:
    """The circle has another entry relay since: nobody answers at the one before."""
    world = World()
    new_way = replace(ROUTE, entry_port=ROUTE.entry_port + 1)
    tried: list[Route] = []

    async def open_link(route: Route, on_events: OnEvents) -> Link:
        tried.append(route)
        if route != new_way:
            raise NetworkError("nobody is there any more")
        return cast("Link", RelayLink(world, on_events))

    async def story() -> None:
        errands = Errands(world.given.append, open_link=open_link, uniform=world.uniform)
        try:
            async with asyncio.timeout(5):
                errands.look((order(),))
                await world.until(lambda: len(tried) > 1)
                errands.look((OrderErrand(card=CARD, routes=(new_way,), order=b"order"),))
                await world.until(lambda: bool(world.given))
        finally:
            await errands.close()

    asyncio.run(story())
    assert tried[-1] == new_way
