"""What readable entries may do, rule by rule: relays refuse what breaks one."""

from __future__ import annotations

import pytest

from cloister.codec import Struct
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.crypto.signature import Ed25519Key
from cloister.ids import ChannelId, CircleId
from cloister.roster.entry import Entry
from cloister.roster.errors import RuleViolation, UpdateNeeded
from cloister.roster.governance import ErasureState
from cloister.roster.governance_events import KeySuspended, Locked, ReadableEvent
from cloister.roster.governance_offices import MAX_MOVES
from cloister.roster.governance_state import Move
from cloister.roster.orders import (
    CarriedConsent,
    ChannelReset,
    Erase,
    EraseReason,
    Hold,
    HoldScope,
    LockOrder,
    SignedLock,
    StewardSet,
    Unlock,
    sign_lock_as_owner,
    sign_lock_as_steward,
)
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelayCard, RelayRole, RelaySet
from cloister.roster.rules import Rule
from cloister.values import replace
from unit.roster.circle import COMMONS, relay, relay_set, secret, steward_key
from unit.roster.governed import (
    DAY,
    HOUR,
    NEXT_COMMONS,
    Governed,
    governed,
    key_id,
    keys,
    reference,
    target,
)

JUNK = b"junk"


def lock_of(log: Governed, *names: str, signer: str = "steward", **changes: object) -> SignedLock:
    """A steward's lock of these shares."""
    fields: dict[str, object] = {
        "circle_id": log.fold.circle_id,
        "log_size": log.fold.size,
        "ts": log.now,
        "targets": tuple(target(one) for one in names),
    }
    order = LockOrder(**(fields | changes))  # type: ignore[arg-type]
    return sign_lock_as_steward(order, steward_key(signer), key_id(signer))


def consent(log_size: int) -> bytes:
    """An owner's consent, whose signature relays verify where the share is."""
    return CarriedConsent(log_size=log_size, signature=bytes(64)).encode()


def consented(log: Governed, name: str, *log_sizes: int) -> Rule | None:
    """Unlock a share with consents of these sizes."""
    content = Unlock(targets=(target(name),), consents=tuple(consent(one) for one in log_sizes))
    return log.broken("ben", ReadableType.ORDER_UNLOCK, content)


def circle_hold() -> Hold:
    """A hold on everything."""
    return Hold(
        scope=HoldScope.CIRCLE, targets=(), channel=None, authority_hash=bytes(32), sealed_note=b""
    )


# --- who signs what -------------------------------------------------------------------------------

_ACTS: tuple[tuple[ReadableType, Struct], ...] = (
    (ReadableType.RELAY_SET, relay_set()),
    (ReadableType.HOLD_RELEASE, reference(bytes(32))),
    (ReadableType.PAUSE, reference(bytes(32))),
    (ReadableType.ORDER_UNLOCK, Unlock(targets=(target("x"),), consents=())),
    (
        ReadableType.ORDER_ERASE,
        Erase(targets=(target("x"),), reason=EraseReason.LOST, sealed_note=b""),
    ),
    (
        ReadableType.CHANNEL_RESET,
        ChannelReset(old_id=COMMONS, new_id=NEXT_COMMONS, key=bytes(32), generation=0),
    ),
)


@pytest.mark.parametrize(("kind", "content"), _ACTS, ids=lambda one: getattr(one, "name", ""))
def test_attack_officer_does_what_only_stewards_do_ROS_110(
    kind: ReadableType, content: Struct
) -> None:
    log = governed("steward", "ben", officers=("olga",))
    assert log.broken("olga", kind, content) is Rule.NOT_A_STEWARD


def test_attack_officer_locks_suspends_approves_and_stops_ROS_110() -> None:
    log = governed("steward", "ben", officers=("olga",))
    lock = lock_of(log, "x", signer="steward")
    assert log.broken("olga", ReadableType.ORDER_LOCK, lock) is Rule.NOT_A_STEWARD
    assert log.suspend("olga", "ben") is Rule.NOT_A_STEWARD
    erase = log.erase("steward", "x")
    assert log.approve("olga", erase) is Rule.NOT_A_STEWARD
    assert log.refuse("olga", erase) is Rule.REFUSE_NOTHING
    reset = log.reset("steward")
    assert log.refuse("olga", reset) is Rule.REFUSE_NOTHING
    hold = log.hold("olga", "y")
    release = log.act("steward", ReadableType.HOLD_RELEASE, reference(hold))
    assert log.approve("olga", release) is Rule.NOT_A_STEWARD


def test_suspended_key_signs_nothing_ROS_111() -> None:
    log = governed("steward", "ben", "cleo")
    proposal = log.propose_set("steward", ("steward", "ben"))
    assert log.suspend("steward", "cleo") is None
    assert log.approve("cleo", proposal) is Rule.KEY_SUSPENDED
    assert log.broken("cleo", ReadableType.HOLD, circle_hold()) is Rule.KEY_SUSPENDED
    assert log.suspend("ben", "cleo", lift=True) is None
    assert log.broken("cleo", ReadableType.HOLD, circle_hold()) is None


