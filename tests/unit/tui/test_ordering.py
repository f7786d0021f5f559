"""The order in which right-to-left text is painted: examples of UAX #9, and what must not move.

As in the standard, capitals stand for letters of a right-to-left script, here Hebrew ones.
"""

from __future__ import annotations

from typing import Final

import pytest
from bidi import get_display
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cloister.client.safe_text import safe_line
from cloister.tui import ordering
from cloister.tui.lines import Line, fit, fit_row, with_note, wrap_written, written_lines
from cloister.tui.ordering import (
    MOST_CLUSTERS,
    Written,
    begins_rtl,
    clusters_of,
    display_places,
    has_rtl,
    in_display_order,
    mirrored,
)
from cloister.tui.widgets.painted import ordered

LETTERS: Final = {chr(ord("A") + n): chr(0x05D0 + n) for n in range(26)}
TO_HEBREW: Final = str.maketrans(LETTERS)
TO_CAPITALS: Final = str.maketrans({hebrew: capital for capital, hebrew in LETTERS.items()})

mixed = st.text(
    st.sampled_from(
        "ab Z1290.,-+/%:()[]{}<>«»!?#'\"אבגד־׳ םمرحبا،٣٤۱۲é日本👍€ָׁ\u0301\u200d\u200c\ufe0f☺🇩🇪"
    ),
    max_size=40,
).map(safe_line)
"""Everything that is handled in its own way, one beside the other."""


def shown(text: str, *, is_rtl: bool | None = None) -> str:
    written = Written(text.translate(TO_HEBREW), is_rtl=is_rtl)
    return in_display_order(written).translate(TO_CAPITALS)


# --- paragraphs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_rtl", "display"),
    [
        ("car means CAR.", False, "car means RAC."),
        ("car MEANS CAR.", True, ".RAC SNAEM car"),
        ("smith (fabrikam ARABIC) HEBREW", True, "WERBEH (CIBARA fabrikam) smith"),
        ("ARABIC book(s)", True, "book(s) CIBARA"),
        ("AB(CD[&ef]!)gh", True, "gh(![ef&]DC)BA"),
        ("it is called AN INTRODUCTION TO java", False, "it is called OT NOITCUDORTNI NA java"),
        ("IT IS A bmw 500, OK.", True, ".KO ,bmw 500 A SI TI"),
    ],
)
def test_examples_of_the_standard(text: str, is_rtl: bool, display: str) -> None:
    assert shown(text, is_rtl=is_rtl) == display


@pytest.mark.parametrize(
    ("text", "is_rtl", "display"),
    [
        ("ABC 12 DEF", True, "FED 12 CBA"),
        ("at ABC 12:30", False, "at 12:30 CBA"),
        ("ABC 1-2, 3.5%", True, "3.5% ,1-2 CBA"),  # W4 and W5: separators and terminators
        ("ABC  ", True, "  CBA"),  # L1
        ("ABC  ", False, "CBA  "),
        ("  ABC", True, "CBA  "),
        ("ABC (DEF)", True, "(FED) CBA"),
        ("ABC <DEF> [1]", True, "[1] <FED> CBA"),
        ("", True, ""),
        ("plain", True, "plain"),
        ("plain.", True, ".plain"),
    ],
)
def test_digits_latin_and_brackets_stand_as_they_are_read(
    text: str, is_rtl: bool, display: str
) -> None:
    assert shown(text, is_rtl=is_rtl) == display


def test_digits_behind_arabic_letters_are_arabic_numbers() -> None:
    """W2: so the hyphen between them does not join them, as it does behind Hebrew ones."""
    assert in_display_order(Written("ب 1-2")) == "2-1 ب"
    assert in_display_order(Written("ב 1-2")) == "1-2 ב"


@pytest.mark.parametrize(
    ("text", "is_rtl"),
    [
        ("12 ABC", True),
        ("(ABC", True),
        ("x ABC", False),
        ("12", False),
        ("", False),
        ("é A", False),
    ],
)
def test_the_first_strong_character_says_which_way_a_paragraph_runs(
    text: str, is_rtl: bool
) -> None:
    assert begins_rtl(text.translate(TO_HEBREW)) is is_rtl
    assert Written(text.translate(TO_HEBREW)).is_rtl is is_rtl


def test_marks_stay_behind_their_base_and_wide_characters_whole() -> None:
    assert in_display_order(Written("שָׁלוֹם 日本")) == "日本 םוֹלשָׁ"
    assert in_display_order(Written("אב 👩\u200d🚀 e\u0301")) == "e\u0301 👩\u200d🚀 בא"


@given(mixed, st.booleans())
def test_ordering_permutes_the_cells_of_a_text_and_no_width_changes(
    text: str, is_rtl: bool
) -> None:
    clusters = clusters_of(text)
    places = display_places(clusters, is_rtl=is_rtl)
    assert sorted(number for number, _ in places) == list(range(len(clusters)))
    display = in_display_order(Written(text, is_rtl=is_rtl))
    assert cell_len(display) == cell_len(text)
    put = [mirrored(clusters[n]) if is_turned else clusters[n] for n, is_turned in places]
    assert display in {"".join(put), text}


@given(st.text(max_size=60), st.booleans())
def test_no_text_at_all_breaks_it(text: str, is_rtl: bool) -> None:
    """Not even one that no sanitiser has seen."""
    clusters = clusters_of(text.replace("\ud800", ""))
    places = display_places(clusters, is_rtl=is_rtl)
    assert sorted(number for number, _ in places) == list(range(len(clusters)))


