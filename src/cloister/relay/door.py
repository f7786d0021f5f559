"""Where connections come in: no more handshakes at once than the loop can bear.

A crowd that comes at once, after an outage, is let in and waits here; who is inside already is
served meanwhile.  Waiting costs a file and nothing else.  Who is next, the line knows that people
stand in (``waiting``).  A handshake is what costs: it holds one of ``MOST`` places until it is
over, or for a moment when the other side is slow, for slow ones must not keep the others out; they
have ``handshake_s`` and then are cut by whoever shakes hands.  Who has gone while waiting costs no
handshake, nor does who says nothing: he is put aside until he does, and takes nobody's place.

Several processes may stand at one door, each with the same listening sockets.
"""

from __future__ import annotations

import asyncio
import errno
import heapq
import select
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from cloister.limits import CONNECT_TIMEOUT_S
from cloister.relay.garbage import collector
from cloister.relay.handshake_place import GONE, Place, look, shortened
from cloister.relay.kernel_room import bound_unsent, bound_untaken
from cloister.relay.networks import network_of
from cloister.relay.waiting import SETTLED_S, Line

Take = Callable[[socket.socket, Any], Awaitable[asyncio.Future[None] | None]]
"""Shakes hands with a connection, whose address is given, or of IPv6 its network; returns when that
is over, well or not: None, or what is done when whoever is there has gone on as people do who
belong here, or has left."""

BACKLOG: Final = 4096
"""Connections that wait in the kernel; it takes at most ``somaxconn``."""
MOST: Final = 32
"""Fresh handshakes at once."""
AT_ONCE: Final = 1
BEAT_S: Final = 0.001
"""So many are begun in so long, unless they end meanwhile.  One takes a millisecond of processor or
two: those who are connected wait for one, not for many in a row.  What begins apart also ends
apart, when its time is over."""
MOST_SILENT: Final = 8192
"""Connections that have sent nothing yet; of more the oldest is closed, and so where there is no
room for another one.  A device speaks at once, but not where thousands share a busy machine."""
PER_TURN: Final = 2
"""Connections taken, looked at or closed in one turn of the loop: each costs up to a tenth of a
millisecond.  What one process does not take, another does."""
_ENDS_PER_TURN: Final = 64
"""Times of silence looked at in one turn: most are of connections that spoke long ago."""
_NO_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_NO_FILES_PAUSE_S: Final = 0.5


def bind(host: str, port: int) -> list[socket.socket]:
    """Bind and listen at all addresses of a host.  Raises OSError."""
    bound: list[socket.socket] = []
    try:
        for family, kind, number, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listening = socket.socket(family, kind, number)
            bound.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound_unsent(listening)
            bound_untaken(listening)
            listening.bind(address)
            listening.listen(BACKLOG)
            listening.setblocking(False)
    except OSError:
        for listening in bound:
            listening.close()
        raise
    return bound


