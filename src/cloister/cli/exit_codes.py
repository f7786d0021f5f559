"""Exit statuses of every command; the classes of ``cloister.errors`` carry the same numbers."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script can rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NETWORK = 4
    POLICY = 5
    TRUST = 6
    LOCKED = 7
    INTERRUPTED = 130
