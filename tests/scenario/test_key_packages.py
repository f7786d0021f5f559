"""Key packages grow old: who is away for long can still be added, and nobody is alarmed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from cloister import mls
from cloister.client import pool
from cloister.client.identity import did_of
from cloister.client.inputs import OpenConversation, SendText, Tick
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from scenario.built_once import built_once

DAY_S = 86_400


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@built_once
async def two(circle: SimulatedCircle) -> tuple[SimulatedDevice, SimulatedDevice]:
    ada = await circle.found("Ada")
    return ada, await circle.admit("Ben", ada, [ada])


async def later(circle: SimulatedCircle, days: int) -> None:
    """Let days pass, one after the other, as devices live through them."""
    for _ in range(days):
        circle.now += DAY_S
        roster = circle.devices[0].core.state.roster
        assert roster is not None
        circle.relays.logs.on_grown(roster.origin)
        for device in circle.devices:
            if not device.is_offline:
                device.feed(Tick())
        await circle.settle()


def ends(device: SimulatedDevice) -> list[int]:
    """End of the lifetime of each key package whose private half the device keeps, s."""
    found = []
    for one in device.core.state.key_packages.values():
        lifetime = mls.KeyPackage.decode(one.key_package).leaf_node.lifetime
        assert lifetime is not None
        found.append(lifetime.not_after)
    return found


def alarms(circle: SimulatedCircle) -> list[str]:
    return [one.text for device in circle.devices for one in device.alarms if one.code != "power"]


def test_what_is_pooled_is_replaced_at_half_its_life() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, ben = await two(circle)
        await later(circle, 45)
        assert min(ends(ben)) - circle.now >= 40 * DAY_S
        assert pool.POOL_LOW < len(ends(ben)) <= pool.POOL_SIZE + pool.POOL_LOW
        assert not alarms(circle)

    play(story())


def test_who_went_away_after_weeks_is_added_weeks_later() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two(circle)
        await later(circle, 45)
        ben.is_offline = True
        ben.drop_link()
        await later(circle, 40)
        await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben",)))
        await circle.act(ada, SendText(ref=circle.ref(), conversation="Desk", text="there you are"))
        ben.is_offline = False
        await circle.settle()
        assert ben.texts("Ada") == ["there you are"]
        assert not alarms(circle)

    play(story())


def test_key_packages_that_have_expired_are_passed_over_without_a_word() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two(circle)
        ben.is_offline = True
        ben.drop_link()
        await later(circle, 85)
        ada.feed(OpenConversation(ref=circle.ref(), title="Desk", members=("Ben",)))
        await circle.settle()
        assert not alarms(circle)
        ben.is_offline = False
        await circle.settle()
        for _ in range(20):
            circle.now += 30
            ada.feed(Tick())
            await circle.settle()
        await circle.act(ada, SendText(ref=circle.ref(), conversation="Desk", text="at last"))
        assert ben.texts("Ada") == ["at last"]
        assert not alarms(circle)

    play(story())


def test_one_that_was_taken_and_outlived_its_time_in_a_long_session_is_passed_over() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two(circle)
        old = next(iter(ben.core.state.key_packages.values())).key_package
        await later(circle, 85)
        session = replace(ada.core.state.session, packages={did_of(ben.core.state): old})
        ada.core = replace(ada.core, state=replace(ada.core.state, session=session))
        await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben",)))
        await circle.act(ada, SendText(ref=circle.ref(), conversation="Desk", text="still here"))
        assert ben.texts("Ada") == ["still here"]
        assert not alarms(circle)

    play(story())
