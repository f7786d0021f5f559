"""A Python program on a pty of a given size: keys go in, bytes come out."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from typing import Final

WITHIN_S: Final = 60.0


class NotSeen(Exception):
    """What was waited for was not written, or the program did not end."""


class Terminal:
    """A program, its terminal, and everything that it has written."""

    def __init__(self, arguments: list[str], size: tuple[int, int], **variables: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLOISTER_", "TEXTUAL"))}
        environment = {**kept, "TERM": "xterm-256color", "TZ": "UTC", **variables}
        self.written = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [sys.executable, "-P", *arguments], environment)  # noqa: S606
        rows = struct.pack("HHHH", size[1], size[0], 0, 0)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, rows)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    def read(self, quiet_s: float) -> bytes:
        """Return what is written until nothing is for a while."""
        new = b""
        while select.select([self.fd], [], [], quiet_s)[0]:
            try:
                part = os.read(self.fd, 1 << 16)
            except OSError:
                break
            if not part:
                break
            new += part
        self.written += new
        return new

    def until(self, text: str, *, since: int = 0) -> int:
        """Wait until a text was written; return where what follows it begins.

        Raises ``NotSeen`` with the end of what was written instead.
        """
        deadline = time.monotonic() + WITHIN_S
        while (place := self.written.find(text.encode(), since)) < 0:
            if time.monotonic() > deadline:
                raise NotSeen(repr(self.written[since:][-2000:]))
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.written += os.read(self.fd, 1 << 16)
                except OSError:
                    raise NotSeen(repr(self.written[since:][-2000:])) from None
        return place + len(text.encode())

    def end(self) -> int:
        """Wait for the end; return the exit status.  Raises ``NotSeen``."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise NotSeen(repr(self.written[-2000:]))

    def close(self) -> None:
        """End the program if it has not ended."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
