"""Where connections come in: no more handshakes at once than the loop can bear.

A crowd that comes at once, after an outage, is let in and waits here, first come first served; who
is inside already is served meanwhile.  Waiting costs a file and nothing else.  A handshake is what
costs: it holds one of ``MOST`` places until it is over, or for ``FRESH_S`` when the other side is
slow, for slow ones must not keep the others out; they have ``handshake_s`` and then are cut by
whoever shakes hands.  Who has gone while waiting costs no handshake.

Several processes may stand at one door, each with the same listening sockets.
"""

from __future__ import annotations

import asyncio
import errno
import select
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

Take = Callable[[socket.socket, Any], Awaitable[None]]
"""Shakes hands with a connection; returns when that is over, well or not."""

BACKLOG: Final = 4096
"""Connections that wait in the kernel; it takes at most ``somaxconn``."""
MOST: Final = 32
"""Fresh handshakes at once.  One takes a millisecond of processor: this bounds how long those who
are connected wait for their turn."""
FRESH_S: Final = 1.0
_PER_TURN: Final = 128
"""Connections taken in one turn of the loop: what one process does not take, another does."""
_GONE: Final = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
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
        self, sockets: Sequence[socket.socket], take: Take, may_take: Callable[[], bool]
    ) -> None:
        """``may_take``: whether one more connection can be held; asked again every half second.

        It counts ``outside`` in."""
        self.sockets = list(sockets)
        self._take = take
        self._may_take = may_take
        self._loop = asyncio.get_running_loop()
        self._fresh = 0
        self._is_open = False
        self._is_shut = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[socket.socket, Any]] = deque()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.sockets[0].getsockname()[1])

    @property
    def outside(self) -> int:
        """Connections that wait, or shake hands."""
        return len(self._waiting) + len(self._tasks)

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
        waiting, self._waiting = self._waiting, deque()
        for connection, _ in waiting:
            connection.close()
        for task in tuple(self._tasks):
            task.cancel()

    def _pause(self) -> None:
        if self._is_open:
            self._is_open = False
            for listening in self.sockets:
                self._loop.remove_reader(listening.fileno())

    def _pause_for(self, seconds: float) -> None:
        self._pause()
        self._loop.call_later(seconds, self.open)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_PER_TURN):
            if not self._may_take():
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
            connection.setblocking(False)
            self._waiting.append((connection, address))
        self._begin_some()

    def _begin_some(self) -> None:
        """Shake hands with those who have waited longest."""
        while self._waiting and self._fresh < MOST:
            connection, address = self._waiting.popleft()
            if _has_gone(connection):
                connection.close()
                continue
            self._fresh += 1
            task = self._loop.create_task(self._shake(connection, address))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _shake(self, connection: socket.socket, address: Any) -> None:
        place = _Place(self)
        timer = self._loop.call_later(FRESH_S, place.leave)
        try:
            await self._take(connection, address)
        finally:
            timer.cancel()
            place.leave()

    def on_place_free(self) -> None:
        """A handshake is over, or has become slow."""
        self._fresh -= 1
        self._begin_some()


def _has_gone(connection: socket.socket) -> bool:
    look = select.poll()
    look.register(connection, _GONE)
    return bool(look.poll(0))


class _Place:
    """One of the places of fresh handshakes; it is left once."""

    __slots__ = ("_door",)

    def __init__(self, door: Door) -> None:
        self._door: Door | None = door

    def leave(self) -> None:
        door, self._door = self._door, None
        if door is not None:
            door.on_place_free()
