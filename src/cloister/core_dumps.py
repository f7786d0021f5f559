"""No core dumps: what a process that holds keys asks of the system, be it a device or a relay."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def forbid_core_dumps() -> None:
    """Forbid core dumps; on Linux also reading by other processes of the same user.

    The limit alone would not do: a dump that the system hands to a program is not held to it.
    Each measure is a help against accidents, not a promise: what the system refuses is left.
    """
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None, use_errno=True)
            library.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
            library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
