"""How much a store takes, and what is kept free for the acts that must pass.

Texts stop first: at the channel's quota, at the circle's, and when the disk comes into its
reserve.  Commits, Welcomes, log entries and orders go on, so that a full conversation can still
lose a member and a full relay can still lock a device.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from cloister.limits import ENVELOPE_SIZES, MAX_CHANNEL_BYTES, MAX_CIRCLE_BYTES, MAX_INBOX_ITEMS

LARGEST: Final = ENVELOPE_SIZES[-1]
COMMITS_OVER: Final = 2
"""Commits pass until a channel holds so many times its quota: a bound for the disk, far away."""
_RESERVE_PART: Final = 20
_MOST_RESERVE_BYTES: Final = 4 * 1024**3
_LOOK_S: Final = 1.0


def _has_room() -> bool:
    return False


class Quotas(msgspec.Struct, frozen=True):
    """Bounds of one store."""

    channel_bytes: int = MAX_CHANNEL_BYTES
    """Of one channel."""
    circle_bytes: int = MAX_CIRCLE_BYTES
    """Of all channels of a circle."""
    inbox_items: int = MAX_INBOX_ITEMS
    """Welcomes in one inbox."""
    is_short: Callable[[], bool] = _has_room
    """Tells whether the disk has less than its reserve left."""

    # Whether a text is taken does not hang on its size: as long as one is refused all are, and
    # none overtakes another.

    @property
    def channel_full_at(self) -> int:
        """A channel that holds more takes no text."""
        return self.channel_bytes - LARGEST

    @property
    def circle_full_at(self) -> int:
        """In a circle that holds more no channel takes a text."""
        return self.circle_bytes - LARGEST

    @property
    def commits_full_at(self) -> int:
        """A channel that holds more takes nothing at all."""
        return COMMITS_OVER * self.channel_bytes - LARGEST


class Disk:
    """The room left where a relay's files are."""

    def __init__(
        self,
        folder: Path,
        reserve_bytes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``reserve_bytes``: below this much texts are refused; 0: a twentieth, at most 4 GiB."""
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._monotonic = monotonic
        self._looked_at = float("-inf")
        self._is_short = False

    def is_short(self) -> bool:
        """Tell whether less than the reserve is left; looks at the disk once a second at most."""
        now = self._monotonic()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            found = os.statvfs(self._folder)
            size = found.f_blocks * found.f_frsize
            reserve = self._reserve_bytes or min(size // _RESERVE_PART, _MOST_RESERVE_BYTES)
            self._is_short = found.f_bavail * found.f_frsize < reserve
        return self._is_short
