"""Invite entries."""

from __future__ import annotations

import pytest

from cloister.limits import MAX_INVITE_LIFETIME_S
from cloister.roster.content import InviteKind, Role
from cloister.roster.events import Invited
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.values import replace
from unit.roster.circle import DAY, Person, circle_of_three, forming_circle, person

ADA, BEN, CLEO, DAN = person("Ada"), person("Ben"), person("Cleo"), person("Dan")


def test_invitation_names_its_inviter_and_its_end() -> None:
    circle = circle_of_three()
    _, invite = circle.new_invite()
    (event,) = circle.act(BEN, invite)
    assert event == Invited(
        seq=circle.roster.size - 1,
        invite_id=invite.invite_id,
        inviter=BEN.member_id,
        role=Role.MEMBER,
        kind=InviteKind.MEMBER,
        subject=None,
        expires=invite.expires,
    )


@pytest.mark.parametrize(
    ("kind", "subject", "is_fit"),
    [
        (InviteKind.MEMBER, None, True),
        (InviteKind.MEMBER, BEN, False),
        (InviteKind.DEVICE, ADA, True),
        (InviteKind.DEVICE, BEN, False),
        (InviteKind.DEVICE, None, False),
        (InviteKind.RETURN, BEN, True),
        (InviteKind.RETURN, ADA, False),
        (InviteKind.RETURN, DAN, False),
        (InviteKind.RETURN, None, False),
    ],
)
def test_whom_an_invitation_may_be_for_ROS_040(
    kind: InviteKind, subject: Person | None, is_fit: bool
) -> None:
    circle = circle_of_three()
    _, invite = circle.new_invite(kind=kind, subject=subject)
    assert circle.rule_broken(ADA, invite) is (None if is_fit else Rule.INVITE_SUBJECT)


def test_nobody_who_is_out_returns_by_an_invitation_ROS_040() -> None:
    circle = circle_of_three()
    circle.remove(ADA, CLEO, BEN)
    _, invite = circle.new_invite(kind=InviteKind.RETURN, subject=CLEO)
    assert circle.rule_broken(ADA, invite) is Rule.INVITE_SUBJECT


@pytest.mark.parametrize(
    "key",
    [b"\1" + bytes(31), bytes(32), b"\xec" + 30 * b"\xff" + b"\x7f", 32 * b"\xff"],
    ids=["order 1", "order 4", "order 2", "not canonical"],
)
def test_attack_invitation_with_a_small_order_key_ROS_041(key: bytes) -> None:
    circle = circle_of_three()
    _, invite = circle.new_invite()
    weak = replace(invite, inv_key=key)
    assert circle.rule_broken(ADA, weak) is Rule.INVITE_KEYS


@pytest.mark.parametrize("name", ["inv_key", "box_seed", "box_id"])
def test_attack_old_invitation_is_published_again_ROS_042(name: str) -> None:
    circle = circle_of_three()
    _, first = circle.new_invite()
    circle.act(ADA, first)
    _, second = circle.new_invite()
    second = replace(second, **{name: getattr(first, name)})
    assert circle.rule_broken(BEN, second) is Rule.INVITE_NEW


@pytest.mark.parametrize("lifetime", [0, -DAY, MAX_INVITE_LIFETIME_S + 1])
def test_invitation_ends_later_but_not_much_later_ROS_043(lifetime: int) -> None:
    circle = circle_of_three()
    _, invite = circle.new_invite(lifetime=lifetime)
    assert circle.rule_broken(ADA, invite) is Rule.INVITE_LIFETIME


@pytest.mark.parametrize("lifetime", [1, MAX_INVITE_LIFETIME_S])
def test_bounds_of_an_invitations_life_ROS_043(lifetime: int) -> None:
    circle = circle_of_three()
    _, invite = circle.new_invite(lifetime=lifetime)
    assert circle.rule_broken(ADA, invite) is None


def test_attack_one_member_breeds_invitations_ROS_044() -> None:
    circle = circle_of_three()
    for _ in range(circle.policy.max_open_invites):
        circle.invite(ADA)
    _, invite = circle.new_invite()
    assert circle.rule_broken(ADA, invite) is Rule.INVITE_BUDGET
    assert circle.rule_broken(BEN, invite) is None


def test_expired_used_and_contested_invitations_leave_the_budget_ROS_044() -> None:
    circle = circle_of_three()
    used, contested = circle.invite(ADA), circle.invite(ADA)
    circle.invite(ADA, lifetime=DAY)
    _, invite = circle.new_invite()
    assert circle.rule_broken(ADA, invite) is Rule.INVITE_BUDGET
    request = circle.ask(DAN, used, ADA)
    circle.vouch(ADA, request)
    circle.vouch(BEN, request)
    assert circle.rule_broken(ADA, circle.new_invite()[1]) is None
    assert circle.rule_broken(ADA, circle.new_invite()[1]) is Rule.INVITE_BUDGET
    circle.ask(person("Eve"), contested, ADA)
    circle.act(ADA, circle.request(person("Finn"), contested))
    assert circle.rule_broken(ADA, circle.new_invite()[1]) is None
    assert circle.rule_broken(ADA, circle.new_invite()[1]) is Rule.INVITE_BUDGET
    circle.tick(ADA, circle.now + DAY + 1)
    assert circle.rule_broken(ADA, circle.new_invite()[1]) is None


def test_stewards_are_invited_only_while_forming_ROS_045() -> None:
    circle = circle_of_three()
    _, invite = circle.new_invite(role=Role.STEWARD)
    assert circle.rule_broken(ADA, invite) is Rule.INVITE_STEWARD
    forming = forming_circle()
    _, officer = forming.new_invite(role=Role.OFFICER)
    assert forming.rule_broken(ADA, officer) is Rule.INVITE_STEWARD
    _, device = forming.new_invite(role=Role.STEWARD, kind=InviteKind.DEVICE, subject=ADA)
    assert forming.rule_broken(ADA, device) is Rule.INVITE_STEWARD
    forming.admit(BEN, ADA, role=Role.STEWARD)
    # What the invitation hopes for is no office: that is with whose key relays obey.
    assert forming.roster.members[BEN.member_id].role is Role.MEMBER


def test_invitation_counts_up_to_its_last_second_ROS_044() -> None:
    for after, rule in ((0, Rule.INVITE_BUDGET), (1, None)):
        circle = circle_of_three()
        circle.invite(ADA)
        circle.invite(ADA)
        seed = circle.invite(ADA, lifetime=DAY)
        circle.roster = Roster.decode(circle.roster.encode())
        circle.now = circle.roster.invites[seed.invite_id].invite.expires + after - 1
        assert circle.rule_broken(ADA, circle.new_invite()[1]) is rule
