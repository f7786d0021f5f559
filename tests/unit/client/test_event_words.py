"""Every event of the fold has words, whatever is in it."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from cloister.client.event_words import words_of
from cloister.ids import Handle, MemberId, RelayId
from cloister.roster import events, governance_events
from cloister.roster.events import Event
from cloister.roster.orders import Target
from cloister.roster.policy import Policy, default_policy
from cloister.roster.rules import Rule

BASES = {Event, governance_events.ReadableEvent}
TARGET = Target(relay_id=RelayId(bytes(32)), handle=Handle(bytes(16)), opening=bytes(32))


class Named:
    """Calls everything by what it was asked for."""

    def member(self, member_id: MemberId | None) -> str:
        return "MEMBER"

    def device(self, did: object) -> str:
        return "DEVICE"

    def key(self, key_id: bytes) -> str:
        return "KEY"

    def request(self, request_hash: bytes) -> str:
        return "REQUEST"

    def newcomer(self, member_id: object, did: object) -> str:
        return "NEWCOMER"

    def relay(self, relay_id: object) -> str:
        return "RELAY"

    def entry(self, entry_hash: bytes) -> str:
        return "ENTRY"

    def targets(self, targets: Iterable[Target]) -> str:
        return "TARGETS"

    def moment(self, at: int) -> str:
        return "MOMENT"


def all_events() -> list[type[Event]]:
    """Every event there is, but the two that are bases only."""
    found = [*vars(events).values(), *vars(governance_events).values()]
    known = {one for one in found if isinstance(one, type) and issubclass(one, Event)}
    return sorted(known - BASES, key=lambda one: one.__name__)


def samples(kind: Any) -> list[Any]:
    """Values of a type: all of an enumeration, both of an option."""
    if hasattr(kind, "__supertype__"):
        return [kind(value) for value in samples(kind.__supertype__)]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return [value for one in arguments for value in samples(one)]
    if origin is tuple:
        return [(), tuple(samples(arguments[0]))]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [Rule.FORM] if kind is Rule else list(kind)
    known: dict[Any, list[Any]] = {
        int: [0, 1_800_000_000, 2**63],
        str: ["why"],
        bool: [False, True],
        bytes: [b"", bytes(32)],
        Target: [TARGET],
        Policy: [default_policy()],
        type(None): [None],
    }
    return known[kind]


def instances(event: type[Event]) -> Iterator[Event]:
    """One with the first value of everything, and one for each other value."""
    hints = typing.get_type_hints(event)
    values = {name: samples(hints[name]) for name in event.__struct_fields__}
    if hints.get("reason") is str:
        values["reason"].append("")
    first = {name: some[0] for name, some in values.items()}
    yield event(**first)
    for name, some in values.items():
        for value in some[1:]:
            yield event(**{**first, name: value})


@pytest.mark.parametrize("event", all_events())
def test_an_event_has_words(event: type[Event]) -> None:
    for one in instances(event):
        words = words_of(one, Named())
        assert words.strip() == words
        assert len(words) > 5
        assert not words.endswith(".")
        assert "  " not in words


def test_there_are_events_of_both_kinds() -> None:
    found = set(all_events())
    assert len(found) > 40
    assert any(issubclass(one, governance_events.ReadableEvent) for one in found)


def test_an_event_without_words_is_a_bug() -> None:
    with pytest.raises(TypeError, match="no words for Event"):
        words_of(Event(seq=1), Named())