def test_newly_named_key_approves_its_own_set_and_nothing_else_ROS_031() -> None:
    log = governed("steward", "ben")
    own = log.propose_set("steward", ("steward", "ben", "zoe"))
    other = log.propose_set("ben", ("steward", "ben", "yan"))
    assert log.approve("zoe", other) is Rule.STEWARD_KEY
    assert log.broken("zoe", ReadableType.HOLD, circle_hold()) is Rule.STEWARD_KEY
    assert log.refuse("zoe", own) is Rule.STEWARD_KEY
    # A type nobody knows would stop every relay and member.
    assert log.broken("zoe", 999, b"") is Rule.STEWARD_KEY
    assert log.approve("zoe", own) is None
    with pytest.raises(UpdateNeeded):
        log.act("ben", 999, b"")


def test_approval_names_something_that_waits_ROS_112() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("steward", "cleo") is None
    assert log.approve("ben", bytes(32)) is Rule.APPROVE_NOTHING
    assert log.suspend("steward", "cleo", lift=True) is None
    erase = log.erase("steward", "x")
    assert log.approve("ben", erase) is None
    assert log.approve("cleo", erase) is Rule.APPROVE_NOTHING


def test_attack_one_steward_approves_what_is_its_own_ROS_113() -> None:
    log = governed("steward", "ben", "cleo")
    hold = log.hold("steward", "y")
    for proposal in (
        log.propose_set("steward", ("steward", "ben")),
        log.act("steward", ReadableType.RELAY_SET, relay_set()),
        log.erase("steward", "x"),
        log.unlock("steward", "z"),
        log.reset("steward"),
        log.act("steward", ReadableType.HOLD_RELEASE, reference(hold)),
    ):
        assert log.approve("steward", proposal) is Rule.APPROVE_AGAIN
    assert log.suspend("steward", "cleo") is None
    suspension = log.governance.suspended[key_id("cleo")].entry_hash
    assert log.approve("steward", suspension) is Rule.APPROVE_AGAIN
    assert log.approve("ben", suspension) is None
    assert log.approve("ben", suspension) is Rule.APPROVE_AGAIN


def test_only_the_author_withdraws_a_proposal_ROS_114() -> None:
    log = governed("steward", "ben")
    proposal = log.propose_set("steward", ("steward",))
    assert log.refuse("ben", proposal) is Rule.REFUSE_NOTHING
    assert log.refuse("steward", proposal) is None
    assert log.refuse("steward", proposal) is Rule.REFUSE_NOTHING
    assert log.approve("ben", proposal) is Rule.APPROVE_NOTHING


def test_any_steward_stops_an_erase_until_it_is_due_ROS_114() -> None:
    log = governed("steward", "ben", "cleo")
    for approved in (False, True):
        erase = log.erase("steward", "x")
        if approved:
            assert log.approve("ben", erase) is None
        assert log.refuse("cleo", erase) is None
        assert log.governance.erasures[erase].state is ErasureState.STOPPED
        assert log.is_locked("x")
    erase = log.erase("steward", "x")
    assert log.approve("ben", erase) is None
    log.tick(DAY)
    assert log.refuse("cleo", erase) is Rule.REFUSE_NOTHING
    assert [one.entry_hash for one in log.governance.due_erasures()] == [erase]


def test_stopped_erase_does_not_become_due_with_another() -> None:
    log = governed("steward", "ben", "cleo")
    stopped, held, other = (log.erase("steward", name) for name in ("x", "y", "z"))
    for erase in (stopped, held, other):
        assert log.approve("ben", erase) is None
    assert log.refuse("cleo", stopped) is None
    log.hold("cleo", "y")
    log.tick(2 * DAY)
    assert [one.entry_hash for one in log.governance.due_erasures()] == [other]


def test_relay_reads_who_signed_before_it_says_anything_about_the_log() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("ben", "steward") is None
    read = log.governance.read
    hold = Entry.decode(log.entry("steward", ReadableType.HOLD, circle_hold()))
    with pytest.raises(RuleViolation):
        read(hold)
    log.wait(7 * DAY)
    body, key = read(Entry.decode(log.entry("steward", ReadableType.HOLD, circle_hold())))
    assert (body.key_id, key) == (key_id("steward"), steward_key("steward").public)


def test_stranger_approves_nothing_ROS_031() -> None:
    log = governed("steward", "ben")
    unlock = log.unlock("steward", "x")
    for entry_hash in (bytes(32), unlock):
        assert log.approve("zoe", entry_hash) is Rule.STEWARD_KEY


