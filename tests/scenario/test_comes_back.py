"""Out for a time, and back: with one's own history, without what was said meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.effects import MessageState
from cloister.client.identity import did_of
from cloister.client.inputs import OpenConversation, Remove, SendText, Vouch
from cloister.client.powers import ConsentToUnlock, LockDevice, Reinstate, Suspend, UnlockDevice
from cloister.client.records import ChannelState
from cloister.client.views import status_view
from cloister.errors import PolicyError
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from counts import seeds
from scenario.built_once import built_once

SEEDS, NIGHTLY_SEEDS = 6, 50


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@built_once
async def three(
    circle: SimulatedCircle, *, unlock_shares: bool = False
) -> tuple[SimulatedDevice, ...]:
    ada = await circle.found("Ada", unlock_shares=unlock_shares)
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ben, [ben])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


async def say(circle: SimulatedCircle, device: SimulatedDevice, text: str) -> None:
    await circle.act(device, SendText(ref=circle.ref(), conversation="Desk", text=text))


async def suspend(circle: SimulatedCircle, steward: SimulatedDevice, name: str) -> None:
    await circle.act(steward, Suspend(ref=circle.ref(), member=name, reason="lost phone"))


async def reinstate(circle: SimulatedCircle, steward: SimulatedDevice, name: str) -> None:
    await circle.act(steward, Reinstate(ref=circle.ref(), member=name))


def alarms(circle: SimulatedCircle) -> list[str]:
    """All alarms but those that say who used power, and to its owner that a device is out."""
    return [
        f"{device.name}: {one.code}: {one.text}"
        for device in circle.devices
        for one in device.alarms
        if one.code not in ("out", "power")
    ]


def test_a_suspended_member_comes_back_with_its_history() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        await say(circle, cyd, "one")
        await say(circle, ada, "two")
        await suspend(circle, ada, "Cyd")
        assert cyd.phase == "suspended"
        assert "out" in {one.code for one in cyd.alarms}
        standing = status_view(cyd.core.state, circle.now)["standing"]
        assert isinstance(standing, dict)
        assert standing["state"] == "suspended"
        assert standing["hint"]
        states = {channel.state for channel in cyd.core.state.channels.values()}
        assert states == {ChannelState.OUT}

        await say(circle, ben, "while Cyd is out")
        with pytest.raises(PolicyError, match="this member is suspended"):
            await say(circle, cyd, "can you hear me?")

        await reinstate(circle, ada, "Cyd")
        assert cyd.phase == "member"
        await say(circle, ben, "welcome back")
        await say(circle, cyd, "thank you")
        assert ben.texts("Cyd") == ada.texts("Cyd") == ["one", "thank you"]
        assert cyd.texts("Ada") == ["two"]
        assert cyd.texts("Ben") == ["welcome back"]
        for channel in cyd.core.state.channels.values():
            assert channel.state is ChannelState.ACTIVE
        assert not alarms(circle)

    play(story())


def test_a_member_who_was_away_all_the_while_comes_back_too() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        await say(circle, cyd, "one")
        cyd.is_offline = True
        cyd.drop_link()
        cyd.feed(SendText(ref=circle.ref(), conversation="Desk", text="on the train"))
        await suspend(circle, ada, "Cyd")
        await say(circle, ben, "while Cyd is out")
        await reinstate(circle, ada, "Cyd")
        await say(circle, ben, "welcome back")
        rows = [row for row in cyd.messages.values() if row.text == "on the train"]
        assert [row.state for row in rows] == [MessageState.QUEUED]
        cyd.is_offline = False
        await circle.settle()
        assert cyd.phase == "member"
        assert cyd.texts("Ben") == ["welcome back"]
        assert ada.texts("Cyd") == ["one", "on the train"]
        assert not alarms(circle)

    play(story())


@pytest.mark.parametrize("seed", seeds(SEEDS, NIGHTLY_SEEDS))
def test_crashes_keep_nobody_out(seed: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed)
        ada, ben, cyd = await three(circle)
        await say(circle, cyd, "one")
        cyd.crash_rate = 0.2
        await suspend(circle, ada, "Cyd")
        assert cyd.phase == "suspended"
        await reinstate(circle, ada, "Cyd")
        await circle.settle()
        cyd.crash_rate = 0.0
        await circle.settle()
        assert cyd.phase == "member"
        await say(circle, cyd, "three")
        assert ben.texts("Cyd") == ["one", "three"]
        assert not alarms(circle)

    play(story())


def test_who_goes_out_again_and_again_always_comes_back() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        for number in range(4):
            await suspend(circle, ada, "Cyd")
            await say(circle, ben, f"hidden {number}")
            await reinstate(circle, ada, "Cyd")
            await say(circle, ben, f"shown {number}")
        assert cyd.texts("Ben") == [f"shown {number}" for number in range(4)]
        assert not alarms(circle)

    play(story())


def test_a_new_member_is_admitted_while_another_is_out() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        await suspend(circle, ada, "Cyd")
        dan = await circle.admit("Dan", ada, [ada, ben])
        assert dan.phase == "member"
        await reinstate(circle, ada, "Cyd")
        assert cyd.phase == "member"
        assert len({bytes(one.core.state.roster.root) for one in circle.devices}) == 1  # type: ignore[union-attr]
        eve = await circle.admit("Eve", cyd, [cyd, ben])
        assert eve.phase == "member"
        assert not alarms(circle)

    play(story())


def test_who_is_removed_while_out_does_not_come_back() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        await suspend(circle, ada, "Cyd")
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        await circle.settle()
        assert cyd.phase == "suspended", "it cannot know more: the log is closed to it"
        for device in (ada, ben):
            for channel in device.core.state.channels.values():
                assert not channel.dropped
        assert not alarms(circle)

    play(story())


def test_texts_of_a_member_who_is_removed_fail_with_the_reason() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        cyd.is_offline = True
        cyd.drop_link()
        cyd.feed(SendText(ref=circle.ref(), conversation="Desk", text="too late"))
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        cyd.is_offline = False
        await circle.settle()
        rows = [row for row in cyd.messages.values() if row.text == "too late"]
        assert [row.state for row in rows] == [MessageState.FAILED]
        assert "removed" in rows[0].reason
        with pytest.raises(PolicyError, match="removed"):
            await say(circle, cyd, "hello?")

    play(story())


def test_what_was_begun_before_is_not_done_after_the_return() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        dan = await circle.admit("Dan", ada, [ada])
        cyd.is_offline = True
        cyd.drop_link()
        vouch = Vouch(ref=circle.ref(), request="Dan", how=1)
        cyd.feed(vouch)
        await suspend(circle, ada, "Cyd")
        await reinstate(circle, ada, "Cyd")
        cyd.is_offline = False
        await circle.settle()
        assert cyd.phase == "member"
        assert not cyd.core.state.intents
        with pytest.raises(PolicyError, match="out of the circle"):
            circle.result(cyd, vouch)
        assert dan.phase == "joining: waiting"
        await circle.act(ben, Vouch(ref=circle.ref(), request="Dan", how=1))
        assert dan.phase == "member"

    play(story())


def is_locked(circle: SimulatedCircle, device: SimulatedDevice) -> list[bool]:
    """Whether each relay would refuse to serve this device's share."""
    found = []
    for opened, card in device.core.enrolled_shares:
        share = circle.relays.shares[card.relay_id].store.share(opened.receipt.handle)
        assert share is not None
        found.append(share.locked_at is not None)
    return found


def test_a_device_that_its_owner_locked_comes_back_when_it_is_unlocked() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle, unlock_shares=True)
        laptop = await circle.add_device("laptop", ben, [cyd])
        await say(circle, ben, "one")
        phone = did_of(ben.core.state).hex()
        await circle.act(laptop, LockDevice(ref=circle.ref(), device=phone))
        await circle.settle()
        assert ben.phase == "locked"
        assert is_locked(circle, ben) == [True, True]
        assert is_locked(circle, laptop) == [False, False]
        await say(circle, laptop, "the phone is gone")
        with pytest.raises(PolicyError, match="locked"):
            await say(circle, ben, "no, it is here")

        line = await circle.act(laptop, ConsentToUnlock(ref=circle.ref(), device=phone))
        unlock = UnlockDevice(ref=circle.ref(), device=phone, consents=tuple(line.split()))
        await circle.act(ada, unlock)
        await circle.settle()
        assert ben.phase == "member"
        assert is_locked(circle, ben) == [False, False]
        await say(circle, ben, "found it")
        assert cyd.texts("Ben") == ["one", "the phone is gone", "found it"]
        assert ben.texts("Ben") == ["one", "found it"]

    play(story())
