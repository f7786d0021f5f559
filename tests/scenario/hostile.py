"""Circles under a hostile relay, and the questions that its tests ask."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from cloister.client.inputs import OpenConversation, SendText, Tick
from cloister.client.views import status_view
from cloister.testing.hostile_relay import silent_differences
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.built_once import built_once
from scenario.governed import roster_of

STEPS_A_SECOND = 12
MINUTE_S = 60


def play(story: Coroutine[Any, Any, None]) -> None:
    """Run a test's story."""
    asyncio.run(story)


def codes(device: SimulatedDevice) -> set[str]:
    """Return the codes of the alarms that are not about acts of power."""
    return {alarm.code for alarm in device.alarms} - {"power"}


def is_stale(circle: SimulatedCircle, device: SimulatedDevice) -> bool:
    """Whether the status says that no fresh signature of the log has come."""
    return bool(status_view(device.core.state, circle.now)["log_stale"])


async def go_on(circle: SimulatedCircle, seconds: int = 3) -> None:
    """Let the circle go on for a while.  Who is lied to may never come to rest."""
    for _ in range(seconds):
        for _ in range(STEPS_A_SECOND):
            for device in circle.devices:
                device.step()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        circle.now += 1
        tick(circle)


def tick(circle: SimulatedCircle) -> None:
    """Let every device look at the clock."""
    for device in circle.devices:
        if not device.is_offline:
            device.feed(Tick())


async def pass_time(circle: SimulatedCircle, seconds: int) -> None:
    """Let time pass, and then a little more; programs look at the clock every minute."""
    for left in range(seconds, 0, -MINUTE_S):
        circle.now += min(left, MINUTE_S)
        tick(circle)
    await go_on(circle)


async def sleep_through(circle: SimulatedCircle, seconds: int) -> None:
    """Let time pass in one step, as for machines that slept, and then a little more."""
    circle.now += seconds
    tick(circle)
    await go_on(circle)


def put(circle: SimulatedCircle, device: SimulatedDevice, *texts: str) -> None:
    """Queue texts for the Desk."""
    for text in texts:
        device.feed(SendText(ref=circle.ref(), conversation="Desk", text=text))


async def say(circle: SimulatedCircle, device: SimulatedDevice, *texts: str) -> None:
    """Send texts to the Desk."""
    put(circle, device, *texts)
    await circle.settle()


@built_once
async def three_at_a_desk(
    circle: SimulatedCircle,
) -> tuple[SimulatedDevice, SimulatedDevice, SimulatedDevice]:
    """Ada, Ben and Cyd, who talk at the Desk."""
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


async def recover(circle: SimulatedCircle, *devices: SimulatedDevice) -> None:
    """See that all have one log again, and hear each other."""
    await circle.settle()
    assert len({roster_of(one).root for one in devices}) == 1
    for number, device in enumerate(devices):
        await say(circle, device, f"after {number}")
    for device in devices:
        shown = [row.text for row in device.messages.values()]
        assert all(f"after {number}" in shown for number in range(len(devices))), device.name
    assert not silent_differences(circle)