@pytest.mark.parametrize("what", ["erase", "unlock"])
def test_proposal_waits_seven_days_and_no_longer_ROS_112(what: str) -> None:
    for late in (0, 1):
        log = governed("steward", "ben")
        proposal = log.erase("steward", "x") if what == "erase" else log.unlock("steward", "x")
        log.wait(7 * DAY - 1 + late)
        assert log.approve("ben", proposal) is (Rule.APPROVE_NOTHING if late else None)


def test_each_deadline_ends_what_it_is_for_and_nothing_else() -> None:
    log = governed("steward", "ben", "cleo", "dan")
    assert log.suspend("steward", "cleo") is None
    assert log.approve("ben", log.governance.suspended[key_id("cleo")].entry_hash) is None
    old = log.erase("steward", "x")
    log.tick(DAY)
    assert log.suspend("steward", "dan") is None
    young = log.erase("steward", "y")
    stopped = log.erase("ben", "z")
    assert log.refuse("ben", stopped) is None
    log.tick(6 * DAY)
    states = {one.entry_hash: one.state for one in log.governance.erasures.values()}
    assert states == {
        old: ErasureState.LAPSED,
        young: ErasureState.PROPOSED,
        stopped: ErasureState.STOPPED,
    }
    assert set(log.governance.suspended) == {key_id("cleo"), key_id("dan")}
    log.tick(2 * DAY)
    assert set(log.governance.suspended) == {key_id("cleo")}
    assert log.governance.erasures[young].state is ErasureState.LAPSED
    assert log.governance.erasures[stopped].state is ErasureState.STOPPED


# --- sets -----------------------------------------------------------------------------------------


def test_set_names_sound_keys_once_ROS_120() -> None:
    log = governed("steward", "ben")
    ada, ben = keys(("steward", "ben"))
    unsound = HybridPublic(ed25519=bytes(32), ml_dsa_44=ben.ml_dsa_44)
    for content in (
        StewardSet(stewards=(ada, ada), officers=()),
        StewardSet(stewards=(ada,), officers=(ben, ben)),
        StewardSet(stewards=(ada, ben), officers=(ben,)),
        StewardSet(stewards=(ada, unsound), officers=()),
        StewardSet(stewards=(ada,), officers=(unsound,)),
        JUNK,
    ):
        assert log.broken("steward", ReadableType.STEWARD_SET, content) is Rule.SET_FORM


def test_set_differs_from_the_one_in_force_ROS_121() -> None:
    log = governed("steward", "ben", officers=("olga",))
    same = StewardSet(stewards=keys(("ben", "steward")), officers=keys(("olga",)))
    assert log.broken("steward", ReadableType.STEWARD_SET, same) is Rule.SET_SAME
    other = replace(same, officers=())
    assert log.broken("steward", ReadableType.STEWARD_SET, other) is None


def test_new_steward_shows_that_it_has_its_key_ROS_122() -> None:
    log = governed("steward", "ben")
    proposal = log.propose_set("steward", ("steward", "ben", "zoe"), ("olga",))
    assert log.approve("ben", proposal) is None
    assert log.approve("zoe", proposal) is None
    assert len(log.stewards) == 2
    assert log.approve("olga", proposal) is None
    assert len(log.stewards) == 3
    assert set(log.governance.officer_keys) == {key_id("olga")}


def test_two_thirds_of_the_new_stewards_stand_behind_their_set_ROS_122() -> None:
    # Four of the six old, and five of the seven new.
    log = governed("steward", "ben", "cleo", "dan", "eve", "fay")
    proposal = log.propose_set("steward", ("steward", "ben", "cleo", "dan", "eve", "fay", "gil"))
    for name in ("gil", "ben", "cleo"):
        assert log.approve(name, proposal) is None
    assert len(log.stewards) == 6
    assert log.approve("dan", proposal) is None
    assert len(log.stewards) == 7


def test_suspended_signatures_do_not_count_when_a_set_would_take_effect_ROS_122() -> None:
    log = governed("steward", "ben", "cleo", change_delay_s=DAY)
    proposal = log.propose_set("steward", ("steward", "ben"))
    assert log.approve("ben", proposal) is None
    assert log.governance.proposals[proposal].due
    assert log.suspend("cleo", "ben") is None
    log.tick(2 * DAY)
    assert len(log.stewards) == 3
    assert log.governance.proposals[proposal].due == 0


def test_change_of_stewards_waits_its_delay_by_log_time() -> None:
    log = governed("steward", "ben", "cleo", change_delay_s=DAY)
    proposal = log.propose_set("steward", ("steward", "ben"))
    assert log.approve("ben", proposal) is None
    due = log.governance.proposals[proposal].due
    assert due == log.now + DAY
    log.tick(DAY - 1)
    assert len(log.stewards) == 3
    # The first entry at that time is judged under the new set.
    log.wait(1)
    assert log.broken("cleo", ReadableType.HOLD, circle_hold()) is Rule.STEWARD_KEY
    log.tick(0)
    assert log.stewards == {key_id("steward"), key_id("ben")}


