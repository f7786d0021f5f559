"""What a door knows of a handshake: whether anybody is there, its place among others, its time."""

from __future__ import annotations

import random
import select
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloister.relay.door import Door

_LEAST_OF_TIME: Final = 0.7
GONE: Final = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
"""What ``look`` returns, among others, of a connection whose other side is not there any more."""


def shortened(seconds: float) -> float:
    """Return how long one connection may take of ``seconds``: all of it or up to a third less.

    Whoever opens a thousand at once has them closed at once, and opens them at once again: those
    who are inside would wait for that each time.  Drawn for each, they come apart."""
    return seconds * random.uniform(_LEAST_OF_TIME, 1)


def look(connection: socket.socket) -> int:
    """Return whether there is something to read, and whether the other side has gone."""
    poll = select.poll()
    poll.register(connection, GONE | select.POLLIN)
    found = poll.poll(0)
    return found[0][1] if found else 0


class Place:
    """One of the places of fresh handshakes; it is left once."""

    __slots__ = ("_beat", "_door", "_host", "_is_doubtful", "_is_held", "_is_slow")

    def __init__(self, door: Door, host: str | None, is_doubtful: bool, beat: int) -> None:
        self._door = door
        self._beat = beat
        self._host = host
        self._is_doubtful = is_doubtful
        self._is_held = True
        self._is_slow = False

    def on_slow(self) -> None:
        """It has taken too long: others may have the place."""
        if self._host is not None:
            self._is_slow = True
            self._door.on_slow(self._host)
        self._leave()

    def on_over(self) -> None:
        """It is over, well or not."""
        if self._is_slow and self._host is not None:
            self._is_slow = False
            self._door.on_slow_over(self._host)
        self._leave()

    def _leave(self) -> None:
        if self._is_held:
            self._is_held = False
            self._door.on_place_free(self._host, self._is_doubtful, self._beat)
