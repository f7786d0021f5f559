"""Founding, the roster log and its cosignatures, invite boxes and pools, on real processes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.limits import SEALED_APPEND_BURST
from cloister.roster.relay_card import RelayRole, make_relay_card
from cloister.transparency import (
    Frontier,
    RelayVerifier,
    leaf_hash,
    verify_consistency,
    verify_settled,
)
from cloister.wire import commands, events
from cloister.wire.codes import Refusal
from integration.relay_world import (
    BOX,
    CHANNEL,
    ENTROPY,
    INBOX,
    Circle,
    Device,
    Pair,
    Refused,
    envelope_id,
    epoch_key,
)

pytestmark = pytest.mark.process


def settled(pair: Pair, circle: Circle, note: bytes) -> Any:
    home, entry = pair.home.card, pair.entry.card
    return verify_settled(
        note,
        RelayVerifier(home.name, home.key),
        [RelayVerifier(entry.name, entry.key)],
        circle.origin,
    )


async def founded(pair: Pair) -> tuple[Circle, Device]:
    device = await Device.connect(pair)
    circle = await Circle.found(device, pair.home.new_code())
    await circle.prove(device)
    return circle, device


async def settled_head(device: Device, size: int) -> events.Head:
    """Wait for a pushed head of this size."""
    while True:
        head: events.Head = await device.next_of(events.Head)
        if head.note.split(b"\n")[1] == b"%d" % size:
            return head


def test_founding_is_idempotent_and_settled_by_the_mirror(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        begun = await device.ask(commands.Begin, *circle.signed(b""))
        assert begun.origin == circle.origin
        await circle.open(device)
        await device.ask(commands.FollowLog, circle.origin, 0)
        head = await settled_head(device, 1)
        proof = settled(pair, circle, head.note)
        assert proof.root == Frontier.empty().append(leaf_hash(circle.genesis)).root
        assert abs(proof.newest_cosignature_time - time.time()) < 60
        await device.close()

    asyncio.run(main())


def test_a_code_is_bound_to_its_first_setup_key(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        circle.setup = Ed25519Key(Secret(ENTROPY.random(32)))
        assert await device.refusal(commands.Begin, *circle.signed(b"")) == Refusal.WRONG_CODE
        circle.code = "0" * 27
        assert await device.refusal(commands.Begin, *circle.signed(b"")) == Refusal.WRONG_CODE
        await device.close()

    asyncio.run(main())


def test_a_genesis_must_mean_this_relay_its_peers_this_commons_and_now(pair: Pair) -> None:
    async def main() -> None:
        device = await Device.connect(pair)
        circle = await Circle.found(device, pair.home.new_code())
        circle.code = pair.home.new_code()
        circle.origin = (await device.ask(commands.Begin, *circle.signed(b""))).origin
        circle.commons_id, circle.inbox_id = envelope_id(), envelope_id()
        circle.make_genesis(ts=int(time.time()) - 3600)
        with pytest.raises(Refused) as old:
            await circle.open(device)
        assert old.value.code == Refusal.BAD_ENTRY
        circle.make_genesis()
        with pytest.raises(Refused) as other_commons:
            await circle.open(device, commons_id=envelope_id())
        assert other_commons.value.code == Refusal.BAD_ENTRY
        entry = pair.entry.card
        from cloister.crypto.hybrid_signature import HybridKey

        stranger = make_relay_card(
            HybridKey(Secret(ENTROPY.random(32)), Secret(ENTROPY.random(32))),
            tls_certificate=entry.tls_certificate,
            jurisdiction="CH",
            operator="Else",
            host="192.0.2.1",
            port=443,
            roles=RelayRole.ENTRY,
            name="stranger",
            mirror_host="192.0.2.1",
            mirror_port=444,
            unlock_host="192.0.2.1",
            unlock_port=445,
        )
        circle.make_genesis(entries=(entry, stranger))
        with pytest.raises(Refused) as foreign:
            await circle.open(device)
        assert foreign.value.code == Refusal.BAD_ENTRY
        circle.make_genesis()
        await circle.open(device)
        await device.close()

    asyncio.run(main())


def test_an_entry_is_appended_once_pushed_and_settled(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        reader = await Device.connect(pair)
        await circle.prove(reader)
        await reader.ask(commands.FollowLog, circle.origin, 0)
        first = circle.tick()
        for _ in range(2):
            assert (await device.ask(commands.Append, circle.origin, 1, first)).n == 1
        circle.entries.append(first)
        other = circle.tick()
        with pytest.raises(Refused) as moved:
            await device.ask(commands.Append, circle.origin, 1, other)
        assert (moved.value.code, moved.value.detail) == (Refusal.MOVED, 2)
        got: list[bytes] = []
        while len(got) < 2:
            got += (await reader.next_of(events.Logged)).entries
        assert got == [circle.genesis, first]
        proof = settled(pair, circle, (await settled_head(reader, 2)).note)
        frontier = Frontier.empty().extend(leaf_hash(one) for one in circle.entries)
        assert proof.root == frontier.root
        read = await device.ask(commands.ReadLog, circle.origin, 1)
        assert (read.from_seq, read.entries, read.size) == (1, (first,), 2)
        hashes = (await device.ask(commands.ReadProof, circle.origin, 1, 2)).hashes
        verify_consistency(
            1, Frontier.empty().append(leaf_hash(circle.genesis)).root, 2, frontier.root, hashes
        )
        await reader.close()
        await device.close()

    asyncio.run(main())


def test_two_appends_at_one_position_one_wins(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        entries = [circle.tick() for _ in range(4)]
        answers = await asyncio.gather(
            *(device.ask_any(commands.Append, circle.origin, 1, one) for one in entries)
        )
        kinds = [type(answer).__name__ for answer in answers]
        assert kinds == ["Done", "Failed", "Failed", "Failed"]
        assert {answer.code for answer in answers[1:]} == {Refusal.MOVED}
        await device.close()

    asyncio.run(main())


def test_entries_with_a_wrong_root_time_or_form_are_refused(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        old = circle.tick(ts=int(time.time()) - 60)
        assert await device.refusal(commands.Append, circle.origin, 1, old) == Refusal.BAD_ENTRY
        early = circle.tick(ts=int(time.time()) + 3600)
        assert await device.refusal(commands.Append, circle.origin, 1, early) == Refusal.BAD_ENTRY
        assert await device.refusal(commands.Append, circle.origin, 1, b"x") == Refusal.BAD_ENTRY
        good = circle.tick()
        broken = good[:50] + bytes([good[50] ^ 1]) + good[51:]
        assert await device.refusal(commands.Append, circle.origin, 1, broken) == (
            Refusal.BAD_ENTRY
        )
        stranger = await Device.connect(pair)
        assert await stranger.refusal(commands.Append, circle.origin, 1, good) == (
            Refusal.NOT_PROVEN
        )
        await stranger.close()
        await device.close()

    asyncio.run(main())


def test_sealed_entries_beyond_the_burst_are_slowed_down(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        codes = []
        for _ in range(SEALED_APPEND_BURST + 2):
            entry = circle.tick()
            answer = await device.ask_any(
                commands.Append, circle.origin, len(circle.entries), entry
            )
            if isinstance(answer, events.Done):
                circle.entries.append(entry)
            else:
                codes.append(answer.code)
        assert codes
        assert set(codes) == {Refusal.SLOW_DOWN}
        assert len(circle.entries) >= SEALED_APPEND_BURST + 1
        await device.close()

    asyncio.run(main())


def test_a_newcomer_with_a_box_opens_an_inbox_and_reads_heads_only(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        box, inbox = Ed25519Key(Secret(ENTROPY.random(32))), Ed25519Key(Secret(ENTROPY.random(32)))
        box_id, inbox_id = envelope_id(), envelope_id()
        expires = int(time.time()) + 3600
        await device.ask(commands.OpenBox, circle.commons_id, box_id, box.public, expires)
        await device.prove(box, BOX, box_id)
        await device.ask(commands.Follow, BOX, box_id, 0)
        await device.ask(commands.PutBox, box_id, b"letter")
        newcomer = await Device.connect(pair)
        assert await newcomer.refusal(commands.PutBox, box_id, b"x") == Refusal.NOT_PROVEN
        await newcomer.prove(box, BOX, box_id)
        await newcomer.ask(commands.Follow, BOX, box_id, 0)
        assert (await newcomer.next_of(events.MailItem)).item == b"letter"
        head = await newcomer.ask(commands.ReadHead, circle.origin)
        assert head.note.startswith(circle.origin.encode())
        code = await newcomer.refusal(commands.ReadLog, circle.origin, 0)
        assert code == Refusal.NOT_PROVEN
        for _ in range(2):
            await newcomer.ask(commands.OpenInbox, box_id, inbox_id, inbox.public)
        again = await newcomer.refusal(commands.OpenInbox, box_id, envelope_id(), inbox.public)
        assert again == Refusal.ID_CONFLICT
        await newcomer.prove(inbox, INBOX, inbox_id)
        pool = await newcomer.ask(commands.PublishKeyPackages, inbox_id, (b"kp 1", b"kp 2"))
        assert pool.n == 2
        await newcomer.ask(commands.PutBox, box_id, b"request")
        items = [await device.next_of(events.MailItem) for _ in range(2)]
        assert [item.item for item in items] == [b"letter", b"request"]
        taken = [
            await device.ask(commands.TakeKeyPackage, circle.commons_id, inbox_id) for _ in range(2)
        ]
        assert [one.package for one in taken] == [b"kp 1", b"kp 2"]
        empty = await device.refusal(commands.TakeKeyPackage, circle.commons_id, inbox_id)
        assert empty == Refusal.NO_KEY_PACKAGE
        await newcomer.close()
        await device.close()

    asyncio.run(main())


def test_an_old_epoch_reads_the_log_as_it_was_when_the_epoch_ended(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        await device.ask(commands.Append, circle.origin, 1, entry := circle.tick())
        circle.entries.append(entry)
        await device.ask(commands.Commit, **circle.commit(device, 0, envelope_id()))
        await circle.prove(device, 1)
        await device.ask(commands.Append, circle.origin, 2, circle.tick())
        late = await Device.connect(pair)
        await circle.prove(late, 0)
        read = await late.ask(commands.ReadLog, circle.origin, 0)
        assert (read.size, len(read.entries)) == (2, 2)
        await late.ask(commands.FollowLog, circle.origin, 2)
        await late.prove(epoch_key(circle.seed, 1), CHANNEL, circle.commons_id, 1)
        assert (await late.next_of(events.Logged)).from_seq == 2
        await late.close()
        await device.close()

    asyncio.run(main())


def test_a_stranger_learns_nothing_about_a_log(pair: Pair) -> None:
    async def main() -> None:
        circle, device = await founded(pair)
        stranger = await Device.connect(pair)
        for origin in (circle.origin, "home/nothing"):
            for expected in (0, 1, 9):
                sealed = circle.tick()
                code = await stranger.refusal(commands.Append, origin, expected, sealed)
                assert code == Refusal.NOT_PROVEN
                for entry in (b"x" * 200, circle.genesis[:-1] + b"?"):
                    code = await stranger.refusal(commands.Append, origin, expected, entry)
                    assert code == Refusal.UNKNOWN_OBJECT
        await stranger.close()
        await device.close()

    asyncio.run(main())
