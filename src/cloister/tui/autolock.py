"""Locking when nobody is there: after so many seconds without a key."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App
    from textual.timer import Timer

AGAIN_S = 1.0
"""How soon it is looked again where locking was due and could not be."""


class Autolock:
    """Looks when it may be time, and not before: nothing wakes up in between."""

    def __init__(self, app: App[str], lock: Callable[[], bool]) -> None:
        self._app = app
        self._lock = lock
        """Locks, where there is something to lock; tells whether there was."""
        self._timer: Timer | None = None
        self.after_s = 0
        self.last_key = time.monotonic()

    def touch(self) -> None:
        """Note that somebody is there."""
        self.last_key = time.monotonic()

    def arm(self, after_s: int) -> None:
        """Lock after so many seconds without a key from now on; 0: never."""
        self.after_s = after_s
        if self._timer is not None:
            self._timer.stop()
        self._timer = None
        if after_s:
            left = self.last_key + after_s - time.monotonic()
            self._timer = self._app.set_timer(max(left, AGAIN_S), self.look)

    def look(self) -> None:
        """Lock if no key was pressed for long enough; otherwise look again when that may be."""
        idle = time.monotonic() - self.last_key
        if self.after_s and (idle < self.after_s or not self._lock()):
            self.arm(self.after_s)
