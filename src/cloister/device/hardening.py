"""What a process that holds keys asks of the system: no core dumps, no reading by neighbours,
no library that writes to the person's terminal.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Final

from cloister.core_dumps import forbid_core_dumps

_PR_SET_PDEATHSIG: Final = 1


def harden_process() -> None:
    """Forbid core dumps and new files readable by others; on Linux also ptrace by the same user.
    Messages of libraries go nowhere.

    Each measure is a help against accidents, not a promise: what the system refuses is left.
    """
    os.umask(0o077)
    # Libraries log what surprised them, with tracebacks and the peer's bytes; without a handler
    # of ours Python would print it, and with none at all complain that there is none.
    logging.lastResort = logging.NullHandler()
    forbid_core_dumps()


def die_with_parent(life_fd: int) -> None:
    """Kill this process when the one that holds the other end of a pipe is gone.

    On Linux also by the kernel's word, for a parent that dies before the thread runs.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None, use_errno=True)
            library.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
            library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def watch() -> None:
        while os.read(life_fd, 4096):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="life", daemon=True).start()
