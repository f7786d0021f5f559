"""Vouches, and the admission that follows from them."""

from __future__ import annotations

import pytest

from cloister.roster import admission
from cloister.roster.content import Acquaintance, Leave, Role, Tick, Vouch
from cloister.roster.entry import Entry
from cloister.roster.events import Admitted, Vouched
from cloister.roster.policy import default_policy
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.values import replace
from unit.roster.circle import (
    DAY,
    Circle,
    circle_of_three,
    forming_circle,
    ignored,
    person,
    vouch_for,
)

ADA, BEN, CLEO, DAN, EVE, FINN = (
    person(name) for name in ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")
)


def large_circle(members: int) -> Circle:
    """A circle with that many active members, all past probation."""
    circle = Circle(policy=replace(default_policy(), probation_s=0))
    circle.admit(BEN, ADA)
    circle.admit(CLEO, ADA)
    for number in range(4, members + 1):
        circle.admit(person(f"Member {number}"), ADA, BEN, *([CLEO] if number > 11 else []))
    assert circle.roster.active_members == members
    return circle


def test_vouch_for_nothing_is_ignored_ROS_070() -> None:
    circle = circle_of_three()
    vouch = Vouch(request_hash=bytes(32), how=Acquaintance.MET)
    assert circle.rule_broken(ADA, vouch) is Rule.VOUCH_REQUEST


def test_attack_vouch_for_one_request_used_for_another_ROS_070() -> None:
    circle = circle_of_three()
    seed = circle.invite(ADA)
    seen = circle.request(DAN, seed)
    put = circle.request(DAN, seed, seen_size=1)
    circle.act(BEN, put)
    assert circle.rule_broken(ADA, vouch_for(seen)) is Rule.VOUCH_REQUEST
    assert circle.rule_broken(CLEO, vouch_for(seen)) is Rule.VOUCH_REQUEST
    assert not circle.roster.is_active(DAN.did)


def test_vouch_for_a_contested_request_does_not_count_ROS_071() -> None:
    circle = circle_of_three()
    seed = circle.invite(ADA)
    request = circle.ask(DAN, seed, ADA)
    circle.act(ADA, circle.request(EVE, seed))
    assert circle.rule_broken(BEN, vouch_for(request)) is Rule.VOUCH_CONTESTED


def test_vouch_after_admission_is_ignored_ROS_072() -> None:
    circle = circle_of_three()
    request = circle.admit(DAN, ADA, BEN)
    assert circle.rule_broken(CLEO, vouch_for(request)) is Rule.VOUCH_LATE


def test_attack_vouch_by_a_non_member_ROS_025() -> None:
    circle = circle_of_three()
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.vouch(ADA, request)
    assert circle.rule_broken(EVE, vouch_for(request)) is Rule.AUTHOR
    assert circle.rule_broken(DAN, vouch_for(request)) is Rule.AUTHOR
    assert not circle.roster.is_active(DAN.did)


def test_attack_one_member_vouches_twice_ROS_073() -> None:
    circle = circle_of_three()
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.vouch(ADA, request)
    (again,) = circle.vouch(ADA, request)
    assert isinstance(again, Vouched)
    assert not circle.roster.is_active(DAN.did)
    assert len(circle.roster.counted_vouches(request.request_hash)) == 1


def test_attack_one_member_vouches_from_two_devices_ROS_073() -> None:
    circle = circle_of_three()
    laptop = person("Ada", " laptop")
    phone = circle.roster.devices[ADA.did]
    record = replace(phone, did=laptop.did, card=laptop.card)
    ada = circle.roster.members[ADA.member_id]
    ada = replace(ada, devices=(*ada.devices, laptop.did))
    circle.roster = replace(
        circle.roster,
        members={**circle.roster.members, ADA.member_id: ada},
        devices={**circle.roster.devices, laptop.did: record},
    )
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.vouch(ADA, request)
    (again,) = circle.vouch(laptop, request)
    assert isinstance(again, Vouched)
    assert not circle.roster.is_active(DAN.did)
    circle.vouch(BEN, request)
    assert circle.roster.is_active(DAN.did)


def test_vouch_counts_for_its_lifetime_and_no_longer_ROS_074() -> None:
    circle = circle_of_three()
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.vouch(ADA, request)
    late = circle.clone()
    circle.now += circle.policy.vouch_lifetime_s - 1
    circle.vouch(BEN, request)
    assert circle.roster.is_active(DAN.did)
    late.now += late.policy.vouch_lifetime_s
    late.vouch(BEN, request)
    assert not late.roster.is_active(DAN.did)


def test_vouch_may_be_renewed_ROS_074() -> None:
    circle = circle_of_three()
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.vouch(ADA, request)
    circle.tick(ADA, circle.now + 8 * DAY)
    circle.vouch(BEN, request)
    assert not circle.roster.is_active(DAN.did)
    circle.vouch(ADA, request)
    assert circle.roster.is_active(DAN.did)


