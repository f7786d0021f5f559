"""Where connections come in: no more handshakes at once than the loop can bear.

A crowd that comes at once, after an outage, is let in and waits here, first come first served; who
is inside already is served meanwhile.  Waiting costs a file and nothing else.  A handshake is what
costs: it holds one of ``MOST`` places until it is over, or for a moment when the other side is
slow, for slow ones must not keep the others out; they have ``handshake_s`` and then are cut by
whoever shakes hands.  Who has gone while waiting costs no handshake, nor does who says nothing: he
is put aside until he does, and takes nobody's place.

Where addresses tell people apart, as at an entry relay, the third of an address at once, and all of
an address that has a slow one, wait behind everybody else and hold half of the places at most: a
thousand half-open connections of a few addresses do not fill the places.

Several processes may stand at one door, each with the same listening sockets.
"""

from __future__ import annotations

import asyncio
import errno
import heapq
import select
import socket
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from cloister.limits import CONNECT_TIMEOUT_S
from cloister.relay.acquaintances import STRANGER_BEAT_S, Acquaintances
from cloister.relay.handshake_place import GONE, Place, look, shortened
from cloister.relay.kernel_room import bound_unsent, bound_untaken

Take = Callable[[socket.socket, Any], Awaitable[None]]
"""Shakes hands with a connection; returns when that is over, well or not."""

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
FRESH_S: Final = 1.0
"""After this a handshake is slow.  A bad mobile network takes half a second."""
FRESH_BEHIND_ENTRY_S: Final = 0.25
"""The same where all come from entry relays, which have bounded the crowd: there one address is
many people, and whoever is slow must go soon."""
_MOST_DOUBTFUL: Final = MOST // 2
"""Places that those may hold who wait behind everybody else."""
FRESH_OF_ADDRESS: Final = 2
"""Handshakes at once of one address before the next ones wait behind everybody else."""
PER_TURN: Final = 2
"""Connections taken, looked at or closed in one turn of the loop: each costs up to a tenth of a
millisecond.  What one process does not take, another does."""
_SWEEP_S: Final = 0.1
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
        *,
        most_of_address: int | None,
        silent_s: float = CONNECT_TIMEOUT_S,
        refuses: Callable[[str], bool] | None = None,
        acquaintances: Acquaintances | None = None,
    ) -> None:
        """``may_take``: whether one more connection can be held, ``outside`` among them; asked
        again every half second.  ``most_of_address``: how many of one address may wait; None:
        addresses tell nothing.  ``silent_s``: how long one may say nothing.
        ``refuses``: whether an address has all it may have, where that is known at once.
        ``acquaintances``: who is none of them waits behind everybody else, where addresses tell
        nothing more; None: all are alike."""
        self.sockets = list(sockets)
        self._take = take
        self._may_take = may_take
        self._most_of_address = most_of_address
        self._fresh_s = FRESH_S if most_of_address else FRESH_BEHIND_ENTRY_S
        self._loop = asyncio.get_running_loop()
        self._fresh = 0
        self._fresh_doubtful = 0
        self._silent_s = silent_s
        self._refuses = refuses
        self._acquaintances = acquaintances
        self._stranger_beat: asyncio.TimerHandle | None = None
        self._young = 0
        """Handshakes of this beat."""
        self._beats = 0
        self._beat: asyncio.TimerHandle | None = None
        self._more: asyncio.Handle | None = None
        self._is_open = False
        self._is_shut = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[socket.socket, Any]] = deque()
        self._doubtful: deque[tuple[socket.socket, Any]] = deque()
        """Behind everybody else, for their address' sake."""
        self._waiting_of: dict[str, dict[socket.socket, None]] = {}
        """By address, those of both queues."""
        self._fresh_of: Counter[str] = Counter()
        self._slow_of: Counter[str] = Counter()
        self._silent: dict[int, tuple[socket.socket, Any, float]] = {}
        """By file number, the oldest first; with the time at which each is closed."""
        self._ends: list[tuple[float, int]] = []
        """A heap of these times; some are of connections that are silent no more."""
        self._sweeping: asyncio.Handle | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.sockets[0].getsockname()[1])

    @property
    def outside(self) -> int:
        """Connections that are silent, wait, or shake hands."""
        strangers = self._acquaintances.waiting if self._acquaintances is not None else 0
        waiting = len(self._waiting) + len(self._doubtful) + strangers
        return len(self._silent) + waiting + len(self._tasks)

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
        for queue in (self._waiting, self._doubtful):
            for connection, _ in queue:
                connection.close()
            queue.clear()
        if self._acquaintances is not None:
            self._acquaintances.close()
        for number in list(self._silent):
            self._end_silence(number)[0].close()
        for task in tuple(self._tasks):
            task.cancel()
        for handle in (self._beat, self._sweeping, self._stranger_beat, self._more):
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
            self._queue_up(connection, address)
        self._begin_some()

    def _queue_up(self, connection: socket.socket, address: Any) -> None:
        if self._most_of_address is None:
            known = self._acquaintances
            if known is None or known.knows(address[0]):
                self._waiting.append((connection, address))
            else:
                known.put(connection, address)
            return
        host = address[0]
        is_refused = self._refuses is not None and self._refuses(host)
        waiting = self._waiting_of.setdefault(host, {})
        if len(waiting) >= self._most_of_address:
            # Who gave up and comes again must not be kept out by the place that he left.
            for one in [one for one in waiting if look(one) & GONE]:
                one.close()
                del waiting[one]
        if is_refused or len(waiting) >= self._most_of_address:
            connection.close()
            if not waiting:
                del self._waiting_of[host]
            return
        waiting[connection] = None
        (self._doubtful if self._is_doubtful(host) else self._waiting).append((connection, address))

    def _begin_some(self) -> None:
        """Shake hands with those who have waited longest."""
        for _ in range(PER_TURN):
            if not self._has_place:
                return
            if self._waiting:
                connection, address = self._waiting.popleft()
                if self._is_doubtful(address[0]):
                    self._doubtful.append((connection, address))
                else:
                    self._begin(connection, address, is_doubtful=False)
            elif self._doubtful and self._fresh_doubtful < _MOST_DOUBTFUL:
                self._begin(*self._doubtful.popleft(), is_doubtful=True)
            elif self._acquaintances is None or not self._begin_stranger(self._acquaintances):
                return
        # Those who had gone, or say nothing, took no place: there may be many of them.
        if self._more is None:
            self._more = self._loop.call_soon(self._begin_more)

    def _begin_more(self) -> None:
        self._more = None
        self._begin_some()

    def _begin_stranger(self, acquaintances: Acquaintances) -> bool:
        """Shake hands with one of those whom nobody knows, if none has had a turn just now; tell
        whether there was one to try."""
        if not acquaintances.waiting or self._stranger_beat is not None:
            return False
        if self._begin(*acquaintances.draw(), is_doubtful=False):
            self._stranger_beat = self._loop.call_later(STRANGER_BEAT_S, self._on_stranger_beat)
        return True

    def _on_stranger_beat(self) -> None:
        self._stranger_beat = None
        self._begin_some()

    def know(self, host: str) -> None:
        """Somebody has proved something from an address: those who wait from there wait no more
        than others do."""
        if self._acquaintances is not None:
            was_known = self._acquaintances.knows(host)
            self._acquaintances.know(host)
            if not was_known:
                self._waiting.extend(self._acquaintances.take_known())
                self._begin_some()

    def _is_doubtful(self, host: str) -> bool:
        return host in self._slow_of or self._fresh_of.get(host, 0) >= FRESH_OF_ADDRESS

    def _begin(self, connection: socket.socket, address: Any, *, is_doubtful: bool) -> bool:
        """Begin a handshake, if there is anybody to shake hands with; tell whether there was."""
        if self._most_of_address is not None:
            waiting = self._waiting_of.get(address[0], {})
            waiting.pop(connection, None)
            if not waiting:
                self._waiting_of.pop(address[0], None)
        if connection.fileno() < 0:
            return False  # it had gone, and was closed for that
        seen = look(connection)
        if seen & GONE:
            connection.close()
            return False
        if not seen & select.POLLIN:
            self._put_aside(connection, address)
            return False
        self._fresh += 1
        self._young += 1
        if self._beat is None:
            self._beat = self._loop.call_later(BEAT_S, self._on_beat)
        self._fresh_doubtful += is_doubtful
        host = None
        if self._most_of_address is not None:
            host = address[0]
            self._fresh_of[host] += 1
        place = Place(self, host, is_doubtful, self._beats)
        task = self._loop.create_task(self._shake(connection, address, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    @property
    def _has_place(self) -> bool:
        return self._fresh < MOST and self._young < AT_ONCE

    def _on_beat(self) -> None:
        self._beat = None
        self._beats += 1
        self._young = 0
        self._begin_some()

    def _put_aside(self, connection: socket.socket, address: Any) -> None:
        number = connection.fileno()
        until = self._loop.time() + shortened(self._silent_s)
        self._silent[number] = connection, address, until
        heapq.heappush(self._ends, (until, number))
        self._loop.add_reader(number, self._on_word, number)
        if len(self._silent) > MOST_SILENT:
            self._end_oldest_silence()
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def _on_word(self, number: int) -> None:
        """Somebody who was silent says something, or has gone."""
        self._queue_up(*self._end_silence(number))
        self._begin_some()

    def _end_oldest_silence(self) -> None:
        self._end_silence(next(iter(self._silent)))[0].close()

    def _end_silence(self, number: int) -> tuple[socket.socket, Any]:
        self._loop.remove_reader(number)
        connection, address, _ = self._silent.pop(number)
        return connection, address

    def _sweep(self) -> None:
        """Close those that have been silent for too long."""
        now = self._loop.time()
        for _ in range(PER_TURN):
            if not self._ends:
                self._sweeping = None
                return
            until, number = self._ends[0]
            if until > now:
                self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)
                return
            heapq.heappop(self._ends)
            if number in self._silent and self._silent[number][2] == until:
                self._end_silence(number)[0].close()
        self._sweeping = self._loop.call_soon(self._sweep)

    async def _shake(self, connection: socket.socket, address: Any, place: Place) -> None:
        timer = self._loop.call_later(self._fresh_s, place.on_slow)
        try:
            await self._take(connection, address)
        finally:
            timer.cancel()
            place.on_over()

    def on_slow(self, host: str) -> None:
        """A handshake with somebody of an address has become slow."""
        self._slow_of[host] += 1

    def on_slow_over(self, host: str) -> None:
        """A slow handshake has come to an end."""
        _less(self._slow_of, host)

    def on_place_free(self, host: str | None, was_doubtful: bool, beat: int) -> None:
        """A handshake is over, or has become slow; ``beat``: when it began."""
        if host is not None:
            _less(self._fresh_of, host)
        self._fresh -= 1
        if beat == self._beats:
            # Refused, or done: what it took of this beat has been taken.
            self._young -= 1
        self._fresh_doubtful -= was_doubtful
        self._begin_some()


def _less(counter: Counter[str], key: str) -> None:
    """Count one less; what is not there is not known."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
