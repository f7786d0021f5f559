"""Running a relay: from the folder to the readiness line, and down again.

Exit status: 0 stopped as asked; 1 the storage failed; 4 a port could not be bound.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import time
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from cloister import __version__
from cloister.clock import VARIABLE, ahead_s, clock
from cloister.core_dumps import forbid_core_dumps
from cloister.crypto.entropy import SystemEntropy
from cloister.errors import LocalError, NetworkError
from cloister.relay.folder import Folder, Identity
from cloister.relay.garbage import collector
from cloister.relay.gate import Gate
from cloister.relay.health import Health
from cloister.relay.home import Home
from cloister.relay.logsafe import Cause, Log, Port, Seconds, Word
from cloister.relay.settings import Settings
from cloister.relay.startable import demand_startable


class StorageLost(LocalError):
    """The disk failed while the relay ran; what was acknowledged before is there."""


def run_relay(path: Path, environment: Mapping[str, str]) -> None:
    """Run the relay of a folder until SIGTERM or SIGINT.  Raises CloisterError."""
    folder = Folder(path)
    # Before anything is touched: the words for a folder that is none, or incomplete.
    settings = folder.settings(environment)
    identity = demand_startable(folder, settings)
    lock = folder.lock()
    os.umask(0o077)
    forbid_core_dumps()
    # Libraries log a stranger's broken handshake with a traceback, and could quote the stranger.
    logging.lastResort = logging.NullHandler()
    _raise_file_limit()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_App(folder, settings, identity).run())
    finally:
        os.close(lock)


class _App:
    def __init__(self, folder: Folder, settings: Settings, identity: Identity) -> None:
        self._folder = folder
        self._settings = settings
        self._identity = identity
        wall = clock()
        self._now = lambda: int(wall())
        self._log = Log(self._now)
        self._stop = asyncio.Event()
        self._has_failed = False
        self._is_ready = False
        self._started_at = time.monotonic()
        self._face: Home | Gate | None = None

    async def run(self) -> None:
        """Start, wait for the end, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        loop.set_exception_handler(partial(tell_of_the_unheard, self._log))
        if VARIABLE in os.environ:
            self._log.warning("clock-file-in-force", ahead=Seconds(ahead_s()))
        role = self._settings.relay.role
        face_class = Home if role == "home" else Gate
        face = self._face = face_class(
            self._folder,
            self._settings,
            self._identity,
            entropy=SystemEntropy(),
            log=self._log,
            now=self._now,
            on_failure=self._on_failure,
        )
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    health = await Health(lambda: self._is_ready, self._status).start(
                        self._settings.listen.health_port
                    )
                    port = await self._started(face.start(group))
                except OSError as error:
                    raise NetworkError(
                        f"a port of this relay cannot be bound: {error.strerror or 'in use'}",
                        hint="`cloister relay check DIR` says which one, and what to do",
                    ) from None
                collector.begin()
                if not self._stop.is_set():
                    self._folder.note_begun()
                    self._is_ready = True
                    self._log.info("ready", role=Word(role), port=Port(port))
                await self._stop.wait()
                self._is_ready = False
                self._log.info("stopping")
                await face.stop()
                health.close()
                self._log.info("stopped")
                raise _Ended
        except* _Ended:
            pass
        except* (NetworkError, LocalError) as errors:
            raise errors.exceptions[0] from None
        if self._has_failed:
            raise StorageLost(
                "the relay's disk failed; everything acknowledged before is kept",
                hint="look at the disk, then start the relay again",
            )

    async def _started(self, starting: Coroutine[Any, Any, int]) -> int:
        """Wait for the face; a restored home may wait for its mirrors until it is stopped."""
        start = asyncio.ensure_future(starting)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not start.done():
                start.cancel()
        if not start.done():
            await asyncio.wait({start})
        if start.cancelled():
            return 0
        return start.result()

    # Both stop it first: what cannot be said must not keep it running.

    def _on_signal(self, number: int) -> None:
        self._stop.set()
        self._log.info("signal", name=Word("sigterm" if number == signal.SIGTERM else "sigint"))

    def _on_failure(self) -> None:
        self._has_failed = True
        self._stop.set()
        self._log.error("storage-failed", cause=Cause(StorageLost("")))

    def _status(self) -> dict[str, Any]:
        return {
            "v": 1,
            "version": __version__,
            "role": self._settings.relay.role,
            "ready": self._is_ready,
            "uptime_s": int(time.monotonic() - self._started_at),
            **(self._face.counts() if self._face is not None else {}),
        }


def tell_of_the_unheard(log: Log, _loop: object, context: Mapping[str, object]) -> None:
    """Note what failed in a callback of the loop, where nobody else hears of it.

    Broken connections are no fault of ours, and strangers can have as many as they like.
    """
    error = context.get("exception")
    if isinstance(error, Exception) and not isinstance(error, OSError):
        log.bug("callback-failed", error)


class _Ended(Exception):
    """Ends the task group in good order."""


def _raise_file_limit() -> None:
    """A connection is a file; take as many as the system grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
