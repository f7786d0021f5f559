"""Power over people and offices: whole circles, real relays in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.foresight import Forbidden
from cloister.client.inputs import Remove, SendText, Vouch
from cloister.client.powers import (
    Approve,
    OfferStewardKey,
    ProposeRelays,
    ProposeStewards,
    Refuse,
    Reinstate,
    SetPolicy,
    Suspend,
)
from cloister.client.views import requests_view
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.roster.content import Role
from cloister.roster.relay_card import RelayRole, make_relay_card
from cloister.roster.state import MemberState
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.governed import (
    DAY_S,
    admit_steward,
    codes_of,
    later,
    other_alarms,
    power_alarms,
    roster_of,
    send,
    two_stewards,
    view,
)


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def state_of(seen_by: SimulatedDevice, name: str) -> MemberState:
    member = roster_of(seen_by).member_named(name)
    assert member is not None
    return member.state


def role_of(seen_by: SimulatedDevice, name: str) -> Role:
    member = roster_of(seen_by).member_named(name)
    assert member is not None
    return member.role


def test_who_is_invited_as_a_steward_while_forming_becomes_one_by_itself() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        for device in (ada, ben, cyd):
            roster = roster_of(device)
            assert len(roster.governance.steward_keys) == 2
            assert role_of(device, "Ben") is Role.STEWARD
            assert role_of(device, "Cyd") is Role.MEMBER
        assert [one["name"] for one in view(cyd, "stewards")] == ["Ada", "Ben"]
        assert view(ada, "pending") == []
        assert not other_alarms(circle)

    play(story())


def test_a_delay_passes_before_a_new_steward_is_obeyed() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", unlock_shares=True)
        ben = await admit_steward(circle, "Ben", ada, [ada])
        assert role_of(ben, "Ben") is Role.MEMBER
        (waiting,) = view(ada, "pending")
        assert waiting["text"] == "change of stewards: Ben becomes steward"
        assert waiting["waits_for"] == "the day that was set"
        await later(circle, DAY_S + 60)
        assert role_of(ada, "Ben") is Role.STEWARD
        assert role_of(ben, "Ben") is Role.STEWARD

    play(story())


def test_three_stewards_come_in_while_the_circle_forms() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        ben = await admit_steward(circle, "Ben", ada, [ada])
        cyd = await admit_steward(circle, "Cyd", ada, [ada])
        assert [role_of(cyd, name) for name in ("Ada", "Ben", "Cyd")] == [Role.STEWARD] * 3
        assert ben.core.state.roster == ada.core.state.roster
        with pytest.raises(PolicyError, match="while the circle is forming"):
            await admit_steward(circle, "Dan", ada, [])

    play(story())


def test_a_suspended_member_is_out_of_every_group_and_comes_back_after_a_week() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        send(circle, cyd, "before")
        await circle.settle()
        await circle.act(ada, Suspend(ref=circle.ref(), member="Cyd", reason="phone taken"))
        assert state_of(ben, "Cyd") is MemberState.SUSPENDED
        assert any("suspended Cyd (phone taken)" in text for text in power_alarms(ben))
        assert codes_of(cyd, "Ada suspended Cyd (phone taken)") == ["out"], "and not a second time"
        send(circle, ada, "between stewards")
        await circle.settle()
        assert cyd.texts("Ada") == []
        act = SendText(ref=circle.ref(), conversation="Desk", text="let me in")
        with pytest.raises(PolicyError, match="suspended"):
            await circle.act(cyd, act)
        await later(circle, 7 * DAY_S + 60)
        assert state_of(ada, "Cyd") is MemberState.ACTIVE
        send(circle, ada, "welcome back")
        await circle.settle()
        assert cyd.texts("Ada") == ["welcome back"]

    play(story())


def test_a_second_steward_makes_a_suspension_last_and_two_end_it() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await two_stewards(circle)
        await circle.act(ada, Suspend(ref=circle.ref(), member="Cyd"))
        with pytest.raises(PolicyError, match="yourself"):
            await circle.act(ada, Approve(ref=circle.ref(), reference="Cyd"))
        await circle.act(ben, Approve(ref=circle.ref(), reference="Cyd"))
        await later(circle, 8 * DAY_S)
        assert state_of(ada, "Cyd") is MemberState.SUSPENDED
        await circle.act(ben, Reinstate(ref=circle.ref(), member="Cyd"))
        assert state_of(ada, "Cyd") is MemberState.SUSPENDED
        (waiting,) = view(ada, "pending")
        assert waiting["kind"] == "reinstatement"
        await circle.act(ada, Approve(ref=circle.ref(), reference=waiting["reference"]))
        assert state_of(ada, "Cyd") is MemberState.ACTIVE

    play(story())


def test_a_member_without_office_has_no_power() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await two_stewards(circle)
        size = roster_of(ada).size
        for act in (
            Suspend(ref=circle.ref(), member="Ben"),
            Suspend(ref=circle.ref(), member="Ada"),
            Reinstate(ref=circle.ref(), member="Ben"),
            Remove(ref=circle.ref(), member="Ada"),
            SetPolicy(ref=circle.ref(), changes=(("vouches", 3),)),
            ProposeStewards(ref=circle.ref(), drop=("Ada",)),
        ):
            with pytest.raises(PolicyError):
                await circle.act(cyd, act)
        assert roster_of(ada).size == size, "a refused act left a trace in the log"

    play(story())


def test_a_steward_is_taken_the_office_by_the_others_and_then_removed() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        ben = await admit_steward(circle, "Ben", ada, [ada])
        cyd = await admit_steward(circle, "Cyd", ada, [ada])
        with pytest.raises(PolicyError, match="office of a steward"):
            await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ada, ProposeStewards(ref=circle.ref(), drop=("Cyd",)))
        assert role_of(ben, "Cyd") is Role.STEWARD
        (waiting,) = view(ben, "pending")
        assert waiting["text"] == "change of stewards: Cyd is steward no more"
        await circle.act(ben, Approve(ref=circle.ref(), reference=waiting["reference"]))
        assert role_of(ben, "Cyd") is Role.MEMBER
        await later(circle, 60)
        assert role_of(ben, "Cyd") is Role.MEMBER, "no program brings a steward back"
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd", reason=2))
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        assert state_of(ada, "Cyd") is MemberState.REMOVED
        assert cyd.phase == "removed"

    play(story())


def test_a_steward_suspends_a_steward_whose_key_is_obeyed_no_more() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        ben = await admit_steward(circle, "Ben", ada, [ada])
        await admit_steward(circle, "Cyd", ada, [ada])
        await circle.act(ada, Suspend(ref=circle.ref(), member="Ben"))
        assert state_of(ada, "Ben") is MemberState.SUSPENDED
        assert [one["obeyed"] for one in view(ada, "stewards")] == [True, False, True]
        with pytest.raises(PolicyError):
            await circle.act(ben, Suspend(ref=circle.ref(), member="Ada"))
        with pytest.raises(Forbidden):
            # Of two who are obeyed neither takes the other's place.
            await circle.act(ada, Suspend(ref=circle.ref(), member="Cyd"))
        await later(circle, 7 * DAY_S + 60)
        assert state_of(ada, "Ben") is MemberState.ACTIVE
        assert [one["obeyed"] for one in view(ada, "stewards")] == [True, True, True]

    play(story())


def test_a_lone_steward_cannot_change_the_rules_nor_confirm_himself() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        await circle.admit("Ben", ada, [ada])
        ben = circle.devices[1]
        await circle.admit("Cyd", ada, [ada])
        await circle.act(ada, SetPolicy(ref=circle.ref(), changes=(("veto_s", 60),)))
        (waiting,) = view(ada, "pending")
        for device in (ada, ben):
            with pytest.raises(PolicyError):
                await circle.act(device, Approve(ref=circle.ref(), reference=waiting["reference"]))
        assert roster_of(ada).policy.veto_s == 0

    play(story())


def test_two_stewards_change_a_rule_and_none_that_relays_apply() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        with pytest.raises(UsageError, match="fixed for the life"):
            await circle.act(ada, SetPolicy(ref=circle.ref(), changes=(("cool_off_s", 0),)))
        entry = await circle.act(ada, SetPolicy(ref=circle.ref(), changes=(("veto_s", 60),)))
        (waiting,) = view(ben, "pending")
        assert waiting["text"] == "change of rules: veto_s 0 becomes 60"
        await circle.act(ben, Approve(ref=circle.ref(), reference=entry[:8]))
        await later(circle, 60)
        assert roster_of(cyd).policy.veto_s == 60
        dan = await circle.admit("Dan", cyd, [])
        (asked,) = view(ada, "pending")
        assert asked["waits_for"] == "members who vouch: cloister vouch"
        for voucher in (ada, ben):
            voucher.feed(Vouch(ref=circle.ref(), request="Dan", how=1))
        while requests_view(ada.core.state)[0]["vouches"] != ["Ada", "Ben"]:
            for device in circle.devices:
                device.step()
            await asyncio.sleep(0)
        (asked,) = view(ada, "pending")
        assert "the veto time to pass" in asked["waits_for"]
        await later(circle, 61)
        assert dan.phase == "member"

    play(story())


def test_a_member_offers_a_key_and_is_made_officer_by_all_concerned() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        with pytest.raises(PolicyError, match="has not offered a key"):
            await circle.act(ada, ProposeStewards(ref=circle.ref(), add_officers=("Cyd",)))
        await circle.act(cyd, OfferStewardKey(ref=circle.ref()))
        assert [one["kind"] for one in view(ada, "pending")] == ["offer"]
        await circle.act(ada, ProposeStewards(ref=circle.ref(), add_officers=("Cyd",)))
        matter = next(one for one in view(ben, "pending") if one["kind"] == "change of stewards")
        await circle.act(ben, Approve(ref=circle.ref(), reference=matter["reference"]))
        assert role_of(ada, "Cyd") is Role.MEMBER, "the key itself has not signed yet"
        await circle.act(cyd, Approve(ref=circle.ref(), reference="Cyd"))
        assert role_of(ada, "Cyd") is Role.OFFICER
        await circle.act(ada, Suspend(ref=circle.ref(), member="Cyd"))
        (waiting,) = view(ben, "pending")
        assert waiting["text"] == "suspension of the officer Cyd"
        assert not other_alarms(circle, "out")

    play(story())


def test_an_author_withdraws_and_nobody_else_does() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await circle.act(cyd, OfferStewardKey(ref=circle.ref()))
        entry = await circle.act(ada, ProposeStewards(ref=circle.ref(), add=("Cyd",)))
        with pytest.raises(PolicyError, match="withdraw"):
            await circle.act(ben, Refuse(ref=circle.ref(), reference=entry[:8]))
        await circle.act(ada, Refuse(ref=circle.ref(), reference=entry[:8]))
        with pytest.raises(NotFoundError):
            await circle.act(ben, Approve(ref=circle.ref(), reference=entry[:8]))

    play(story())


def test_what_a_compromised_member_let_in_has_to_be_vouched_for_anew() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        since = roster_of(ada).size
        dan = await circle.admit("Dan", cyd, [cyd, ada])
        assert dan.phase == "member"
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd", reason=3, since=since))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd", reason=3))
        member = roster_of(ben).member_named("Dan")
        assert member is not None
        assert member.needs_revouch
        assert [one["kind"] for one in view(ada, "pending")] == ["vouch anew"]
        await circle.act(ben, Vouch(ref=circle.ref(), request="Dan", how=1))
        member = roster_of(ada).member_named("Dan")
        assert member is not None
        assert not member.needs_revouch

    play(story())


def test_two_officers_call_back_a_circle_whose_stewards_are_silent() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        ben = await circle.admit("Ben", ada, [ada])
        cyd = await circle.admit("Cyd", ada, [ada])
        dan = await circle.admit("Dan", ada, [ada, ben])
        for device in (ben, cyd):
            await circle.act(device, OfferStewardKey(ref=circle.ref()))
        entry = await circle.act(
            ada, ProposeStewards(ref=circle.ref(), add_officers=("Ben", "Cyd"))
        )
        for device in (ben, cyd):
            await circle.act(device, Approve(ref=circle.ref(), reference=entry[:8]))
        assert role_of(dan, "Ben") is Role.OFFICER
        ada.is_offline = True
        await circle.act(dan, OfferStewardKey(ref=circle.ref()))
        entry = await circle.act(
            ben, ProposeStewards(ref=circle.ref(), add=("Dan",), drop=("Ada",))
        )
        for device in (cyd, dan):
            await circle.act(device, Approve(ref=circle.ref(), reference=entry[:8]))
        await later(circle, 13 * DAY_S)
        assert role_of(ben, "Dan") is Role.MEMBER
        await later(circle, DAY_S + 60)
        assert role_of(ben, "Dan") is Role.STEWARD
        assert role_of(ben, "Ada") is Role.MEMBER

    play(story())


def test_another_entry_relay_takes_two_stewards() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        key = HybridKey(Secret(bytes([7]) * 32), Secret(bytes([8]) * 32))
        card = make_relay_card(
            key,
            tls_certificate=b"another",
            jurisdiction="NZ",
            operator="Long White Cloud",
            host="127.0.0.1",
            port=9,
            roles=RelayRole.ENTRY,
            name="entry-nz.example",
            mirror_host="127.0.0.1",
            mirror_port=10,
            unlock_host="127.0.0.1",
            unlock_port=11,
        )
        add = ProposeRelays(ref=circle.ref(), add=(card.encode(),))
        with pytest.raises(PolicyError):
            await circle.act(cyd, add)
        with pytest.raises(NotFoundError):
            await circle.act(ada, ProposeRelays(ref=circle.ref(), drop=("entry-xx",)))
        await circle.act(ada, add)
        await circle.settle()
        (waiting,) = [one for one in view(ben, "pending") if one["kind"] == "change of relays"]
        assert waiting["text"].startswith("change of relays: with entry-nz.example (NZ, ")
        assert len(roster_of(cyd).relay_set.entries) == 1
        await circle.act(ben, Approve(ref=circle.ref(), reference=str(waiting["reference"])))
        await later(circle, DAY_S + 60)
        for device in (ada, ben, cyd):
            names = [one.name for one in roster_of(device).relay_set.entries]
            assert names == ["entry.example", "entry-nz.example"]

    play(story())
