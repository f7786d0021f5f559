"""A compromised member: what it vouched for is void, and those it let in are vouched for again."""

from __future__ import annotations

import pytest

from cloister.roster.content import InviteKind, RemovalKind, Remove, Tick
from cloister.roster.events import NeedsRevouch, Revouched, RevouchOverdue, VouchedAgain
from cloister.roster.join_request import JoinRequest
from cloister.roster.revouching import REVOUCH_GRACE_S
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.state import MemberState
from unit.roster.circle import DAY, Circle, Person, circle_of_three, ignored, person

ADA, BEN, CLEO = person("Ada"), person("Ben"), person("Cleo")
DAN, EVE, FINN, GUS = person("Dan"), person("Eve"), person("Finn"), person("Gus")


def chain() -> tuple[Circle, dict[str, JoinRequest]]:
    """Dan came in by Ada and Ben, Eve by Ben and Dan, Finn by Dan and Eve, Gus by Ada and Cleo."""
    circle = circle_of_three()
    requests = {"Dan": circle.admit(DAN, ADA, BEN)}
    circle.tick(ADA, circle.now + 15 * DAY)
    requests["Eve"] = circle.admit(EVE, BEN, DAN)
    circle.tick(ADA, circle.now + 15 * DAY)
    requests["Finn"] = circle.admit(FINN, DAN, EVE)
    requests["Gus"] = circle.admit(GUS, ADA, CLEO)
    return circle, requests


def needing(circle: Circle) -> list[str]:
    """The names of those who need vouches again."""
    return [one.name for one in circle.roster.members.values() if one.needs_revouch]


def test_compromise_reaches_those_whose_vouches_rest_on_it_and_nobody_is_removed() -> None:
    circle, _ = chain()
    events = circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    fallen = [event.member_id for event in events if isinstance(event, NeedsRevouch)]
    # Ben vouched for Dan and Eve, they for Finn; Cleo came by Ada alone, Gus by Ada and Cleo.
    assert fallen == [DAN.member_id, EVE.member_id, FINN.member_id]
    assert needing(circle) == ["Dan", "Eve", "Finn"]
    for one in (DAN, EVE, FINN):
        assert circle.rule_broken(one, Tick()) is None
    assert [grant.void for grant in circle.roster.members[EVE.member_id].grants] == [True, True]
    assert [grant.void for grant in circle.roster.members[GUS.member_id].grants] == [False, False]


@pytest.mark.parametrize("kind", [RemovalKind.DEPARTURE, RemovalKind.MISCONDUCT])
def test_vouches_of_those_who_go_otherwise_stand(kind: RemovalKind) -> None:
    circle, _ = chain()
    circle.remove(ADA, BEN, CLEO, kind=kind)
    assert needing(circle) == []


def test_vouches_made_before_the_compromise_stand() -> None:
    circle, requests = chain()
    since = circle.roster.requests[requests["Eve"].request_hash].seq
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE, since=since)
    assert needing(circle) == ["Eve", "Finn"]


@pytest.mark.parametrize(
    ("kind", "after"), [(RemovalKind.DEPARTURE, -1), (RemovalKind.COMPROMISE, 1)]
)
def test_only_a_compromise_reaches_back_and_not_forward_ROS_185(
    kind: RemovalKind, after: int
) -> None:
    circle = circle_of_three()
    since = circle.roster.size + after
    remove = Remove(member_id=BEN.member_id, kind=kind, since=since, reason="")
    assert circle.rule_broken(ADA, remove) is Rule.REMOVE_SINCE
    assert not circle.roster.sealed_proposals


def test_attack_compromised_members_backdated_vouches() -> None:
    """A vouch cannot be older than the entry before it, and the removal voids those still open."""
    circle, _ = chain()
    since = circle.roster.size
    request = circle.ask(person("Hal"), circle.invite(BEN), ADA)
    circle.vouch(BEN, request)
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE, since=since)
    circle.vouch(ADA, request)
    circle.vouch(CLEO, request)
    # The invitation itself was made in bad hands.
    assert circle.roster.requests[request.request_hash].state.name == "CLOSED"
    assert person("Hal").member_id not in circle.roster.members


def test_vouch_of_the_compromised_for_the_guest_of_another_is_void() -> None:
    circle, _ = chain()
    hal = person("Hal")
    request = circle.ask(hal, circle.invite(ADA), ADA)
    circle.vouch(BEN, request)
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    assert circle.roster.requests[request.request_hash].vouches == ()
    circle.vouch(ADA, request)
    assert hal.member_id not in circle.roster.members
    circle.vouch(CLEO, request)
    assert hal.member_id in circle.roster.members


def test_who_needs_vouches_has_none_to_give_ROS_179() -> None:
    circle, _ = chain()
    hal = person("Hal")
    request = circle.ask(hal, circle.invite(ADA), ADA)
    circle.vouch(DAN, request)
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    assert circle.roster.counted_vouches(request.request_hash) == ()
    circle.vouch(ADA, request)
    assert hal.member_id not in circle.roster.members


def test_who_needs_vouches_invites_nobody_ROS_170() -> None:
    circle, _ = chain()
    open_before = circle.invite(DAN)
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    assert circle.rule_broken(DAN, circle.new_invite()[1]) is Rule.INVITE_STANDING
    request = circle.request(person("Hal"), open_before)
    assert circle.rule_broken(ADA, request) is Rule.JOIN_OPEN


