"""Suspension by one steward and by two, its end, and stewards, whose keys relays obey."""

from __future__ import annotations

import pytest

from cloister.roster.content import Approve, Reinstate, RemovalKind, Remove, Suspend, Tick
from cloister.roster.events import (
    Reinstated,
    Suspended,
    SuspensionConfirmed,
    SuspensionLapsed,
)
from cloister.roster.governance_state import SUSPENSION_S
from cloister.roster.orders import EntryReference, StewardSuspend
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.state import MemberState
from unit.roster.circle import DAY, Circle, circle_of_three, person

ADA, BEN, CLEO, DAN = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan"))


def circle_with_two_stewards() -> Circle:
    """Ada and Ben govern, Cleo and Dan do not."""
    circle = circle_of_three()
    circle.admit(DAN, ADA, BEN)
    circle.appoint(BEN)
    return circle


def suspended(circle: Circle) -> bytes:
    """Ada suspends Cleo; the hash of the entry."""
    events = circle.act(ADA, Suspend(member_id=CLEO.member_id, reason="odd"))
    assert isinstance(events[0], Suspended)
    assert events[0].until == circle.now + SUSPENSION_S
    return events[0].entry_hash


def test_one_steward_suspends_at_once_and_for_a_week() -> None:
    circle = circle_with_two_stewards()
    suspended(circle)
    until = circle.now + SUSPENSION_S
    assert circle.roster.members[CLEO.member_id].state is MemberState.SUSPENDED
    assert not circle.roster.is_active(CLEO.did)
    assert circle.rule_broken(CLEO, Tick()) is Rule.AUTHOR
    assert not circle.roster.needs_tick(until - 1)
    assert circle.roster.needs_tick(until)
    circle.tick(ADA, until - 1)
    assert not circle.roster.is_active(CLEO.did)
    events = circle.tick(ADA, until)
    assert [event.member_id for event in events if isinstance(event, SuspensionLapsed)] == [
        CLEO.member_id
    ]
    assert circle.roster.is_active(CLEO.did)
    assert not circle.roster.sealed_proposals
    assert not circle.roster.needs_tick(until + 400 * DAY)
    assert len(circle.roster.devices[CLEO.did].spans) == 2


def test_roster_that_was_read_back_knows_what_falls_due_next() -> None:
    circle = circle_with_two_stewards()
    suspended(circle)
    until = circle.now + SUSPENSION_S
    read = Roster.decode(circle.roster.encode())
    assert read.next_due == circle.roster.next_due == until
    assert not read.needs_tick(until - 1)
    assert read.needs_tick(until)


def test_two_stewards_suspend_until_two_reinstate() -> None:
    circle = circle_with_two_stewards()
    approved = circle.act(BEN, Approve(entry_hash=suspended(circle)))
    assert isinstance(approved[0], SuspensionConfirmed)
    circle.tick(ADA, circle.now + 30 * DAY)
    assert not circle.roster.is_active(CLEO.did)
    circle.act(ADA, Reinstate(member_id=CLEO.member_id, reason="a mistake"))
    assert not circle.roster.is_active(CLEO.did)
    (proposal,) = circle.roster.sealed_proposals
    assert circle.rule_broken(ADA, Approve(entry_hash=proposal)) is Rule.APPROVE_OTHER
    (event,) = circle.act(BEN, Approve(entry_hash=proposal))
    assert event == Reinstated(seq=event.seq, member_id=CLEO.member_id, by=BEN.member_id)
    assert circle.roster.is_active(CLEO.did)


def test_unconfirmed_suspension_is_ended_by_any_steward_at_once() -> None:
    for steward in (ADA, BEN):
        circle = circle_with_two_stewards()
        proposal = suspended(circle)
        circle.act(steward, Reinstate(member_id=CLEO.member_id, reason=""))
        assert circle.roster.is_active(CLEO.did)
        assert circle.rule_broken(BEN, Approve(entry_hash=proposal)) is Rule.APPROVE_PROPOSAL


def test_lone_steward_confirms_nothing_ROS_096() -> None:
    """What takes two stewards is not to be had with one, unlike a removal."""
    circle = circle_of_three()
    proposal = suspended(circle)
    assert circle.rule_broken(BEN, Approve(entry_hash=proposal)) is Rule.APPROVE_STEWARD
    assert circle.rule_broken(ADA, Approve(entry_hash=proposal)) is Rule.APPROVE_OTHER
    assert not circle.roster.members[CLEO.member_id].suspension_confirmed


def test_approval_comes_before_the_suspension_is_over_ROS_094() -> None:
    circle = circle_with_two_stewards()
    proposal = suspended(circle)
    circle.now += SUSPENSION_S
    assert circle.rule_broken(BEN, Approve(entry_hash=proposal)) is Rule.APPROVE_LAPSED
    assert circle.roster.is_active(CLEO.did)


