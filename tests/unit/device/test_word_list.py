"""Words of a fingerprint: as the specification's example has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloister.device.word_list import words_of

PAGE = Path(__file__).resolve().parents[3] / "docs/spec/comparing.md"


def test_the_example_of_the_specification_is_computed() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| `(.+)` \|$", PAGE.read_text(encoding="utf-8"), re.M))
    assert words_of(bytes.fromhex(rows["fingerprint"])) == rows["words"].split()


@pytest.mark.parametrize("byte", range(16))
def test_every_byte_that_counts_shows(byte: int) -> None:
    changed = bytearray(32)
    changed[byte] = 1
    assert len(words_of(bytes(changed))) == 12
    assert words_of(bytes(changed)) != words_of(bytes(32))
