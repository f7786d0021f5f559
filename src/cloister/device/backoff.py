"""When to try again: full jitter, so that a relay's restart is not met by all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 0.5
MOST_S: Final = 30.0
MOST_RETRY_AFTER_S: Final = 300
"""What a relay may ask for at most; a hostile one must not silence a device for long."""
STEADY_S: Final = 5.0
"""A link that stood this long ends the series of failures."""


class Backoff:
    """Delays random(0, min(30 s, 0.5 s * 2^k)) for the k-th failure in a row."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._failures = 0
        self._asked_s = 0

    def retry_after(self, seconds: int) -> None:
        """Note what a stopping relay asked for; it counts once."""
        self._asked_s = max(0, min(seconds, MOST_RETRY_AFTER_S))

    def stood(self, seconds: float) -> None:
        """Note how long the last link stood."""
        if seconds >= STEADY_S:
            self._failures = 0

    def reset(self) -> None:
        """Start anew: the next attempt is not a repetition."""
        self._failures = 0
        self._asked_s = 0

    def next_delay(self) -> float:
        """Return the delay before the next attempt, in seconds."""
        most = min(MOST_S, FIRST_S * 2 ** min(self._failures, 10))
        self._failures += 1
        asked, self._asked_s = self._asked_s, 0
        return asked + self._uniform(0, most)
