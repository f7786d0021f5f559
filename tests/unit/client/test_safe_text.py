"""What other people write can neither steer a terminal nor hide from the eye."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.client.safe_text import (
    MAX_COMBINING_RUN,
    REPLACEMENT,
    safe_line,
    safe_text,
)

OBEYED = {
    "escape": "\x1b]52;c;aGk=\x07",
    "C1 control sequence introducer": "\x9b31m",
    "right-to-left override": "\u202eevil",
    "isolate": "\u2066x",
    "line separator": "a\u2028b",
    "delete": "\x7f",
    "carriage return": "safe\rEVIL",
    "private use": "\ue000",
    "noncharacter": "\ufdd0",
}


@pytest.mark.parametrize("text", OBEYED.values(), ids=OBEYED.keys())
def test_what_a_terminal_obeys_is_replaced(text: str) -> None:
    cleaned = safe_text(text)
    assert REPLACEMENT in cleaned
    assert not any(unicodedata.category(one) in ("Cc", "Co") for one in cleaned)


@pytest.mark.parametrize("text", ["\u200b", "\ufeff", "\u2060", "\U000e0041", "\u00ad"])
def test_what_no_eye_can_see_disappears(text: str) -> None:
    assert safe_text(f"Ada{text}") == "Ada"


def test_lines_tabs_and_the_world_s_scripts_stay() -> None:
    text = "one\ttwo\nthree · مرحبا · שלום · नमस्ते · 你好 · 👩\u200d💻 · ❤\ufe0f\u200d🔥 · é"
    assert safe_text(text) == text


def test_windows_line_ends_become_lines() -> None:
    assert safe_text("a\r\nb") == "a\nb"


def test_decomposed_and_composed_letters_become_one() -> None:
    assert safe_text("e\u0301") == "é"


def test_a_tower_of_combining_marks_is_cut() -> None:
    cleaned = safe_text("q" + "\u0316" * 50)
    assert len(cleaned) == 1 + MAX_COMBINING_RUN


def test_a_long_text_keeps_every_character() -> None:
    text = "x" * 12_000
    assert safe_text(text) == text


def test_a_name_is_one_line() -> None:
    assert safe_line(" Ada\n\t Lovelace ") == "Ada Lovelace"


@given(st.text(alphabet=st.characters(), max_size=300))
def test_nothing_obeyed_or_invisible_survives_and_cleaning_twice_changes_nothing(text: str) -> None:
    cleaned = safe_text(text)
    assert safe_text(cleaned) == cleaned
    for one in cleaned:
        assert one in "\n\t" or not (ord(one) < 0x20 or 0x7F <= ord(one) <= 0x9F)
        assert unicodedata.bidirectional(one) not in {
            "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
        }  # fmt: skip
    cleaned.encode("utf-8")
