"""Timers that go off once, and do go off."""

from __future__ import annotations

from typing import Any

from textual.message_pump import MessagePump
from textual.timer import Timer


class OneShot(MessagePump):
    """A part of the interface whose timers survive a program that stands still.

    The toolkit reads the clock twice before it waits, and where the whole delay has passed in
    between it skips that time and waits for the next.  A timer that goes off once has no next: it
    would be lost, and with it the keys that wait for it.
    """

    def set_timer(self, *arguments: Any, **options: Any) -> Timer:
        """Call something once after a delay in seconds, late where it cannot be in time."""
        timer = super().set_timer(*arguments, **options)
        timer._skip = False  # its task has not begun
        return timer
