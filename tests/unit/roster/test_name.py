"""Names: the fixed form of the log, and what a person may choose."""

from __future__ import annotations

import unicodedata

import pytest

from cloister.roster.errors import NameRefused
from cloister.roster.name import FORBIDDEN_RANGES, check_new_name, has_name_form, skeleton
from cloister.values import replace
from unit.roster.circle import circle_of_three, person

GOOD = [
    "Ada",
    "Ada Lovelace",
    "Zoë",
    "李雷",
    "Олена",
    "عمر",
    "नेहा",
    "O'Brien-Smith",
    "Ada 🦊",
    "x" * 64,
]


@pytest.mark.parametrize("name", GOOD)
def test_names_of_many_scripts_pass(name: str) -> None:
    assert has_name_form(name)
    assert check_new_name(name) == name


def test_new_names_are_brought_into_normal_form() -> None:
    assert check_new_name("  Zoe\u0308 ") == "Zo\xeb"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 65,
        "Ada\x00",
        "Ada\x9b31m",
        "\u202eadA",
        "A\u200dda",
        "A\u2066da",
        "Ada\u2028",
        "A\ufe0fda",
        "\u115f",
        "\u2800",
        "A" + "\u0301" * 5,
        "\u0301",
        "A\ue000",
        "A\U000e0041",
        "A\udc80",
    ],
)
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(NameRefused):
        check_new_name(name)


def test_bounds_of_a_name() -> None:
    assert has_name_form("x" * 64)
    assert not has_name_form("x" * 65)
    assert not has_name_form("é" * 33)
    assert not has_name_form("")
    assert check_new_name("A" + "\u0334" * 3)
    with pytest.raises(NameRefused):
        check_new_name("A" + "\u0334" * 4)


def test_the_table_is_sorted_and_does_not_overlap() -> None:
    flat = [edge for pair in FORBIDDEN_RANGES for edge in pair]
    assert flat == sorted(flat)
    assert all(first <= last for first, last in FORBIDDEN_RANGES)


def test_the_table_covers_all_that_unicode_3_2_calls_control_or_format() -> None:
    """The one database that every interpreter has in the same version."""
    fixed = unicodedata.ucd_3_2_0
    for code_point in range(0x110000):
        character = chr(code_point)
        category = fixed.category(character)
        if category in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
            assert not has_name_form("a" + character + "a"), hex(code_point)


def test_looks_alike() -> None:
    assert skeleton("ADA") == skeleton("ada")
    assert skeleton("Ａｄａ") == skeleton("Ada")
    assert skeleton("Zoe\u0308") == skeleton("zo\xeb")


def test_members_with_the_same_name_are_told_apart() -> None:
    circle = circle_of_three()
    other = replace(person("Ada the second"), name="ADA")
    circle.admit(other, person("Ada"), person("Ben"))
    names = circle.roster.shown_names()
    assert names[person("Ada").member_id] == "Ada"
    assert names[other.member_id] == "ADA (2)"
    for typed, who in (("ada", person("Ada")), ("ada (2)", other)):
        member = circle.roster.member_named(typed)
        assert member is not None
        assert member.member_id == who.member_id
    assert circle.roster.member_named("nobody") is None


def test_name_that_imitates_a_number_is_told_apart_too() -> None:
    circle = circle_of_three()
    trick = replace(person("trick"), name="Ada (2)")
    other = replace(person("Ada the second"), name="Ada")
    circle.admit(trick, person("Ada"), person("Ben"))
    circle.admit(other, person("Ada"), person("Ben"))
    assert sorted(circle.roster.shown_names().values()) == [
        "Ada",
        "Ada (2)",
        "Ada (3)",
        "Ben",
        "Cleo",
    ]
