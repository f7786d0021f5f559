"""docs/machines: the drawings have the states, the events and the ends that the code has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

import pytest

from cloister.books.report import Standing as SeatStanding
from cloister.client.standing import Standing
from cloister.roster import events, governance_events
from cloister.roster.governance_state import ErasureState
from cloister.roster.readable import ReadableType
from cloister.roster.state import MemberState
from cloister.wire import commands
from cloister.wire.codes import Refusal

MACHINES = Path(__file__).resolve().parents[2] / "docs/machines"
ARROW = re.compile(r"^ {4}(\[\*\]|[A-Z]+) --> (\[\*\]|[A-Z]+)(?:: (\w+))?$")
END = "[*]"
SEALED_EVENTS = {name for name, one in vars(events).items() if isinstance(one, type)}
READABLE_EVENTS = {name for name, one in vars(governance_events).items() if isinstance(one, type)}
ENTRIES = {one.name.lower() for one in ReadableType}
REQUESTS = {name for name, one in vars(commands).items() if isinstance(one, type)}


def arrows(name: str) -> list[tuple[str, str, str]]:
    """The arrows of a page's drawing: from, to, by what."""
    text = (MACHINES / f"{name}.md").read_text("utf-8")
    drawing = text.split("```mermaid\nstateDiagram-v2\n")[1].split("```")[0]
    found = []
    for line in drawing.splitlines():
        match = ARROW.match(line)
        assert match is not None, line
        found.append((match[1], match[2], match[3] or ""))
    return found


def names(kinds: Iterable[Enum]) -> set[str]:
    return {one.name for one in kinds}


def states(name: str) -> set[str]:
    return {state for start, end, _ in arrows(name) for state in (start, end)} - {END}


def test_every_page_is_checked_here() -> None:
    pages = {page.stem for page in MACHINES.glob("*.md")}
    assert pages == {"member", "device", "erase", "share", "seat"}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("member", MemberState),
        ("device", Standing),
        ("erase", ErasureState),
        ("seat", SeatStanding),
    ],
)
def test_a_drawing_has_the_states_of_the_code(name: str, kinds: type[Enum]) -> None:
    assert states(name) == names(kinds)
    text = (MACHINES / f"{name}.md").read_text("utf-8")
    module = kinds.__module__
    assert f"`{module}.{kinds.__name__}`" in text


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("member", SEALED_EVENTS),
        ("device", SEALED_EVENTS),
        ("erase", READABLE_EVENTS),
        ("share", REQUESTS | ENTRIES | {"time"}),
        ("seat", {"time", "renew"}),
    ],
)
def test_every_arrow_is_something_that_happens(name: str, known: set[str]) -> None:
    assert {by for _, end, by in arrows(name) if end != END} <= known


@pytest.mark.parametrize("name", ["member", "device", "erase", "share", "seat"])
def test_every_state_is_reached_and_nothing_follows_an_end(name: str) -> None:
    found = arrows(name)
    assert len(set(found)) == len(found)
    reached = {END}
    while following := {end for start, end, _ in found if start in reached} - reached:
        reached |= following
    assert states(name) <= reached
    ended = {start for start, end, _ in found if end == END}
    assert not [one for one in found if one[0] in ended and one[1] != END]
    # What is not marked as an end has a way out.
    assert states(name) - ended <= {start for start, end, _ in found if end != start}


def test_what_is_for_good_is_for_good_in_the_drawing() -> None:
    ended = {start for start, end, _ in arrows("device") if end == END}
    assert ended == {one.name for one in Standing if one.is_final}


def test_the_answers_of_a_share_are_refusals_of_the_wire() -> None:
    text = (MACHINES / "share.md").read_text("utf-8")
    answers = dict(re.findall(r"^\| ([A-Z]+) \| `(\w+)` \|", text, re.M))
    assert set(answers) == states("share")
    assert answers.pop("OPEN") == "Evaluated"
    assert set(answers.values()) <= names(Refusal)
    assert all(refusal == state for state, refusal in answers.items() if state != "WAITING")
