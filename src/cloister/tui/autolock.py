"""Locking when nobody is there: after so many seconds without a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cloister.clock import uptime

if TYPE_CHECKING:
    from textual.app import App
    from textual.timer import Timer

AGAIN_S: Final = 1.0
"""How soon it is looked again where locking was due and could not be."""
SEEN_S: Final = 60.0
"""How late it may be seen that the machine has slept: timers stand still meanwhile."""


class Autolock:
    """Looks when it may be time, and once a minute: the time of a lid that was closed counts."""

    def __init__(self, app: App[str], lock: Callable[[], bool]) -> None:
        self._app = app
        self._lock = lock
        """Locks, where there is something to lock; tells whether there was."""
        self._timer: Timer | None = None
        self.after_s = 0
        self.last_key = uptime()

    def touch(self) -> None:
        """Note that somebody is there; after too long a time it need not be the same person."""
        if not (self._is_over and self._lock()):
            self.last_key = uptime()

    def arm(self, after_s: int) -> None:
        """Lock after so many seconds without a key from now on; 0: never."""
        self.after_s = after_s
        if self._timer is not None:
            self._timer.stop()
        self._timer = None
        if after_s:
            left = self.last_key + after_s - uptime()
            self._timer = self._app.set_timer(min(max(left, AGAIN_S), SEEN_S), self.look)

    def look(self) -> None:
        """Lock if no key was pressed for long enough; otherwise look again when that may be."""
        if self.after_s and not (self._is_over and self._lock()):
            self.arm(self.after_s)

    @property
    def _is_over(self) -> bool:
        return 0 < self.after_s <= uptime() - self.last_key
