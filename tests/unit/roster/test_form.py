"""The outside of entries: what breaks a log, for members and relays alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.ids import CircleId
from cloister.limits import MAX_ENTRY_BYTES
from cloister.roster.content import Tick
from cloister.roster.entry import Entry
from cloister.roster.errors import LogBroken, SnapshotError, UpdateNeeded
from cloister.roster.relay_fold import RelayFold
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.values import replace
from unit.roster.circle import Circle, circle_of_three, ignored, person

ADA, BEN = person("Ada"), person("Ben")


def relay_fold_of(circle: Circle) -> RelayFold:
    """What a relay that stored the same entries holds."""
    fold = RelayFold.found(circle.entries[0])
    for entry in circle.entries[1:]:
        fold = fold.append(entry)
    return fold


def breaks(circle: Circle, entry: bytes) -> Rule:
    """The rule both folds break at, with both unchanged."""
    before, fold = circle.roster.encode(), relay_fold_of(circle)
    members = rule_raised_by(lambda: circle.append(entry))
    assert circle.roster.encode() == before
    assert members is rule_raised_by(lambda: fold.append(entry))
    return members


def rule_raised_by(append: Callable[[], object]) -> Rule:
    """The rule that breaks or stops a fold."""
    try:
        append()
    except (LogBroken, UpdateNeeded) as error:
        return error.rule
    pytest.fail("the entry was taken")


def test_cut_or_extended_entry_breaks_the_log_ROS_001() -> None:
    circle = circle_of_three()
    entry = circle.sealed(ADA, Tick())
    assert breaks(circle, entry[:-1]) is Rule.FORM
    assert breaks(circle, entry + b"\0") is Rule.FORM
    assert breaks(circle, b"") is Rule.FORM


def test_unknown_kind_breaks_the_log_ROS_001() -> None:
    circle = circle_of_three()
    entry = bytearray(circle.sealed(ADA, Tick()))
    entry[82] = 3
    assert breaks(circle, bytes(entry)) is Rule.FORM


def test_oversized_entry_breaks_the_log_ROS_001() -> None:
    circle = circle_of_three()
    header = Entry.decode(circle.sealed(ADA, Tick())).header
    entry = Entry(header=header, body=bytes(MAX_ENTRY_BYTES - 80)).encode()
    assert len(entry) > MAX_ENTRY_BYTES
    assert breaks(circle, entry) is Rule.FORM


def test_entry_of_another_version_asks_for_an_update_ROS_002() -> None:
    circle = circle_of_three()
    entry = b"\0\2" + circle.sealed(ADA, Tick())[2:]
    assert breaks(circle, entry) is Rule.VERSION


def test_entry_of_another_circle_breaks_the_log_ROS_003() -> None:
    circle = circle_of_three()
    entry = circle.sealed(ADA, Tick(), circle_id=CircleId(bytes(32)))
    assert breaks(circle, entry) is Rule.CIRCLE


def test_attack_relay_replays_an_old_entry_ROS_004() -> None:
    circle = circle_of_three()
    assert breaks(circle, circle.entries[3]) is Rule.SEQ
    assert breaks(circle, circle.entries[-1]) is Rule.SEQ


def test_attack_relay_drops_an_entry_ROS_004() -> None:
    circle = circle_of_three()
    ahead = circle.clone()
    ahead.act(ADA, Tick())
    assert breaks(circle, ahead.sealed(BEN, Tick())) is Rule.SEQ


def test_attack_relay_shows_another_history_ROS_005() -> None:
    circle, fork = circle_of_three(), circle_of_three()
    circle.act(ADA, Tick())
    fork.act(BEN, Tick())
    assert circle.roster.root != fork.roster.root
    assert breaks(circle, fork.sealed(ADA, Tick())) is Rule.ROOT


def test_attack_backdated_entry_ROS_006() -> None:
    circle = circle_of_three()
    entry = circle.sealed(ADA, Tick(), ts=circle.roster.ts - 1)
    assert breaks(circle, entry) is Rule.TIME


def test_entries_of_the_same_second_are_fine_ROS_006() -> None:
    circle = circle_of_three()
    circle.append(circle.sealed(ADA, Tick(), ts=circle.roster.ts))


def test_attack_relay_moves_a_body_under_another_header_ROS_022() -> None:
    circle = circle_of_three()
    entry = Entry.decode(circle.sealed(ADA, Tick()))
    later = replace(entry.header, ts=entry.header.ts + 1)
    moved = Entry(header=later, body=entry.body).encode()
    assert rule_of(circle, moved) is Rule.OPENS


def rule_of(circle: Circle, entry: bytes) -> Rule | None:
    """The rule for which an appended entry is ignored."""
    return ignored(circle.append(entry))


@pytest.mark.parametrize("fold", [Roster.decode, RelayFold.decode])
def test_stored_forms_come_back(fold: Callable[[bytes], Roster | RelayFold]) -> None:
    circle = circle_of_three()
    value = circle.roster if fold == Roster.decode else relay_fold_of(circle)
    assert fold(value.encode()) == value
    assert fold(value.encode()).encode() == value.encode()


def test_both_folds_agree_on_root_and_size() -> None:
    circle = circle_of_three()
    fold = relay_fold_of(circle)
    assert (fold.size, fold.root, fold.ts) == (
        circle.roster.size,
        circle.roster.root,
        circle.roster.ts,
    )


def test_largest_entry_is_taken_ROS_001() -> None:
    circle = circle_of_three()
    header = Entry.decode(circle.sealed(ADA, Tick())).header
    # The header has 87 bytes, and the length of a body of this size takes four.
    entry = Entry(header=header, body=bytes(MAX_ENTRY_BYTES - 87 - 4)).encode()
    assert len(entry) == MAX_ENTRY_BYTES
    assert rule_of(circle, entry) is Rule.OPENS


@pytest.mark.parametrize("decode", [Roster.decode, RelayFold.decode])
def test_stored_form_that_cannot_be_read_is_our_own_trouble(
    decode: Callable[[bytes], Roster | RelayFold],
) -> None:
    circle = circle_of_three()
    stored = (circle.roster if decode == Roster.decode else relay_fold_of(circle)).encode()
    for damaged in (b"", stored[:-1], stored + b"\0", b"\0\xff" + stored[2:]):
        with pytest.raises(SnapshotError):
            decode(damaged)
