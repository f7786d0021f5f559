"""A home relay that lies: every lie ends in an alarm or a refusal, never in a silent difference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from cloister.client.inputs import OpenConversation, SendText
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.transparency import sign_checkpoint
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal
from cloister.wire.commands import AnyRequest, Follow, Prove
from cloister.wire.events import (
    AnyEvent,
    Challenge,
    CommitItem,
    Entries,
    Failed,
    Head,
    Item,
    Logged,
    Package,
    Proved,
)
from scenario.built_once import built_once


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@built_once
async def two_at_a_desk(circle: SimulatedCircle) -> tuple[SimulatedDevice, SimulatedDevice]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben",)))
    return ada, ben


async def say(circle: SimulatedCircle, device: SimulatedDevice, *texts: str) -> None:
    for text in texts:
        device.feed(SendText(ref=circle.ref(), conversation="Desk", text=text))
    await circle.settle()


def codes(device: SimulatedDevice) -> set[str]:
    return {alarm.code for alarm in device.alarms}


def epochs(device: SimulatedDevice) -> dict[bytes, int]:
    return {one.channel_id: one.group.epoch for one in device.core.state.channels.values()}


class Lie:
    """Tampers with the first event that fits, once."""

    def __init__(self, kind: type, change: Callable[[Any], tuple[AnyEvent, ...]]) -> None:
        self._kind = kind
        self._change = change
        self.told = False

    def __call__(self, event: AnyEvent) -> tuple[AnyEvent, ...]:
        if self.told or not isinstance(event, self._kind):
            return (event,)
        self.told = True
        return self._change(event)


def always(
    kind: type, change: Callable[[Any], tuple[AnyEvent, ...]]
) -> Callable[[AnyEvent], tuple[AnyEvent, ...]]:
    return lambda event: change(event) if isinstance(event, kind) else (event,)


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def changed(event: AnyEvent, **fields: Any) -> tuple[AnyEvent, ...]:
    return (msgspec.structs.replace(event, **fields),)


def test_a_dropped_item_is_a_hole_and_comes_after_all() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        ben.tamper = Lie(Item, lambda _: ())
        await say(circle, ada, "one", "two")
        assert "hole" in codes(ben)
        assert ben.texts("Ada") == ["one", "two"]

    play(story)


def test_a_proof_that_lapsed_before_the_follow_came_is_given_again() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        lapsed: dict[bytes, bool] = {}

        def lapse(request: AnyRequest) -> tuple[AnyRequest | AnyEvent, ...]:
            match request:
                case Prove(object_id=object_id) if object_id in lapsed:
                    lapsed[object_id] = False
                case Follow(kind=ObjectKind.CHANNEL) if lapsed.setdefault(request.object_id, True):
                    return (Failed(request.rid, int(Refusal.NOT_PROVEN)),)
            return (request,)

        ben.hinder = lapse
        ben.drop_link()
        await say(circle, ada, "one")
        assert ben.texts("Ada") == ["one"]
        assert lapsed
        assert not any(lapsed.values())
        assert codes(ben) == set()

    play(story)


def test_items_in_another_order_are_a_hole_and_are_shown_in_order() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        kept: list[AnyEvent] = []

        def swap(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if isinstance(event, Item) and len(kept) == 0:
                kept.append(event)
                return ()
            if isinstance(event, Item) and len(kept) == 1:
                kept.append(event)
                return (event, kept[0])
            return (event,)

        ben.tamper = swap
        await say(circle, ada, "one", "two")
        assert "hole" in codes(ben)
        assert ben.texts("Ada") == ["one", "two"]

    play(story)


def test_a_replayed_envelope_is_reported_and_not_shown_again() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        ben.tamper = Lie(Item, lambda item: (item, *changed(item, n=item.n + 1)))
        await say(circle, ada, "only once")
        assert ben.texts("Ada") == ["only once"]
        assert "unreadable" in codes(ben)

    play(story)


def test_an_altered_envelope_is_reported_and_does_not_stop_the_rest() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        await say(circle, ada, "first")
        ben.tamper = Lie(Item, lambda item: changed(item, envelope=flip(item.envelope)))
        await say(circle, ada, "lost")
        await say(circle, ada, "kept")
        assert ben.texts("Ada") == ["first", "kept"]
        assert {"unreadable", "gap", "split"} <= codes(ben)

    play(story)


def test_an_envelope_filed_under_another_id_is_reported() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        ben.tamper = Lie(Item, lambda item: changed(item, envelope_id=bytes(16)))
        await say(circle, ada, "hello")
        assert ben.texts("Ada") == []
        assert "malformed" in codes(ben)

    play(story)


def test_a_message_kept_from_one_member_shows_in_the_next_message() -> None:
    """The relay gives Ben another item in the place of Ada's: only C4 can tell."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        await say(circle, ben, "mine")
        junk = SystemEntropy().random(1024)
        ben.tamper = Lie(Item, lambda item: changed(item, envelope=junk, envelope_id=bytes(16)))
        await say(circle, ada, "withheld")
        await say(circle, ada, "next")
        assert ben.texts("Ada") == ["next"]
        assert "split" in codes(ben)

    play(story)


