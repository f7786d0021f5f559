"""When the core is woken by the clock."""

from __future__ import annotations

from collections.abc import Callable


class Ticks:
    """Not twice in a second, whatever the core says, and at any place within the second.

    What a device sends by itself must not stand out from what a person sends by always coming at
    the full second."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._phase_s = uniform(0.0, 1.0)
        self._last = 0

    def due(self, wake_at: int | None) -> float | None:
        """Return when to tick, s since the Unix epoch; ``wake_at`` is the core's wish."""
        return None if wake_at is None else max(wake_at, self._last + 1) + self._phase_s

    def ticked(self, now: float) -> None:
        """Note that it was woken; draw the place within the second of the next time."""
        self._last = int(now)
        self._phase_s = self._uniform(0.0, 1.0)