def test_founder_hands_the_office_over() -> None:
    log = governed()
    proposal = log.propose_set("steward", ("ben",))
    assert log.approve("ben", proposal) is None
    assert log.stewards == {key_id("ben")}


def test_stewards_who_go_do_not_decide_for_those_who_stay_ROS_122() -> None:
    log = governed("steward", "ben", "cleo", "dan", "eve")
    proposal = log.propose_set("cleo", ("steward", "ben", "zoe"))
    for name in ("dan", "eve", "steward", "zoe"):
        assert log.approve(name, proposal) is None
    assert len(log.stewards) == 5
    assert log.approve("ben", proposal) is None
    assert log.stewards == {key_id(name) for name in ("steward", "ben", "zoe")}


def test_officers_who_become_stewards_are_asked_as_far_as_two_thirds_go_ROS_122() -> None:
    log = governed("steward", "ben", officers=("olga", "otto"))
    proposal = log.propose_set("steward", ("steward", "ben", "olga", "otto"))
    assert log.approve("ben", proposal) is None
    assert len(log.stewards) == 2
    assert log.approve("otto", proposal) is None
    assert len(log.stewards) == 4


def test_attack_another_approval_puts_a_change_of_stewards_off_ROS_122() -> None:
    log = governed("steward", "ben", "cleo", change_delay_s=DAY)
    proposal = log.propose_set("steward", ("steward", "ben"))
    assert log.approve("ben", proposal) is None
    due = log.governance.proposals[proposal].due
    log.wait(HOUR)
    assert log.approve("cleo", proposal) is None
    assert log.governance.proposals[proposal].due == due


def test_another_set_leaves_alone_who_stays() -> None:
    log = governed("steward", "ben", "cleo", "dan", "eve", officers=("olga",))
    unlock = log.unlock("ben", "x")
    erase = log.erase("ben", "y")
    assert log.suspend("ben", "cleo") is None
    assert log.suspend("ben", "olga") is None
    proposal = log.propose_set("steward", ("steward", "ben", "cleo", "dan"), ("olga",))
    for name in ("ben", "dan"):
        assert log.approve(name, proposal) is None
    assert len(log.stewards) == 4
    assert unlock in log.governance.proposals
    assert log.governance.erasures[erase].state is ErasureState.PROPOSED
    assert set(log.governance.suspended) == {key_id("cleo"), key_id("olga")}


# --- suspended keys -------------------------------------------------------------------------------


def test_suspension_names_another_key_of_the_set_ROS_125() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("steward", "zoe") is Rule.SUSPEND_KEY
    assert log.suspend("steward", "steward") is Rule.SUSPEND_KEY
    assert log.broken("steward", ReadableType.STEWARD_SUSPEND, JUNK) is Rule.SUSPEND_KEY


def test_key_is_suspended_once_and_lifted_when_suspended_ROS_126() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("steward", "cleo", lift=True) is Rule.SUSPEND_AGAIN
    assert log.suspend("steward", "cleo") is None
    assert log.suspend("ben", "cleo") is Rule.SUSPEND_AGAIN


def test_suspension_lasts_a_week_and_for_good_when_a_second_approves() -> None:
    for approved in (False, True):
        log = governed("steward", "ben", "cleo")
        assert log.suspend("steward", "cleo") is None
        if approved:
            assert log.approve("ben", log.governance.suspended[key_id("cleo")].entry_hash) is None
        log.tick(7 * DAY - 2)
        assert not log.governance.obeys(key_id("cleo"))
        log.tick(2)
        assert log.governance.obeys(key_id("cleo")) is not approved


def test_lasting_suspension_is_lifted_by_two() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("steward", "cleo") is None
    assert log.approve("ben", log.governance.suspended[key_id("cleo")].entry_hash) is None
    assert log.suspend("ben", "cleo", lift=True) is None
    assert not log.governance.obeys(key_id("cleo"))
    (proposal,) = log.governance.proposals
    assert log.approve("ben", proposal) is Rule.APPROVE_AGAIN
    assert log.approve("steward", proposal) is None
    assert log.governance.obeys(key_id("cleo"))


def test_suspension_takes_back_what_the_key_proposed_and_approved() -> None:
    log = governed("steward", "ben", "cleo")
    unlock = log.unlock("cleo", "z")
    theirs = log.erase("cleo", "x")
    approved = log.erase("ben", "y")
    assert log.approve("cleo", approved) is None
    assert log.suspend("steward", "cleo") is None
    assert unlock not in log.governance.proposals
    for erase in (theirs, approved):
        assert log.governance.erasures[erase].state is ErasureState.STOPPED


