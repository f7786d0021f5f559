"""Where connections go out: no more at once than the loop can bear.

The kernel finds out about lost connections in heaps: its timers of some seconds end on a grid of a
quarter of one, and a cable that is pulled ends thousands.  To end one takes a tenth of a
millisecond or two, here and again at the relay behind.  So they end one after another, and whoever
is connected waits for one of them and not for the heap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

BEAT_S: Final = 0.004
"""How long the loop is left to everybody else between two of them: a heap of thirty goes in half
of the quarter of a second in which the next gathers."""
SHARE: Final = 64
"""Of those who wait one in so many goes in a beat, at least one: twenty go within as many beats,
twenty thousand within two seconds."""


class WayOut:
    """Ends connections in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._beat: asyncio.TimerHandle | None = None
        self._is_closed = False

    def put(self, end: Callable[[], None]) -> None:
        """Call ``end`` now, or when those before have had their turn."""
        if self._beat is not None:
            self._waiting.append(end)
            return
        if not self._is_closed:
            self._begin_beat()
        end()

    def _begin_beat(self) -> None:
        self._beat = asyncio.get_running_loop().call_later(BEAT_S, self._on_beat)

    def _on_beat(self) -> None:
        self._beat = None
        if self._waiting:
            self._begin_beat()
            for _ in range(-(-len(self._waiting) // SHARE)):
                self._waiting.popleft()()

    def close(self) -> None:
        """End all that wait, and whoever comes later, at once."""
        self._is_closed = True
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        while self._waiting:
            self._waiting.popleft()()
