"""Moves of the home while devices crash, lose their links, and talk (decision 0038)."""

from __future__ import annotations

import asyncio

import pytest

from cloister.client.powers import Approve, MoveHome
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.testing.simulated_home import SimulatedHome
from counts import seeds
from scenario.governed import other_alarms, roster_of, send, view
from scenario.hostile import play
from scenario.test_moving_home import decide_without, follow, lose_home, three


def talk(circle: SimulatedCircle, said: list[str]) -> None:
    """Everybody says something, and no crash comes between a person and the device."""
    for device in circle.devices:
        text = f"{device.name} {len(said)}"
        rate, device.crash_rate = device.crash_rate, 0.0
        send(circle, device, text)
        device.crash_rate = rate
        said.append(text)


def shown(device: SimulatedDevice, said: list[str]) -> list[str]:
    """Return what of it a device shows."""
    return sorted(one.text for one in device.messages.values() if one.text in said)


async def decide_amid(
    circle: SimulatedCircle, home: SimulatedHome, by: SimulatedDevice, second: SimulatedDevice
) -> None:
    """Two stewards want another home, and nobody waits for anything to come to rest."""
    by.feed(MoveHome(ref=circle.ref(), home_card=home.card.encode(), activation_code="code"))
    for _ in range(400):
        await circle.shake(3)
        waiting = [one for one in view(second, "pending") if one["kind"] == "change of relays"]
        if waiting:
            reference = str(waiting[0]["reference"])
            second.feed(Approve(ref=circle.ref(), reference=reference))
            return
        await asyncio.sleep(0)
    raise AssertionError("the proposal did not come")


@pytest.mark.parametrize("seed", seeds(1, 60))
def test_nothing_is_lost_in_a_planned_move_whatever_crashes(seed: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed)
        ada, ben, _ = await three(circle)
        home = circle.relays.add_home()
        said: list[str] = []
        for turn in range(4):
            for device in circle.devices:
                device.crash_rate = 0.05
            talk(circle, said)
            await circle.shake(circle.rng.randrange(40))
            if turn == 1:
                for device in circle.devices:
                    device.crash_rate = 0.0
                await decide_amid(circle, home, ada, ben)
        await circle.shake(200)
        for device in circle.devices:
            device.crash_rate = 0.0
        await circle.settle(within_s=3000)
        for device in circle.devices:
            assert roster_of(device).relay_set.home == home.card
            assert device.core.state.home_move is None
            assert shown(device, said) == sorted(said)
        assert other_alarms(circle, "invitations") == []

    play(story())


@pytest.mark.parametrize("seed", seeds(1, 60))
def test_what_a_lost_home_takes_along_is_said(seed: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed)
        ada, ben, cyd = await three(circle)
        home = circle.relays.add_home()
        said: list[str] = []
        for _ in range(3):
            talk(circle, said)
            await circle.shake(circle.rng.randrange(60))
        await lose_home(circle)
        talk(circle, said)
        newest, other = sorted((ada, ben), key=lambda one: -roster_of(one).size)
        notice = await decide_without(circle, home, newest, other)
        await follow(circle, notice, newest, cyd)
        talk(circle, said)
        await circle.settle(within_s=2000)
        for device in circle.devices:
            assert roster_of(device).relay_set.home == home.card
            assert device.core.state.home_move is None
            if shown(device, said) != sorted(said):
                assert any(one.code == "lost with the home" for one in device.alarms)
        assert other_alarms(circle, "lost with the home", "gap") == []

    play(story())
