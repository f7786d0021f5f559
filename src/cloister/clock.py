"""The wall clock of the programs, and the one that nobody sets.

A clock file (``CLOISTER_CLOCK_FILE``) holds a number of seconds by which all programs that name it
are ahead of the machine: so that a drill can skip through a term without waiting six months. It is
read at every call, and a program that is told of one says so when it starts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cloister.errors import LocalError

VARIABLE: Final = "CLOISTER_CLOCK_FILE"
_last: Final[dict[str, int]] = {}


def ahead_s() -> int:
    """Seconds by which the clock file moves this program; 0 without one. Raises LocalError."""
    path = os.environ.get(VARIABLE)
    if not path:
        return 0
    try:
        text = Path(path).read_text("ascii")
        if text or path not in _last:
            _last[path] = int(text)
        return _last[path]  # an empty one is just being written anew
    except (OSError, ValueError):
        raise LocalError(
            f"the clock file {path} cannot be read", hint=f"unset {VARIABLE}; drills alone use it"
        ) from None


def clock() -> Callable[[], float]:
    """Return what tells the wall clock, in s since the Unix epoch: for a program that asks it for
    each message, and would else look for the clock file each time."""
    return wall_time if os.environ.get(VARIABLE) else time.time


def uptime() -> float:
    """Seconds that also pass while the machine sleeps, and that nobody can set."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def wall_time() -> float:
    """Seconds since the Unix epoch."""
    return time.time() + ahead_s()
