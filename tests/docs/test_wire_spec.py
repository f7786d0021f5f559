"""The pages on wire and channel say what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from cloister import limits
from cloister.wire import adopting, commands, events, mirror
from cloister.wire.codes import Refusal

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"
WIRE = (SPEC / "wire.md").read_text("utf-8")
CHANNEL = (SPEC / "channel.md").read_text("utf-8")


def messages(module: ModuleType) -> dict[str, type[msgspec.Struct]]:
    """The messages of a module that have a tag of their own."""
    found = {}
    for name, value in vars(module).items():
        if not isinstance(value, type) or not issubclass(value, msgspec.Struct):
            continue
        is_own = value.__module__ == module.__name__
        if is_own and isinstance(value.__struct_config__.tag, int):
            found[name] = value
    return found


def row_of(name: str) -> list[str]:
    """The table row of a message: tag and fields."""
    match = re.search(rf"^\| {name} \| (\d+) \| ([^|]*)\|", WIRE, re.M)
    assert match, f"{name} stands in no table"
    return [match[1], *(one.strip() for one in match[2].split(",") if one.strip())]


@pytest.mark.parametrize(
    ("module", "skipped"),
    [(commands, 1), (adopting, 1), (events, 0), (mirror, 0)],
    ids=lambda value: str(value),
)
def test_every_message_stands_there_with_its_tag_and_fields(
    module: ModuleType, skipped: int
) -> None:
    found = messages(module)
    assert found
    for name, message in found.items():
        tag, *fields = row_of(name)
        assert int(tag) == message.__struct_config__.tag
        assert tuple(fields) == message.__struct_fields__[skipped:]


def test_every_refusal_stands_there() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", WIRE, re.M))
    assert {int(code): name for code, name in rows.items()} == {
        int(one): one.name for one in Refusal
    }


def test_the_limits_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| (\d+) \|", WIRE, re.M)
    assert len(rows) > 25
    for name, value in rows:
        assert getattr(limits, name) == int(value)


@pytest.mark.parametrize("page", [WIRE, CHANNEL], ids=["wire", "channel"])
def test_constants_named_in_the_text_exist(page: str) -> None:
    known = {*vars(limits), *Refusal.__members__}
    words = re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", page)
    assert words
    assert {word for word in words if word not in known} == set()


@pytest.mark.parametrize(("page", "letter"), [(WIRE, "W"), (CHANNEL, "H")])
def test_rules_are_numbered_without_gaps(page: str, letter: str) -> None:
    numbers = [int(one) for one in re.findall(rf"\*\*{letter}(\d+)\*\*", page)]
    assert numbers == list(range(1, len(numbers) + 1))
