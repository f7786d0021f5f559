"""Values: made anew with one field changed; the others are the same, the one before stands."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from cloister.client.inputs import FoundCircle, Join
from cloister.client.state import Session, State
from cloister.mls.framing import Sender
from cloister.mls.registry import SenderType
from cloister.values import replace, repr_without


def test_what_is_not_changed_is_the_same_object_and_the_value_before_stands() -> None:
    before = State(welcomes={b"w": b"x"}, inbox_cursor=3)
    after = replace(before, inbox_cursor=4, newest_is_own=True)
    assert (before.inbox_cursor, before.newest_is_own) == (3, False)
    assert (after.inbox_cursor, after.newest_is_own) == (4, True)
    for name in set(State.__struct_fields__) - {"inbox_cursor", "newest_is_own"}:
        assert getattr(after, name) is getattr(before, name)
    assert type(after) is State
    assert after != before


def test_nobody_changes_a_value_where_it_stands() -> None:
    with pytest.raises(AttributeError):
        Session().nonce = b""  # type: ignore[misc]


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError):
        replace(Session(), nonse=b"")  # type: ignore[call-arg]


def test_a_dataclass_is_made_anew_too() -> None:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int

    assert replace(Point(1, 2), y=3) == Point(1, 3)


def test_a_structure_with_fields_of_its_own_is_made_anew_too() -> None:
    of_member = Sender(sender_type=SenderType.MEMBER, index=1)
    assert replace(of_member, index=2) == Sender(sender_type=SenderType.MEMBER, index=2)


def test_what_a_value_checks_is_checked_again() -> None:
    class Checked(msgspec.Struct, frozen=True):
        one: int

        def __post_init__(self) -> None:
            if not self.one:
                raise ValueError("none")

    with pytest.raises(ValueError, match="none"):
        replace(Checked(1), one=0)


def test_what_is_hidden_is_not_in_what_a_fault_shows() -> None:
    class Told(msgspec.Struct, frozen=True):
        name: str
        code: str

        def __repr__(self) -> str:
            return repr_without(self, "code")

    assert repr(Told("desk", "sesame")) == "Told(name='desk')"
    found = FoundCircle(ref=1, name="Ada", home_card=b"", entry_cards=(), activation_code="sesame")
    assert "sesame" not in repr(found)
    assert "sesame" not in repr(Join(ref=1, name="Ada", code="sesame"))
    assert "x" * 9 not in repr(State(welcomes={b"w": b"x" * 9}))