def test_suspension_comes_too_late_for_an_erase_that_is_due() -> None:
    log = governed("steward", "ben", "cleo")
    erase = log.erase("cleo", "x")
    assert log.approve("ben", erase) is None
    log.tick(DAY)
    assert log.suspend("steward", "cleo") is None
    assert log.governance.erasures[erase].state is ErasureState.DUE


def test_suspension_takes_back_approvals_and_leaves_those_of_others() -> None:
    log = governed("steward", "ben", "cleo", "dan", change_delay_s=10 * DAY)
    second = relay("second.example", RelayRole.ENTRY, "IS", "Geyser")
    relays = RelaySet(home=relay_set().home, entries=(*relay_set().entries, second))
    theirs = log.act("steward", ReadableType.RELAY_SET, relays)
    wanted = log.propose_set("steward", ("steward", "ben", "cleo"))
    others = log.act("steward", ReadableType.RELAY_SET, relay_set())
    for name, proposal in (("ben", theirs), ("ben", wanted), ("cleo", others)):
        assert log.approve(name, proposal) is None
    due = log.governance.proposals[others].due
    assert due
    assert log.suspend("dan", "ben") is None
    waiting = log.governance.proposals
    assert waiting[theirs].approvals == waiting[wanted].approvals == (key_id("steward"),)
    assert waiting[theirs].due == waiting[wanted].due == 0
    assert waiting[others].due == due
    # Even when the suspension is over before the delay would have been.
    log.tick(11 * DAY)
    assert log.fold.relay_set == relay_set()
    assert len(log.stewards) == 4


# --- relays ---------------------------------------------------------------------------------------


def test_relay_set_keeps_its_rules_ROS_130() -> None:
    log = governed("steward", "ben")
    home = relay_set().home
    twice = RelaySet(home=home, entries=relay_set().entries * 2)
    assert log.broken("steward", ReadableType.RELAY_SET, twice) is Rule.RELAYS_FORM
    no_entry = RelaySet(home=home, entries=(home,))
    assert log.broken("steward", ReadableType.RELAY_SET, no_entry) is Rule.RELAYS_FORM
    assert log.broken("steward", ReadableType.RELAY_SET, JUNK) is Rule.RELAYS_FORM


def moved_to(home: RelayCard) -> RelaySet:
    """The set with another home and the same entry relays."""
    return RelaySet(home=home, entries=relay_set().entries)


ELSEWHERE = relay("elsewhere.example", RelayRole.HOME, "IS", "Geyser")


def test_another_home_serves_from_the_entry_that_carries_it_out() -> None:
    log = governed("steward", "ben", change_delay_s=0)
    before = log.fold.relay_set
    proposal = log.act("steward", ReadableType.RELAY_SET, moved_to(ELSEWHERE))
    assert log.fold.relay_set == before
    assert log.approve("ben", proposal) is None
    assert log.fold.relay_set.home == ELSEWHERE
    assert log.governance.moves == (Move(before=before, seq=log.fold.size - 1),)
    assert log.governance.had_home(before.home.relay_id)
    assert not log.governance.had_home(ELSEWHERE.relay_id)


def test_nobody_moves_to_a_former_home_or_for_ever_ROS_132() -> None:
    log = governed("steward", "ben", change_delay_s=0)
    first = log.fold.relay_set
    for number in range(MAX_MOVES):
        home = relay(f"home-{number}.example", RelayRole.HOME, "IS", f"Geyser {number}")
        proposal = log.act("steward", ReadableType.RELAY_SET, moved_to(home))
        assert log.approve("ben", proposal) is None
        if number == 0:
            back = log.broken("steward", ReadableType.RELAY_SET, first)
            assert back is Rule.RELAYS_FORMER
    assert len(log.governance.moves) == MAX_MOVES
    last = log.broken("steward", ReadableType.RELAY_SET, moved_to(ELSEWHERE))
    assert last is Rule.RELAYS_FORMER


def test_an_entry_relay_stays_as_witness_of_a_move_ROS_133() -> None:
    log = governed("steward", "ben", change_delay_s=0)
    second = relay("second.example", RelayRole.ENTRY, "IS", "Glacier")
    moved = RelaySet(home=ELSEWHERE, entries=(second,))
    assert log.broken("steward", ReadableType.RELAY_SET, moved) is Rule.RELAYS_WITNESS


def test_a_move_whose_witness_has_gone_meanwhile_is_not_carried_out() -> None:
    log = governed("steward", "ben", change_delay_s=0)
    first = log.fold.relay_set
    move = log.act("steward", ReadableType.RELAY_SET, moved_to(ELSEWHERE))
    second = relay("second.example", RelayRole.ENTRY, "IS", "Glacier")
    other = RelaySet(home=first.home, entries=(second,))
    change = log.act("steward", ReadableType.RELAY_SET, other)
    assert log.approve("ben", change) is None
    assert log.approve("ben", move) is None
    assert log.fold.relay_set == other
    assert log.governance.moves == ()
    assert move not in log.governance.proposals


