"""What one reader of a device is told of, in order, as long as it keeps up."""

from __future__ import annotations

import asyncio
from typing import Final

from cloister.client.effects import Alarm, Answer, Notice
from cloister.device.errors import FellBehind
from cloister.device.facade import FollowedNotice

MOST_NOTICES: Final = 4096
"""Notices kept for a reader that is busy; beyond it the reader goes back to the vault."""
MOST_UNHEARD: Final = 64
"""Alarms kept beyond that: nothing in the vault tells of them."""


class Notices:
    """A bounded queue of notices for one reader."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[FollowedNotice | None] = asyncio.Queue(MOST_NOTICES + 1)
        self.unheard: list[Alarm] = []
        """Alarms that came when the queue was full, or behind the end of it."""
        self._is_behind = False

    def take(self, notice: Notice) -> None:
        """Take a notice; when the queue is full, note that the reader fell behind."""
        if isinstance(notice, Answer):
            return
        is_full = self._queue.qsize() >= MOST_NOTICES
        if not self._is_behind:
            self._is_behind = is_full
            self._queue.put_nowait(None if is_full else notice)
        if self._is_behind and isinstance(notice, Alarm) and len(self.unheard) < MOST_UNHEARD:
            # Also where there is room again: nobody reads on behind the end.
            self.unheard.append(notice)

    def go_on(self) -> None:
        """Take notices again: the reader has fallen behind, and goes on all the same."""
        self._is_behind = False

    async def next(self) -> FollowedNotice:
        """Return the next notice.  Raises ``FellBehind``."""
        notice = await self._queue.get()
        if notice is None:
            raise FellBehind("notices came faster than they were taken", hint="read them again")
        return notice
