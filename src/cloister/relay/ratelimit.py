"""Token buckets: a burst, then one per interval."""

from __future__ import annotations


class Bucket:
    """One limit.  Time is the caller's monotonic clock, in seconds."""

    __slots__ = ("_burst", "_full_at", "_interval_s")

    def __init__(self, burst: int, interval_s: float) -> None:
        self._burst = burst
        self._interval_s = interval_s
        self._full_at = 0.0

    def wait_s(self, now: float) -> float:
        """Return how long to wait before the next take; 0: it may be taken now."""
        backlog = self._full_at - now
        return max(0.0, backlog - (self._burst - 1) * self._interval_s)

    def take(self, now: float) -> None:
        """Take one; the caller has looked at ``wait_s``."""
        self._full_at = max(self._full_at, now) + self._interval_s

    def is_busy(self, now: float) -> bool:
        """Tell whether the limit is not wholly refilled."""
        return self._full_at > now
