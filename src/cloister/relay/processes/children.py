"""The main process's side of its children: starts them, starts them again, ends them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from cloister.errors import LocalError
from cloister.limits import STALLED_SESSION_S
from cloister.relay.door import bind
from cloister.relay.entry import Address
from cloister.relay.folder import Folder
from cloister.relay.logsafe import Code, Log
from cloister.relay.metrics import Metrics
from cloister.relay.processes.count import granted_files, held_by_one, process_count
from cloister.relay.processes.orders import (
    END,
    FIRST_OWN_KIND,
    LAST_WORDS_S,
    ORDERS,
    READY,
    SHUT,
    Orders,
)
from cloister.relay.processes.pipe import Pipe
from cloister.relay.settings import Settings

START_S: Final = 30.0
"""A child that has not begun to listen by then is ended."""
FIRST_PAUSE_S: Final = 0.1
MOST_PAUSE_S: Final = 30.0
"""Pause before a child that has ended is started again: doubles with each end."""
STEADY_S: Final = 60.0
"""A child that lived for this long begins with the shortest pause again."""
PROGRAM: Final = "cloister.relay.processes.child"
_LOOK_S: Final = 1.0
_ORPHANS_S: Final = 3.0
_NOT_STARTED: Final = 127


class Counterpart(Protocol):
    """What the main process holds for one child, while it lives."""

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """A message of the child about a connection."""

    def on_blocked(self, is_blocked: bool) -> None:
        """The child takes nothing at present, or takes something again."""

    def on_lost(self) -> None:
        """The child has ended, and with it all its connections."""


class Children:
    """All children of a relay, and the sockets that they accept from."""

    def __init__(
        self,
        folder: Folder,
        settings: Settings,
        make: Callable[[Pipe], Counterpart],
        *,
        unlock: dict[Address, Address] | None = None,
        metrics: Metrics,
        log: Log,
    ) -> None:
        """``make`` gives each child's pipe its counterpart; ``unlock`` as for the proxy."""
        self._folder = folder
        self._settings = settings
        self._make = make
        self._unlock = unlock or {}
        self._metrics = metrics
        self._log = log
        self._is_stopping = False
        self._sockets: list[socket.socket] = []
        self._living: set[_Process] = set()

    async def start(self, group: asyncio.TaskGroup) -> int:
        """Bind, start all, wait until they accept; returns the port.  Raises OSError, LocalError"""
        settings, files = self._settings, granted_files()
        self._sockets = await bind_after_another(settings.listen.host, settings.relay.port)
        orders = Orders(
            work="front" if settings.relay.role == "home" else "tunnels",
            folder=str(self._folder.path.absolute()),
            listening=tuple(one.fileno() for one in self._sockets),
            max_connections=held_by_one(settings, files),
            max_of_address=settings.limits.max_connections_per_address,
            handshake_s=settings.limits.handshake_s,
            unlock=tuple((*asked, *place) for asked, place in self._unlock.items()),
        )
        loop = asyncio.get_running_loop()
        first = [loop.create_future() for _ in range(process_count(settings, files))]
        for ready in first:
            group.create_task(self._keep(orders, ready))
        await asyncio.gather(*first)
        return int(self._sockets[0].getsockname()[1])

    async def _keep(self, orders: Orders, ready: asyncio.Future[None]) -> None:
        """Keep one child running."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_S
        while True:
            process = _Process(self._make, ready)
            self._living.add(process)
            began = loop.time()
            self._metrics.processes += 1
            try:
                status = await process.live(orders)
            except OSError:
                status = _NOT_STARTED  # no memory, no files: perhaps later
            finally:
                self._metrics.processes -= 1
                self._living.discard(process)
            if self._has_been_told_to_stop():
                break
            if not ready.done():
                ready.set_exception(
                    LocalError(
                        "a process of this relay ended as soon as it was started",
                        hint="look at memory and open files, or set limits.processes to 0",
                    )
                )
                return
            self._metrics.processes_lost += 1
            self._log.error("process-lost", status=Code(status))
            if loop.time() - began >= STEADY_S:
                pause = FIRST_PAUSE_S
            await asyncio.sleep(pause)
            if self._has_been_told_to_stop():
                break
            pause = min(2 * pause, MOST_PAUSE_S)

    def _has_been_told_to_stop(self) -> bool:
        return self._is_stopping

    def shut(self) -> None:
        """Have no child accept any more, and start none again."""
        self._is_stopping = True
        for one in self._sockets:
            one.close()
        for process in self._living:
            process.post(SHUT)

    async def end(self) -> None:
        """Let what has been posted leave, and wait for all to end."""
        self._is_stopping = True
        for process in self._living:
            process.post(END)
        await asyncio.gather(*(process.wait(LAST_WORDS_S + 2) for process in tuple(self._living)))


async def bind_after_another(host: str, port: int) -> list[socket.socket]:
    """Bind; wait a little for the children of a main process that was killed to end as well.

    Raises OSError."""
    until = asyncio.get_running_loop().time() + _ORPHANS_S
    while True:
        try:
            return bind(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or asyncio.get_running_loop().time() > until:
                raise
        await asyncio.sleep(0.05)


class _Process:
    """One child process, from its start to its end."""

    def __init__(self, make: Callable[[Pipe], Counterpart], ready: asyncio.Future[None]) -> None:
        self._make = make
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        self._pipe = Pipe(self)
        self._counterpart: Counterpart | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._heard_at = 0.0
        self._is_lost = asyncio.Event()
        self._ended = asyncio.Event()

    async def live(self, orders: Orders) -> int:
        """Start it, and return its status when it has ended; less than 0: ended by a signal."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                process = self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", PROGRAM, str(theirs.fileno())),
                    pass_fds=(theirs.fileno(), *orders.listening),
                    stdin=asyncio.subprocess.DEVNULL,
                )
            self._counterpart = self._make(self._pipe)
            await self._pipe.connect(ours)
            self._pipe.post(ORDERS, 0, msgspec.json.encode(orders))
            await self._watch()
            self._kill()
            return await process.wait()
        except OSError:
            ours.close()
            raise
        finally:
            self._kill()
            self._lose()
            self._ended.set()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _watch(self) -> None:
        """Wait until the pipe is lost, or the process has said nothing for too long."""
        looked_at = self._loop.time()
        self._heard_at = looked_at + START_S - STALLED_SESSION_S
        while not self._is_lost.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_lost.wait(), _LOOK_S)
            now = self._loop.time()
            if now - looked_at > _LOOK_S + 1:
                # This process itself was stopped; what the child said meanwhile is not read yet.
                self._heard_at += now - looked_at
            looked_at = now
            if now - self._heard_at > STALLED_SESSION_S:
                return

    def _lose(self) -> None:
        counterpart, self._counterpart = self._counterpart, None
        if counterpart is not None:
            counterpart.on_lost()
        self._pipe.close()

    async def wait(self, seconds: float) -> None:
        """Wait for the end, and make one when it does not come."""
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            self._kill()
            await self._ended.wait()

    def post(self, kind: int) -> None:
        """Tell it something about itself."""
        self._pipe.post(kind, 0)

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """Take a message of the child."""
        if kind >= FIRST_OWN_KIND:
            if self._counterpart is not None:
                self._counterpart.on_message(kind, number, payload)
            return
        self._heard_at = self._loop.time()
        if kind == READY and not self._ready.done():
            self._ready.set_result(None)

    def on_blocked(self, is_blocked: bool) -> None:
        """Pass it on."""
        if self._counterpart is not None:
            self._counterpart.on_blocked(is_blocked)

    def on_pipe_lost(self) -> None:
        """Without its pipe it is of no use."""
        self._is_lost.set()