@pytest.mark.parametrize("delay", [0, DAY])
def test_relays_change_when_two_stewards_want_it_and_the_delay_is_over(delay: int) -> None:
    log = governed("steward", "ben", change_delay_s=delay)
    second = relay("second.example", RelayRole.ENTRY, "IS", "Geyser")
    wanted = RelaySet(home=relay_set().home, entries=(*relay_set().entries, second))
    proposal = log.act("steward", ReadableType.RELAY_SET, wanted)
    log.tick(2 * delay)
    assert log.fold.relay_set == relay_set()
    assert log.approve("ben", proposal) is None
    if delay:
        log.tick(delay - 1)
        assert log.fold.relay_set == relay_set()
        log.tick()
    assert log.fold.relay_set == wanted


# --- locks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [one for one in ReadableType if one >= ReadableType.APPROVE])
def test_content_that_does_not_decode_ROS_135(kind: ReadableType) -> None:
    log = governed("steward", "ben")
    assert log.broken("steward", kind, JUNK) is Rule.ORDER_FORM


def test_lock_has_a_signature_for_each_who_must_sign_ROS_135() -> None:
    log = governed("steward", "ben")
    lock = lock_of(log, "x", "y")
    twice = replace(lock, signatures=lock.signatures * 2)
    assert log.broken("ben", ReadableType.ORDER_LOCK, twice) is Rule.ORDER_FORM
    owner = Ed25519Key(secret("owner"))
    short = sign_lock_as_owner(lock.order, (owner,))
    assert log.broken("ben", ReadableType.ORDER_LOCK, short) is Rule.ORDER_FORM
    full = sign_lock_as_owner(lock.order, (owner, owner))
    assert log.broken("ben", ReadableType.ORDER_LOCK, full) is None


def test_lock_is_signed_by_an_obeyed_steward_ROS_136() -> None:
    log = governed("steward", "ben", "cleo")
    stranger = lock_of(log, "x", signer="zoe")
    assert log.broken("ben", ReadableType.ORDER_LOCK, stranger) is Rule.LOCK_SIGNER
    forged = replace(stranger, key_id=key_id("steward"))
    assert log.broken("ben", ReadableType.ORDER_LOCK, forged) is Rule.LOCK_SIGNER
    lock = lock_of(log, "x", signer="cleo")
    assert log.suspend("steward", "cleo") is None
    assert log.broken("ben", ReadableType.ORDER_LOCK, lock) is Rule.LOCK_SIGNER
    own = lock_of(log, "x")
    assert log.broken("ben", ReadableType.ORDER_LOCK, own) is None
    assert log.is_locked("x")


def test_lock_is_for_this_circle_and_of_a_size_it_has_had_ROS_137() -> None:
    log = governed("steward", "ben")
    other = lock_of(log, "x", circle_id=CircleId(bytes(32)))
    assert log.broken("steward", ReadableType.ORDER_LOCK, other) is Rule.LOCK_CIRCLE
    ahead = lock_of(log, "x", log_size=log.fold.size + 1)
    assert log.broken("steward", ReadableType.ORDER_LOCK, ahead) is Rule.LOCK_CIRCLE


def test_attack_lock_is_replayed_after_the_unlock_ROS_138() -> None:
    log = governed("steward", "ben")
    lock = lock_of(log, "x")
    assert log.broken("steward", ReadableType.ORDER_LOCK, lock) is None
    unlock = log.unlock("steward", "x")
    assert log.approve("ben", unlock) is None
    assert not log.is_locked("x")
    at_the_unlock = lock_of(log, "x", log_size=log.fold.size - 1)
    for old in (lock, at_the_unlock):
        assert log.broken("steward", ReadableType.ORDER_LOCK, old) is Rule.LOCK_OLD
    both = lock_of(log, "x", "y", log_size=log.fold.size - 1)
    assert log.broken("steward", ReadableType.ORDER_LOCK, both) is None
    assert log.is_locked("y")
    assert not log.is_locked("x")
    assert log.broken("steward", ReadableType.ORDER_LOCK, lock_of(log, "x")) is None


# --- unlocks --------------------------------------------------------------------------------------


def test_what_was_erased_is_not_unlocked_ROS_140() -> None:
    log = governed("steward", "ben")
    erase = log.erase("steward", "x")
    assert log.approve("ben", erase) is None
    log.tick(DAY)
    assert log.governance.erasures[erase].state is ErasureState.DUE
    content = Unlock(targets=(target("y"), target("x")), consents=())
    assert log.broken("ben", ReadableType.ORDER_UNLOCK, content) is Rule.UNLOCK_ERASED


