"""Indices of channels and inboxes across the lives of a relay.

An index is given once and counts up.  When a home relay is restored from a backup it does not
know which indices it had given since, so it begins a new life: the high bits say which, the low
bits count from 0 as before.  A device that sees the first index of a later life knows that the
relay was restored and that items between may be lost; within a life a gap stays a hole.
"""

from __future__ import annotations

from typing import Final

LIFE_SHIFT: Final = 30
"""A thousand million items a channel and life; lives are numbered by the second they begin in."""


def life_of(n: int) -> int:
    """Return the life that an index belongs to; 0 until a relay is restored."""
    return n >> LIFE_SHIFT


def first_of_life(life: int) -> int:
    """Return the first index of a life."""
    return life << LIFE_SHIFT


def begins_later_life(n: int, expected: int) -> bool:
    """Tell whether ``n`` is the first index of a later life than that of ``expected``."""
    return life_of(n) > life_of(expected) and n == first_of_life(life_of(n))
