"""Calendar months, ends of days, and what clocks do to them."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.books.terms import (
    MAX_TERMS,
    MONTHS,
    add_months,
    day_at,
    end_of_day,
    last_day,
    read_day,
    zone_of,
)
from cloister.errors import UsageError

ZONES = ("Europe/Berlin", "Asia/Hong_Kong", "America/Panama", "Asia/Beirut", "America/Havana")


@pytest.mark.parametrize(
    ("first", "terms", "last"),
    [
        ("2026-08-31", 1, "2027-02-28"),
        ("2027-08-31", 1, "2028-02-29"),  # a leap year
        ("2026-08-31", 2, "2027-08-31"),  # not 28 August: counted from the first day
        ("2026-08-29", 1, "2027-02-28"),
        ("2026-08-28", 1, "2027-02-28"),
        ("2024-02-29", 1, "2024-08-29"),
        ("2024-02-29", 2, "2025-02-28"),
        ("2024-02-29", 8, "2028-02-29"),
        ("2026-12-31", 1, "2027-06-30"),
        ("2099-08-31", 1, "2100-02-28"),  # a century that is no leap year
        ("2026-03-01", 1, "2026-09-01"),
        ("2026-07-15", 1, "2027-01-15"),
        ("2026-11-24", MAX_TERMS, "2126-11-24"),
    ],
)
def test_a_term_is_six_calendar_months(first: str, terms: int, last: str) -> None:
    assert last_day(date.fromisoformat(first), terms).isoformat() == last


@pytest.mark.parametrize(
    ("day", "zone", "end"),
    [
        ("2027-02-28", "UTC", "2027-03-01T00:00+00:00"),
        ("2027-02-28", "Europe/Berlin", "2027-02-28T23:00+00:00"),
        ("2026-08-31", "Europe/Berlin", "2026-08-31T22:00+00:00"),
        ("2027-03-27", "Europe/Berlin", "2027-03-27T23:00+00:00"),  # the night before it is summer
        ("2027-03-28", "Europe/Berlin", "2027-03-28T22:00+00:00"),  # a day of 23 hours
        ("2027-10-31", "Europe/Berlin", "2027-10-31T23:00+00:00"),  # a day of 25 hours
        ("2026-08-31", "Asia/Hong_Kong", "2026-08-31T16:00+00:00"),
        # At midnight it is one o'clock: the next day begins with the skip.
        ("2022-03-26", "Asia/Beirut", "2022-03-26T22:00+00:00"),
        # At one it is midnight again: the next day has begun an hour before.
        ("2022-11-05", "America/Havana", "2022-11-06T04:00+00:00"),
    ],
)
def test_a_day_ends_where_the_account_is(day: str, zone: str, end: str) -> None:
    moment = end_of_day(date.fromisoformat(day), zone_of(zone))
    assert datetime.fromtimestamp(moment, UTC) == datetime.fromisoformat(end)


@given(st.dates(date(2000, 1, 1), date(2150, 1, 1)), st.integers(0, 600))
def test_months_keep_the_day_or_take_the_last(first: date, months: int) -> None:
    later = add_months(first, months)
    assert (later.year * 12 + later.month) - (first.year * 12 + first.month) == months
    assert later.day == min(first.day, monthrange(later.year, later.month)[1])


@given(st.dates(date(2000, 1, 1), date(2050, 1, 1)), st.integers(1, 60), st.sampled_from(ZONES))
def test_terms_follow_one_another_without_gap_or_drift(first: date, terms: int, zone: str) -> None:
    ends = [end_of_day(last_day(first, count), zone_of(zone)) for count in (terms, terms + 1)]
    assert timedelta(180) < timedelta(seconds=ends[1] - ends[0]) < timedelta(186)
    assert last_day(first, 2 * terms) == add_months(first, 2 * terms * MONTHS)


@given(st.dates(date(2000, 1, 1), date(2037, 1, 1)), st.sampled_from(ZONES))
def test_the_end_of_a_day_is_the_first_second_of_the_next(day: date, zone: str) -> None:
    end = end_of_day(day, ZoneInfo(zone))
    assert day_at(end - 1, ZoneInfo(zone)) == day
    assert day_at(end, ZoneInfo(zone)) == day + timedelta(1)


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "../etc/passwd", "/etc/localtime", "\0"])
def test_a_zone_that_is_none_says_what_to_do(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        zone_of(name)
    assert "tzdata" in str(caught.value.hint)


def test_utc_needs_no_data_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    import zoneinfo

    zoneinfo.ZoneInfo.clear_cache()
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    try:
        assert zone_of("UTC") is UTC
    finally:
        zoneinfo.reset_tzpath(to=before)


@pytest.mark.parametrize("text", ["24.11.2026", "2026-2-1", "20261124", "2026-02-30", "1999-12-31"])
def test_a_day_has_one_form(text: str) -> None:
    with pytest.raises(UsageError):
        read_day(text)
