"""Sessions, rights and delivery of a home relay, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cloister.limits import (
    DELIVERY_WINDOW_BYTES,
    DELIVERY_WINDOW_ITEMS,
    MAX_FOLLOWED_OBJECTS,
    MAX_FRAME_BYTES,
    REPROVE_S,
)
from cloister.relay.delivery import SHARE_BYTES
from cloister.relay.dispatch import MAX_GRANTS
from cloister.relay.session import MAX_PENDING_BYTES, State
from cloister.wire import commands
from cloister.wire.codes import Refusal
from cloister.wire.events import CommitItem, Done, Failed, Item, Proved
from unit.relay.home_core import CHANNEL, COMMONS, HomeCore, key, put, settle


def run(scenario: Callable[[HomeCore], Awaitable[None]]) -> None:
    async def main() -> None:
        core = HomeCore()
        await core.found()
        await scenario(core)

    asyncio.run(main())


def codes(got: list[Any]) -> list[int]:
    return [event.code for event in got if isinstance(event, Failed)]


def test_a_stranger_may_only_do_what_the_table_says() -> None:
    async def scenario(core: HomeCore) -> None:
        session = core.connect()
        got = await core.ask(session, put(1), commands.Ping(5))
        assert codes(got) == [Refusal.NOT_PROVEN]
        assert isinstance(got[1], Done)
        assert session.state.value == "greeted"
        assert isinstance((await core.ask(session, core.proof(session, 0)))[0], Proved)
        assert session.state.value == "proven"

    run(scenario)


def test_a_draining_relay_says_when_to_come_back() -> None:
    async def scenario(core: HomeCore) -> None:
        session = core.connect()
        await core.ask(session, core.proof(session, 0))
        session.state = State.DRAINING
        (refused,) = await core.ask(session, put(1))
        assert (refused.code, refused.detail > 0) == (Refusal.DRAINING, True)

    run(scenario)


def test_a_proof_lapses_unless_the_next_epoch_is_proved_in_time() -> None:
    async def scenario(core: HomeCore) -> None:
        one, two = core.connect(b"1" * 32), core.connect(b"2" * 32)
        for session in (one, two):
            await core.ask(session, core.proof(session, 0))
            await core.ask(session, commands.Follow(2, CHANNEL, COMMONS, 0))
        await core.ask(one, core.commit(one, 0, 1))
        assert isinstance((await core.drain(two))[0], CommitItem)
        await core.ask(one, core.proof(one, 1))
        core.time += REPROVE_S - 1
        for session in (one, two):
            core.channels.sweep(session, core.time)
        assert codes(await core.ask(two, put(5))) == [Refusal.STALE_EPOCH]
        core.time += 2
        for session in (one, two):
            core.channels.sweep(session, core.time)
        assert codes(await core.ask(two, put(5))) == [Refusal.NOT_PROVEN]
        assert codes(await core.ask(one, put(6, epoch=1))) == []
        assert await core.drain(two) == []

    run(scenario)


def test_a_proof_does_not_lapse_before_the_commit_that_ended_its_epoch_is_given() -> None:
    async def scenario(core: HomeCore) -> None:
        one, two = core.connect(b"1" * 32), core.connect(b"2" * 32)
        for session in (one, two):
            await core.ask(session, core.proof(session, 0))
            await core.ask(session, commands.Follow(2, CHANNEL, COMMONS, 0))
        two.outbox.is_blocked = True
        await core.ask(one, core.commit(one, 0, 1))
        core.time += REPROVE_S + 1
        core.channels.sweep(two, core.time)
        two.outbox.is_blocked = False
        core.dispatch.resume(two)
        assert isinstance((await core.drain(two))[0], CommitItem)
        core.channels.sweep(two, core.time)
        assert codes(await core.ask(two, put(5))) == [Refusal.NOT_PROVEN]

    run(scenario)


def test_a_proof_of_an_ended_epoch_is_not_told_how_far_the_channel_went() -> None:
    async def scenario(core: HomeCore) -> None:
        member = core.connect()
        await core.ask(member, core.proof(member, 0))
        for epoch in range(3):
            await core.ask(member, core.commit(member, epoch, epoch + 1))
            await core.ask(member, core.proof(member, epoch + 1))
        late = core.connect(b"l" * 32)
        (proved,) = await core.ask(late, core.proof(late, 0))
        assert (proved.epoch, proved.first_n, proved.next_n) == (1, 0, 1)
        got = await core.ask(late, commands.Follow(2, CHANNEL, COMMONS, 0))
        assert [type(event) for event in got] == [Done, CommitItem]
        (proved, item) = await core.ask(late, core.proof(late, 1))
        assert (proved.epoch, proved.first_n, proved.next_n) == (2, 1, 2)
        assert (item.n, item.epoch) == (1, 1)

    run(scenario)


def test_a_proof_from_another_connection_is_refused_like_a_wrong_one() -> None:
    async def scenario(core: HomeCore) -> None:
        one, two = core.connect(b"1" * 32), core.connect(b"2" * 32)
        recorded = core.proof(one, 0)
        assert codes(await core.ask(two, recorded)) == [Refusal.UNKNOWN_OBJECT]
        wrong = core.proof(two, 0, "somebody else")
        assert codes(await core.ask(two, wrong)) == [Refusal.UNKNOWN_OBJECT]
        unknown_epoch = core.proof(two, 7)
        assert codes(await core.ask(two, unknown_epoch)) == [Refusal.UNKNOWN_OBJECT]

    run(scenario)


def test_the_window_closes_by_bytes_too_and_opens_with_credit() -> None:
    async def scenario(core: HomeCore) -> None:
        session = core.connect()
        await core.ask(session, core.proof(session, 0))
        size = 64 * 1024
        for number in range(8):
            await core.ask(session, put(number, size=size))
        got = await core.ask(session, commands.Follow(2, CHANNEL, COMMONS, 0))
        items = [event.n for event in got if isinstance(event, Item)]
        assert len(items) == DELIVERY_WINDOW_BYTES // size
        assert session.outbox.is_stuck
        got = await core.ask(session, commands.Seen(0, CHANNEL, COMMONS, items[1]))
        assert [event.n for event in got] == [items[-1] + 1, items[-1] + 2]

    run(scenario)


def test_nothing_is_queued_for_a_socket_that_takes_nothing() -> None:
    async def scenario(core: HomeCore) -> None:
        reader, writer = core.connect(b"r" * 32), core.connect(b"w" * 32)
        for session in (reader, writer):
            await core.ask(session, core.proof(session, 0))
        await core.ask(reader, commands.Follow(2, CHANNEL, COMMONS, 0))
        reader.outbox.is_blocked = True
        for number in range(20):
            await core.ask(writer, put(number))
        assert await core.drain(reader) == []
        reader.outbox.is_blocked = False
        core.dispatch.resume(reader)
        assert [event.n for event in await core.drain(reader)] == list(range(20))

    run(scenario)


def test_a_new_follow_begins_anew_and_frees_what_was_not_seen() -> None:
    async def scenario(core: HomeCore) -> None:
        session = core.connect()
        await core.ask(session, core.proof(session, 0))
        for number in range(DELIVERY_WINDOW_ITEMS + 5):
            core.dispatch.take(session, [put(number)])
        await settle()
        for _ in range(3):
            got = await core.ask(session, commands.Follow(2, CHANNEL, COMMONS, 3))
            items = [event.n for event in got if isinstance(event, Item)]
            assert items == list(range(3, 3 + DELIVERY_WINDOW_ITEMS))
            assert len(session.follows[CHANNEL, COMMONS].unseen) == DELIVERY_WINDOW_ITEMS

    run(scenario)


def test_many_objects_a_little_short_of_their_credit_do_not_stop_each_other() -> None:
    async def scenario(core: HomeCore) -> None:
        session = core.connect()
        await core.ask(session, core.proof(session, 0))
        channels = [bytes([number]) * 16 for number in range(12)]
        for channel in channels:
            await core.ask(
                session, commands.OpenChannel(3, COMMONS, channel, key("epoch 0").public)
            )
            await core.ask(session, core.proof(session, 0, channel_id=channel))
            await core.ask(session, commands.Follow(2, CHANNEL, channel, 0))
        # Credit is due every 32 items of an object; none of these ever gets so far.
        for number in range(31):
            for channel in channels:
                one = number.to_bytes(16, "big")
                core.dispatch.take(session, [commands.Put(4, channel, 0, one, b"e" * 1024)])
        got = await core.drain(session)
        assert sum(isinstance(event, Item) for event in got) == 31 * len(channels)

    run(scenario)


def test_one_turn_pushes_one_share_to_a_connection_and_the_rest_follows() -> None:
    async def scenario(core: HomeCore) -> None:
        writer, reader = core.connect(b"w" * 32), core.connect(b"r" * 32)
        await core.ask(writer, core.proof(writer, 0))
        channels = [bytes([number]) * 16 for number in range(4)]
        size = 64 * 1024
        for channel in channels:
            await core.ask(writer, commands.OpenChannel(3, COMMONS, channel, key("epoch 0").public))
            await core.ask(writer, core.proof(writer, 0, channel_id=channel))
            for number in range(3):
                one = number.to_bytes(16, "big")
                await core.ask(writer, commands.Put(4, channel, 0, one, b"e" * size))
            await core.ask(reader, core.proof(reader, 0, channel_id=channel))
        turns: list[int] = []
        reader.outbox.transmit = lambda frame: turns.append(len(frame))
        core.dispatch.take(reader, [commands.Follow(2, CHANNEL, one, 0) for one in channels])
        await settle()
        assert len(turns) > 1
        assert max(turns) < SHARE_BYTES + 2 * size
        assert sum(turns) > 12 * size

    run(scenario)


def test_what_one_connection_may_prove_and_follow_is_bounded() -> None:
    assert MAX_GRANTS >= MAX_FOLLOWED_OBJECTS

    async def scenario(core: HomeCore) -> None:
        session = core.connect()
        await core.ask(session, core.proof(session, 0))
        for number in range(MAX_GRANTS):
            session.grants[CHANNEL, number.to_bytes(16, "big")] = session.grants[CHANNEL, COMMONS]
        assert codes(await core.ask(session, core.proof(session, 0))) == [Refusal.QUOTA]

    run(scenario)


def test_reading_stops_while_too_much_waits_for_the_disk() -> None:
    async def scenario(core: HomeCore) -> None:
        calls: list[bool] = []
        core.context.throttle = lambda _session, is_over: calls.append(is_over)
        session = core.connect()
        await core.ask(session, core.proof(session, 0))
        size = 256 * 1024
        count = MAX_PENDING_BYTES // size + 1
        core.dispatch.take(session, [put(number, size=size) for number in range(count)])
        assert calls == [True]
        await settle()
        assert calls == [True, False]
        assert session.pending_bytes == session.pending_writes == 0

    run(scenario)


def test_answers_of_one_turn_share_a_frame_and_frames_are_bounded() -> None:
    async def scenario(core: HomeCore) -> None:
        session = core.connect()
        await core.ask(session, core.proof(session, 0))
        frames: list[bytes] = []
        session.outbox.transmit = frames.append
        core.dispatch.take(session, [commands.Ping(number) for number in range(200)])
        await settle()
        assert len(frames) == 1
        frames.clear()
        for _ in range(3):
            core.dispatch.take(session, [commands.Ping(number) for number in range(200)])
        for _ in range(6):
            session.outbox.send(b"x" * 300_000)
        await settle()
        assert len(frames) > 3
        assert max(map(len, frames)) <= MAX_FRAME_BYTES

    run(scenario)


def test_a_closed_connection_leaves_nothing_behind() -> None:
    async def scenario(core: HomeCore) -> None:
        session = core.connect()
        await core.ask(session, core.proof(session, 0))
        await core.ask(session, commands.Follow(2, CHANNEL, COMMONS, 0))
        core.dispatch.take(session, [put(1)])
        core.dispatch.forget(session)
        assert await core.drain(session) == []
        assert not session.grants
        assert not session.follows
        assert not session.outbox.behind

    run(scenario)


def test_a_follow_does_not_go_on_over_epochs_that_were_not_proved() -> None:
    """Whoever was out for an epoch reads nothing of it, and begins anew where it is in again."""

    async def scenario(core: HomeCore) -> None:
        other, session = core.connect(), core.connect(b"m" * 32)
        await core.ask(other, core.proof(other, 0))
        follow = commands.Follow(3, CHANNEL, COMMONS, 0)
        await core.ask(session, core.proof(session, 0), follow)
        for epoch in range(2):
            await core.ask(other, core.commit(other, epoch, 10 + epoch))
            await core.ask(other, core.proof(other, epoch + 1), put(20 + epoch, epoch + 1))
        await core.drain(session)
        got = await core.ask(session, core.proof(session, 2))
        assert [type(event) for event in got] == [Proved]
        await core.ask(other, put(30, 2))
        assert await core.drain(session) == [], "it has not said from where on"
        got = await core.ask(session, commands.Follow(4, CHANNEL, COMMONS, got[0].first_n))
        assert [event.n for event in got if isinstance(event, Item)] == [3, 4]

    run(scenario)