def test_a_key_of_the_next_epoch_that_is_not_derived_stops_the_channel() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        before = epochs(ben)
        ben.tamper = always(CommitItem, lambda item: changed(item, next_key=bytes(32)))
        await circle.admit("Cyd", ada, [ada])
        assert {"suspect", "stuck"} <= codes(ben)
        assert epochs(ben) == before

    play(story)


@pytest.mark.parametrize(
    "change",
    [
        lambda item: changed(item, envelope=flip(item.envelope)),
        lambda item: changed(item, next_key=bytes(32)),
    ],
    ids=["altered bytes", "another key"],
)
def test_one_lie_about_a_commit_costs_a_connection_and_no_more(change: Any) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        ben.tamper = Lie(CommitItem, change)
        cyd = await circle.admit("Cyd", ada, [ada])
        assert "suspect" in codes(ben)
        assert "stuck" not in codes(ben)
        assert cyd.phase == "member"
        await say(circle, ada, "still here")
        assert ben.texts("Ada") == ["still here"]

    play(story)


def test_an_altered_commit_is_not_merged_and_what_was_queued_says_so() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        before = epochs(ben)
        ben.tamper = always(CommitItem, lambda item: changed(item, envelope=flip(item.envelope)))
        await circle.admit("Cyd", ada, [ada])
        assert "stuck" in codes(ben)
        assert epochs(ben) == before

    play(story)


