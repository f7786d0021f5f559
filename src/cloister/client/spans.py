"""Spans of time in words."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def span_in_words(seconds: int) -> str:
    """Return ``2 days`` or ``90 minutes``: the largest unit that goes into it evenly."""
    unit, name = next(one for one in _UNITS if seconds % one[0] == 0)
    count = seconds // unit
    return f"{count} {name}" + ("" if count == 1 else "s")
