"""Readable entries: the same judgement in both folds."""

from __future__ import annotations

import pytest

from cloister.roster.entry import Entry
from cloister.roster.errors import RuleViolation, UpdateNeeded
from cloister.roster.readable import ReadableBody, ReadableType, make_readable
from cloister.roster.relay_fold import RelayFold
from cloister.roster.rules import Rule
from cloister.values import replace
from unit.roster.circle import Circle, circle_of_three, ignored, steward_key


def readable(circle: Circle, readable_type: int, *, signer: str = "steward") -> bytes:
    """A readable entry for the end of the log."""
    return make_readable(
        readable_type,
        b"content",
        steward_key=steward_key(signer),
        circle_id=circle.roster.circle_id,
        seq=circle.roster.size,
        root=circle.roster.root,
        ts=circle.now,
    )


def judged(circle: Circle, entry: bytes) -> Rule | None:
    """The rule for which members ignore the entry, and for which a relay refuses it."""
    fold = RelayFold.found(circle.entries[0])
    for one in circle.entries[1:]:
        fold = fold.append(one)
    with pytest.raises(RuleViolation) as refused:
        fold.append(entry)
    rule = ignored(circle.append(entry))
    assert refused.value.rule is rule
    return rule


def rebodied(entry: bytes, body: bytes, **header: object) -> bytes:
    """An entry with another body or header."""
    read = Entry.decode(entry)
    changed = replace(read.header, **header)  # type: ignore[arg-type]
    return Entry(header=changed, body=body).encode()


def test_attack_relay_makes_a_readable_entry_of_junk_ROS_030() -> None:
    circle = circle_of_three()
    entry = readable(circle, ReadableType.RELAY_SET)
    assert judged(circle, rebodied(entry, b"junk")) is Rule.READABLE_FORM


def test_readable_entry_has_no_generation_ROS_030() -> None:
    circle = circle_of_three()
    entry = readable(circle, ReadableType.RELAY_SET)
    body = Entry.decode(entry).body
    assert judged(circle, rebodied(entry, body, lk_gen=1)) is Rule.READABLE_FORM


def test_attack_relay_acts_as_a_steward_with_a_key_of_its_own_ROS_031() -> None:
    circle = circle_of_three()
    entry = readable(circle, ReadableType.RELAY_SET, signer="relay")
    assert judged(circle, entry) is Rule.STEWARD_KEY


def test_attack_relay_names_the_stewards_key_but_cannot_sign_ROS_032() -> None:
    circle = circle_of_three()
    own = ReadableBody.decode(
        Entry.decode(readable(circle, ReadableType.RELAY_SET, signer="relay")).body
    )
    entry = readable(circle, ReadableType.RELAY_SET)
    steward = ReadableBody.decode(Entry.decode(entry).body)
    forged = replace(own, key_id=steward.key_id)
    assert judged(circle, rebodied(entry, forged.encode())) is Rule.STEWARD_SIGNATURE


def test_attack_relay_replays_a_stewards_act_at_another_place_ROS_032() -> None:
    circle = circle_of_three()
    entry = readable(circle, ReadableType.RELAY_SET)
    moved = rebodied(entry, Entry.decode(entry).body, ts=circle.now + 5)
    assert judged(circle, moved) is Rule.STEWARD_SIGNATURE


def test_second_genesis_is_ignored_ROS_033() -> None:
    circle = circle_of_three()
    assert judged(circle, readable(circle, ReadableType.GENESIS)) is Rule.ONE_GENESIS


@pytest.mark.parametrize("readable_type", [14, 999])
def test_attack_old_client_meets_an_unknown_readable_type_ROS_034(readable_type: int) -> None:
    circle = circle_of_three()
    entry = readable(circle, readable_type)
    fold = RelayFold.found(circle.entries[0])
    for one in circle.entries[1:]:
        fold = fold.append(one)
    with pytest.raises(UpdateNeeded) as relays:
        fold.append(entry)
    with pytest.raises(UpdateNeeded) as members:
        circle.append(entry)
    assert relays.value.rule is members.value.rule is Rule.READABLE_TYPE


def test_attack_relay_cannot_stop_a_circle_with_an_unknown_readable_type_ROS_034() -> None:
    circle = circle_of_three()
    entry = readable(circle, 999, signer="relay")
    assert judged(circle, entry) is Rule.STEWARD_KEY
