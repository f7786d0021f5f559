"""Fewer stewards than it takes, and what they try."""

from __future__ import annotations

import pytest

from cloister.roster.governance import ErasureState
from cloister.roster.orders import Hold, HoldScope
from cloister.roster.readable import ReadableType
from cloister.roster.relay_fold import RelayFold
from cloister.roster.rules import Rule
from unit.roster.governed import DAY, HOUR, Governed, governed, key_id, reference, target

SIX = ("steward", "ben", "cleo", "dan", "eve", "fay")


# --- sets -----------------------------------------------------------------------------------------


def test_attack_two_of_six_stewards_drop_the_other_four_ROS_122() -> None:
    log = governed(*SIX)
    proposal = log.propose_set("steward", ("steward", "ben"))
    assert log.approve("ben", proposal) is None
    log.tick()
    assert log.stewards == {key_id(name) for name in SIX}


def test_attack_two_of_six_stewards_put_another_in_the_place_of_all_ROS_122() -> None:
    log = governed(*SIX)
    proposal = log.propose_set("steward", ("zoe",))
    for name in ("ben", "zoe"):
        assert log.approve(name, proposal) is None
    log.tick()
    assert log.stewards == {key_id(name) for name in SIX}


def test_two_thirds_of_the_others_drop_several_stewards_at_once() -> None:
    log = governed(*SIX)
    proposal = log.propose_set("steward", SIX[:4])
    for name in ("ben", "cleo"):
        assert log.approve(name, proposal) is None
    assert len(log.stewards) == 6
    assert log.approve("dan", proposal) is None
    assert log.stewards == {key_id(name) for name in SIX[:4]}


def test_attack_two_officers_take_over_while_stewards_are_at_work_ROS_122() -> None:
    log = governed("steward", "ben", officers=("olga", "otto"))
    proposal = log.propose_set("olga", ("olga",), ("otto",))
    log.wait(10 * DAY)
    log.hold("ben", "x")
    log.wait(5 * DAY)
    log.approve("otto", proposal)
    log.tick(20 * DAY)
    assert log.stewards == {key_id("steward"), key_id("ben")}


def test_two_officers_call_back_a_circle_whose_stewards_are_silent() -> None:
    log = governed("steward", "ben", officers=("olga", "otto"))
    proposal = log.propose_set("olga", ("zoe", "yan"), ("olga", "otto"))
    for name in ("otto", "zoe", "yan"):
        assert log.approve(name, proposal) is None
    log.tick(13 * DAY)
    assert key_id("zoe") not in log.stewards
    log.tick(DAY)
    assert log.stewards == {key_id("zoe"), key_id("yan")}


def test_an_officer_withdraws_what_it_proposed() -> None:
    log = governed("steward", "ben", officers=("olga", "otto"))
    proposal = log.propose_set("olga", ("zoe",), ("olga", "otto"))
    assert log.refuse("olga", proposal) is None
    assert not log.governance.proposals


# --- suspended keys -------------------------------------------------------------------------------


def test_attack_a_steward_suspends_all_others_ROS_127() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("steward", "ben") is None
    assert log.suspend("steward", "cleo") is Rule.SUSPEND_LAST
    assert log.suspend("cleo", "ben", lift=True) is None
    assert log.suspend("cleo", "steward") is None


def test_attack_one_of_two_stewards_silences_the_other_ROS_127() -> None:
    log = governed("steward", "ben")
    assert log.suspend("steward", "ben") is Rule.SUSPEND_LAST


def test_two_who_suspend_each_other_the_first_in_the_log_is_obeyed_ROS_111() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("ben", "steward") is None
    assert log.suspend("steward", "ben") is Rule.KEY_SUSPENDED


def test_an_officers_key_is_suspended_like_a_stewards() -> None:
    log = governed("steward", "ben", officers=("olga",))
    assert log.suspend("ben", "olga") is None
    assert log.broken("olga", ReadableType.HOLD, _circle_hold()) is Rule.KEY_SUSPENDED
    log.tick(7 * DAY)
    assert log.broken("olga", ReadableType.HOLD, _circle_hold()) is None


