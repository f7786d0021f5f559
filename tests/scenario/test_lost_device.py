"""A lost device: locked at every relay at once, dropped from every group, unlocked, erased."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import pytest

from cloister.client import exposure
from cloister.client.binding import dids_of
from cloister.client.effects import Message
from cloister.client.identity import did_of
from cloister.client.inputs import SendText, Vouch
from cloister.client.powers import (
    Approve,
    ConsentToUnlock,
    EraseDevice,
    LockDevice,
    Object,
    Refuse,
    RetireDevice,
    UnlockDevice,
)
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.roster.governance_state import PAUSE_S
from cloister.roster.state import RequestState
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.governed import (
    DAY_S,
    codes_of,
    later,
    other_alarms,
    roster_of,
    send,
    two_stewards,
    view,
)

LOST, STOLEN = 1, 2


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def device_view(seen_by: SimulatedDevice, name: str) -> dict[str, Any]:
    (found,) = view(seen_by, "devices", name)
    return found


def is_inside(seen_by: SimulatedDevice, lost: SimulatedDevice) -> bool:
    did = did_of(lost.core.state)
    return any(
        did in dids_of(channel.group).values() for channel in seen_by.core.state.channels.values()
    )


def rows_of(device: SimulatedDevice) -> Mapping[bytes, Sequence[Message]]:
    rows: dict[bytes, list[Message]] = {}
    for message in device.messages.values():
        rows.setdefault(message.channel_id, []).append(message)
    return rows


def report(seen_by: SimulatedDevice, lost: SimulatedDevice) -> dict[str, Any]:
    return exposure.report(seen_by.core.state, did_of(lost.core.state), rows_of(seen_by))


# --- locking --------------------------------------------------------------------------------------


def test_a_steward_locks_a_device_at_both_relays_and_it_leaves_every_group() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        cyd.is_offline = True
        order = await circle.act(ada, LockDevice(ref=circle.ref(), device="Cyd"))
        (lock,) = view(ada, "locks", order)
        assert lock["devices"] == "Cyd/1"
        assert sorted(lock["locked_at"]) == ["entry.example", "home.example"]
        assert lock["in_log"]
        assert lock["done"]
        assert lock["groups"] == 2
        assert not is_inside(ada, cyd)
        assert not is_inside(ben, cyd)
        assert device_view(ben, "Cyd")["state"] == "locked"
        assert codes_of(ben, "Cyd/1") == ["news"]
        assert codes_of(ada, "Cyd/1") == [], "what she has done herself"
        assert not ada.core.errands

    play(story())


def test_a_relay_that_is_away_gets_the_lock_later_and_the_other_at_once() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await two_stewards(circle)
        cyd.is_offline = True
        ada.is_offline = True
        act = LockDevice(ref=circle.ref(), device="Cyd")
        ada.feed(act)
        order = circle.result(ada, act)
        assert len(ada.core.errands) == 2
        (lock,) = view(ada, "locks", order)
        assert lock["locked_at"] == []
        ada.crash()
        (lock,) = view(ada, "locks", order)
        assert not lock["done"], "the order is stored before anything is sent"
        ada.is_offline = False
        await circle.settle()
        (lock,) = view(ada, "locks", order)
        assert lock["done"]

    play(story())


def test_the_owner_locks_her_other_device_and_nobody_elses() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await two_stewards(circle)
        laptop = await circle.add_device("Cyd laptop", cyd, [ada])
        assert device_view(ada, "Cyd/2")["id"] == did_of(laptop.core.state).hex()
        with pytest.raises(PolicyError, match="somebody else's device"):
            await circle.act(cyd, LockDevice(ref=circle.ref(), device="Ben"))
        with pytest.raises(PolicyError, match="does not lock itself"):
            await circle.act(cyd, LockDevice(ref=circle.ref(), device="Cyd/1"))
        cyd.is_offline = True
        order = await circle.act(laptop, LockDevice(ref=circle.ref(), device="Cyd/1"))
        (lock,) = view(laptop, "locks", order)
        assert lock["done"]
        assert device_view(ada, "Cyd/1")["state"] == "locked"
        assert device_view(ada, "Cyd/2")["state"] == "active"
        assert not is_inside(ada, cyd)

    play(story())


def test_a_lock_is_told_once_to_everybody_whom_it_concerns() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        laptop = await circle.add_device("Cyd laptop", cyd, [ada])
        assert codes_of(ben, "Cyd has one more device") == ["news"]
        await circle.act(laptop, LockDevice(ref=circle.ref(), device="Cyd/1"))
        await circle.settle()
        assert codes_of(laptop, "Cyd/1") == [], "she has done it herself"
        assert codes_of(ada, "Cyd/1") == codes_of(ben, "Cyd/1") == ["news"]
        assert codes_of(cyd, "") == ["out"]
        (alarm,) = cyd.alarms
        assert "Cyd says: Cyd/1 lost." in alarm.text
        assert "unlock it" in alarm.text
        line = await circle.act(laptop, ConsentToUnlock(ref=circle.ref(), device="Cyd/1"))
        await circle.act(ada, UnlockDevice(ref=circle.ref(), device="Cyd/1", consents=(line,)))
        await circle.settle()
        assert cyd.news == ["This device belongs to the circle again: Cyd/1 is unlocked."]
        assert codes_of(ada, "unlocked") == [], "she has done it herself"
        assert codes_of(laptop, "") == ["news"]

    play(story())


def test_what_a_steward_has_to_decide_is_an_alarm() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await two_stewards(circle)
        await circle.act(ada, LockDevice(ref=circle.ref(), device="Cyd"))
        await circle.act(ada, UnlockDevice(ref=circle.ref(), device="Cyd"))
        assert codes_of(ben, "Ada proposes to unlock Cyd/1") == ["power"]
        await circle.act(ben, Approve(ref=circle.ref(), reference="Cyd"))
        assert codes_of(ada, "Cyd/1 is unlocked") == ["news"]

    play(story())


def test_five_devices_of_one_member_are_one_voucher() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        own = [cyd]
        for number in range(2, 6):
            own.append(await circle.add_device(f"Cyd {number}", cyd, [ada]))
        assert len(view(ada, "devices", "Cyd")) == 5
        dan = await circle.admit("Dan", ben, own)
        (asked,) = [one for one in roster_of(ada).requests.values() if one.request.name == "Dan"]
        assert asked.state is RequestState.OPEN
        assert len(asked.vouches) == 1
        assert dan.phase != "member"
        await circle.act(ben, Vouch(ref=circle.ref(), request="Dan", how=1))
        assert dan.phase == "member"

    play(story())


def test_a_retired_device_is_out_and_sends_nothing() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await two_stewards(circle)
        laptop = await circle.add_device("Cyd laptop", cyd, [ada])
        with pytest.raises(PolicyError, match="only its owner"):
            await circle.act(ada, RetireDevice(ref=circle.ref(), device="Cyd/2"))
        await circle.act(cyd, RetireDevice(ref=circle.ref(), device="Cyd/2"))
        assert device_view(ada, "Cyd/2")["state"] == "retired"
        act = SendText(ref=circle.ref(), conversation="commons", text="still here")
        with pytest.raises(PolicyError, match=r"retired|not in the circle|not in it"):
            await circle.act(laptop, act)

    play(story())


# --- unlocking ------------------------------------------------------------------------------------


def test_two_stewards_unlock_and_one_does_not() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        with pytest.raises(PolicyError, match="not locked"):
            await circle.act(ada, UnlockDevice(ref=circle.ref(), device="Cyd"))
        await circle.act(ada, LockDevice(ref=circle.ref(), device="Cyd"))
        entry = await circle.act(ada, UnlockDevice(ref=circle.ref(), device="Cyd"))
        assert device_view(ada, "Cyd")["state"] == "locked"
        with pytest.raises(PolicyError, match="yourself"):
            await circle.act(ada, Approve(ref=circle.ref(), reference=entry[:8]))
        await circle.act(ben, Approve(ref=circle.ref(), reference="Cyd"))
        assert device_view(ada, "Cyd")["state"] == "active"
        await circle.settle()
        send(circle, ada, "found again")
        await circle.settle()
        assert "found again" in cyd.texts("Ada")

    play(story())


def test_the_owner_and_one_steward_unlock() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await two_stewards(circle)
        laptop = await circle.add_device("Cyd laptop", cyd, [ada])
        await circle.act(laptop, LockDevice(ref=circle.ref(), device="Cyd/1"))
        with pytest.raises(PolicyError, match="only the owner"):
            await circle.act(ada, ConsentToUnlock(ref=circle.ref(), device="Cyd/1"))
        line = await circle.act(laptop, ConsentToUnlock(ref=circle.ref(), device="Cyd/1"))
        act = UnlockDevice(ref=circle.ref(), device="Cyd/1", consents=(line[:-9],))
        with pytest.raises(UsageError, match="not a line of consent"):
            await circle.act(ada, act)
        act = UnlockDevice(ref=circle.ref(), device="Cyd/1", consents=(line,))
        await circle.act(ada, act)
        assert device_view(ada, "Cyd/1")["state"] == "active"
        assert view(ada, "pending") == []
        # The consent was for that lock and for no later one.
        await circle.act(laptop, LockDevice(ref=circle.ref(), device="Cyd/1"))
        act = UnlockDevice(ref=circle.ref(), device="Cyd/1", consents=(line,))
        with pytest.raises(PolicyError, match=r"older than the lock|does not fit"):
            await circle.act(ada, act)
        assert device_view(ada, "Cyd/1")["state"] == "locked"

    play(story())


# --- erasing --------------------------------------------------------------------------------------


async def erased_order(circle: SimulatedCircle, ada: SimulatedDevice, cyd: SimulatedDevice) -> str:
    cyd.is_offline = True
    act = EraseDevice(ref=circle.ref(), device="Cyd", reason=STOLEN, note="taken in Panama")
    return await circle.act(ada, act)


def test_two_stewards_erase_after_the_cool_off_and_the_receipts_are_logged() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        entry = await erased_order(circle, ada, cyd)
        assert device_view(ben, "Cyd")["state"] == "locked", "it is locked by the proposal"
        with pytest.raises(PolicyError):
            await circle.act(ada, Approve(ref=circle.ref(), reference=entry[:8]))
        await circle.act(ben, Approve(ref=circle.ref(), reference="Cyd"))
        (erasing,) = view(ben, "erasures")
        assert erasing["state"] == "approved"
        await later(circle, DAY_S - 600)
        assert view(ben, "erasures")[0]["erased_at"] == []
        await later(circle, 1200)
        (erased,) = view(ben, "erasures")
        assert erased["state"] == "erased"
        assert erased["erased_at"] == ["entry.example", "home.example"]
        assert erased["progress"][:2] == ["asked by Ada", "approved by Ben"]
        assert device_view(ada, "Cyd")["state"] == "erased"
        assert not view(ada, "pending")
        with pytest.raises(PolicyError, match="not locked"):
            await circle.act(ada, UnlockDevice(ref=circle.ref(), device="Cyd"))
        assert not other_alarms(circle)

    play(story())


def test_one_steward_alone_erases_nothing() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await two_stewards(circle)
        await erased_order(circle, ada, cyd)
        await later(circle, 8 * DAY_S)
        (over,) = view(ada, "erasures")
        assert over["state"] == "lapsed"
        assert device_view(ada, "Cyd")["state"] == "locked"
        assert device_view(ada, "Cyd")["shares"] == 2

    play(story())


def test_a_steward_stops_an_erasure_in_the_cool_off() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        entry = await erased_order(circle, ada, cyd)
        await circle.act(ben, Approve(ref=circle.ref(), reference=entry[:8]))
        await circle.act(ben, Refuse(ref=circle.ref(), reference=entry[:8]))
        await later(circle, 2 * DAY_S)
        assert view(ada, "erasures")[0]["state"] == "stopped"
        assert device_view(ada, "Cyd")["shares"] == 2

    play(story())


def test_two_objections_pause_an_erasure_for_three_days() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        dan = await circle.admit("Dan", ada, [ada, ben])
        entry = await erased_order(circle, ada, cyd)
        await circle.act(ben, Approve(ref=circle.ref(), reference=entry[:8]))
        await circle.act(dan, Object(ref=circle.ref(), reference=entry[:8], reason="found it"))
        assert view(dan, "erasures")[0]["paused_until"] is None
        await circle.act(ben, Object(ref=circle.ref(), reference=entry[:8]))
        paused = view(dan, "erasures")[0]
        assert paused["paused_until"] is not None
        await later(circle, DAY_S + 3600)
        assert view(dan, "erasures")[0]["state"] == "approved"
        await later(circle, PAUSE_S)
        assert view(dan, "erasures")[0]["state"] == "erased"

    play(story())


# --- exposure -------------------------------------------------------------------------------------


def test_the_report_counts_what_was_readable_until_the_leaf_was_gone() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        for text in ("one", "two", "three"):
            send(circle, ben, text)
        await circle.settle()
        before = report(ada, cyd)
        assert before["messages"] == 3
        assert before["locked_at"] is None
        assert before["still_inside"] == ["commons", "Desk"]
        # A text that is on its way when the lock is ordered reaches the lost device too.
        cyd.is_offline = True
        ada.is_offline = True
        act = LockDevice(ref=circle.ref(), device="Cyd")
        ada.feed(act)
        send(circle, ben, "too late for this one")
        await circle.settle()
        ada.is_offline = False
        await circle.settle()
        send(circle, ben, "among ourselves")
        await circle.settle()
        after = report(ada, cyd)
        assert after["messages"] == 4
        assert after["after_lock"] == 1
        assert after["still_inside"] == []
        assert after["locked_at"] == circle_time(ada)
        desk = next(one for one in after["conversations"] if one["title"] == "Desk")
        late = [bytes.fromhex(one) for one in desk["after_lock_ids"]]
        texts = {row.text for row in ada.messages.values() if row.message_id in late}
        assert texts == {"too late for this one"}
        assert after["cannot_know"]
        # The facts are in the vault: another life of the same device tells the same.
        ada.crash()
        assert report(ada, cyd) == after

    play(story())


def circle_time(device: SimulatedDevice) -> int:
    (lock,) = view(device, "locks")
    return int(lock["ordered_at"])


def test_a_device_is_named_in_three_ways() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await two_stewards(circle)
        did = did_of(cyd.core.state).hex()
        for name in ("Cyd", "cyd", "Cyd/1", did[:8], did):
            assert device_view(ada, name)["id"] == did
        for name in ("Cyd/2", "Dan", did[:3], "Cyd/x"):
            with pytest.raises(NotFoundError):
                view(ada, "devices", name)

    play(story())
