"""A home restored from a backup, seen by its devices: what is lost is said, and the rest goes on.

The relays are those of the simulated circle: in memory.  That the command does to the files what
``restore_home`` does here is seen in tests/integration/test_relay_backup.py."""

from __future__ import annotations

from copy import deepcopy

import pytest

from cloister.client.effects import AnnotationKind, MessageState
from cloister.client.inputs import Annotate, ChangeConversation, OpenConversation, SetReceipts, Tick
from cloister.client.powers import ResetCommons
from cloister.client.putting_again import LEAST_KEPT, MAX_KEPT
from cloister.client.receipt_records import ReceiptLevel
from cloister.client.records import Outgoing
from cloister.client.taking_up import FIRST_UPDATE_WITHIN_S
from cloister.lives import first_of_life
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.testing.simulated_relays import SimulatedRelays
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import AnyRequest, Put
from counts import seeds
from scenario.governed import roster_of
from scenario.hostile import codes, go_on, pass_time, play, put, say, three_at_a_desk


async def three_at_rest(
    circle: SimulatedCircle,
) -> tuple[SimulatedDevice, SimulatedDevice, SimulatedDevice]:
    """Three at a Desk, whose devices have made their first updates: no epoch ends by itself."""
    three = await three_at_a_desk(circle)
    await pass_time(circle, FIRST_UPDATE_WITHIN_S)
    await circle.settle()
    return three


def restore_home(circle: SimulatedCircle, backup: SimulatedRelays) -> None:
    """Put the backup in the place of the home: logs from the mirror, indices in a new life."""
    logs = deepcopy(circle.relays.store._logs)
    relays = SimulatedRelays(lambda: circle.now, like=backup)
    relays.store._logs = logs
    relays.mirrored._logs = deepcopy(circle.relays.mirrored._logs)
    first = first_of_life(circle.now)
    for channel in relays.store._channels.values():
        channel.next_n = first
    for (kind, _), box in relays.store._mailboxes.items():
        if kind is ObjectKind.INBOX:
            box.next_n = first
            box.packages.clear()
    circle.relays = relays
    for device in circle.devices:
        device.drop_link()


def test_texts_that_the_backup_does_not_know_are_put_again_and_shown_once() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        await say(circle, ada, "before")
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        cyd.is_offline = True
        await say(circle, ada, "not yet read by Cyd", "nor this")
        await say(circle, ben, "an answer")
        for device in (ada, ben):
            device.crash()  # all that is known of it must be in the vault
        restore_home(circle, backup)
        await circle.settle()
        assert not ada.core.is_busy
        assert not ben.core.is_busy
        ben.crash()
        cyd.is_offline = False
        await circle.settle()
        assert cyd.texts("Ada") == ["before", "not yet read by Cyd", "nor this"]
        assert cyd.texts("Ben") == ["an answer"]
        await say(circle, ben, "hello")
        await say(circle, ada, "after")
        for device in (ada, ben, cyd):
            assert device.texts("Ada") == ["before", "not yet read by Cyd", "nor this", "after"]
            assert device.texts("Ben") == ["an answer", "hello"]
            assert codes(device) == {"restored"}, device.name
            assert all(row.state is not MessageState.QUEUED for row in device.messages.values())

    play(story())


def puts_of(device: SimulatedDevice) -> list[Put]:
    """Note what a device puts from now on."""
    seen: list[Put] = []

    def note(request: AnyRequest) -> tuple[AnyRequest, ...]:
        if isinstance(request, Put):
            seen.append(request)
        return (request,)

    device.hinder = note
    return seen


def test_what_is_put_again_is_the_same_bytes_and_what_the_relay_has_stays_where_it_is() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        first = puts_of(ada)
        await say(circle, ada, "in the backup")
        kept = {row.message_id: row.n for row in ada.messages.values() if row.own}
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        cyd.is_offline = True
        await say(circle, ada, "after it")
        again = puts_of(ada)
        restore_home(circle, backup)
        await circle.settle()
        assert [(one.envelope_id, one.envelope) for one in again] == [
            (one.envelope_id, one.envelope) for one in first
        ]
        after = {row.message_id: row.n for row in ada.messages.values() if row.own}
        assert kept.items() <= after.items()
        # Once is enough: the relay's life has not changed.
        for device in circle.devices:
            device.drop_link()
        await circle.settle()
        ada.crash()
        await circle.settle()
        assert len(again) == len(first)
        assert codes(ada) == codes(ben) == {"restored"}

    play(story())


@pytest.mark.parametrize("seed", seeds(4, 40))
def test_crashes_at_any_moment_lose_nothing_and_show_nothing_twice(seed: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed)
        ada, ben, cyd = await three_at_rest(circle)
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        cyd.is_offline = True
        for number in range(3):
            await say(circle, ada, f"a{number}")
            await say(circle, ben, f"b{number}")
        restore_home(circle, backup)
        ada.crash_rate = ben.crash_rate = 0.2
        await go_on(circle, 10)
        put(circle, ben, "b3")
        cyd.is_offline = False
        cyd.crash_rate = 0.2
        await go_on(circle, 20)
        ada.crash_rate = ben.crash_rate = cyd.crash_rate = 0.0
        await circle.settle()
        said = sorted(row.text for row in ben.messages.values())
        for device in (ada, ben, cyd):
            rows = sorted(row.text for row in device.messages.values())
            assert rows == said, device.name
            assert set(rows) >= {f"{who}{number}" for who in "ab" for number in range(3)}
            # A crash before an item was stored lets it come again, which is no second time.
            assert not codes(device) & {"replay", "lost", "split", "unreadable", "stuck"}

    play(story())


