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
    """One of the places of fresh handshakes, and one of those of its address: left once each.

    The door's place is free when the handshake is over, the address' when whoever is there has done
    what people do who belong here; both when it takes too long."""

    __slots__ = ("_beat", "_door", "_holds_address", "_holds_door", "_host", "_is_suspect")

    def __init__(self, door: Door, host: str, beat: int) -> None:
        self._door = door
        self._beat = beat
        self._host = host
        self._is_suspect = door.line.begin(host)
        self._holds_door = True
        self._holds_address = True

    def on_slow(self) -> None:
        """It has taken too long, or what comes next does: others may have the places."""
        if not self._holds_address:
            return
        self._holds_address = False
        self._door.line.on_slow(self._host, self._is_suspect)
        self._go_on()

    def on_shaken(self) -> None:
        """The handshake is over."""
        if self._holds_door:
            self._go_on()

    def on_over(self) -> None:
        """Nothing more is to come, or what people do who belong here has come."""
        self._door.line.on_over(self._host, self._is_suspect, not self._holds_address)
        self._go_on()

    def _go_on(self) -> None:
        if self._holds_door:
            self._holds_door = False
            self._door.on_place_free(self._beat)
        else:
            self._door.begin_some()