def vouch_again(circle: Circle, voucher: Person, request: JoinRequest) -> object:
    """The event of a new vouch, or the rule it breaks."""
    events = circle.vouch(voucher, request)
    return ignored(events) or events[0]


def test_member_is_vouched_for_again_by_others_ROS_187() -> None:
    circle, requests = chain()
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    eve = requests["Eve"]
    assert vouch_again(circle, EVE, eve) is Rule.REVOUCH_VOUCHER
    assert vouch_again(circle, DAN, eve) is Rule.REVOUCH_VOUCHER
    assert vouch_again(circle, GUS, eve) is Rule.REVOUCH_VOUCHER  # on probation
    assert isinstance(vouch_again(circle, ADA, eve), VouchedAgain)
    assert needing(circle) == ["Dan", "Eve", "Finn"]
    assert isinstance(vouch_again(circle, CLEO, eve), Revouched)
    assert needing(circle) == ["Dan", "Finn"]
    # Eve may vouch again, and her old vouch for Finn stays void: she gives a new one.
    assert isinstance(vouch_again(circle, EVE, requests["Finn"]), VouchedAgain)
    assert isinstance(vouch_again(circle, ADA, requests["Finn"]), Revouched)


def test_one_member_vouches_again_once_ROS_188() -> None:
    circle, requests = chain()
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    circle.vouch(CLEO, requests["Eve"])
    assert vouch_again(circle, CLEO, requests["Eve"]) is Rule.REVOUCH_TWICE
    # Ada's vouch for Dan was never void: she counts already.
    assert vouch_again(circle, ADA, requests["Dan"]) is Rule.REVOUCH_TWICE
    assert needing(circle) == ["Dan", "Eve", "Finn"]


def test_nobody_else_is_vouched_for_after_admission_ROS_072() -> None:
    circle, requests = chain()
    assert vouch_again(circle, CLEO, requests["Dan"]) is Rule.VOUCH_LATE
    further = circle.add_device(person("Dan", "2"), DAN, ADA)
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    assert vouch_again(circle, CLEO, further) is Rule.VOUCH_LATE
    circle.remove(ADA, DAN, CLEO)
    assert vouch_again(circle, CLEO, requests["Dan"]) is Rule.VOUCH_LATE


def test_who_is_not_vouched_for_in_a_week_is_suspended_until_it_is() -> None:
    circle, requests = chain()
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    by = circle.roster.members[EVE.member_id].revouch_by
    assert by == circle.now + REVOUCH_GRACE_S
    circle.tick(ADA, by - 1)
    assert circle.roster.is_active(EVE.did)
    assert circle.roster.needs_tick(by)
    circle.roster = Roster.decode(circle.roster.encode())
    events = circle.tick(ADA, by)
    overdue = [event.member_id for event in events if isinstance(event, RevouchOverdue)]
    assert overdue == [DAN.member_id, EVE.member_id, FINN.member_id]
    assert circle.roster.members[EVE.member_id].state is MemberState.SUSPENDED
    assert circle.rule_broken(EVE, Tick()) is Rule.AUTHOR
    circle.vouch(ADA, requests["Eve"])
    assert not circle.roster.is_active(EVE.did)
    circle.vouch(CLEO, requests["Eve"])
    assert circle.roster.is_active(EVE.did)
    assert circle.roster.members[EVE.member_id].state is MemberState.ACTIVE


def test_attack_two_stewards_put_a_third_out_by_calling_somebody_compromised() -> None:
    """Whoever holds an office needs vouches too, and is not suspended for lack of them."""
    circle, _ = chain()
    circle.appoint(CLEO, DAN)
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    by = circle.roster.members[DAN.member_id].revouch_by
    circle.tick(ADA, by + 30 * DAY)
    assert circle.roster.is_steward(DAN.member_id)
    assert circle.roster.members[DAN.member_id].needs_revouch
    # It ends with the office.
    circle.set_offices((ADA, CLEO))
    assert not circle.roster.is_active(DAN.did)


def test_return_rests_on_its_own_vouches() -> None:
    circle, _ = chain()
    circle.bring_back(person("Eve", "2"), ADA, CLEO)
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    assert "Eve" not in needing(circle)


def test_cascade_is_the_same_from_every_snapshot() -> None:
    circle, _ = chain()
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    for stop in range(1, len(circle.entries)):
        roster, _ = Roster.found(circle.entries[0], circle.log_keys[0]).extend(
            circle.entries[1:stop], circle.log_keys
        )
        roster, _ = Roster.decode(roster.encode()).extend(circle.entries[stop:], circle.log_keys)
        assert roster.encode() == circle.roster.encode()


def test_who_needs_vouches_gets_no_further_device_ROS_180() -> None:
    circle, requests = chain()
    further = person("Dan", "2")
    seed = circle.invite(DAN, kind=InviteKind.DEVICE, subject=DAN)
    request = circle.ask(further, seed, DAN)
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE)
    circle.vouch(ADA, request)
    assert further.did not in circle.roster.devices
    circle.vouch(CLEO, requests["Dan"])
    assert circle.roster.is_active(further.did)


@pytest.mark.parametrize(("after", "fallen"), [(0, ["Eve", "Finn"]), (1, [])])
def test_vouch_at_the_very_entry_is_void(after: int, fallen: list[str]) -> None:
    circle, _ = chain()
    (grant,) = (
        one for one in circle.roster.members[EVE.member_id].grants if one.voucher == BEN.member_id
    )
    circle.remove(ADA, BEN, CLEO, kind=RemovalKind.COMPROMISE, since=grant.seq + after)
    assert needing(circle) == fallen