def test_only_the_newest_are_kept_and_what_is_lost_is_counted() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _ben, cyd = await three_at_rest(circle)
        await say(circle, ada, "before")
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        cyd.is_offline = True
        texts = [f"text {number}" for number in range(MAX_KEPT)]
        await say(circle, ada, *texts)
        assert len(ada.records["outbox"]) == len(ada.records["sent"]) == LEAST_KEPT
        restore_home(circle, backup)
        await circle.settle()
        cyd.is_offline = False
        await circle.settle()
        assert cyd.texts("Ada") == ["before", *texts[-LEAST_KEPT:]]
        assert "gap" in codes(cyd)
        assert any(
            f"{MAX_KEPT - LEAST_KEPT} message(s) of Ada" in alarm.text for alarm in cyd.alarms
        )

    play(story())


def test_what_was_lost_is_encrypted_anew_in_the_next_epoch_for_those_who_were_in() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        cyd.is_offline = True
        await say(circle, ada, "read by Ben alone")
        ada.is_offline = True
        restore_home(circle, backup)
        await circle.settle()
        rename = ChangeConversation(ref=circle.ref(), conversation="Desk", title="Table")
        await circle.act(ben, rename)
        ada.is_offline = cyd.is_offline = False
        await circle.settle()
        for device in (ada, ben, cyd):
            assert device.texts("Ada") == ["read by Ben alone"], device.name
            assert not codes(device) & {"replay", "unreadable", "split"}

    play(story())


def test_what_is_forgotten_or_taken_back_is_not_kept_for_a_restore() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three_at_rest(circle)
        change = ChangeConversation(ref=circle.ref(), conversation="Desk", lifetime_s=3600)
        await circle.act(ada, change)
        await say(circle, ada, "for an hour", "taken back")
        (wrong,) = [one for one in ada.messages.values() if one.text == "taken back"]
        retract = Annotate(
            ref=circle.ref(),
            conversation="Desk",
            kind=AnnotationKind.RETRACTION,
            message_id=wrong.message_id,
        )
        await circle.act(ada, retract)
        bodies = [Outgoing.decode(one).body for one in ada.records["outbox"].values()]
        assert b"for an hour" in bodies
        assert b"taken back" not in bodies
        ada.is_offline = True
        await circle.settle()
        wakes_at = ada.wake_at
        assert wakes_at is not None
        circle.now = wakes_at
        ada.feed(Tick())
        assert not ada.records["outbox"]
        assert not ada.records["sent"]
        assert {"for an hour", "taken back"} <= set(ben.texts("Ada"))

    play(story())


def test_receipts_go_on_over_a_restore() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        for device in (ben, cyd):
            act = SetReceipts(ref=circle.ref(), conversation="Desk", level=ReceiptLevel.DELIVERED)
            await circle.act(device, act)
        await pass_time(
            circle, FIRST_UPDATE_WITHIN_S
        )  # a backup knows the epoch that it goes on in
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        await say(circle, ada, "where is this?")
        restore_home(circle, backup)
        await circle.settle()
        await pass_time(circle, 600)
        await circle.settle()
        (row,) = [one for one in ada.messages.values() if one.own]
        marks = ada.core.state.marks
        assert len(marks) == 2
        assert all(mark.from_n <= row.n < mark.until_n for mark in marks.values())
        assert codes(ben) == {"restored"}

    play(story())


def test_conversation_that_the_backup_does_not_know_is_said_to_stand_still() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        opening = OpenConversation(ref=circle.ref(), title="Lost", members=("Ben",))
        await circle.act(ada, opening)
        restore_home(circle, backup)
        await go_on(circle)
        assert "unknown" in codes(ada) & codes(ben)
        assert "unknown" not in codes(cyd)
        # The pools were dropped with the backup, and are full again.
        opening = OpenConversation(ref=circle.ref(), title="Room", members=("Ben", "Cyd"))
        await circle.act(ada, opening)
        await say(circle, cyd, "all well")
        assert ada.texts("Cyd") == ben.texts("Cyd") == ["all well"]

    play(story())


def test_commons_that_the_backup_does_not_know_is_reset_by_a_steward() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        backup = SimulatedRelays(lambda: circle.now, like=circle.relays)
        dan = await circle.admit("Dan", ben, [ben, ada])
        restore_home(circle, backup)
        await go_on(circle)
        assert all("unknown" in codes(one) for one in (ada, ben, cyd))
        ada.feed(ResetCommons(ref=circle.ref()))
        await go_on(circle, 90)
        await circle.settle()
        assert len({roster_of(one).commons_channel for one in (ada, ben, cyd)}) == 1
        for device in (ada, ben, cyd):
            assert not device.core.state.has_lost_commons, device.name
        assert dan.phase == "member"
        await say(circle, cyd, "all well")
        assert ada.texts("Cyd") == ben.texts("Cyd") == ["all well"]

    play(story())
