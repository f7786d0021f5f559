"""Seats: terms that grow, the grace after them, lapse, and who never lapses."""

from __future__ import annotations

from dataclasses import replace

from cloister.ids import Handle
from cloister.limits import SEAT_GRACE_S
from cloister.roster.content import DeviceRevoke, RevokeKind, Tick
from cloister.roster.events import SeatLapsed, SeatsRenewed
from cloister.roster.policy import default_policy
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from unit.roster.circle import (
    DAY,
    Circle,
    circle_of_three,
    person,
    relay_set,
    seat_term,
)

ADA, BEN, CLEO, DAN = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan"))
WITH_SEATS = default_policy(unlock_shares=1, seats=1)


def paid_until(circle: Circle, who: str = "Ben") -> int:
    """When somebody's term is over."""
    return circle.roster.devices[person(who).did].term_end


def test_device_lapses_at_the_first_entry_after_its_grace_and_comes_back_when_paid() -> None:
    circle = circle_of_three(WITH_SEATS)
    end = max(paid_until(circle), paid_until(circle, "Cleo"))
    assert circle.roster.seat_state(BEN.did, paid_until(circle)) == "active"
    assert circle.roster.seat_state(BEN.did, paid_until(circle) + 1) == "grace"
    first = min(paid_until(circle), paid_until(circle, "Cleo")) + SEAT_GRACE_S
    assert not circle.roster.needs_tick(first)
    assert circle.roster.needs_tick(first + 1)
    circle.tick(ADA, end + SEAT_GRACE_S)
    assert circle.roster.is_active(CLEO.did)
    events = circle.tick(ADA, end + SEAT_GRACE_S + 1)
    assert [event.dids for event in events if isinstance(event, SeatLapsed)] == [(CLEO.did,)]
    for one in (BEN, CLEO):
        assert circle.roster.seat_state(one.did, circle.now) == "lapsed"
        assert not circle.roster.is_active(one.did)
        # The member belongs as before: an operator's silence is no removal.
        assert circle.roster.members[one.member_id].is_active
        assert circle.rule_broken(one, Tick()) is Rule.AUTHOR
    term = seat_term(BEN, CLEO, term_end=circle.now + 30 * DAY)
    (event,) = circle.act(ADA, term)
    assert event == SeatsRenewed(seq=event.seq, dids=(BEN.did, CLEO.did), term_end=term.term_end)
    assert circle.roster.is_active(BEN.did)
    assert len(circle.roster.devices[BEN.did].spans) == 2
    circle.tick(ADA, term.term_end + SEAT_GRACE_S)
    assert circle.roster.is_active(BEN.did)
    circle.tick(ADA, term.term_end + SEAT_GRACE_S + 1)
    assert not circle.roster.is_active(BEN.did)


def test_attack_operator_empties_a_circle_of_its_stewards_by_not_renewing() -> None:
    circle = circle_of_three(WITH_SEATS)
    circle.keys["Ben"] = circle.announce(BEN)
    circle.set_offices((ADA,), (BEN,))
    circle.tick(ADA, circle.now + 400 * DAY)
    assert circle.roster.is_active(ADA.did)
    assert circle.roster.is_active(BEN.did)
    assert circle.roster.seat_state(ADA.did, circle.now) == "grace"
    assert not circle.roster.is_active(CLEO.did)
    # With the office goes what it kept off.
    circle.set_offices((ADA,))
    assert not circle.roster.is_active(BEN.did)


def test_circle_without_seats_has_no_terms_ROS_215() -> None:
    circle = circle_of_three(default_policy(unlock_shares=1))
    term = seat_term(BEN, term_end=circle.now + DAY)
    assert circle.rule_broken(ADA, term) is Rule.SEAT_POLICY
    assert circle.roster.seat_state(BEN.did, 2**63) == "unlimited"
    circle.tick(ADA, circle.now + 400 * DAY)
    assert circle.roster.is_active(BEN.did)


def test_attack_term_that_the_home_did_not_sign_ROS_216() -> None:
    circle = circle_of_three(WITH_SEATS)
    later = paid_until(circle) + 30 * DAY
    for forged in (
        seat_term(BEN, term_end=later, signer="entry.example"),
        replace(seat_term(BEN, term_end=later), term_end=later + 1),
        replace(
            seat_term(BEN, term_end=later, signer="entry.example"),
            relay_id=relay_set().entries[0].relay_id,
        ),
    ):
        assert circle.rule_broken(BEN, forged) is Rule.SEAT_HOME
    assert paid_until(circle) < later


def test_terms_grow_and_nothing_shortens_them_ROS_217() -> None:
    circle = circle_of_three(WITH_SEATS)
    end = paid_until(circle)
    for term_end in (end, end - 1, 0):
        shorter = seat_term(BEN, term_end=term_end)
        assert circle.rule_broken(ADA, shorter) is Rule.SEAT_GROWS
    unknown = seat_term(DAN, term_end=end + DAY)
    assert circle.rule_broken(ADA, unknown) is Rule.SEAT_GROWS
    assert paid_until(circle) == end


def test_handles_of_newcomers_who_have_not_asked_are_passed_over() -> None:
    circle = circle_of_three(WITH_SEATS)
    later = paid_until(circle) + 30 * DAY
    term = seat_term(BEN, term_end=later, handles=(Handle(bytes(16)),))
    assert circle.rule_broken(ADA, term) is None
    assert paid_until(circle) == later
    assert paid_until(circle, "Cleo") < later


def test_late_term_that_is_over_itself_does_not_bring_back() -> None:
    circle = circle_of_three(WITH_SEATS)
    end = paid_until(circle)
    circle.tick(ADA, end + 100 * DAY)
    assert not circle.roster.is_active(BEN.did)
    late = seat_term(BEN, term_end=end + 50 * DAY)
    assert circle.rule_broken(ADA, late) is None
    assert not circle.roster.is_active(BEN.did)
    # The last second of the grace counts.
    just = seat_term(BEN, term_end=circle.now + 1 - SEAT_GRACE_S)
    assert circle.rule_broken(ADA, just) is None
    assert circle.roster.is_active(BEN.did)
    circle.tick(ADA, circle.now + 1)
    assert not circle.roster.is_active(BEN.did)


def test_lapse_and_lock_do_not_undo_each_other() -> None:
    circle = circle_of_three(WITH_SEATS)
    further = person("Ben", "2")
    circle.add_device(further, BEN, CLEO)
    circle.act(BEN, DeviceRevoke(did=further.did, kind=RevokeKind.LOST))
    circle.act(ADA, seat_term(further, term_end=circle.now + 90 * DAY))
    assert not circle.roster.is_active(further.did)


def test_stored_roster_lapses_as_the_folded_one_does() -> None:
    circle = circle_of_three(WITH_SEATS)
    other = circle.clone()
    other.roster = Roster.decode(other.roster.encode())
    for one in (circle, other):
        one.tick(ADA, one.now + 60 * DAY)
        assert not one.roster.is_active(BEN.did)
    assert circle.roster.encode() == other.roster.encode()
