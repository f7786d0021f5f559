"""What two people compare: the example of the specification, and what must make a difference."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloister.client.verification import Compared, Side, comparison_of
from cloister.ids import CircleId, DeviceId, MemberId
from cloister.values import replace

PAGE = Path(__file__).resolve().parents[3] / "docs/spec/comparing.md"


def did(number: int) -> DeviceId:
    return DeviceId(bytes([number]) * 32)


EXAMPLE = Compared(
    circle_id=CircleId(b"\xaa" * 32),
    lower=Side(member_id=MemberId(bytes(16)), dids=(did(1), did(2))),
    higher=Side(member_id=MemberId(b"\x11" * 16), dids=(did(3),)),
)


def test_the_example_of_the_specification_is_computed() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| `(.+)` \|$", PAGE.read_text(encoding="utf-8"), re.M))
    made = comparison_of(EXAMPLE)
    assert rows["fingerprint"] == made.fingerprint.hex()
    assert rows["digits"] == made.digits
    assert rows["code"] == made.code


@pytest.mark.parametrize(
    "other",
    [
        replace(EXAMPLE, circle_id=CircleId(b"\xab" * 32)),
        replace(EXAMPLE, lower=replace(EXAMPLE.lower, dids=(did(1),))),
        replace(EXAMPLE, higher=replace(EXAMPLE.higher, dids=(did(3), did(4)))),
        replace(EXAMPLE, higher=replace(EXAMPLE.higher, dids=(did(4),))),
        replace(EXAMPLE, higher=replace(EXAMPLE.higher, member_id=MemberId(b"\x12" * 16))),
        replace(EXAMPLE, lower=replace(EXAMPLE.lower, dids=(did(1),)),
                higher=replace(EXAMPLE.higher, dids=(did(2), did(3)))),
    ],
    ids=["circle", "a device less", "a device more", "another device", "member", "whose device"],
)  # fmt: skip
def test_whatever_differs_shows(other: Compared) -> None:
    ours, theirs = comparison_of(EXAMPLE), comparison_of(other)
    assert ours.fingerprint != theirs.fingerprint
    assert ours.code != theirs.code
    assert not set(ours.digits.split()) & set(theirs.digits.split())


def test_a_code_fits_a_qr_code_of_25_modules() -> None:
    code = comparison_of(EXAMPLE).code
    assert re.fullmatch(r"CL1:[A-Z2-7]{32}", code)
    assert len(code) <= 47