def test_one_steward_unlocks_with_the_owners_consent_ROS_141() -> None:
    log = governed("steward", "ben")
    early = log.fold.size
    assert log.broken("steward", ReadableType.ORDER_LOCK, lock_of(log, "x")) is None
    locked_at = log.fold.size - 1
    assert consented(log, "x", early) is Rule.UNLOCK_CONSENT
    assert consented(log, "x", locked_at) is Rule.UNLOCK_CONSENT
    assert consented(log, "x", log.fold.size + 1) is Rule.UNLOCK_CONSENT
    assert consented(log, "x", log.fold.size, log.fold.size) is Rule.UNLOCK_CONSENT
    junk = Unlock(targets=(target("x"),), consents=(JUNK,))
    assert log.broken("ben", ReadableType.ORDER_UNLOCK, junk) is Rule.UNLOCK_CONSENT
    assert log.is_locked("x")
    given = log.fold.size
    assert consented(log, "x", given) is None
    assert not log.is_locked("x")
    # It is not used a second time.
    assert consented(log, "x", given) is Rule.UNLOCK_CONSENT


def test_two_stewards_unlock_without_the_owner() -> None:
    log = governed("steward", "ben")
    assert log.broken("steward", ReadableType.ORDER_LOCK, lock_of(log, "x")) is None
    unlock = log.unlock("steward", "x")
    assert log.is_locked("x")
    assert log.approve("ben", unlock) is None
    assert not log.is_locked("x")


# --- erases and holds -----------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("x",), ()])
def test_nothing_is_erased_under_a_hold_ROS_145(names: tuple[str, ...]) -> None:
    log = governed("steward", "ben", officers=("olga",))
    log.hold("olga", *names)
    content = Erase(targets=(target("w"), target("x")), reason=EraseReason.STOLEN, sealed_note=b"")
    assert log.broken("steward", ReadableType.ORDER_ERASE, content) is Rule.ERASE_HELD


def test_share_has_one_erase_at_a_time_ROS_146() -> None:
    log = governed("steward", "ben")
    content = Erase(targets=(target("x"),), reason=EraseReason.STOLEN, sealed_note=b"")
    first = log.erase("steward", "x")
    assert log.broken("ben", ReadableType.ORDER_ERASE, content) is Rule.ERASE_AGAIN
    assert log.refuse("ben", first) is None
    second = log.erase("ben", "x")
    assert log.approve("steward", second) is None
    log.tick(DAY)
    assert log.broken("ben", ReadableType.ORDER_ERASE, content) is Rule.ERASE_AGAIN


def test_erase_locks_at_once_and_waits_for_the_second_and_the_cool_off() -> None:
    log = governed("steward", "ben")
    erase = log.erase("steward", "x")
    assert log.is_locked("x")
    log.tick(2 * DAY)
    assert not log.governance.due_erasures()
    assert log.approve("ben", erase) is None
    log.tick(DAY - 1)
    assert not log.governance.due_erasures()
    log.tick()
    assert [one.entry_hash for one in log.governance.due_erasures()] == [erase]


def test_erase_is_paused_once_for_three_days_ROS_147() -> None:
    log = governed("steward", "ben", "cleo")
    erase = log.erase("steward", "x")
    assert log.approve("ben", erase) is None
    assert log.broken("cleo", ReadableType.PAUSE, reference(bytes(32))) is Rule.PAUSE_ONCE
    assert log.broken("cleo", ReadableType.PAUSE, reference(erase)) is None
    assert log.broken("cleo", ReadableType.PAUSE, reference(erase)) is Rule.PAUSE_ONCE
    log.tick(72 * HOUR - 2)
    assert not log.governance.due_erasures()
    log.tick(HOUR)
    assert log.governance.due_erasures()
    other = log.erase("steward", "y")
    assert log.refuse("ben", other) is None
    assert log.broken("cleo", ReadableType.PAUSE, reference(other)) is Rule.PAUSE_ONCE


def test_hold_names_what_its_scope_says_ROS_150() -> None:
    log = governed("steward", "ben")
    channel = ChannelId(b"a conversation..")
    one = (target("x"),)
    for scope, targets, named in (
        (HoldScope.CIRCLE, one, None),
        (HoldScope.CIRCLE, (), channel),
        (HoldScope.MEMBER, (), None),
        (HoldScope.MEMBER, one, channel),
        (HoldScope.CONVERSATION, (), None),
        (HoldScope.CONVERSATION, one, channel),
    ):
        content = replace(circle_hold(), scope=scope, targets=targets, channel=named)
        assert log.broken("steward", ReadableType.HOLD, content) is Rule.HOLD_SCOPE
    held = replace(circle_hold(), scope=HoldScope.CONVERSATION, channel=channel)
    assert log.broken("steward", ReadableType.HOLD, held) is None
    assert log.governance.holds_channel(channel)
    assert not log.governance.holds_channel(COMMONS)
    assert not log.governance.holds_circle()
    log.hold("ben")
    assert log.governance.holds_circle()
    assert log.governance.holds_channel(COMMONS)


