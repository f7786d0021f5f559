"""Addresses from which somebody has lately proved something, and strangers who wait at the door.

Connections of a home relay come from its entry relays, whose addresses are soon known by what their
devices prove; those of a mirror from home relays.  Whoever comes from elsewhere has handshakes
begun one by one, at a rate that costs little: a home whose port is open to everybody must serve its
devices while strangers knock.  When nobody is known, after a start or a quiet night, nobody is
there to wait for it: strangers come sooner, and the first of them to prove something makes its
address known at once.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Any, Final

from cloister.relay.networks import network_of
from cloister.relay.waiting import FirstCome, One

KNOWN_S: Final = 3600.0
"""How long an address stays known from the last proof on, and after the last of those has gone who
have proved something: they stay for days, and prove once."""
MOST_KNOWN: Final = 1024
"""Addresses that are remembered: a member may connect from many, and pushes out the oldest."""
MOST_WAITING: Final = 1024
"""Strangers who wait, each of whom costs a file; of more, one goes of those who are many, drawn, so
that nobody keeps the others out by being first."""
STRANGER_BEAT_S: Final = 0.25
"""One handshake of a stranger is begun in so long on average, while anybody is known: with its
first frame it costs two milliseconds of processor or three, and whoever is inside and talks just
then waits for them.  At ten a second that is more than one message in a hundred, and p99 grew by
all of it; at four it is not."""
FIRST_BEAT_S: Final = 0.02
"""The same while nobody is known: whoever belongs here stands among strangers then."""
SPREAD: Final = 0.5
"""By what part of it a beat is shorter or longer, drawn.  A home and a mirror, at both of which the
same strangers knock, would keep time with each other, and a message would wait at both."""
_LOOKED_AT: Final = 16
"""Addresses that are drawn when one of those who wait has to go: the one with most loses one."""


class Acquaintances(FirstCome):
    """A line in which whoever is known goes first, and strangers one by one.

    Of these an address is drawn, whichever, and then the first who waits from there: who comes with
    hundreds has no more than who comes alone."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._known: dict[str, float] = {}
        """Address -> until when, in order of the last proof."""
        self._inside: dict[Hashable, str] = {}
        """Connection -> address, of those on which something was proved."""
        self._counts: Counter[str] = Counter()
        """Address -> how many of them there are."""
        self._strangers: dict[str, deque[One]] = {}
        self._hosts: list[str] = []
        """Of the strangers, in any order."""
        self._places: dict[str, int] = {}
        """Where each stands in that."""
        self._count = 0
        """Of the strangers."""
        self._beat: asyncio.TimerHandle | None = None

    def know(self, host: str) -> None:
        """Somebody has proved something from there: those who wait from there wait no more than
        others do."""
        host = network_of(host)
        self._remember(host)
        if host in self._strangers:
            its = self._remove(host)
            self._count -= len(its)
            self._waiting.extend(its)
            self.on_ready()

    def _remember(self, host: str) -> None:
        self._known.pop(host, None)
        self._known[host] = self._now() + KNOWN_S
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def take_in(self, connection: Hashable, host: str) -> None:
        """Something was proved on a connection: its address is known as long as it stands."""
        if not host or connection in self._inside:
            return
        self._inside[connection] = network_of(host)
        self._counts[network_of(host)] += 1
        self.know(host)

    def let_out(self, connection: Hashable) -> None:
        """A connection has ended, whether or not anything was proved on it."""
        host = self._inside.pop(connection, None)
        if host is None:
            return
        self._counts[host] -= 1
        if not self._counts[host]:
            del self._counts[host]
        self._remember(host)

    @property
    def knows_anybody(self) -> bool:
        """Tell whether somebody who has proved something is inside, or was lately."""
        last = next(reversed(self._known.values()), 0.0)
        return bool(self._inside) or last > self._now()

    def knows(self, host: str) -> bool:
        """Tell whether somebody from there has proved something and is inside, or was lately."""
        host = network_of(host)
        return host in self._counts or self._known.get(host, 0.0) > self._now()

    @property
    def strangers(self) -> int:
        """How many strangers wait."""
        return self._count

    def __len__(self) -> int:
        return super().__len__() + self._count

    def put(self, connection: socket.socket, address: Any) -> None:
        """Let one wait."""
        host = address[0]
        if self.knows(host):
            super().put(connection, address)
            return
        if host not in self._strangers:
            self._strangers[host] = deque()
            self._places[host] = len(self._hosts)
            self._hosts.append(host)
        self._strangers[host].append((connection, address))
        self._count += 1
        if self._count > MOST_WAITING:
            drawn = random.sample(self._hosts, min(len(self._hosts), _LOOKED_AT))
            most = max(drawn, key=lambda one: len(self._strangers[one]))
            self._take(most, random.randrange(len(self._strangers[most])))[0].close()

    def _take(self, host: str, place: int = 0) -> One:
        its = self._strangers[host]
        one = its[place]
        del its[place]
        self._count -= 1
        if not its:
            self._remove(host)
        return one

    def _remove(self, host: str) -> deque[One]:
        place, last = self._places.pop(host), self._hosts.pop()
        if last != host:
            self._hosts[place] = last
            self._places[last] = place
        return self._strangers.pop(host)

    def draw(self) -> One | None:
        """Take the first of those who are known; else a stranger, if none has begun just now."""
        known = super().draw()
        if known is not None or self._beat is not None or not self._hosts:
            return known
        return self._take(random.choice(self._hosts))

    def begin(self, host: str) -> bool:
        """Behind a stranger others wait for the next beat."""
        if self._beat is None and not self.knows(host):
            beat_s = STRANGER_BEAT_S if self.knows_anybody else FIRST_BEAT_S
            drawn_s = beat_s * random.uniform(1 - SPREAD, 1 + SPREAD)
            self._beat = asyncio.get_running_loop().call_later(drawn_s, self._on_beat)
        return False

    def _on_beat(self) -> None:
        self._beat = None
        self.on_ready()

    def close(self) -> None:
        """Send all away."""
        super().close()
        for its in self._strangers.values():
            for connection, _ in its:
                connection.close()
        self._strangers.clear()
        self._hosts.clear()
        self._places.clear()
        self._count = 0
        if self._beat is not None:
            self._beat.cancel()
