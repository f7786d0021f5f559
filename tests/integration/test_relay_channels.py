"""Channels over real TLS through both relays: put, follow, commit, ladder."""

from __future__ import annotations

import asyncio

import pytest

from cloister.limits import COMMIT_BURST, DELIVERY_WINDOW_ITEMS
from cloister.wire import commands, events
from cloister.wire.codes import Refusal
from integration.relay_world import (
    CHANNEL,
    INBOX,
    Circle,
    Device,
    Pair,
    Refused,
    envelope_id,
    epoch_key,
)

pytestmark = pytest.mark.process
ENVELOPE = b"e" * 1024


async def founded(pair: Pair) -> tuple[Circle, Device]:
    device = await Device.connect(pair)
    circle = await Circle.found(device, pair.home.new_code())
    await circle.prove(device)
    return circle, device


def test_an_envelope_reaches_a_follower_and_its_retry_changes_nothing(pair: Pair) -> None:
    async def main() -> None:
        circle, sender = await founded(pair)
        receiver = await Device.connect(pair)
        proved = await circle.prove(receiver)
        assert (proved.epoch, proved.first_n, proved.next_n, proved.floor_n) == (0, 0, 0, 0)
        await receiver.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        one = envelope_id()
        for _ in range(2):
            done = await sender.ask(commands.Put, circle.commons_id, 0, one, ENVELOPE)
            assert done.n == 0
        second = await sender.ask(commands.Put, circle.commons_id, 0, envelope_id(), ENVELOPE)
        assert second.n == 1
        items = [await receiver.next_push(), await receiver.next_push()]
        assert [(item.n, item.epoch) for item in items] == [(0, 0), (1, 0)]
        assert items[0].envelope_id == one
        assert items[0].envelope == ENVELOPE
        code = await sender.refusal(commands.Put, circle.commons_id, 0, one, b"x" * 1024)
        assert code == Refusal.ID_CONFLICT
        await sender.close()
        await receiver.close()

    asyncio.run(main())