def test_attack_member_without_office_suspends_ROS_190() -> None:
    circle = circle_with_two_stewards()
    suspend = Suspend(member_id=CLEO.member_id, reason="")
    assert circle.rule_broken(DAN, suspend) is Rule.SUSPEND_AUTHOR


def test_who_is_out_or_suspended_is_not_suspended_ROS_191() -> None:
    circle = circle_with_two_stewards()
    suspended(circle)
    again = Suspend(member_id=CLEO.member_id, reason="")
    assert circle.rule_broken(BEN, again) is Rule.SUSPEND_SUBJECT
    circle.remove(ADA, DAN, BEN)
    gone = Suspend(member_id=DAN.member_id, reason="")
    assert circle.rule_broken(BEN, gone) is Rule.SUSPEND_SUBJECT
    unknown = Suspend(member_id=person("Eve").member_id, reason="")
    assert circle.rule_broken(BEN, unknown) is Rule.SUSPEND_SUBJECT


def test_stewards_are_suspended_where_relays_can_read_it_ROS_192() -> None:
    circle = circle_with_two_stewards()
    suspend = Suspend(member_id=BEN.member_id, reason="")
    assert circle.rule_broken(ADA, suspend) is Rule.SUSPEND_STEWARD
    assert circle.roster.is_active(BEN.did)


def test_attack_member_without_office_reinstates_ROS_193() -> None:
    circle = circle_with_two_stewards()
    suspended(circle)
    reinstate = Reinstate(member_id=CLEO.member_id, reason="")
    assert circle.rule_broken(DAN, reinstate) is Rule.REINSTATE_AUTHOR


def test_who_is_not_suspended_is_not_reinstated_ROS_194() -> None:
    circle = circle_with_two_stewards()
    for subject in (CLEO, person("Eve")):
        reinstate = Reinstate(member_id=subject.member_id, reason="")
        assert circle.rule_broken(ADA, reinstate) is Rule.REINSTATE_SUBJECT


def test_subject_who_came_to_an_office_meanwhile_is_left_ROS_186() -> None:
    for confirm in (False, True):
        circle = circle_with_two_stewards()
        circle.keys["Cleo"] = circle.announce(CLEO)
        if confirm:
            suspended(circle)
        else:
            kind, member_id = RemovalKind.DEPARTURE, CLEO.member_id
            circle.act(ADA, Remove(member_id=member_id, kind=kind, since=0, reason=""))
        proposal = circle.last_hash
        circle.set_offices((ADA, BEN, CLEO))
        assert circle.rule_broken(BEN, Approve(entry_hash=proposal)) is Rule.APPROVE_OFFICE


def test_suspended_key_suspends_its_member_and_a_second_steward_makes_it_last() -> None:
    circle = circle_with_two_stewards()
    circle.admit(person("Finn"), ADA, BEN)
    circle.keys["Cleo"] = circle.announce(CLEO)
    circle.set_offices((ADA, BEN, CLEO))
    key_id = steward_key_id(circle.keys["Ben"].public)
    events = circle.readable(
        circle.keys["Ada"], ReadableType.STEWARD_SUSPEND, StewardSuspend(key_id=key_id, lift=False)
    )
    (event,) = (one for one in events if isinstance(one, Suspended))
    assert (event.member_id, event.by) == (BEN.member_id, ADA.member_id)
    assert circle.roster.members[BEN.member_id].state is MemberState.SUSPENDED
    assert not circle.roster.is_steward(BEN.member_id)
    assert circle.rule_broken(BEN, Tick()) is Rule.AUTHOR
    lapsing = circle.clone()
    lapsing.tick(ADA, event.until)
    assert lapsing.roster.is_steward(BEN.member_id)
    assert lapsing.rule_broken(BEN, Tick()) is None
    confirmed = circle.readable(
        circle.keys["Cleo"], ReadableType.APPROVE, EntryReference(entry_hash=event.entry_hash)
    )
    assert any(isinstance(one, SuspensionConfirmed) for one in confirmed)
    circle.tick(ADA, event.until + 60 * DAY)
    assert not circle.roster.is_active(BEN.did)
    # Relays would go on obeying nobody: the key is not obeyed there either.
    assert not circle.roster.governance.obeys(key_id)
    reinstate = Reinstate(member_id=BEN.member_id, reason="")
    assert circle.rule_broken(ADA, reinstate) is Rule.REINSTATE_SUBJECT


@pytest.mark.parametrize("by_entry", [True, False])
def test_attack_clock_games_a_suspension_ends_by_log_time_only(by_entry: bool) -> None:
    circle = circle_with_two_stewards()
    suspended(circle)
    until = circle.now + SUSPENSION_S
    # Any entry carries log time there, an ignored one too.
    circle.now = until - 1
    if by_entry:
        circle.act(ADA, Tick())
    else:
        circle.rule_broken(CLEO, Tick())
    assert circle.roster.is_active(CLEO.did)
