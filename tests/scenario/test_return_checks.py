"""What a device that is out checks before it believes that it is back (content, M38 and M39)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cloister.client.inputs import OpenConversation, SendText
from cloister.client.powers import Reinstate, Suspend
from cloister.client.records import ChannelKind
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.events import AnyEvent, Logged
from scenario.built_once import built_once
from scenario.test_forged_welcomes import before_the_first_mail, forged_welcome


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@built_once
async def one_out(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ben, [ben])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    await suspend(circle, ada)
    assert cyd.phase == "suspended"
    return ada, ben, cyd


async def suspend(circle: SimulatedCircle, steward: SimulatedDevice) -> None:
    await circle.act(steward, Suspend(ref=circle.ref(), member="Cyd"))


async def reinstate(circle: SimulatedCircle, steward: SimulatedDevice) -> None:
    await circle.act(steward, Reinstate(ref=circle.ref(), member="Cyd"))


@pytest.mark.parametrize("size", [0, 2**40])
def test_a_forged_welcome_of_the_commons_brings_nobody_back(size: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await one_out(circle)
        commons = ada.core.state.commons
        assert commons is not None
        cyd.tamper = before_the_first_mail(
            lambda: forged_welcome(
                circle, ben, cyd, commons.channel_id, kind=ChannelKind.COMMONS, size=size
            )
        )
        await reinstate(circle, ada)
        assert cyd.phase == "member", "the true one came after it"
        assert any("no channel of the relay" in one.text for one in cyd.alarms)
        now = cyd.core.state.commons
        theirs = ben.core.state.commons
        assert now is not None
        assert theirs is not None
        assert now.group.epoch_authenticator == theirs.group.epoch_authenticator

    play(story)


def test_a_relay_that_shows_another_log_is_found_out() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await one_out(circle)
        told: list[AnyEvent] = []

        def alter(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if isinstance(event, Logged) and event.entries and not told:
                last = event.entries[-1][:-1] + bytes((event.entries[-1][-1] ^ 1,))
                told.append(event)
                return (Logged(event.from_seq, (*event.entries[:-1], last)),)
            return (event,)

        cyd.tamper = alter
        await reinstate(circle, ada)
        assert told
        assert any("does not fit its signed head" in one.text for one in cyd.alarms)
        # One lie costs a connection; the Welcome is still there.
        assert cyd.phase == "member"

    play(story)


def test_who_slept_through_going_out_and_coming_back_three_times_is_in() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await one_out(circle)
        await reinstate(circle, ada)
        cyd.is_offline = True
        cyd.drop_link()
        for number in range(3):
            await suspend(circle, ada)
            ben.feed(SendText(ref=circle.ref(), conversation="Desk", text=f"hidden {number}"))
            await circle.settle()
            await reinstate(circle, ada)
            ben.feed(SendText(ref=circle.ref(), conversation="Desk", text=f"shown {number}"))
            await circle.settle()
        cyd.is_offline = False
        await circle.settle()
        assert cyd.phase == "member"
        assert cyd.texts("Ben") == [f"shown {number}" for number in range(3)]
        assert not cyd.core.state.welcomes
        assert {one.code for one in cyd.alarms} <= {"out", "power"}

    play(story)