@given(mixed, st.booleans())
def test_places_are_those_of_the_library(text: str, is_rtl: bool) -> None:
    """Numbering the characters does not change where they go."""
    plain = "".join(one for one in text if len(clusters_of("a" + one)) == 2)
    places = display_places(list(plain), is_rtl=is_rtl)
    wanted = get_display(plain, base_dir="R" if is_rtl else "L")
    assert "".join(plain[number] for number, _ in places) == wanted


def test_a_line_longer_than_any_terminal_stays_as_it_is() -> None:
    text = "א" * (MOST_CLUSTERS + 1) + " b"
    assert in_display_order(Written(text, is_rtl=False)) == text


# --- sentences of the interface -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "display"),
    [
        ("ABC, DEF and 2 others", "CBA, FED and 2 others"),
        ("ABC 12 (verified)", "CBA 12 (verified)"),
        ("vouched for by ABC DEF, GHI", "vouched for by FED CBA, IHG"),
        ("[+1] ABC  [ok] DEF", "[+1] CBA  [ok] FED"),
        ("09:41 ABC: ", "09:41 CBA: "),
        ("ABC (DEF", "CBA (FED"),
        ("  ABC-DEF's 3 devices", "  FED-CBA's 3 devices"),
    ],
)
def test_in_a_sentence_each_name_is_turned_where_it_stands(sentence: str, display: str) -> None:
    text = sentence.translate(TO_HEBREW)
    assert in_display_order(text).translate(TO_CAPITALS) == display


@given(mixed, mixed)
def test_in_a_sentence_nothing_beside_a_name_moves(name: str, other: str) -> None:
    """Whatever two names are made of, what is said between them keeps its cells."""
    before, after = "12 (", ") 34 verified, 09:41 "
    # A joiner makes one cell of what is on both sides of it, and of others when they are turned.
    name = name.replace("\u200d", "")
    sentence = f"{before}{name}{after}{other}"
    display = in_display_order(sentence)
    assert cell_len(display) == cell_len(sentence)
    assert display.startswith(before)
    if display == sentence:
        return  # no such letter in it, or a joiner that measures differently in company
    # The rest is found behind so many cells as the name has, and not by looking for it.
    cells = cell_len(before + name)
    place = next(n for n in range(len(display) + 1) if cell_len(display[:n]) == cells)
    assert display[place:].lstrip("\u0301\u200d\u200c\ufe0fָׁ").startswith(after)


# --- lines ----------------------------------------------------------------------------------------


@given(mixed, mixed, mixed)
def test_no_span_moves_another(name: str, note: str, text: str) -> None:
    line: Line = ((Written(name), "name"), (" 09:41 sent ", "dim"), (note, "warn"), (text, "dim"))
    painted = ordered(line, 200)
    assert [role for _, role in painted] == [role for _, role in line]
    assert [cell_len(one) for one, _ in painted] == [cell_len(one) for one, _ in line]
    assert painted[1] == line[1]


def test_a_paragraph_from_right_to_left_stands_on_the_right() -> None:
    lines = written_lines("שלום עולם\n\nhello\n12 אב", 20, "text", "  ")
    painted = ["".join(text for text, _ in ordered(line, 20)) for line in lines]
    assert painted == ["           םלוע םולש", "  ", "  hello", "  " + " " * 13 + "בא 12"]


def test_a_broken_line_runs_as_its_paragraph_does() -> None:
    """Also where one of its lines has Latin letters alone."""
    lines = wrap_written("שלום abcdef, ghijkl. אבג", 8)
    assert list(lines) == ["שלום", "abcdef,", "ghijkl.", "אבג"]
    assert [in_display_order(one) for one in lines] == ["םולש", ",abcdef", ".ghijkl", "גבא"]


def test_what_is_cut_runs_as_the_whole_did() -> None:
    cut = fit(Written("אבג 12 abc def ghi"), 10)
    assert cut == "אבג 12 a.."
    assert in_display_order(cut) == "..a 12 גבא"


def test_spans_are_cut_together() -> None:
    name = Written("שם")
    spans = [(name, "dim"), (": ", "dim"), (Written("text that is long"), "dim")]
    assert "".join(text for text, _ in fit_row(spans, 12)) == "שם: text t.."
    assert [text for text, _ in fit_row(spans, 40)] == ["שם", ": ", "text that is long"]
    assert fit_row(spans, 3) == (("ש..", "dim"),)
    label = with_note("09:41 שם:", "Friday", 40, "12 אבג")
    assert [text for text, _ in label] == ["09:41 שם: ", "12 אבג", "  Friday"]


# --- what it costs --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["plain (1)", "Zoë", "日本語 и кириллица", "👍 ок", "αβγ"])
def test_what_has_no_such_letter_is_not_looked_at(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "display_places", None)
    monkeypatch.setattr(ordering, "clusters_of", None)
    line: Line = ((Written(text), "text"), (text, "dim"))
    assert not has_rtl(text)
    assert ordered(line, 40) is line
    assert in_display_order(line[0][0]) is line[0][0]


def test_a_written_line_is_ordered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written("אבג 12")
    first = in_display_order(written)
    monkeypatch.setattr(ordering, "display_places", None)
    assert in_display_order(written) is first