def test_an_item_kept_from_one_member_shows_in_the_next_message() -> None:
    """The relay takes one message out and moves what follows up: the indices have no hole."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        taken: list[int] = []

        def squeeze(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if not isinstance(event, Item):
                return (event,)
            if not taken:
                taken.append(event.n)
                return ()
            return changed(event, n=event.n - 1)

        ben.tamper = squeeze
        await say(circle, ada, "withheld")
        await say(circle, ada, "next")
        assert ben.texts("Ada") == ["next"]
        assert "split" in codes(ben)

    play(story)


def test_an_altered_log_entry_is_a_fork() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        ben.tamper = Lie(Logged, lambda event: changed(event, entries=(flip(event.entries[0]),)))
        size = ben.core.state.roster.size  # type: ignore[union-attr]
        await circle.admit("Cyd", ada, [ada])
        assert "Fork" in codes(ben)
        # The lie ends with its connection; then the true log is taken.
        assert ben.core.state.roster.size > size  # type: ignore[union-attr]

    play(story)


def test_a_head_that_only_the_home_signed_settles_nothing() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)

        def without_cosignature(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if isinstance(event, Head):
                text, _, lines = event.note.partition(b"\n\n")
                home = circle.relays.home_card.name.encode()
                kept = [line for line in lines.splitlines() if home in line]
                note = text + b"\n\n" + b"".join(line + b"\n" for line in kept)
                return changed(event, note=note)
            return (event,)

        size = ben.core.state.roster.size  # type: ignore[union-attr]
        ben.tamper = without_cosignature
        ada.feed(SendText(ref=circle.ref(), conversation="Desk", text="x"))
        await circle.act(ada, OpenConversation(ref=circle.ref(), title="B", members=("Ben",)))
        await _admit_while(circle, ada, ben)
        assert ben.core.state.roster.size == size  # type: ignore[union-attr]
        assert "NotSettled" in codes(ben)

    play(story)


async def _admit_while(circle: SimulatedCircle, ada: SimulatedDevice, ben: SimulatedDevice) -> None:
    """Let the log grow; Ben reconnects for ever, so the circle never comes to rest by itself."""
    from cloister.client.inputs import Invite

    ada.feed(Invite(ref=circle.ref()))
    for _ in range(60):
        for device in (ada, ben):
            device.step()
        await asyncio.sleep(0)


def test_a_head_signed_by_other_keys_is_refused() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        entropy = SystemEntropy()
        forger = HybridKey(Secret(entropy.random(32)), Secret(entropy.random(32)))
        roster = ben.core.state.roster
        assert roster is not None
        note = sign_checkpoint(
            roster.origin, roster.size + 5, bytes(32), circle.relays.home_card.name, forger
        )
        ben.tamper = Lie(Head, lambda event: changed(event, note=note))
        await circle.admit("Cyd", ada, [ada])
        assert ben.core.state.head_time > 0
        assert codes(ben) & {"BadNoteSignature", "UnsignedByLog", "NoteError"}

    play(story)


def test_another_relay_at_the_same_address_gets_no_proof() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        ben.drop_link()
        proofs: list[AnyEvent] = []

        def impostor(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if isinstance(event, Proved):
                proofs.append(event)
            return changed(event, relay_id=bytes(32)) if isinstance(event, Challenge) else (event,)

        ben.tamper = impostor
        for _ in range(20):
            ben.step()
            await asyncio.sleep(0)
        assert "relay" in codes(ben)
        assert proofs == []
        assert ada.core.state.roster is not None

    play(story)


def test_a_key_package_of_somebody_else_is_not_added() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        theirs: list[bytes] = []

        def steal(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if isinstance(event, Package):
                theirs.append(event.package)
                return changed(event, package=bens_package)
            return (event,)

        bens_package = next(iter(ben.core.state.key_packages.values())).key_package
        ada.tamper = steal
        ben.is_offline = True
        cyd = await circle.admit("Cyd", ada, [ada])
        assert theirs
        assert "key package" in codes(ada)
        assert cyd.phase == "joining: waiting"
        ben.is_offline = False
        await circle.settle()
        # Ben's own duty, with an honest answer, lets the newcomer in.
        assert cyd.phase == "member"

    play(story)


@pytest.mark.parametrize("number", range(6))
def test_answers_to_another_question_end_the_connection_and_change_nothing(number: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        answers: list[AnyEvent] = [
            Entries(rid=0, from_seq=0, entries=(b"x",), size=1),
            Package(rid=0, package=b"x"),
            Proved(rid=0, epoch=9, first_n=0, next_n=0, floor_n=0),
            Head(rid=0, note=b"x"),
            Logged(from_seq=0, entries=(b"\0",)),
            Item(channel_id=bytes(16), n=0, epoch=0, envelope_id=bytes(16), envelope=b""),
        ]
        ben.drop_link()
        ben.tamper = Lie(
            Proved,
            lambda event: (
                *(
                    changed(answers[number], rid=event.rid)
                    if hasattr(answers[number], "rid")
                    else (answers[number],)
                ),
                event,
            ),
        )
        roster = ben.core.state.roster
        await say(circle, ada, "still here")
        assert ben.texts("Ada") == ["still here"]
        assert ben.core.state.roster == roster

    play(story)