def test_attack_vouch_of_a_member_removed_meanwhile_ROS_075() -> None:
    circle = circle_of_three()
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.vouch(CLEO, request)
    circle.remove(ADA, CLEO, BEN)
    circle.vouch(ADA, request)
    assert not circle.roster.is_active(DAN.did)
    circle.vouch(BEN, request)
    assert circle.roster.members[DAN.member_id].vouchers == (ADA.member_id, BEN.member_id)


def test_vouch_of_a_member_who_left_does_not_count_ROS_075() -> None:
    circle = circle_of_three()
    circle.admit(FINN, ADA, BEN)
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.vouch(CLEO, request)
    circle.act(CLEO, Leave())
    circle.vouch(ADA, request)
    assert not circle.roster.is_active(DAN.did)


def test_attack_member_on_probation_vouches_ROS_076() -> None:
    circle = circle_of_three()
    circle.admit(DAN, ADA, BEN)
    request = circle.ask(EVE, circle.invite(ADA), ADA)
    (vouched,) = circle.vouch(DAN, request)
    assert isinstance(vouched, Vouched)
    assert not vouched.counts_now
    circle.vouch(ADA, request)
    assert not circle.roster.is_active(EVE.did)
    circle.vouch(BEN, request)
    assert circle.roster.members[EVE.member_id].vouchers == (ADA.member_id, BEN.member_id)


def test_vouch_counts_from_the_entry_at_which_probation_is_over_ROS_076() -> None:
    circle = circle_of_three()
    circle.admit(DAN, ADA, BEN)
    end = circle.roster.members[DAN.member_id].probation_until
    circle.now = end - DAY
    request = circle.ask(EVE, circle.invite(ADA), ADA)
    circle.vouch(DAN, request)
    circle.vouch(ADA, request)
    circle.tick(ADA, end - 1)
    assert not circle.roster.is_active(EVE.did)
    events = circle.tick(ADA, end)
    assert [type(event) for event in events[1:]] == [Admitted]


def test_members_admitted_while_forming_may_vouch_at_once_ROS_076() -> None:
    circle = forming_circle()
    circle.admit(BEN, ADA)
    circle.admit(CLEO, BEN)
    assert circle.roster.members[BEN.member_id].probation_until == 0
    assert circle.roster.members[CLEO.member_id].probation_until == 0


def test_entry_that_is_itself_ignored_may_admit_by_passing_time_ROS_076() -> None:
    circle = circle_of_three()
    circle.admit(DAN, ADA, BEN)
    end = circle.roster.members[DAN.member_id].probation_until
    circle.now = end - DAY
    request = circle.ask(EVE, circle.invite(ADA), ADA)
    circle.vouch(DAN, request)
    circle.vouch(ADA, request)
    circle.now = end
    events = circle.append(circle.sealed(FINN, Tick()))
    assert ignored(events) is Rule.AUTHOR
    assert circle.roster.is_active(EVE.did)


@pytest.mark.parametrize(("members", "needed"), [(1, 1), (2, 1), (3, 2), (10, 2), (11, 3)])
def test_vouches_needed_grow_with_the_circle_ROS_077(members: int, needed: int) -> None:
    if members < 3:
        circle = forming_circle()
        if members == 2:
            circle.admit(BEN, ADA)
    else:
        circle = large_circle(members)
    assert circle.roster.vouches_needed() == needed


def test_eleven_members_need_three_vouches_ROS_077() -> None:
    circle = large_circle(11)
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    assert circle.roster.requests[request.request_hash].needed == 3
    circle.vouch(ADA, request)
    circle.vouch(BEN, request)
    assert not circle.roster.is_active(DAN.did)
    circle.vouch(CLEO, request)
    assert circle.roster.is_active(DAN.did)


def test_forming_never_comes_back_ROS_077() -> None:
    circle = circle_of_three()
    circle.remove(ADA, CLEO, BEN)
    assert circle.roster.active_members == 2
    assert not circle.roster.forming
    assert circle.roster.vouches_needed() == 2
    circle.act(BEN, Leave())
    assert circle.roster.vouches_needed() == 1


def test_needed_vouches_of_an_open_request_follow_the_circle_ROS_077() -> None:
    circle = forming_circle()
    first, second = circle.invite(ADA), circle.invite(ADA)
    circle.admit(BEN, ADA)
    request = circle.ask(DAN, first, ADA)
    assert circle.roster.requests[request.request_hash].needed == 1
    other = circle.ask(CLEO, second, ADA)
    circle.vouch(ADA, other)
    assert circle.roster.requests[request.request_hash].needed == 2
    assert circle.roster.requests[other.request_hash].needed == 1