def test_release_names_a_hold_in_force_ROS_151() -> None:
    log = governed("steward", "ben")
    release = ReadableType.HOLD_RELEASE
    assert log.broken("steward", release, reference(bytes(32))) is Rule.RELEASE_NOTHING
    hold = log.hold("steward", "x")
    proposal = log.act("ben", release, reference(hold))
    assert log.approve("steward", proposal) is None
    assert log.broken("steward", release, reference(hold)) is Rule.RELEASE_NOTHING


# --- the reset of the commons ---------------------------------------------------------------------


def test_reset_leads_from_the_commons_to_another_channel_ROS_155() -> None:
    log = governed("steward", "ben")
    key = steward_key("steward").public.ed25519
    for old, new in ((NEXT_COMMONS, COMMONS), (COMMONS, COMMONS)):
        content = ChannelReset(old_id=old, new_id=new, key=key, generation=0)
        assert log.broken("steward", ReadableType.CHANNEL_RESET, content) is Rule.RESET_CURRENT
    reset = log.reset("steward")
    assert log.approve("ben", reset) is None
    content = ChannelReset(old_id=COMMONS, new_id=NEXT_COMMONS, key=key, generation=0)
    assert log.broken("steward", ReadableType.CHANNEL_RESET, content) is Rule.RESET_CURRENT


def test_key_of_a_reset_is_sound_ROS_135() -> None:
    log = governed("steward", "ben")
    content = ChannelReset(old_id=COMMONS, new_id=NEXT_COMMONS, key=bytes(32), generation=0)
    assert log.broken("steward", ReadableType.CHANNEL_RESET, content) is Rule.ORDER_FORM


def test_single_steward_resets_at_once_and_two_together() -> None:
    log = governed()
    log.reset("steward")
    assert log.governance.reset is not None
    assert log.governance.reset.new_id == NEXT_COMMONS
    log = governed("steward", "ben")
    reset = log.reset("steward")
    before = log.governance.reset
    assert before is None
    assert log.approve("ben", reset) is None
    assert log.governance.reset is not None
    assert log.governance.reset.seq == log.fold.size - 1


def test_the_author_of_a_reset_says_it_again_when_it_is_due_and_not_later() -> None:
    """Nobody honest may have the commons, and so no sealed entry to let log time pass."""
    log = governed("steward", "ben")
    log.reset("steward")
    log.wait(DAY)
    log.reset("steward")
    done = log.governance.reset
    assert done is not None
    assert (done.new_id, done.seq) == (NEXT_COMMONS, log.fold.size - 1)
    assert not log.governance.proposals
    content = ChannelReset(
        old_id=COMMONS,
        new_id=NEXT_COMMONS,
        key=steward_key("steward").public.ed25519,
        generation=0,
    )
    assert log.broken("steward", ReadableType.CHANNEL_RESET, content) is Rule.RESET_CURRENT


def test_refused_reset_takes_no_effect() -> None:
    log = governed("steward", "ben")
    reset = log.reset("steward")
    assert log.refuse("ben", reset) is None
    log.tick(DAY)
    assert log.governance.reset is None


def test_first_of_two_resets_takes_effect_and_the_other_never() -> None:
    log = governed("steward", "ben")
    log.reset("steward")
    log.reset("ben", new=ChannelId(b"another commons."))
    log.tick(DAY)
    assert log.governance.reset is not None
    assert log.governance.reset.new_id == NEXT_COMMONS
    assert not log.governance.proposals


# --- what is told ---------------------------------------------------------------------------------


def told(log: Governed, signer: str, kind: ReadableType, content: Struct) -> ReadableEvent:
    """The one event of an act that is not kept."""
    log.now += 1
    _, events = log.governance.apply(Entry.decode(log.entry(signer, kind, content)))
    (event,) = events
    return event


def test_events_name_the_entry_and_the_key() -> None:
    log = governed("steward", "ben", "cleo")
    lock = lock_of(log, "x")
    event = told(log, "ben", ReadableType.ORDER_LOCK, lock)
    assert isinstance(event, Locked)
    assert (event.key_id, event.targets) == (key_id("ben"), (target("x"),))
    assert event.order_hash == lock.order.order_hash
    assert log.suspend("ben", "cleo") is None
    until = log.governance.suspended[key_id("cleo")].until
    assert until == log.now + 7 * DAY
    suspension = log.governance.suspended[key_id("cleo")].entry_hash
    event = told(log, "steward", ReadableType.APPROVE, reference(suspension))
    assert isinstance(event, KeySuspended)
    assert (event.suspended, event.until) == (key_id("cleo"), 0)
