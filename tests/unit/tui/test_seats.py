"""What a person is told of their seat, and when."""

from __future__ import annotations

import pytest

from cloister.tui.words import SOON_DAYS, seat_of, standing
from tui.scenes import term


@pytest.mark.parametrize(
    ("state", "days", "words"),
    [
        ("active", SOON_DAYS + 1, ""),
        ("active", SOON_DAYS, "seat ends in 14 days"),
        ("active", 1, "seat ends in 1 day"),
        ("active", 0, "seat ends today"),
        ("grace", -1, "seat over, 13 days to pay"),
        ("grace", -14, "seat over, 0 days to pay"),
        ("lapsed", -15, "seat has run out"),
        ("office", -30, ""),
    ],
)
def test_a_seat_is_told_of_while_there_is_time_to_pay(state: str, days: int, words: str) -> None:
    status = {"phase": "member", "term": term(state, days)}
    assert seat_of(status) == words
    assert standing(status) == words


def test_where_no_seats_are_sold_nothing_is_said() -> None:
    assert seat_of({"phase": "member", "term": None}) == ""
