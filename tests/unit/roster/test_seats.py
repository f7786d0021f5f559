"""Seats: terms that grow, the grace after them, lapse, and who never lapses."""

from __future__ import annotations

from cloister.ids import Handle
from cloister.limits import SEAT_GRACE_S
from cloister.roster.content import DeviceRevoke, RevokeKind, Tick
from cloister.roster.events import SeatLapsed, SeatsRenewed
from cloister.roster.orders import EntryReference
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelayRole, RelaySet
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.share import UNSIGNED, SeatTerm, sign_by_relay
from cloister.roster.share_renewal import Shares
from cloister.values import replace
from unit.roster.circle import (
    DAY,
    Circle,
    circle_of_three,
    person,
    receipt,
    relay,
    relay_key,
    relay_set,
    seat_term,
    steward_key,
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


# --- another home ---------------------------------------------------------------------------------

NEW = relay("elsewhere.example", RelayRole.HOME, "IS", "Geyser")


def move(circle: Circle) -> None:
    """Let the stewards put the circle's home elsewhere, without a delay."""
    wanted = RelaySet(home=NEW, entries=relay_set().entries)
    circle.keys["Ben"] = circle.announce(BEN)
    circle.set_offices((ADA, BEN))
    circle.readable(steward_key(), ReadableType.RELAY_SET, wanted)
    content = EntryReference(entry_hash=circle.last_hash)
    circle.readable(circle.keys["Ben"], ReadableType.APPROVE, content)
    circle.tick(ADA, circle.now + circle.roster.policy.change_delay_s + 1)
    assert circle.roster.relay_set.home == NEW


def new_term(*handles: Handle, term_end: int, signer: str = "elsewhere.example") -> SeatTerm:
    """What the new home's operator says."""
    unsigned = SeatTerm(
        relay_id=NEW.relay_id, term_end=term_end, handles=handles, signature=UNSIGNED
    )
    return replace(unsigned, signature=sign_by_relay(unsigned, relay_key(signer)))


def test_at_another_home_nobody_has_a_seat_until_its_operator_sells_one() -> None:
    circle = circle_of_three(WITH_SEATS)
    circle.tick(ADA, circle.now + 400 * DAY)
    assert circle.roster.seat_state(CLEO.did, circle.now) == "lapsed"
    move_from = paid_until(circle)
    assert move_from
    circle.act(ADA, seat_term(BEN, term_end=circle.now + 30 * DAY))
    move(circle)
    for one in (ADA, BEN, CLEO):
        assert circle.roster.seat_state(one.did, 2**63) == "unlimited"
        assert circle.roster.is_active(one.did), "what the former home was owed is not owed here"
    circle.tick(ADA, circle.now + 400 * DAY)
    assert circle.roster.is_active(CLEO.did)
    # The former operator's word is none any more.
    old = seat_term(CLEO, term_end=circle.now + 30 * DAY)
    assert circle.rule_broken(ADA, old) is Rule.SEAT_HOME
    # A term counts for who has enrolled there, and lapses as ever.
    new = receipt(CLEO, NEW)
    circle.act(CLEO, Shares(receipts=(new,)))
    term = new_term(new.receipt.handle, term_end=circle.now + DAY)
    (event,) = circle.act(ADA, term)
    assert event == SeatsRenewed(seq=event.seq, dids=(CLEO.did,), term_end=term.term_end)
    circle.tick(ADA, term.term_end + SEAT_GRACE_S + 1)
    assert not circle.roster.is_active(CLEO.did)
    assert circle.roster.seat_state(CLEO.did, circle.now) == "lapsed"
    assert Roster.decode(circle.roster.encode()) == circle.roster


def test_a_home_without_seats_before_may_be_followed_by_one_that_sells_them() -> None:
    circle = circle_of_three(default_policy(unlock_shares=1))
    move(circle)
    new = receipt(CLEO, NEW)
    circle.act(CLEO, Shares(receipts=(new,)))
    later = circle.now + DAY
    forged = new_term(new.receipt.handle, term_end=later, signer="entry.example")
    assert circle.rule_broken(ADA, forged) is Rule.SEAT_HOME
    assert circle.rule_broken(ADA, new_term(new.receipt.handle, term_end=later)) is None
    assert paid_until(circle, "Cleo") == later
    assert circle.roster.seat_state(BEN.did, 2**63) == "unlimited"
