"""Where restored history stands: before everything that a device has received itself.

A device counts the rows of a timeline from 1.  Restored rows have places below zero, which is all
that tells them from others: nothing below zero is unread, is given receipts for, or is ever sent.

Their order is that of the channel's index n, which is one for all devices, so archives of two
devices fall into each other.  Rows without an index (what was not sent) follow what stood before
them.
"""

from __future__ import annotations

from typing import Final

from cloister.client.effects import Message

LOWEST: Final = -(2**52)
"""No place is lower; JSON readers that count in doubles still hold it exactly."""
SPREAD: Final = 2**10
"""Places between two indices of a channel."""
HIGHEST_N: Final = 2**41
"""Indices above share the last places: no channel comes near it."""


def is_kept(message: Message) -> bool:
    """Whether a row was restored, and not received by this device itself."""
    return message.position < 0


class Places:
    """Gives places to the rows of one archive, which come by channel and position."""

    def __init__(self) -> None:
        self._channel_id: bytes = b""
        self._last = LOWEST
        self._top = 0

    def wanted(self, message: Message) -> int:
        """Return the lowest place that a row may have; ``taken`` says which one it got."""
        if message.channel_id != self._channel_id:
            self._channel_id, self._last, self._top = message.channel_id, LOWEST, 0
        self._top = max(self._top, min(message.n, HIGHEST_N))
        return max(self._last + 1, LOWEST + self._top * SPREAD)

    def taken(self, position: int) -> None:
        """Note the place that the row has now; what follows it comes after."""
        if position < 0:
            self._last = max(self._last, position)
