"""Who waits at a door for a handshake, and who is next: lines of three kinds.

Where all come from this machine, addresses tell nothing: first come, first served (``FirstCome``).
Where an address is somebody's network, as at an entry relay, each has its turn (``ByAddress``).
Where those who belong here come from a few addresses, whoever comes from elsewhere is last
(``acquaintances``).
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from cloister.relay.handshake_place import GONE, look

One = tuple[socket.socket, Any]
"""A connection and its address."""
FRESH_OF_ADDRESS: Final = 4
"""Handshakes at once of one address.  The next begins when one of these is done: who answers at
once loses nothing, and fifty behind one address are inside after a few seconds."""
MOST_SUSPECT: Final = 4
"""The same of all addresses together that have slow ones.  Whoever lets handshakes hang has one of
these places for as long as a handshake is fresh, and the next only then."""


LOOK_S: Final = 0.05
"""Of an address where as many wait as may it is seen no oftener who has gone: somebody who tries a
thousand times a second would have all of them looked at each time."""
FRESH_S: Final = 1.0
"""After this a handshake is slow.  A bad mobile network takes half a second."""
FRESH_BEHIND_ENTRY_S: Final = 0.25
"""The same where all come from entry relays, which have bounded the crowd: there one address is
many people, and whoever is slow must go soon."""
SETTLED_S: Final = 3.0
"""After this whoever has shaken hands is slow to do what comes next: a request, and its way."""


class Line(Protocol):
    """Who waits, and what is known of the handshakes that have begun."""

    fresh_s: float
    """After this a handshake is slow."""
    on_ready: Callable[[], None]
    """To be called when ``draw`` has somebody who it had not."""

    def __len__(self) -> int:
        """How many wait."""

    def put(self, connection: socket.socket, address: Any) -> None:
        """Let one wait; where there are too many, it is closed, or another one."""

    def draw(self) -> One | None:
        """Take who is next, if there is anybody whose turn it is."""

    def begin(self, host: str) -> bool:
        """A handshake with the one who was drawn has begun; tell whether it is a suspect's."""

    def on_slow(self, host: str, is_suspect: bool) -> None:
        """It has taken too long."""

    def on_over(self, host: str, is_suspect: bool, was_slow: bool) -> None:
        """It is over; or whoever is there has done what people do who belong here."""

    def close(self) -> None:
        """Send all away."""


def _nobody() -> None:
    """Nobody is told yet."""


class FirstCome:
    """All are alike."""

    def __init__(self) -> None:
        self.fresh_s = FRESH_BEHIND_ENTRY_S
        self.on_ready: Callable[[], None] = _nobody
        self._waiting: deque[One] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, connection: socket.socket, address: Any) -> None:
        """Let one wait."""
        self._waiting.append((connection, address))

    def draw(self) -> One | None:
        """Take who has waited longest."""
        return self._waiting.popleft() if self._waiting else None

    def begin(self, host: str) -> bool:
        """Nobody is a suspect."""
        return False

    def on_slow(self, host: str, is_suspect: bool) -> None:
        """Nothing follows from it."""

    def on_over(self, host: str, is_suspect: bool, was_slow: bool) -> None:
        """Nothing follows from it."""

    def close(self) -> None:
        """Send all away."""
        for connection, _ in self._waiting:
            connection.close()
        self._waiting.clear()


class _Address:
    """Those of one address, for as long as there are any."""

    __slots__ = ("fresh", "looked_at", "slow", "turns", "waiting")

    def __init__(self) -> None:
        self.looked_at = 0.0
        """When it was last seen who of those who wait has gone."""
        self.waiting: deque[One] = deque()
        self.fresh = 0
        self.slow = 0
        self.turns: deque[str] | None = None
        """Where it has its turn; it may stand elsewhere too, which counts no more."""


