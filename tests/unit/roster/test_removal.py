"""Leaving, and removal by two."""

from __future__ import annotations

import pytest

from cloister.roster.content import Approve, Leave, RemovalKind, Remove, Role, Tick
from cloister.roster.events import Left, RemovalProposed, Removed
from cloister.roster.policy import PROPOSAL_LIFETIME_S
from cloister.roster.rules import Rule
from cloister.roster.state import MemberState
from unit.roster.circle import Circle, Person, circle_of_three, forming_circle, person

ADA, BEN, CLEO, DAN = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan"))


def proposal_to_remove(circle: Circle, steward: Person, subject: Person) -> bytes:
    """Propose a removal; the hash an approval names."""
    (event,) = circle.act(
        steward,
        Remove(kind=RemovalKind.DEPARTURE, since=0, member_id=subject.member_id, reason="gone"),
    )
    assert isinstance(event, RemovalProposed)
    return event.entry_hash


def circle_with_two_stewards() -> Circle:
    """Ada and Ben govern, Cleo and Dan do not."""
    circle = forming_circle()
    circle.admit(BEN, ADA, role=Role.STEWARD)
    circle.admit(CLEO, ADA)
    circle.admit(DAN, ADA, BEN)
    circle.appoint(BEN)
    return circle


def test_attack_member_without_office_removes_somebody_ROS_090() -> None:
    circle = circle_of_three()
    removal = Remove(kind=RemovalKind.DEPARTURE, since=0, member_id=CLEO.member_id, reason="")
    assert circle.rule_broken(BEN, removal) is Rule.REMOVE_AUTHOR


def test_who_is_no_member_is_not_removed_ROS_091() -> None:
    circle = circle_of_three()
    removal = Remove(kind=RemovalKind.DEPARTURE, since=0, member_id=DAN.member_id, reason="")
    assert circle.rule_broken(ADA, removal) is Rule.REMOVE_SUBJECT
    circle.remove(ADA, CLEO, BEN)
    again = Remove(kind=RemovalKind.DEPARTURE, since=0, member_id=CLEO.member_id, reason="")
    assert circle.rule_broken(ADA, again) is Rule.REMOVE_SUBJECT


def test_attack_steward_removes_all_other_stewards_ROS_092() -> None:
    circle = circle_with_two_stewards()
    for subject in (BEN, ADA):
        removal = Remove(
            kind=RemovalKind.DEPARTURE, since=0, member_id=subject.member_id, reason=""
        )
        assert circle.rule_broken(ADA, removal) is Rule.REMOVE_STEWARD


def test_approval_of_nothing_is_ignored_ROS_093() -> None:
    circle = circle_of_three()
    assert circle.rule_broken(BEN, Approve(entry_hash=bytes(32))) is Rule.APPROVE_PROPOSAL


def test_attack_approval_is_used_twice_ROS_093() -> None:
    circle = circle_of_three()
    proposal = proposal_to_remove(circle, ADA, CLEO)
    circle.act(BEN, Approve(entry_hash=proposal))
    assert circle.rule_broken(BEN, Approve(entry_hash=proposal)) is Rule.APPROVE_PROPOSAL


def test_all_proposals_against_a_member_end_with_the_removal_ROS_093() -> None:
    circle = circle_of_three()
    first, second = (proposal_to_remove(circle, ADA, CLEO) for _ in range(2))
    circle.act(BEN, Approve(entry_hash=second))
    assert circle.rule_broken(BEN, Approve(entry_hash=first)) is Rule.APPROVE_PROPOSAL
    assert not circle.roster.sealed_proposals


def test_proposal_lapses_by_log_time_ROS_094() -> None:
    circle = circle_of_three()
    proposal = proposal_to_remove(circle, ADA, CLEO)
    late = circle.clone()
    circle.now += PROPOSAL_LIFETIME_S - 1
    circle.act(BEN, Approve(entry_hash=proposal))
    assert not circle.roster.is_active(CLEO.did)
    late.now += PROPOSAL_LIFETIME_S
    assert late.rule_broken(BEN, Approve(entry_hash=proposal)) is Rule.APPROVE_LAPSED
    assert late.roster.is_active(CLEO.did)


@pytest.mark.parametrize("approver", [ADA, CLEO], ids=["proposer", "subject"])
def test_neither_proposer_nor_subject_approves_ROS_095(approver: Person) -> None:
    circle = circle_of_three()
    proposal = proposal_to_remove(circle, ADA, CLEO)
    assert circle.rule_broken(approver, Approve(entry_hash=proposal)) is Rule.APPROVE_OTHER


def test_in_a_circle_of_two_the_founder_alone_removes_nobody_ROS_095() -> None:
    circle = forming_circle()
    circle.admit(BEN, ADA)
    proposal = proposal_to_remove(circle, ADA, BEN)
    for approver in (ADA, BEN):
        assert circle.rule_broken(approver, Approve(entry_hash=proposal)) is Rule.APPROVE_OTHER
    assert circle.roster.is_active(BEN.did)


def test_with_two_other_stewards_a_steward_approves_ROS_096() -> None:
    circle = circle_with_two_stewards()
    proposal = proposal_to_remove(circle, ADA, CLEO)
    assert circle.rule_broken(DAN, Approve(entry_hash=proposal)) is Rule.APPROVE_STEWARD
    (removed,) = circle.act(BEN, Approve(entry_hash=proposal))
    assert isinstance(removed, Removed)
    assert (removed.proposer, removed.approver) == (ADA.member_id, BEN.member_id)


def test_proposal_of_somebody_who_lost_the_office_is_void_ROS_097() -> None:
    circle = circle_with_two_stewards()
    proposal = proposal_to_remove(circle, BEN, CLEO)
    circle.set_offices((ADA,))
    assert circle.rule_broken(DAN, Approve(entry_hash=proposal)) is Rule.APPROVE_PROPOSER


def test_steward_does_not_leave_ROS_098() -> None:
    circle = circle_of_three()
    assert circle.rule_broken(ADA, Leave()) is Rule.LEAVE_STEWARD


def test_member_leaves_with_all_devices() -> None:
    circle = circle_of_three()
    size = circle.roster.size
    (left,) = circle.act(BEN, Leave())
    assert left == Left(seq=size, member_id=BEN.member_id, dids=(BEN.did,))
    assert circle.roster.members[BEN.member_id].state is MemberState.LEFT
    assert circle.roster.was_active_at(BEN.did, size)
    assert not circle.roster.was_active_at(BEN.did, size + 1)
    assert circle.rule_broken(BEN, Tick()) is Rule.AUTHOR


def test_who_left_cannot_be_removed_any_more_ROS_093() -> None:
    circle = circle_of_three()
    proposal = proposal_to_remove(circle, ADA, CLEO)
    circle.act(CLEO, Leave())
    assert circle.rule_broken(BEN, Approve(entry_hash=proposal)) is Rule.APPROVE_PROPOSAL
    assert circle.roster.members[CLEO.member_id].state is MemberState.LEFT


def test_log_order_decides_between_a_removal_and_an_act_of_the_removed() -> None:
    before, after = circle_of_three(), circle_of_three()
    proposal = proposal_to_remove(before, ADA, CLEO)
    seed, invite = before.new_invite()
    before.act(CLEO, invite)
    before.act(BEN, Approve(entry_hash=proposal))
    assert seed.invite_id in before.roster.invites
    proposal = proposal_to_remove(after, ADA, CLEO)
    after.act(BEN, Approve(entry_hash=proposal))
    assert after.rule_broken(CLEO, after.new_invite()[1]) is Rule.AUTHOR