def test_a_suspension_is_over_for_the_first_entry_after_its_time() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("ben", "steward") is None
    log.wait(7 * DAY)
    # No entry has told the log that time has passed; this one does.
    log.hold("steward", "x")


# --- proposals that nobody approved in time -------------------------------------------------------


@pytest.mark.parametrize("what", ["erase", "unlock", "set", "reset"])
def test_attack_an_approval_comes_too_late_in_a_quiet_log_ROS_112(what: str) -> None:
    log = governed("steward", "ben", "cleo")
    if what == "unlock":
        log.erase("steward", "x")
        log.refuse("steward", next(iter(log.governance.erasures)))
    proposal = {
        "erase": lambda: log.erase("steward", "x"),
        "unlock": lambda: log.unlock("steward", "x"),
        "set": lambda: log.propose_set("steward", ("steward", "ben")),
        "reset": lambda: log.reset("steward"),
    }[what]()
    log.wait(8 * DAY)
    assert log.approve("ben", proposal) is Rule.APPROVE_NOTHING
    log.tick()
    assert not log.governance.proposals
    assert log.governance.reset is None
    assert all(
        one.state in {ErasureState.LAPSED, ErasureState.STOPPED}
        for one in log.governance.erasures.values()
    )


def test_a_suspension_that_lapsed_is_not_made_to_last() -> None:
    log = governed("steward", "ben", "cleo")
    assert log.suspend("steward", "cleo") is None
    suspension = log.governance.suspended[key_id("cleo")].entry_hash
    log.wait(8 * DAY)
    assert log.approve("ben", suspension) is Rule.APPROVE_NOTHING
    assert log.suspend("cleo", "ben") is None


def test_a_reset_lapses_when_nothing_was_heard_for_two_days() -> None:
    log = governed("steward", "ben")
    log.reset("steward")
    log.tick(3 * DAY)
    assert log.governance.reset is None


def test_a_reset_takes_effect_after_a_day_without_refusal() -> None:
    log = governed("steward", "ben")
    log.reset("steward")
    log.tick(23 * HOUR)
    assert log.governance.reset is None
    log.tick(HOUR)
    assert log.governance.reset is not None


# --- orders ---------------------------------------------------------------------------------------


def test_attack_an_unlock_proposed_before_the_erase_is_approved_after_it_ROS_140() -> None:
    log = governed("steward", "ben", "cleo")
    unlock = log.unlock("cleo", "x")
    erase = log.erase("steward", "x")
    assert log.approve("ben", erase) is None
    assert log.approve("steward", unlock) is Rule.UNLOCK_ERASED
    assert log.is_locked("x")


def test_nothing_is_unlocked_while_its_erase_is_proposed_ROS_140() -> None:
    log = governed("steward", "ben", "cleo")
    log.erase("steward", "x")
    with pytest.raises(Exception, match=Rule.UNLOCK_ERASED.rule_id):
        log.unlock("cleo", "x")


def test_an_erase_does_not_outlive_the_office_of_who_approved_it() -> None:
    log = governed("steward", "ben", "cleo", "dan")
    erase = log.erase("steward", "x")
    assert log.approve("dan", erase) is None
    proposal = log.propose_set("steward", ("steward", "ben", "cleo"))
    assert log.approve("ben", proposal) is None
    assert key_id("dan") not in log.stewards
    log.tick(2 * DAY)
    assert log.governance.erasures[erase].state is ErasureState.STOPPED


def test_attack_a_third_approval_puts_a_change_of_relays_off() -> None:
    log = governed("steward", "ben", "cleo", change_delay_s=DAY)
    relays = log.governance.relay_set
    proposal = log.act("steward", ReadableType.RELAY_SET, relays)
    assert log.approve("ben", proposal) is None
    due = log.governance.proposals[proposal].due
    log.wait(HOUR)
    assert log.approve("cleo", proposal) is None
    assert log.governance.proposals[proposal].due == due


def test_attack_a_steward_fills_the_relays_memory_with_proposals_ROS_115() -> None:
    log = governed("steward", "ben")
    for number in range(16):
        log.unlock("steward", f"x{number}")
    with pytest.raises(Exception, match=Rule.PROPOSALS_OPEN.rule_id):
        log.unlock("steward", "y")
    log.unlock("ben", "y")


