"""Addresses from which somebody has lately proved something, and strangers who wait at the door.

Connections of a home relay come from its entry relays, whose addresses are soon known by what their
devices prove.  Whoever comes from elsewhere has handshakes begun one by one, at a rate that costs
little: a home whose port is open to everybody must serve its devices while strangers knock.  When
nobody is known yet, after a start, the first to prove something makes its address known at once.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from typing import Any, Final

KNOWN_S: Final = 3600.0
"""How long an address stays known from the last proof on: longer than a quiet night at an entry
relay, whose devices say something every minute."""
MOST_KNOWN: Final = 1024
"""Addresses that are remembered: a member may connect from many, and pushes out the oldest."""
MOST_WAITING: Final = 256
"""Strangers who wait; of more one that is drawn goes, so that nobody keeps the others out by being
first, or many."""
STRANGER_BEAT_S: Final = 0.05
"""One handshake of a stranger is begun in so long: with its first frame it costs a few
milliseconds of processor."""

Waiting = tuple[socket.socket, Any]


class Acquaintances:
    """Whom a door knows, and who waits because it does not."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[str, float] = {}
        """Address -> until when, in order of the last proof."""
        self._waiting: list[Waiting] = []

    def know(self, host: str) -> None:
        """Somebody has proved something from there."""
        self._known.pop(host, None)
        self._known[host] = self._now() + KNOWN_S
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def knows(self, host: str) -> bool:
        """Tell whether somebody has lately proved something from there."""
        return self._known.get(host, 0.0) > self._now()

    @property
    def waiting(self) -> int:
        """How many strangers wait."""
        return len(self._waiting)

    def put(self, connection: socket.socket, address: Any) -> None:
        """Let a stranger wait."""
        self._waiting.append((connection, address))
        if len(self._waiting) > MOST_WAITING:
            self.draw()[0].close()

    def draw(self) -> Waiting:
        """Take one of those who wait, whichever."""
        place = random.randrange(len(self._waiting))
        self._waiting[place], self._waiting[-1] = self._waiting[-1], self._waiting[place]
        return self._waiting.pop()

    def take_known(self) -> list[Waiting]:
        """Take those who wait and are no strangers any more."""
        known = [one for one in self._waiting if self.knows(one[1][0])]
        if known:
            self._waiting = [one for one in self._waiting if not self.knows(one[1][0])]
        return known

    def close(self) -> None:
        """Send all away."""
        for connection, _ in self._waiting:
            connection.close()
        self._waiting.clear()
