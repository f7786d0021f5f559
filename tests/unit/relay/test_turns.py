"""Who catches up, or asks for much, takes turns with others who do; nobody else waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from cloister.limits import DELIVERY_WINDOW_BYTES, MAX_FRAME_MESSAGES
from cloister.relay.delivery import (
    FLUSH_BYTES,
    FRAME_BYTES,
    LIVE_TURNS,
    READ_BYTES,
    REST_ALONE_S,
    REST_S,
    SHARE_BYTES,
    TURN_BYTES,
    Flusher,
    Follow,
    Outbox,
)
from cloister.relay.dispatch import AT_ONCE
from cloister.relay.metrics import Metrics
from cloister.relay.session import Session
from cloister.wire import commands
from cloister.wire.events import Done, Item
from unit.relay.home_core import CHANNEL, COMMONS, HomeCore, put, settle

SIZE = 16 * 1024
FOLLOW = commands.Follow(2, CHANNEL, COMMONS, 0)


def note(order: list[int], number: int, _frame: bytes) -> None:
    order.append(number)


def waiting(session: Session) -> int:
    """Requests that wait for their turn."""
    return len(session.backlog.requests) if session.backlog is not None else 0


def run(scenario: Callable[[HomeCore], Awaitable[None]]) -> None:
    async def main() -> None:
        core = HomeCore()
        await core.found()
        await scenario(core)

    asyncio.run(main())


async def members(core: HomeCore, count: int) -> list[Session]:
    """Connections that have proved the channel, in which a window and more is stored."""
    sessions = [core.connect(bytes([number]) * 32) for number in range(count)]
    for session in sessions:
        await core.ask(session, core.proof(session, 0))
    for number in range(DELIVERY_WINDOW_BYTES // SIZE + 4):
        await core.ask(sessions[0], put(number, size=SIZE))
    await core.drain(sessions[0])
    return sessions


def test_those_who_catch_up_share_each_turn_and_all_get_everything() -> None:
    async def scenario(core: HomeCore) -> None:
        sessions = await members(core, 20)
        order: list[int] = []
        for number, session in enumerate(sessions):
            session.outbox.transmit = partial(note, order, number)
        for session in sessions:
            core.dispatch.take(session, [FOLLOW])
        # What they get at once does not grow with how many they are.
        assert sum(one.outbox.pushed_bytes for one in sessions) < READ_BYTES + SHARE_BYTES
        for _ in range(40):
            await settle()
        for session in sessions:
            follow = session.follows[CHANNEL, COMMONS]
            assert follow.next_n == DELIVERY_WINDOW_BYTES // SIZE
            assert follow.is_closed
        # In turn: nobody has all of it before somebody has any.
        firsts = [order.index(number) for number in range(20)]
        lasts = [len(order) - 1 - order[::-1].index(number) for number in range(20)]
        assert max(firsts) < min(lasts)

    run(scenario)


def test_a_new_message_does_not_wait_for_those_who_catch_up() -> None:
    async def scenario(core: HomeCore) -> None:
        sessions = await members(core, 20)
        writer, reader = sessions[:2]
        number = DELIVERY_WINDOW_BYTES // SIZE + 4
        await core.ask(reader, commands.Follow(2, CHANNEL, COMMONS, number))
        for session in sessions[2:]:
            core.dispatch.take(session, [FOLLOW])
        assert core.flusher.has_read
        core.dispatch.take(writer, [put(number, size=SIZE)])
        for _ in range(4):
            await asyncio.sleep(0)
        assert [event.n for event in core.sent[reader] if isinstance(event, Item)] == [number]
        # Which others are still waiting for what was there before.
        assert any(not core.sent[one] for one in sessions[2:])

    run(scenario)


class Reader:
    """Wants more than there is in a turn, each time."""

    def __init__(self, flusher: Flusher) -> None:
        self._flusher = flusher

    def catch_up(self) -> None:
        self._flusher.read(READ_BYTES)
        self._flusher.wait(self)  # type: ignore[arg-type]


class Nothing:
    """Has nothing that was missed."""

    def read(self, _follow: Follow, _max_items: int, _max_bytes: int) -> list[tuple[int, bytes]]:
        return []


class Rests:
    """Turns by hand, and how long was rested between them."""

    def __init__(self) -> None:
        self.rests: list[float] = []
        self._next: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._next.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.rests.append(delay)
        self._next.append(callback)

    def turn(self) -> None:
        ready, self._next = self._next, []
        for callback in ready:
            callback()


@pytest.mark.parametrize("count", [1, 1000])
def test_who_catches_up_leaves_more_time_while_others_are_up_to_date(count: int) -> None:
    turns = Rests()
    flusher = Flusher(Metrics(), turns)
    for _ in range(count):
        flusher.wait(Reader(flusher))  # type: ignore[arg-type]
    follow = Follow(Outbox(flusher, lambda _frame: None, 0.0), Nothing(), CHANNEL, COMMONS, 0)
    follow.offer(7, b"for whom has all before it")
    for _ in range(3):
        turns.turn()
    assert set(turns.rests) == {REST_ALONE_S}

    follow.offer(0, b"live")
    turns.rests.clear()
    for _ in range(LIVE_TURNS + 5):
        turns.turn()
    assert turns.rests == [REST_S] * LIVE_TURNS + [REST_ALONE_S] * 5


def test_a_message_to_many_does_not_make_one_to_one_wait_for_all_of_them() -> None:
    async def scenario(core: HomeCore) -> None:
        turn: list[str] = []

        def line(name: str, size: int) -> None:
            outbox = core.connect().outbox
            outbox.transmit = lambda _frame: turn.append(name)
            outbox.send(bytes(size))

        many, in_a_turn = 100, FLUSH_BYTES // (SIZE + FRAME_BYTES) + 1
        for _ in range(many):
            line("many", SIZE)
        core.flusher.flush()
        assert turn == ["many"] * in_a_turn
        line("one", 100)
        core.flusher.flush()
        assert turn[in_a_turn] == "one"
        # Nor do those who come meanwhile, be they ever so many, make the many wait for ever.
        for _ in range(2 * many // in_a_turn):
            for _ in range(in_a_turn):
                line("late", SIZE)
            core.flusher.flush()
        assert turn.count("many") == many
        core.flusher.flush_all()
        assert turn.count("late") == 2 * many // in_a_turn * in_a_turn

    run(scenario)


def test_who_asks_to_follow_without_end_waits_and_a_cheap_request_does_not() -> None:
    async def scenario(core: HomeCore) -> None:
        flooder, other = await members(core, 2)
        core.dispatch.take(flooder, [FOLLOW for _ in range(MAX_FRAME_MESSAGES)])
        assert waiting(flooder) > MAX_FRAME_MESSAGES - AT_ONCE
        core.dispatch.take(other, [commands.Ping(7)])
        assert waiting(other) == 0
        await asyncio.sleep(0)
        assert [type(event) for event in core.sent[other]] == [Done]
        # All of it is answered in the end, in order, each from the beginning.
        for _ in range(100):
            await settle()
        assert waiting(flooder) == 0
        got = core.sent[flooder]
        assert sum(isinstance(event, Done) for event in got) == MAX_FRAME_MESSAGES
        items = [event.n for event in got if isinstance(event, Item)]
        window = list(range(DELIVERY_WINDOW_BYTES // SIZE))
        assert items[-len(window) :] == window

    run(scenario)


def test_requests_without_end_wait_only_when_others_have_used_up_the_turn() -> None:
    async def scenario(core: HomeCore) -> None:
        one, another = await members(core, 2)
        pings: list[commands.AnyRequest] = [
            commands.Ping(number) for number in range(MAX_FRAME_MESSAGES)
        ]
        core.dispatch.take(one, pings)
        assert waiting(one) == 0
        core.flusher.spend(TURN_BYTES)
        core.dispatch.take(another, pings)
        assert waiting(another) == MAX_FRAME_MESSAGES - AT_ONCE
        await settle()
        answers = [event.rid for event in core.sent[another] if isinstance(event, Done)]
        assert answers[-MAX_FRAME_MESSAGES:] == list(range(MAX_FRAME_MESSAGES))

    run(scenario)


def test_credit_for_nothing_does_not_keep_a_connection() -> None:
    async def scenario(core: HomeCore) -> None:
        reader = (await members(core, 2))[1]
        await core.ask(reader, FOLLOW)
        assert reader.outbox.is_stuck
        moved_at = reader.outbox.moved_at
        core.time += 20
        await core.ask(reader, commands.Seen(0, CHANNEL, COMMONS, 3))
        assert reader.outbox.moved_at == moved_at + 20
        core.time += 5
        await core.ask(reader, commands.Seen(0, CHANNEL, COMMONS, 3))
        await core.ask(reader, commands.Seen(0, CHANNEL, COMMONS, 0))
        assert reader.outbox.moved_at == moved_at + 20

    run(scenario)