class ByAddress:
    """Addresses take turns; each has few handshakes at once, and those with slow ones come last."""

    def __init__(
        self,
        most_waiting: int,
        refuses: Callable[[str], bool] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``most_waiting``: of one address.  ``refuses``: whether an address has all it may have,
        where that is known at once."""
        self.fresh_s = FRESH_S
        self.on_ready: Callable[[], None] = _nobody
        self._now = now
        self._most_waiting = most_waiting
        self._refuses = refuses
        self._addresses: dict[str, _Address] = {}
        self._count = 0
        self._turns: deque[str] = deque()
        self._last_turns: deque[str] = deque()
        self._suspects = 0

    def __len__(self) -> int:
        return self._count

    def put(self, connection: socket.socket, address: Any) -> None:
        """Let one wait behind those of its address; closed when these are too many."""
        host = address[0]
        its = self._addresses.setdefault(host, _Address())
        if len(its.waiting) >= self._most_waiting and self._now() - its.looked_at > LOOK_S:
            its.looked_at = self._now()
            self._let_go(its)
        is_refused = self._refuses is not None and self._refuses(host)
        if is_refused or len(its.waiting) >= self._most_waiting:
            connection.close()
            self._forget(host, its)
            return
        its.waiting.append((connection, address))
        self._count += 1
        self._give_turn(host, its)

    def _let_go(self, its: _Address) -> None:
        """Who gave up and comes again must not be kept out by the place that he left."""
        waiting, its.waiting = its.waiting, deque()
        for one in waiting:
            if look(one[0]) & GONE:
                one[0].close()
                self._count -= 1
            else:
                its.waiting.append(one)

    def _give_turn(self, host: str, its: _Address) -> None:
        turns = self._last_turns if its.slow else self._turns
        if its.waiting and its.turns is not turns and (its.slow or its.fresh < FRESH_OF_ADDRESS):
            its.turns = turns
            turns.append(host)

    def _forget(self, host: str, its: _Address) -> None:
        if not (its.waiting or its.fresh or its.slow):
            del self._addresses[host]

    def draw(self) -> One | None:
        """Take the first of the address whose turn it is."""
        while self._turns:
            one = self._take(self._turns.popleft(), self._turns)
            if one is not None:
                return one
        while self._last_turns and self._suspects < MOST_SUSPECT:
            one = self._take(self._last_turns.popleft(), self._last_turns)
            if one is not None:
                return one
        return None

    def _take(self, host: str, turns: deque[str]) -> One | None:
        its = self._addresses.get(host)
        if its is None or its.turns is not turns:
            return None
        its.turns = None
        is_last = turns is self._last_turns
        if not its.waiting or bool(its.slow) is not is_last:
            self._give_turn(host, its)
            return None
        if not is_last and its.fresh >= FRESH_OF_ADDRESS:
            return None
        one = its.waiting.popleft()
        self._count -= 1
        self._give_turn(host, its)
        self._forget(host, its)
        return one

    def begin(self, host: str) -> bool:
        """A handshake has begun; a suspect's, where the address has slow ones."""
        its = self._addresses.setdefault(host, _Address())
        its.fresh += 1
        is_suspect = its.slow > 0
        self._suspects += is_suspect
        return is_suspect

    def on_slow(self, host: str, is_suspect: bool) -> None:
        """All of its address come last, as long as it goes on."""
        its = self._addresses[host]
        its.fresh -= 1
        its.slow += 1
        self._suspects -= is_suspect
        self._give_turn(host, its)

    def on_over(self, host: str, is_suspect: bool, was_slow: bool) -> None:
        """The next of its address may have a turn."""
        its = self._addresses[host]
        if was_slow:
            its.slow -= 1
        else:
            its.fresh -= 1
            self._suspects -= is_suspect
        self._give_turn(host, its)
        self._forget(host, its)

    def close(self) -> None:
        """Send all away."""
        for its in self._addresses.values():
            for connection, _ in its.waiting:
                connection.close()
            its.waiting.clear()
        self._count = 0
