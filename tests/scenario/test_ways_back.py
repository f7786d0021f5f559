"""What the guides promise to who forgot a PIN, and to a circle that lost its only steward."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from cloister.client.inputs import ChangeConversation, OpenConversation, SendText
from cloister.client.powers import Approve, OfferStewardKey, ProposeStewards, Suspend
from cloister.roster.content import Role
from cloister.roster.state import MemberState
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.built_once import built_once
from scenario.governed import DAY_S, later, other_alarms, roster_of, two_stewards


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def role_of(seen_by: SimulatedDevice, name: str) -> Role:
    member = roster_of(seen_by).member_named(name)
    assert member is not None
    return member.role


@built_once
async def with_officers(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    """Ada is the only steward, Ben and Cyd are officers, Dan and Eve members."""
    ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ada, [ada])
    dan = await circle.admit("Dan", ada, [ada, ben])
    eve = await circle.admit("Eve", ada, [ada, ben])
    for device in (ben, cyd):
        await circle.act(device, OfferStewardKey(ref=circle.ref()))
    act = ProposeStewards(ref=circle.ref(), add_officers=("Ben", "Cyd"))
    await approved(circle, await circle.act(ada, act), ben, cyd)
    assert role_of(eve, "Cyd") is Role.OFFICER
    return ada, ben, cyd, dan, eve


async def approved(circle: SimulatedCircle, entry: str, *approvers: SimulatedDevice) -> None:
    for device in approvers:
        await circle.act(device, Approve(ref=circle.ref(), reference=entry[:8]))


def test_who_forgot_the_pin_returns_with_name_and_conversations_but_without_the_past() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        cyd = await circle.admit("Cyd", ada, [ada])
        desk = OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd"))
        await circle.act(ada, desk)
        await circle.act(ada, SendText(ref=circle.ref(), conversation="Desk", text="before"))
        cyd.is_offline = True
        back = await circle.bring_back("Cyd", "another name", ben, [ben, ada])
        assert back.phase == "member"
        assert [one.name for one in roster_of(ada).members.values()] == ["Ada", "Ben", "Cyd"]
        await circle.act(
            ben, ChangeConversation(ref=circle.ref(), conversation="Desk", add=("Cyd",))
        )
        await circle.act(ben, SendText(ref=circle.ref(), conversation="Desk", text="after"))
        assert back.texts("Ada") == []
        assert back.texts("Ben") == ["after"]
        assert not other_alarms(circle, "device")

    play(story())


def test_a_lone_steward_who_returns_is_given_the_office_again_by_two_officers() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, dan, _ = await with_officers(circle)
        ada.is_offline = True
        back = await circle.bring_back("Ada", "new", ben, [ben, cyd])
        assert back.phase == "member"
        await circle.act(back, OfferStewardKey(ref=circle.ref()))
        entry = await circle.act(ben, ProposeStewards(ref=circle.ref(), add=("Ada",)))
        await approved(circle, entry, cyd, back)
        await later(circle, 14 * DAY_S + 60)
        assert len(roster_of(dan).governance.steward_keys) == 1
        await circle.act(back, Suspend(ref=circle.ref(), member="Dan", reason="a test"))
        dan_now = roster_of(ben).member_named("Dan")
        assert dan_now is not None
        assert dan_now.state is MemberState.SUSPENDED

    play(story())


def test_two_stewards_named_by_officers_drop_the_one_who_is_lost() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, dan, eve = await with_officers(circle)
        ada.is_offline = True
        for device in (dan, eve):
            await circle.act(device, OfferStewardKey(ref=circle.ref()))
        entry = await circle.act(ben, ProposeStewards(ref=circle.ref(), add=("Dan", "Eve")))
        await approved(circle, entry, cyd, dan, eve)
        await later(circle, 14 * DAY_S + 60)
        assert role_of(ben, "Dan") is role_of(ben, "Eve") is Role.STEWARD
        entry = await circle.act(dan, ProposeStewards(ref=circle.ref(), drop=("Ada",)))
        await approved(circle, entry, eve)
        await later(circle, 60)
        assert role_of(ben, "Ada") is Role.MEMBER
        assert role_of(ben, "Dan") is role_of(ben, "Eve") is Role.STEWARD

    play(story())


def test_one_steward_named_by_officers_cannot_drop_the_one_who_is_lost() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, dan, _ = await with_officers(circle)
        ada.is_offline = True
        await circle.act(dan, OfferStewardKey(ref=circle.ref()))
        entry = await circle.act(ben, ProposeStewards(ref=circle.ref(), add=("Dan",)))
        await approved(circle, entry, cyd, dan)
        await later(circle, 14 * DAY_S + 60)
        assert role_of(ben, "Dan") is Role.STEWARD
        await circle.act(dan, ProposeStewards(ref=circle.ref(), drop=("Ada",)))
        await later(circle, 8 * DAY_S)
        assert role_of(ben, "Ada") is Role.STEWARD

    play(story())


def test_of_two_stewards_one_cannot_put_a_new_key_in_the_place_of_the_others() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        before = set(roster_of(cyd).governance.steward_keys)
        ada.is_offline = True
        back = await circle.bring_back("Ada", "new", ben, [ben, cyd])
        assert back.phase == "member"
        await circle.act(back, OfferStewardKey(ref=circle.ref()))
        entry = await circle.act(ben, ProposeStewards(ref=circle.ref(), add=("Ada",)))
        await approved(circle, entry, back)
        await later(circle, 2 * DAY_S)
        assert set(roster_of(cyd).governance.steward_keys) == before

    play(story())
