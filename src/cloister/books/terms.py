"""Terms: calendar months from a first day, up to the end of a day in the account's time zone.

The day of the event does not count, as in most civil codes: what begins on 31 August ends six
months later with 28 February, or 29 in a leap year. Terms are counted from the first day and not
from each other, so that the one after ends with 31 August again.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloister.errors import UsageError

MONTHS: Final = 6
"""Calendar months of a term, of every plan."""
MAX_TERMS: Final = 200
"""A hundred years: an end that every calendar has."""
_UTC_NAMES: Final = frozenset({"UTC", "Etc/UTC"})


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name; UTC needs no data. Raises UsageError."""
    if name in _UTC_NAMES:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"this machine knows no time zone {name!r}",
            hint="give a name like Europe/Berlin, or UTC; if none is known, install the system's"
            " package tzdata",
        ) from None


def add_months(first: date, months: int) -> date:
    """The same day so many months later, or the last day of a month that has no such day."""
    index = first.year * 12 + first.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1]))


def last_day(first: date, terms: int) -> date:
    """The day that ends the last of ``terms`` terms from ``first`` on."""
    return add_months(first, MONTHS * terms)


def end_of_day(day: date, zone: tzinfo) -> int:
    """The moment the next day begins there, in seconds since the Unix epoch.

    Where a clock skips midnight the next day begins with the skip, and where it strikes midnight
    twice, the first time: ``fold`` 0 gives both.
    """
    begin = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
    return int(begin.timestamp())


def day_at(moment: int, zone: tzinfo) -> date:
    """The day at a moment, in seconds since the Unix epoch, in a time zone."""
    return datetime.fromtimestamp(moment, zone).date()


def read_day(text: str) -> date:
    """Read ``2026-11-24``. Raises UsageError."""
    try:
        day = date.fromisoformat(text)
        if day.isoformat() != text or not 2000 <= day.year < 2200:
            raise ValueError
    except ValueError:
        raise UsageError(f"{text!r} is no day", hint="give it as 2026-11-24") from None
    return day
