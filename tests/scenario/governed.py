"""Circles with stewards, and the questions that tests of governance ask of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloister.client.governance_views import governance_view
from cloister.client.inputs import Invite, Join, OpenConversation, SendText, Tick, Vouch
from cloister.roster.roster import Roster
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.built_once import built_once

DAY_S = 86_400


async def admit_steward(
    circle: SimulatedCircle,
    name: str,
    inviter: SimulatedDevice,
    vouchers: Iterable[SimulatedDevice],
) -> SimulatedDevice:
    """Bring somebody in as a steward, which only a forming circle can do."""
    code = await circle.act(inviter, Invite(ref=circle.ref(), steward=True))
    device = circle.add(name)
    await circle.act(device, Join(ref=circle.ref(), code=code, name=name))
    for voucher in vouchers:
        await circle.act(voucher, Vouch(ref=circle.ref(), request=name, how=1))
    return device


@built_once
async def two_stewards(
    circle: SimulatedCircle, *, cool_off_s: int = DAY_S
) -> tuple[SimulatedDevice, SimulatedDevice, SimulatedDevice]:
    """Ada and Ben are stewards, Cyd a member; they talk at the Desk.  Changes need no delay."""
    ada = await circle.found(
        "Ada", test_circle=True, unlock_shares=True, change_delay_s=0, cool_off_s=cool_off_s
    )
    ben = await admit_steward(circle, "Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


def roster_of(device: SimulatedDevice) -> Roster:
    """Return the roster as a device has it."""
    roster = device.core.state.roster
    assert roster is not None
    return roster


def view(device: SimulatedDevice, what: str, about: str = "") -> list[dict[str, Any]]:
    """Return a view of governance."""
    return governance_view(device.core.state, what, about)


def send(circle: SimulatedCircle, device: SimulatedDevice, text: str) -> None:
    """Send a text to the Desk."""
    device.feed(SendText(ref=circle.ref(), conversation="Desk", text=text))


async def later(circle: SimulatedCircle, seconds: int) -> None:
    """Let time pass in which nothing but deadlines happens."""
    circle.now += seconds
    for device in circle.devices:
        if not device.is_offline:
            device.feed(Tick())
    await circle.settle()


def power_alarms(device: SimulatedDevice) -> list[str]:
    """Return what this device was told aloud about acts of power."""
    return [alarm.text for alarm in device.alarms if alarm.code == "power"]


def codes_of(device: SimulatedDevice, text: str) -> list[str]:
    """Return how a device was told what holds a text: the codes of the alarms, and "news"."""
    alarms = [alarm.code for alarm in device.alarms if text in alarm.text]
    return alarms + ["news" for one in device.news if text in one]


def other_alarms(circle: SimulatedCircle, *expected: str) -> list[str]:
    """Return the alarms that no test asked for."""
    return [
        f"{device.name}: {alarm.code}: {alarm.text}"
        for device in circle.devices
        for alarm in device.alarms
        if alarm.code not in ("power", *expected)
    ]