# --- holds ----------------------------------------------------------------------------------------


def test_a_hold_before_the_erase_is_due_wins_and_one_after_does_not() -> None:
    for late in (False, True):
        log = governed("steward", "ben", officers=("olga",))
        erase = log.erase("steward", "x")
        assert log.approve("ben", erase) is None
        if late:
            log.tick(DAY)
        log.hold("olga", "x")
        log.tick(DAY)
        state = ErasureState.DUE if late else ErasureState.HELD
        assert log.governance.erasures[erase].state is state


def test_a_hold_is_released_by_two() -> None:
    log = governed("steward", "ben", "cleo")
    hold = log.hold("steward")
    release = log.act("steward", ReadableType.HOLD_RELEASE, reference(hold))
    assert log.approve("steward", release) is Rule.APPROVE_AGAIN
    assert log.governance.is_held(target("x").relay_id, target("x").handle)
    assert log.approve("ben", release) is None
    assert not log.governance.holds


# --- the stored form ------------------------------------------------------------------------------


def test_what_is_stored_comes_back_equal() -> None:
    log = governed("steward", "ben", "cleo", officers=("olga",), change_delay_s=DAY)
    log.propose_set("steward", ("steward", "ben"))
    log.suspend("steward", "cleo")
    log.approve("ben", log.erase("steward", "x"))
    log.hold("olga", "y")
    log.reset("ben")
    back = RelayFold.decode(log.fold.encode())
    assert back == log.fold
    assert back.encode() == log.fold.encode()
    log.wait(2 * DAY)
    following = log.entry("steward", ReadableType.HOLD, _circle_hold())
    assert back.append(following) == log.fold.append(following)


def _circle_hold() -> Hold:
    return Hold(
        scope=HoldScope.CIRCLE, targets=(), channel=None, authority_hash=bytes(32), sealed_note=b""
    )


# --- who was a steward and is an officer ----------------------------------------------------------


def _make_an_officer_of_ben(log: Governed) -> None:
    proposal = log.propose_set("steward", ("steward", "cleo"), ("ben",))
    assert log.approve("ben", proposal) is None
    assert log.approve("cleo", proposal) is None
    assert log.stewards == {key_id("steward"), key_id("cleo")}


def test_attack_an_officer_is_one_of_two_for_an_erase_ordered_as_a_steward_ROS_112() -> None:
    log = governed("steward", "ben", "cleo")
    erase = log.erase("ben", "x")
    _make_an_officer_of_ben(log)
    assert log.governance.erasures[erase].state is ErasureState.STOPPED
    assert log.approve("steward", erase) is Rule.APPROVE_NOTHING


def test_attack_an_officer_is_one_of_two_for_an_erase_approved_as_a_steward() -> None:
    log = governed("steward", "ben", "cleo")
    erase = log.erase("steward", "x")
    assert log.approve("ben", erase) is None
    _make_an_officer_of_ben(log)
    log.tick(2 * DAY)
    assert log.governance.erasures[erase].state is ErasureState.STOPPED


def test_attack_an_officer_is_one_of_two_for_a_release_ROS_112() -> None:
    log = governed("steward", "ben", "cleo")
    hold = log.hold("cleo", "x")
    release = log.act("ben", ReadableType.HOLD_RELEASE, reference(hold))
    _make_an_officer_of_ben(log)
    assert log.approve("steward", release) is Rule.APPROVE_NOTHING
    assert hold in log.governance.holds


def test_a_lone_steward_with_two_keys_signs_as_two_and_of_two_neither_gets_a_second() -> None:
    """Relays know keys: a limit that is written down, and what helps against it."""
    log = governed()
    proposal = log.propose_set("steward", ("steward", "own second"))
    assert log.approve("own second", proposal) is None
    erase = log.erase("steward", "x")
    assert log.approve("own second", erase) is None
    log = governed("steward", "ben")
    proposal = log.propose_set("steward", ("steward", "ben", "own second"))
    assert log.approve("own second", proposal) is None
    log.tick()
    assert log.stewards == {key_id("steward"), key_id("ben")}
