"""The next state: one field changed, the others the same objects, the one before untouched."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from cloister.client.replacing import replaced
from cloister.client.state import Session, State


def test_what_is_not_changed_is_the_same_object_and_the_state_before_stands() -> None:
    before = State(welcomes={b"w": b"x"}, inbox_cursor=3)
    after = replaced(before, {"inbox_cursor": 4, "newest_is_own": True})
    assert (before.inbox_cursor, before.newest_is_own) == (3, False)
    assert (after.inbox_cursor, after.newest_is_own) == (4, True)
    changed = {"inbox_cursor", "newest_is_own"}
    for field in fields(State):
        if field.name not in changed:
            assert getattr(after, field.name) is getattr(before, field.name)
    assert type(after) is State
    assert after != before


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError):
        replaced(Session(), {"nonse": b""})


def test_a_class_that_its_init_or_slots_make_is_refused() -> None:
    @dataclass(frozen=True)
    class Checked:
        one: int

        def __post_init__(self) -> None:
            assert self.one

    @dataclass(frozen=True, slots=True)
    class InSlots:
        one: int

    for value in (Checked(1), InSlots(1)):
        with pytest.raises(TypeError):
            replaced(value, {"one": 2})
