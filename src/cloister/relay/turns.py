"""The turns of a loop, as far as those who share them out need one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Turns(Protocol):
    """The part of an event loop that a flusher needs."""

    def call_soon(self, callback: Callable[[], None]) -> object:
        """Call at the end of this turn."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> object:
        """Call after ``delay`` s."""