def test_nothing_is_possible_without_a_proof(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        stranger = await Device.connect(pair)
        for kind, values in (
            (commands.Put, (circle.commons_id, 0, envelope_id(), ENVELOPE)),
            (commands.Follow, (CHANNEL, circle.commons_id, 0)),
            (commands.ReadLog, (circle.origin, 0)),
            (commands.ReadHead, (circle.origin,)),
            (commands.TakeKeyPackage, (circle.commons_id, circle.inbox_id)),
            (commands.OpenChannel, (circle.commons_id, b"n" * 16, b"k" * 32)),
        ):
            assert await stranger.refusal(kind, *values) == Refusal.NOT_PROVEN
        wrong = epoch_key(b"wrong", 0)
        for object_id in (circle.commons_id, b"no such channel!"):
            signature = stranger.proof(wrong, CHANNEL, object_id)
            code = await stranger.refusal(commands.Prove, CHANNEL, object_id, 0, signature)
            assert code == Refusal.UNKNOWN_OBJECT
        replayed = device.proof(epoch_key(circle.seed, 0), CHANNEL, circle.commons_id)
        code = await stranger.refusal(commands.Prove, CHANNEL, circle.commons_id, 0, replayed)
        assert code == Refusal.UNKNOWN_OBJECT
        await stranger.close()
        await device.close()

    asyncio.run(main())


def test_envelopes_have_one_of_five_sizes(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        code = await device.refusal(commands.Put, circle.commons_id, 0, envelope_id(), b"x" * 1000)
        assert code == Refusal.MALFORMED
        await device.close()

    asyncio.run(main())


def test_one_of_two_commits_wins_and_the_ladder_moves(pair: Pair) -> None:
    async def main() -> None:
        circle, one = await founded(pair)
        other = await Device.connect(pair)
        await circle.prove(other)
        await other.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        first, second = envelope_id(), envelope_id()
        answers = await asyncio.gather(
            one.ask_any(commands.Commit, **circle.commit(one, 0, first)),
            other.ask_any(commands.Commit, **circle.commit(other, 0, second)),
        )
        done = [answer for answer in answers if isinstance(answer, events.Done)]
        failed = [answer for answer in answers if isinstance(answer, events.Failed)]
        assert [answer.n for answer in done] == [0]
        assert [answer.code for answer in failed] == [Refusal.STALE_EPOCH]
        item = await other.next_of(events.CommitItem)
        assert (item.n, item.epoch) == (0, 0)
        assert item.next_key == epoch_key(circle.seed, 1).public
        winner = first if isinstance(answers[0], events.Done) else second
        assert item.envelope_id == winner
        again = await one.ask(commands.Commit, **circle.commit(one, 0, winner))
        assert again.n == 0
        code = await one.refusal(commands.Put, circle.commons_id, 0, envelope_id(), ENVELOPE)
        assert code == Refusal.STALE_EPOCH
        proved = await circle.prove(one, 1)
        assert (proved.epoch, proved.first_n, proved.next_n) == (1, 1, 1)
        put = await one.ask(commands.Put, circle.commons_id, 1, envelope_id(), ENVELOPE)
        assert put.n == 1
        await one.close()
        await other.close()

    asyncio.run(main())


def test_a_commit_needs_the_key_of_the_next_epoch(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        values = circle.commit(device, 0, envelope_id())
        foreign = epoch_key(b"foreign", 1)
        code = await device.refusal(commands.Commit, **{**values, "next_key": foreign.public})
        assert code == Refusal.NOT_PROVEN
        await device.close()

    asyncio.run(main())


def test_a_removed_device_reads_nothing_after_the_commit_that_removed_it(pair: Pair) -> None:
    async def main() -> None:
        circle, member = await founded(pair)
        removed = await Device.connect(pair)
        await circle.prove(removed)
        await removed.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        await removed.ask(commands.FollowLog, circle.origin, 1)
        await member.ask(commands.Put, circle.commons_id, 0, envelope_id(), ENVELOPE)
        await member.ask(commands.Commit, **circle.commit(member, 0, envelope_id()))
        await circle.prove(member, 1)
        await member.ask(commands.Put, circle.commons_id, 1, envelope_id(), ENVELOPE)
        entry = circle.tick()
        await member.ask(commands.Append, circle.origin, 1, entry)
        seen = [await removed.next_of(events.Item), await removed.next_of(events.CommitItem)]
        assert [item.n for item in seen] == [0, 1]
        # On the same connection, and on a new one with the old key: the segment, no further.
        again = await Device.connect(pair)
        proved = await circle.prove(again)
        assert (proved.epoch, proved.first_n, proved.next_n) == (1, 0, 2)
        await again.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        assert [(await again.next_push()).n for _ in range(2)] == [0, 1]
        for device in (removed, again):
            assert (
                await device.refusal(commands.Put, circle.commons_id, 1, envelope_id(), ENVELOPE)
                == Refusal.NOT_PROVEN
            )
            assert (
                await device.refusal(commands.Put, circle.commons_id, 0, envelope_id(), ENVELOPE)
                == Refusal.STALE_EPOCH
            )
            assert (
                await device.refusal(commands.ReadPart, CHANNEL, circle.commons_id, 2, 0)
                == Refusal.NOT_PROVEN
            )
            log = await device.ask(commands.ReadLog, circle.origin, 0)
            assert (log.size, log.entries) == (1, (circle.genesis,))
            sealed = await device.refusal(commands.Append, circle.origin, 2, entry)
            assert sealed == Refusal.NOT_PROVEN
            await device.ask(commands.Ping)
            kinds = (events.Item, events.CommitItem, events.Logged)
            while not device.pushed.empty():
                assert not isinstance(device.pushed.get_nowait(), kinds)
        for device in (member, removed, again):
            await device.close()

    asyncio.run(main())


def test_a_follow_goes_on_by_itself_once_the_next_epoch_is_proved(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        reader = await Device.connect(pair)
        await circle.prove(reader)
        await reader.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        await device.ask(commands.Commit, **circle.commit(device, 0, envelope_id()))
        await circle.prove(device, 1)
        await device.ask(commands.Put, circle.commons_id, 1, envelope_id(), ENVELOPE)
        assert (await reader.next_of(events.CommitItem)).n == 0
        await circle.prove(reader, 1)
        assert (await reader.next_of(events.Item)).n == 1
        await reader.close()
        await device.close()

    asyncio.run(main())


def test_commits_beyond_the_burst_are_slowed_down(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        for epoch in range(COMMIT_BURST):
            await device.ask(commands.Commit, **circle.commit(device, epoch, envelope_id()))
            await circle.prove(device, epoch + 1)
        values = circle.commit(device, COMMIT_BURST, envelope_id())
        with pytest.raises(Refused) as refused:
            await device.ask(commands.Commit, **values)
        assert refused.value.code == Refusal.SLOW_DOWN
        assert 0 < refused.value.detail <= 10
        await device.close()

    asyncio.run(main())


def test_a_reader_that_says_nothing_gets_one_window_and_the_rest_with_credit(pair: Pair) -> None:
    async def main() -> None:
        circle, sender = await founded(pair)
        total = DELIVERY_WINDOW_ITEMS + 50
        reader = await Device.connect(pair)
        await circle.prove(reader)
        await reader.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        puts = [
            sender.ask(commands.Put, circle.commons_id, 0, envelope_id(), ENVELOPE)
            for _ in range(total)
        ]
        await asyncio.gather(*puts)
        got = [(await reader.next_push()).n for _ in range(DELIVERY_WINDOW_ITEMS)]
        await reader.ask(commands.Ping)
        assert reader.pushed.empty()
        reader.send(commands.Seen(0, CHANNEL, circle.commons_id, got[-1]))
        got += [(await reader.next_push()).n for _ in range(50)]
        assert got == list(range(total))
        await reader.close()
        await sender.close()

    asyncio.run(main())


def test_a_large_commit_is_staged_with_its_tree_and_read_in_parts(pair: Pair) -> None:
    from cloister.crypto.hashing import sha256

    async def main() -> None:
        circle, device = await founded(pair)
        parts = [b"1" * 200_000, b"2" * 200_000]
        whole, tree = sha256(*parts), sha256(b"tree")
        for index, part in enumerate(parts):
            await device.ask(
                commands.Stage, CHANNEL, circle.commons_id, whole, index, len(parts), part
            )
        await device.ask(commands.Stage, CHANNEL, circle.commons_id, tree, 0, 1, b"tree")
        values = circle.commit(device, 0, envelope_id(), envelope=b"", staged=whole, tree=tree)
        await device.ask(commands.Commit, **values)
        await device.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        item = await device.next_of(events.CommitItem)
        assert (item.parts, item.object_hash, item.envelope) == (2, whole, b"")
        read = [
            await device.ask(commands.ReadPart, CHANNEL, circle.commons_id, 0, index)
            for index in range(2)
        ]
        assert [one.part for one in read] == parts
        # The proof of epoch 0 opens the tree of epoch 0, which nobody staged.
        assert (
            await device.refusal(commands.ReadTree, circle.commons_id, 0) == Refusal.UNKNOWN_OBJECT
        )
        await circle.prove(device, 1)
        assert (await device.ask(commands.ReadTree, circle.commons_id, 0)).part == b"tree"
        await device.close()

    asyncio.run(main())


def test_a_welcome_arrives_with_the_commit_in_the_inbox(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        reader = await Device.connect(pair)
        await reader.prove(circle.inbox, INBOX, circle.inbox_id)
        await reader.ask(commands.Follow, INBOX, circle.inbox_id, 0)
        delivery = commands.Delivery(circle.inbox_id, item=b"w" * 4096)
        values = circle.commit(device, 0, envelope_id(), deliveries=(delivery,))
        await device.ask(commands.Commit, **values)
        item = await reader.next_of(events.MailItem)
        assert (item.kind, item.object_id, item.n, item.item) == (
            INBOX,
            circle.inbox_id,
            0,
            b"w" * 4096,
        )
        await reader.close()
        await device.close()

    asyncio.run(main())


def test_a_conversation_opens_under_the_commons(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        key, channel_id = epoch_key(b"conversation", 0), envelope_id()
        for _ in range(2):
            await device.ask(commands.OpenChannel, circle.commons_id, channel_id, key.public)
        other = epoch_key(b"other", 0).public
        code = await device.refusal(commands.OpenChannel, circle.commons_id, channel_id, other)
        assert code == Refusal.ID_CONFLICT
        await device.prove(key, CHANNEL, channel_id)
        done = await device.ask(commands.Put, channel_id, 0, envelope_id(), ENVELOPE)
        assert done.n == 0
        await device.close()

    asyncio.run(main())
