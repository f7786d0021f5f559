"""Legal holds: they win over erasing wherever they stand before it, and are told to the held."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.inputs import Invite
from cloister.client.powers import Approve, EraseDevice, PlaceHold, ReleaseHold
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.roster.orders import HoldScope
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.governed import (
    DAY_S,
    codes_of,
    later,
    other_alarms,
    roster_of,
    two_stewards,
    view,
)

STOLEN = 2


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def place(circle: SimulatedCircle, scope: HoldScope, subject: str = "") -> PlaceHold:
    return PlaceHold(
        ref=circle.ref(),
        scope=int(scope),
        subject=subject,
        authority_hash="ab" * 32,
        note="request of 3 May",
    )


def shares(circle: SimulatedCircle, device: SimulatedDevice) -> int:
    (found,) = view(device, "devices", "Cyd")
    return int(found["shares"])


def test_a_hold_in_the_cool_off_stops_the_erasure_at_both_relays() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await two_stewards(circle)
        act = EraseDevice(ref=circle.ref(), device="Cyd", reason=STOLEN)
        entry = await circle.act(ada, act)
        await circle.act(ben, Approve(ref=circle.ref(), reference=entry[:8]))
        await later(circle, DAY_S // 2)
        await circle.act(ben, place(circle, HoldScope.MEMBER, "Cyd"))
        await later(circle, 2 * DAY_S)
        for relay in circle.relays.shares.values():
            relay.enforcement.look_at_all()
        assert view(ada, "erasures")[0]["state"] == "held"
        assert view(ada, "erasures")[0]["erased_at"] == []
        assert shares(circle, ada) == 2
        assert codes_of(ada, "legal hold on Cyd") == ["news"]
        assert not other_alarms(circle, "out")

    play(story())


def test_under_a_hold_an_erasure_is_refused_with_who_placed_it() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await circle.act(ben, place(circle, HoldScope.MEMBER, "Cyd"))
        assert codes_of(cyd, "Ben placed a legal hold on Cyd/1") == ["news"]
        assert codes_of(ben, "hold") == [], "Ben knows"
        size = roster_of(ada).size
        act = EraseDevice(ref=circle.ref(), device="Cyd", reason=STOLEN)
        with pytest.raises(PolicyError, match="legal hold, placed by Ben less than a day ago"):
            await circle.act(ada, act)
        assert roster_of(ada).size == size
        (held,) = view(cyd, "devices", "Cyd")
        assert held["held"]

    play(story())


def test_under_a_hold_nobody_is_invited_to_return_on_another_device() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await two_stewards(circle)
        await circle.act(ben, place(circle, HoldScope.MEMBER, "Cyd"))
        size = roster_of(ada).size
        with pytest.raises(PolicyError, match="legal hold"):
            await circle.act(ada, Invite(ref=circle.ref(), kind="return", member="Cyd"))
        assert roster_of(ada).size == size

    play(story())


def test_a_hold_on_the_circle_is_told_to_everybody_and_released_by_two() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await circle.act(ada, place(circle, HoldScope.CIRCLE))
        for device in (ben, cyd):
            assert codes_of(device, "legal hold on the circle") == ["news"]
        (hold,) = view(cyd, "holds")
        assert hold["subject"] == "the circle"
        assert hold["placed_by"] == "Ada"
        assert hold["note"] == "request of 3 May"
        assert hold["authority"] == "ab" * 32
        with pytest.raises(PolicyError):
            await circle.act(cyd, ReleaseHold(ref=circle.ref(), reference=hold["reference"]))
        with pytest.raises(NotFoundError):
            await circle.act(ada, ReleaseHold(ref=circle.ref(), reference="00000000"))
        act = ReleaseHold(ref=circle.ref(), reference=hold["reference"])
        entry = await circle.act(ada, act)
        assert view(cyd, "holds")
        await circle.act(ben, Approve(ref=circle.ref(), reference=entry[:8]))
        assert not view(cyd, "holds")

    play(story())


def test_a_conversation_is_held_by_its_channel() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await two_stewards(circle)
        with pytest.raises(UsageError, match="held with the circle"):
            await circle.act(ada, place(circle, HoldScope.CONVERSATION, "commons"))
        await circle.act(ada, place(circle, HoldScope.CONVERSATION, "Desk"))
        (hold,) = view(cyd, "holds")
        assert hold["subject"] == "Desk"
        channel = next(one for one in cyd.core.state.channels.values() if one.title == "Desk")
        assert roster_of(cyd).governance.holds_channel(channel.channel_id)

    play(story())


def test_a_member_without_office_places_no_hold() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, _, cyd = await two_stewards(circle)
        with pytest.raises(PolicyError):
            await circle.act(cyd, place(circle, HoldScope.CIRCLE))
        act = PlaceHold(ref=circle.ref(), scope=1, authority_hash="ab")
        with pytest.raises(UsageError, match="64 hexadecimal digits"):
            await circle.act(cyd, act)

    play(story())
