"""A running relay under strace: what it asks of the kernel, in order, and errors put in between.

Where files of tests lie in memory a flush does nothing, and is asked for all the same: for the
order of calls, and for errors that strace gives back instead of the kernel, that is enough.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

PATIENCE_S: Final = 60.0
FLUSHES: Final = "fsync,fdatasync"
"""Which of the two SQLite calls depends on how it was built: always both."""
SENDS: Final = "write,writev,sendto,sendmsg"
_CALL: Final = re.compile(
    r"^(?P<thread>\d+) +"
    r"(?:<\.\.\. \w+ resumed>|(?P<name>\w+)\(\d+<(?P<target>[^>]*)>(?P<data>.*))"
)
_RESULT: Final = re.compile(r"= (?P<result>-?\d+)(?: (?P<error>E\w+))?[^=]*$")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the kernel that has returned."""

    name: str
    target: str
    """Path of the file, or ``socket:[inode]``."""
    first_line: int
    """Line of the trace where it was called."""
    last_line: int
    """Line where it returned: another one if another thread called something meanwhile."""
    result: int
    error: str
    is_injected: bool
    data: str
    """The other arguments as strace writes them."""


@dataclass
class Trace:
    """What strace has written, complete once the block that it is made by has ended."""

    path: Path
    calls: list[Call] = field(default_factory=list)

    def read(self) -> None:
        """Read the calls; one that was interrupted by another thread stands in two lines."""
        begun: dict[str, tuple[str, str, str, int]] = {}
        for number, line in enumerate(self.path.read_text("utf-8", "replace").splitlines()):
            match = _CALL.match(line)
            if match is None:
                continue
            thread = match["thread"]
            if match["name"] is not None:
                begun[thread] = (match["name"], _plain(match["target"]), match["data"], number)
            result = _RESULT.search(line)
            if result is not None and thread in begun and "<unfinished" not in line:
                name, target, data, first_line = begun.pop(thread)
                self.calls.append(
                    Call(
                        name,
                        target,
                        first_line,
                        number,
                        int(result["result"]),
                        result["error"] or "",
                        "(INJECTED)" in line,
                        data,
                    )
                )


def _plain(target: str) -> str:
    """Undo what ``-xx`` does to the names of files too."""
    return bytes.fromhex(target.replace("\\x", "")).decode() if "\\x" in target else target


@contextmanager
def traced(pid: int, path: Path, *options: str) -> Iterator[Trace]:
    """Trace all threads of a process while the block runs, or until the process ends."""
    program = shutil.which("strace")
    assert program is not None
    command = [program, "-f", "-y", "-s", "0", "-o", str(path), *options, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        try:
            assert strace.stderr is not None
            # It says so once all threads that there are have been stopped and let go again.
            said = strace.stderr.readline()
            assert "attached" in said, said
            trace = Trace(path)
            yield trace
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(PATIENCE_S)
    trace.read()


def started_under_strace(path: Path, *options: str) -> list[str]:
    """Return what comes before a command so that it is traced from its first call on."""
    program = shutil.which("strace")
    assert program is not None
    return [program, "-f", "-y", "-s", "0", "-o", str(path), "-e", f"trace={FLUSHES}", *options]


@cache
def why_not() -> str:
    """Return the reason why nothing can be traced here, or nothing."""
    if sys.platform != "linux":
        return "strace is a program of Linux"
    program = shutil.which("strace")
    if program is None:
        return "strace is not installed"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        # A program that is no child of strace, as the relay is none.
        try:
            strace = subprocess.Popen(
                [program, "-e", "inject=fsync:error=EIO", "-p", str(other.pid)],
                stderr=subprocess.PIPE,
                text=True,
            )
            assert strace.stderr is not None
            said = strace.stderr.readline().strip()
            strace.send_signal(signal.SIGINT)
            strace.communicate(timeout=PATIENCE_S)
        finally:
            other.kill()
    return "" if "attached" in said else f"processes cannot be traced here: {said}"