class Door:
    """Accepts from listening sockets, and closes them when it is shut."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        take: Take,
        may_take: Callable[[], bool],
        line: Line,
        *,
        silent_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        """``may_take``: whether one more connection can be held, ``outside`` among them; asked
        again every half second.  ``line``: who waits, and who is next.  ``silent_s``: how long one
        may say nothing."""
        self.sockets = list(sockets)
        self.line = line
        line.on_ready = self.begin_some
        self._take = take
        self._may_take = may_take
        self._loop = asyncio.get_running_loop()
        self._silent_s = silent_s
        self._fresh = 0
        self._shaking = 0
        self._young = 0
        """Handshakes of this beat."""
        self._beats = 0
        self._beat: asyncio.TimerHandle | None = None
        self._more: asyncio.Handle | None = None
        self._is_open = False
        self._is_shut = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: dict[int, tuple[socket.socket, Any, float]] = {}
        """By file number, the oldest first; with the time at which each is closed."""
        self._ends: list[tuple[float, int]] = []
        """A heap of these times; some are of connections that are silent no more."""
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.sockets[0].getsockname()[1])

    @property
    def outside(self) -> int:
        """Connections that are silent, wait, or shake hands."""
        return len(self._silent) + len(self.line) + self._shaking

    def open(self) -> None:
        """Take connections."""
        if self._is_open or self._is_shut:
            return
        self._is_open = True
        for listening in self.sockets:
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def shut(self) -> None:
        """Take no more, for good; handshakes under way are dropped."""
        self._pause()
        self._is_shut = True
        for listening in self.sockets:
            listening.close()
        self.line.close()
        for number in list(self._silent):
            self._end_silence(number)[0].close()
        for task in tuple(self._tasks):
            task.cancel()
        for handle in (self._beat, self._sweeping, self._more):
            if handle is not None:
                handle.cancel()

    def _pause(self) -> None:
        if self._is_open:
            self._is_open = False
            for listening in self.sockets:
                self._loop.remove_reader(listening.fileno())

    def _pause_for(self, seconds: float) -> None:
        self._pause()
        self._loop.call_later(seconds, self.open)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(PER_TURN):
            is_full = not self._may_take()
            if is_full and not self._silent:
                self._pause_for(_NO_FILES_PAUSE_S)
                break
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break  # another process was faster, or the other side is gone
            except OSError as error:
                if error.errno not in _NO_FILES:
                    raise
                self._pause_for(_NO_FILES_PAUSE_S)
                break
            if is_full:
                self._end_oldest_silence()
            connection.setblocking(False)
            self.line.put(connection, (network_of(address[0]), *address[1:]))
        self.begin_some()

    def begin_some(self) -> None:
        """Shake hands with those who are next."""
        for _ in range(PER_TURN):
            one = self.line.draw() if self._has_place else None
            if one is None:
                return
            self._begin(*one)
        # Those who had gone, or say nothing, took no place: there may be many of them.
        if self._more is None:
            self._more = self._loop.call_soon(self._begin_more)

    def _begin_more(self) -> None:
        self._more = None
        self.begin_some()

    @property
    def _has_place(self) -> bool:
        return not self._is_shut and self._fresh < MOST and self._young < AT_ONCE

    def _begin(self, connection: socket.socket, address: Any) -> None:
        """Begin a handshake, if there is anybody to shake hands with."""
        seen = look(connection)
        if seen & GONE:
            connection.close()
            return
        if not seen & select.POLLIN:
            self._put_aside(connection, address)
            return
        self._fresh += 1
        self._young += 1
        self._shaking += 1
        if self._beat is None:
            self._beat = self._loop.call_later(BEAT_S, self._on_beat)
        place = Place(self, address[0], self._beats)
        task = self._loop.create_task(self._shake(connection, address, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        collector.on_connection()

    def _on_beat(self) -> None:
        self._beat = None
        self._beats += 1
        self._young = 0
        self.begin_some()

    def _put_aside(self, connection: socket.socket, address: Any) -> None:
        number = connection.fileno()
        until = self._loop.time() + shortened(self._silent_s)
        self._silent[number] = connection, address, until
        heapq.heappush(self._ends, (until, number))
        self._loop.add_reader(number, self._on_word, number)
        if len(self._silent) > MOST_SILENT:
            self._end_oldest_silence()
        if self._sweeping is None or self._sweeping.when() > until:
            self._sweep_at(until)

    def _on_word(self, number: int) -> None:
        """Somebody who was silent says something, or has gone."""
        self.line.put(*self._end_silence(number))
        self.begin_some()

    def _end_oldest_silence(self) -> None:
        self._end_silence(next(iter(self._silent)))[0].close()

    def _end_silence(self, number: int) -> tuple[socket.socket, Any]:
        self._loop.remove_reader(number)
        connection, address, _ = self._silent.pop(number)
        return connection, address

    def _sweep_at(self, time: float) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._sweeping = self._loop.call_at(time, self._sweep)

    def _sweep(self) -> None:
        """Close those that have been silent for too long, and forget when the others would be."""
        self._sweeping = None
        now, closed = self._loop.time(), 0
        for _ in range(_ENDS_PER_TURN):
            if not self._ends:
                return
            until, number = self._ends[0]
            is_silent = number in self._silent and self._silent[number][2] == until
            if is_silent and (until > now or closed == PER_TURN):
                break
            heapq.heappop(self._ends)
            if is_silent:
                closed += 1
                self._end_silence(number)[0].close()
        if self._ends:
            # uvloop's timers have milliseconds: one for less ends at once, and before its time.
            self._sweep_at(max(self._ends[0][0], now + BEAT_S))

    async def _shake(self, connection: socket.socket, address: Any, place: Place) -> None:
        timer = self._loop.call_later(shortened(self.line.fresh_s), place.on_slow)
        try:
            try:
                more = await self._take(connection, address)
            finally:
                self._shaking -= 1
            if more is not None:
                timer.cancel()
                place.on_shaken()
                timer = self._loop.call_later(shortened(SETTLED_S), place.on_slow)
                await more
        finally:
            timer.cancel()
            place.on_over()

    def on_place_free(self, beat: int) -> None:
        """A handshake is over, or has become slow; ``beat``: when it began."""
        self._fresh -= 1
        if beat == self._beats:
            # Refused, or done: what it took of this beat has been taken.
            self._young -= 1
        self.begin_some()
