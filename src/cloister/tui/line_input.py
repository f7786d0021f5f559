"""Where the line mode takes lines from, and how it writes beside what is being typed.

On a terminal the system's line editor reads, in a thread of its own: the cursor is the real one,
a screen reader follows it, and a terminal that can do nothing else is enough.  What comes in
meanwhile is written on lines of its own, and what was being typed is shown again below.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Protocol, TypeVar, cast

from cloister.client.safe_text import safe_text
from cloister.clock import uptime
from cloister.tui.autolock import SEEN_S

T = TypeVar("T")


class Lines(Protocol):
    """A source of lines and a place to write them."""

    is_typed: bool
    """Whether a person types: then own texts stand on the screen already."""

    async def next(self, *, secret: bool = False) -> str | None:
        """Return the next line without its end, or ``None`` when there are no more."""
        ...

    def show(self, text: str) -> None:
        """Write what belongs to the conversation."""
        ...

    def say(self, text: str) -> None:
        """Write what is said about it."""
        ...

    def refuse(self, text: str) -> None:
        """Write what was not done, and why: nothing silences it."""
        ...


class NothingTyped(Exception):
    """Nobody has typed a line for as long as one may take: no error that an action catches."""


class Watched:
    """Lines that may take so long each, also those that answer a question."""

    def __init__(self, lines: Lines, limit_s: Callable[[], float]) -> None:
        """``limit_s``: how long; 0: for ever."""
        self._lines = lines
        self._limit_s = limit_s
        self.is_typed = lines.is_typed
        self.show, self.say, self.refuse = lines.show, lines.say, lines.refuse

    async def next(self, *, secret: bool = False) -> str | None:
        """Return the next line.  Raises ``NothingTyped``."""
        since = uptime()
        reading = asyncio.ensure_future(self._lines.next(secret=secret))
        try:
            while True:
                limit = self._limit_s()
                left = since + limit - uptime()
                if limit and left <= 0:
                    raise NothingTyped  # also where a line has come: after so long, whose is it?
                if reading.done():
                    return reading.result()
                # Timers stand still while the machine sleeps; that time counts.
                await asyncio.wait({reading}, timeout=min(left, SEEN_S) if limit else None)
        finally:
            reading.cancel()


class PipedLines:
    """Lines from a pipe or a file: texts to standard output, talk to standard error."""

    is_typed = False

    def __init__(self, source: IO[bytes], *, quiet: bool = False) -> None:
        self._source = source
        self._quiet = quiet

    async def next(self, *, secret: bool = False) -> str | None:
        """Read a line in a thread: a pipe may be silent for hours."""
        line = await _in_a_daemon(self._source.readline)
        return line.decode("utf-8", "replace").rstrip("\r\n") if line else None

    def show(self, text: str) -> None:
        """Write to standard output."""
        _write(sys.stdout, text)

    def say(self, text: str) -> None:
        """Write to standard error."""
        if not self._quiet:
            _write(sys.stderr, text)

    def refuse(self, text: str) -> None:
        """Write to standard error, also when quiet."""
        _write(sys.stderr, text)


class TypedLines:
    """Lines that a person types on a terminal."""

    is_typed = True

    def __init__(self) -> None:
        self._is_reading = False
        self._readline = None
        with suppress(ImportError):
            import readline

            self._readline = readline
            # What was typed is kept while this runs and never written to a file.
            readline.set_auto_history(True)
            readline.set_completer(None)
            readline.parse_and_bind("set bell-style none")

    async def next(self, *, secret: bool = False) -> str | None:
        """Let a line be typed."""
        import getpass

        self._is_reading = True
        try:
            return await _in_a_daemon(lambda: getpass.getpass("") if secret else input())
        except EOFError:
            return None
        finally:
            self._is_reading = False

    def show(self, text: str) -> None:
        """Write above what is being typed."""
        typed = ""
        if self._is_reading and self._readline is not None:
            typed = self._readline.get_line_buffer()
        _write(sys.stdout, f"\n{text}" if typed else text)
        if typed:
            sys.stdout.write(safe_text(typed))
            sys.stdout.flush()

    say = refuse = show


async def _in_a_daemon(work: Callable[[], T]) -> T:
    """Do blocking work in a thread that does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("T", result))

    def run() -> None:
        result: T | None = None
        failed: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 (it is raised where it is awaited)
            failed = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, result, failed)

    threading.Thread(target=run, name="lines", daemon=True).start()
    return await done


def _write(file: IO[str], text: str) -> None:
    file.write(safe_text(text) + "\n")
    file.flush()
