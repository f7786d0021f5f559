"""Invitations and vouches that are taken back."""

from __future__ import annotations

from cloister.roster.content import InviteRevoke, VouchRevoke
from cloister.roster.events import InviteRevoked, VouchRevoked
from cloister.roster.rules import Rule
from cloister.roster.state import RequestState
from unit.roster.circle import circle_of_three, ignored, person

ADA, BEN, CLEO, DAN = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan"))


def test_inviter_or_steward_revokes_an_invitation_ROS_172() -> None:
    for author, rule in ((BEN, None), (ADA, None), (CLEO, Rule.INVITE_REVOKE_AUTHOR)):
        circle = circle_of_three()
        seed = circle.invite(BEN)
        revoke = InviteRevoke(invite_id=seed.invite_id)
        events = circle.act(author, revoke)
        assert ignored(events) is rule
        used = circle.rule_broken(ADA, circle.request(DAN, seed))
        if rule is None:
            assert events == (
                InviteRevoked(seq=events[0].seq, invite_id=seed.invite_id, by=author.member_id),
            )
            assert used is Rule.JOIN_OPEN
        else:
            assert used is None


def test_revoked_invitation_leaves_the_budget_ROS_044() -> None:
    circle = circle_of_three()
    seeds = [circle.invite(BEN) for _ in range(3)]
    assert circle.rule_broken(BEN, circle.new_invite()[1]) is Rule.INVITE_BUDGET
    circle.act(BEN, InviteRevoke(invite_id=seeds[0].invite_id))
    assert circle.rule_broken(BEN, circle.new_invite()[1]) is None


def test_nothing_is_revoked_that_is_over_or_was_never_ROS_171() -> None:
    circle = circle_of_three()
    seed = circle.invite(BEN)
    revoke = InviteRevoke(invite_id=seed.invite_id)
    assert circle.rule_broken(BEN, revoke) is None
    assert circle.rule_broken(BEN, revoke) is Rule.INVITE_REVOKE_OPEN
    unknown, _ = circle.new_invite()
    unheard = InviteRevoke(invite_id=unknown.invite_id)
    assert circle.rule_broken(BEN, unheard) is Rule.INVITE_REVOKE_OPEN
    request = circle.admit(DAN, ADA, BEN)
    used = InviteRevoke(invite_id=request.invite_id)
    assert circle.rule_broken(ADA, used) is Rule.INVITE_REVOKE_OPEN
    assert circle.roster.is_active(DAN.did)


def test_request_falls_with_its_invitation_ROS_175() -> None:
    circle = circle_of_three()
    seed = circle.invite(BEN)
    request = circle.ask(DAN, seed, BEN)
    circle.vouch(BEN, request)
    circle.act(ADA, InviteRevoke(invite_id=seed.invite_id))
    assert circle.roster.requests[request.request_hash].state is RequestState.CLOSED
    assert ignored(circle.vouch(ADA, request)) is Rule.VOUCH_CLOSED
    assert DAN.member_id not in circle.roster.members


def test_vouch_that_was_taken_back_does_not_count_ROS_177() -> None:
    circle = circle_of_three()
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    revoke = VouchRevoke(request_hash=request.request_hash)
    assert circle.rule_broken(BEN, revoke) is Rule.VOUCH_REVOKE_OWN
    circle.vouch(BEN, request)
    (event,) = circle.act(BEN, revoke)
    assert isinstance(event, VouchRevoked)
    circle.vouch(ADA, request)
    assert DAN.member_id not in circle.roster.members
    circle.vouch(BEN, request)
    assert DAN.member_id in circle.roster.members


def test_vouch_is_taken_back_before_the_admission_only_ROS_176() -> None:
    circle = circle_of_three()
    request = circle.admit(DAN, ADA, BEN)
    revoke = VouchRevoke(request_hash=request.request_hash)
    assert circle.rule_broken(BEN, revoke) is Rule.VOUCH_REVOKE_OPEN
    assert circle.rule_broken(BEN, VouchRevoke(request_hash=bytes(32))) is Rule.VOUCH_REVOKE_OPEN
