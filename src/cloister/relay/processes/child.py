"""How a child of a relay lives: it is told what to do over its pipe, and ends with it.

``python -m cloister.relay.processes.child FD``.  It has no folder lock, opens no database and reads
no key but that of TLS.  Signals to stop are not for it: the main process tells it when to go, and
when the main process is gone, the pipe is, and the child ends in that moment.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from typing import Final, Protocol

import msgspec
import uvloop

from cloister.core_dumps import forbid_core_dumps
from cloister.errors import CloisterError
from cloister.relay.garbage import collector
from cloister.relay.processes.orders import (
    BEAT,
    BEAT_S,
    END,
    FIRST_OWN_KIND,
    LAST_WORDS_S,
    ORDERS,
    READY,
    SHUT,
    Orders,
)
from cloister.relay.processes.pipe import Pipe

_LOOK_S: Final = 0.01


class Work(Protocol):
    """What a child does."""

    def start(self) -> None:
        """Accept connections.  Raises CloisterError, OSError."""

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """A message of the main process, about a connection."""

    def on_blocked(self, is_blocked: bool) -> None:
        """The main process takes nothing at present, or takes something again."""

    def shut(self) -> None:
        """Accept no more."""

    def finish(self) -> None:
        """The end has come: what may be left unfinished ends now."""

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is held any more."""


class Child:
    """Takes the main process's messages."""

    def __init__(self) -> None:
        self._pipe = Pipe(self)
        self._work: Work | None = None
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()

    async def connect(self, descriptor: int) -> None:
        """Open the pipe."""
        await self._pipe.connect(socket.socket(fileno=descriptor))

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """Take a message."""
        if kind >= FIRST_OWN_KIND:
            if self._work is not None:
                self._work.on_message(kind, number, payload)
        elif kind == ORDERS:
            self._begin(msgspec.json.decode(payload, type=Orders))
        elif kind == SHUT and self._work is not None:
            self._work.shut()
        elif kind == END:
            if self._work is not None:
                self._work.finish()
            self._finish(LAST_WORDS_S)

    def _begin(self, orders: Orders) -> None:
        sockets = [socket.socket(fileno=descriptor) for descriptor in orders.listening]
        try:
            self._work = _work(orders, sockets, self._pipe)
            self._work.start()
        except (CloisterError, OSError):
            self._end(1)
            return
        collector.begin()
        self._pipe.post(READY, 0)
        self._beat()

    def _beat(self) -> None:
        self._pipe.post(BEAT, 0)
        self._loop.call_later(BEAT_S, self._beat)

    def on_blocked(self, is_blocked: bool) -> None:
        """Pass it on."""
        if self._work is not None:
            self._work.on_blocked(is_blocked)

    def on_pipe_lost(self) -> None:
        """The main process is gone, and whoever is connected with it."""
        self._end(0)

    def _finish(self, seconds: float) -> None:
        """End when nothing is held any more, at the latest after ``seconds``."""
        if self._work is None or self._work.is_idle or seconds <= 0:
            self._end(0)
        else:
            self._loop.call_later(_LOOK_S, self._finish, seconds - _LOOK_S)

    def _end(self, status: int) -> None:
        if not self.ended.done():
            self.ended.set_result(status)


def _work(orders: Orders, sockets: list[socket.socket], pipe: Pipe) -> Work:
    """Make what the orders ask for; a front does not even load the code of tunnels."""
    if orders.work == "front":
        from cloister.relay.processes.front import Front

        return Front(orders, sockets, pipe)
    from cloister.relay.processes.tunnels import Tunnels

    return Tunnels(orders, sockets, pipe)


async def _live(descriptor: int) -> int:
    child = Child()
    await child.connect(descriptor)
    return await child.ended


def main() -> None:
    """Run a child; its one argument is the descriptor of its pipe."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    forbid_core_dumps()
    # As in the main process: libraries could quote strangers.
    logging.lastResort = logging.NullHandler()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(_live(int(sys.argv[1])))
        # Nothing is left to be said: thousands of connections need not be taken down one by one.
        os._exit(status)


if __name__ == "__main__":
    main()