def test_veto_time_must_pass_by_log_time_ROS_078() -> None:
    circle = Circle(policy=replace(default_policy(), veto_s=DAY))
    request = circle.ask(BEN, circle.invite(ADA), ADA)
    asked_at = circle.now
    circle.vouch(ADA, request)
    circle.tick(ADA, asked_at + DAY - 1)
    assert not circle.roster.is_active(BEN.did)
    circle.tick(ADA, asked_at + DAY)
    assert circle.roster.is_active(BEN.did)


def ready_at_once() -> Circle:
    """A forming circle of two with two requests that become ready at the same tick."""
    circle = Circle(policy=replace(default_policy(), veto_s=DAY))
    request = circle.ask(BEN, circle.invite(ADA), ADA)
    circle.vouch(ADA, request)
    circle.tick(ADA, circle.now + DAY)
    first = circle.ask(CLEO, circle.invite(ADA), ADA)
    second = circle.ask(DAN, circle.invite(ADA, role=Role.STEWARD), ADA)
    circle.vouch(ADA, second)
    circle.vouch(ADA, first)
    return circle


def test_requests_ready_together_are_judged_in_their_order_ROS_079() -> None:
    circle = ready_at_once()
    events = circle.tick(ADA, circle.now + DAY)
    # Cleo is the third member: forming ends with her, and Dan then lacks a second vouch.
    assert [event.did for event in events if isinstance(event, Admitted)] == [CLEO.did]
    assert not circle.roster.is_active(DAN.did)


def test_full_circle_admits_nobody_before_somebody_goes_ROS_081(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "MAX_DEVICES", 3)
    circle = circle_of_three()
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.vouch(ADA, request)
    circle.vouch(BEN, request)
    assert not circle.roster.is_active(DAN.did)
    circle.act(CLEO, Leave())
    assert circle.roster.is_active(DAN.did)


def test_attack_clock_games_local_time_decides_nothing() -> None:
    circle = circle_of_three()
    seed = circle.invite(ADA, lifetime=DAY)
    request = circle.ask(DAN, seed, ADA)
    circle.vouch(ADA, request)
    circle.now += 5 * DAY
    circle.vouch(BEN, request)
    assert circle.roster.is_active(DAN.did)
    replayed, _ = Roster.found(circle.entries[0], circle.log_keys[0]).extend(
        circle.entries[1:], circle.log_keys
    )
    assert replayed == circle.roster


def test_attack_relay_inserts_a_device_no_entry_of_its_own_admits() -> None:
    circle = circle_of_three()
    request = circle.ask(EVE, circle.invite(ADA), ADA)
    before = circle.roster.members
    for content in (request, vouch_for(request), Tick()):
        circle.append(circle.sealed(EVE, content, did=ADA.did))
        copied = Entry.decode(circle.entries[2])
        header = Entry.decode(circle.sealed(EVE, content)).header
        circle.append(Entry(header=header, body=copied.body).encode())
    assert circle.roster.members == before


def test_admission_says_whose_vouches_it_rests_on() -> None:
    circle = circle_of_three()
    circle.admit(DAN, BEN, CLEO)
    dan = circle.roster.members[DAN.member_id]
    assert dan.vouchers == (BEN.member_id, CLEO.member_id)
    assert dan.invited_by == BEN.member_id
    assert dan.admitted_at_size == circle.roster.size
    assert dan.admitted_at_ts == circle.roster.ts


def test_single_vouch_counts_up_to_its_last_second_ROS_074() -> None:
    lifetime = default_policy().vouch_lifetime_s
    for veto_s, admitted in ((lifetime + 1, True), (lifetime + 2, False)):
        circle = Circle(policy=replace(default_policy(), veto_s=veto_s))
        request = circle.ask(BEN, circle.invite(ADA), ADA)
        asked_at = circle.now
        circle.vouch(ADA, request)
        assert circle.now == asked_at + 1
        circle.tick(ADA, asked_at + veto_s)
        assert circle.roster.is_active(BEN.did) is admitted


def test_stored_roster_goes_on_as_the_folded_one_does_ROS_071() -> None:
    circle = Circle(policy=replace(default_policy(), veto_s=DAY))
    contested = circle.invite(ADA)
    request = circle.ask(BEN, contested, ADA)
    circle.vouch(ADA, request)
    circle.act(ADA, circle.request(EVE, contested))
    waiting = circle.ask(CLEO, circle.invite(ADA), ADA)
    circle.vouch(ADA, waiting)
    circle.roster = Roster.decode(circle.roster.encode())
    circle.tick(ADA, circle.now + DAY)
    assert not circle.roster.is_active(BEN.did)
    assert not circle.roster.is_active(EVE.did)
    assert circle.roster.is_active(CLEO.did)


def test_needed_vouches_of_an_open_request_fall_when_members_go_ROS_077() -> None:
    circle = circle_of_three()
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    assert circle.roster.requests[request.request_hash].needed == 2
    circle.act(CLEO, Leave())
    circle.act(BEN, Leave())
    assert circle.roster.requests[request.request_hash].needed == 1
