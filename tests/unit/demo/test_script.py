"""What a script may hold, how it maps to people and conversations, what is refused with words."""

from __future__ import annotations

import pytest

from cloister.demo.names import circle_names
from cloister.demo.script import (
    MAX_LINES,
    MAX_NAMES,
    MAX_SCRIPT_BYTES,
    Line,
    Script,
    ScriptError,
    parse_script,
    shipped_script,
)
from cloister.limits import MAX_NAME_BYTES, MAX_TEXT_BYTES
from cloister.roster.name import check_new_name


def parse(text: str) -> Script:
    return parse_script(text.encode())


def test_the_shipped_script_has_three_people_a_one_to_one_and_a_group() -> None:
    script = parse_script(shipped_script())
    assert len(script.names) == 3
    assert 35 <= len(script.lines) <= 45
    assert len(script.one_to_one) >= 4
    assert {line.name for line in script.group} == set(script.names)


def test_blank_lines_and_comments_are_skipped_and_carriage_returns_dropped() -> None:
    script = parse("\ufeff# title\r\n\r\n  # set in\nAda:  two spaces \r\nBen:b\n")
    assert script.lines == (Line("Ada", " two spaces "), Line("Ben", "b"))


def test_a_text_may_hold_colons_and_every_separator_but_the_newline() -> None:
    text = "a: b\u2028c\u0085d\x0be\x1cf #g"
    assert parse(f"Ada: {text}").lines == (Line("Ada", text),)


def test_names_come_in_the_order_in_which_they_are_heard() -> None:
    script = parse("C: 1\nA: 2\nC: 3\nB: 4\nD: 5\n")
    assert script.names == ("C", "A", "B", "D")


def test_what_is_said_before_the_third_is_heard_is_the_one_to_one() -> None:
    script = parse("A: 1\nB: 2\nA: 3\nC: 4\nB: 5\n")
    assert [line.text for line in script.one_to_one] == ["1", "2", "3"]
    assert [line.text for line in script.group] == ["4", "5"]


def test_a_script_of_fewer_names_gets_stand_ins() -> None:
    script = parse("Jonas: alone\n")
    assert script.names == ("Jonas", "Amira", "Lin")
    assert script.group == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no texts"),
        (b"# only a comment\n", "holds no texts"),
        (b"Ada: fine\nno colon\n", "line 2: no name before a colon"),
        (b"\n: nobody\n", "line 2: no name"),
        (b"Ada: \n", "line 1: the text is empty"),
        ("Ada: \u200b\u200b\n".encode(), "line 1: the text is empty"),
        (b"Ada: ok\nBen: \xff\n", "line 2: byte 6 is not UTF-8"),
        (b"Ada: " + b"x" * (MAX_TEXT_BYTES + 1), "line 1: the text has 12,001 bytes"),
        (b"Ada: x\n" * (MAX_LINES + 1), "line 1001: the script has more than 1000"),
        (
            b"".join(b"n%d: x\n" % number for number in range(MAX_NAMES + 1)),
            f"line {MAX_NAMES + 1}: 'n{MAX_NAMES}' is one name too many",
        ),
        (b"#" * (MAX_SCRIPT_BYTES + 1), "larger than 16 MiB"),
    ],
)
def test_a_wrong_script_is_refused_with_the_line(content: bytes, words: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script(content)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_script_at_the_limits_is_taken() -> None:
    longest = "x" * MAX_TEXT_BYTES
    script = parse(f"Ada: {longest}\n" * MAX_LINES)
    assert len(script.lines) == MAX_LINES
    assert len(script.lines[-1].text) == MAX_TEXT_BYTES


class TestNames:
    @pytest.mark.parametrize("name", ["Amira", "Łukasz Żółć", "张伟", "Ada: the first", "O'Neil"])
    def test_an_ordinary_name_stays(self, name: str) -> None:
        assert circle_names([name]) == (name,)

    @pytest.mark.parametrize(
        "name",
        [
            "👩‍💻", "a" * 300,
            "né" * 100, "\u202eevil", "   ", "\u200b", "a\tb", "x" + "\u0301" * 9,
            "\u0301", "\ufdd0", "\ue000", "\U000e0041",
        ],
    )  # fmt: skip
    def test_any_name_becomes_one_that_the_log_accepts(self, name: str) -> None:
        (found,) = circle_names([name])
        assert check_new_name(found) == found

    def test_names_that_look_alike_are_told_apart(self) -> None:
        long = "b" * (MAX_NAME_BYTES + 10)
        found = circle_names(["Ada", "ADA", "Ａｄａ", long, long + "c"])
        assert found[:3] == ("Ada", "ADA (2)", "Ａｄａ (3)")
        assert len(set(found)) == 5
        assert all(len(name.encode()) <= MAX_NAME_BYTES for name in found)
