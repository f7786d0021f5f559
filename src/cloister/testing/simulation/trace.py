"""What happened, line by line, and a hash of all of it: two runs of a seed are the same run.

No ciphertext stands here, only kinds and sizes: a KEM draws its own randomness.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Final

KEPT_LINES: Final = 60
"""The last lines, which a failure shows."""


class Trace:
    """Takes lines in order."""

    def __init__(self, time: Callable[[], float], *, keeps_all: bool = False) -> None:
        self._time = time
        self._hash = hashlib.blake2b(digest_size=16)
        self._lines: deque[str] = deque(maxlen=None if keeps_all else KEPT_LINES)
        self.count = 0

    def note(self, who: str, what: str) -> None:
        """Add a line."""
        line = f"{self._time():10.4f} {who:<6} {what}"
        self._hash.update(line.encode())
        self._lines.append(line)
        self.count += 1

    @property
    def digest(self) -> str:
        """Return the hash of all lines so far, in hex."""
        return self._hash.hexdigest()

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the last lines, or all of them."""
        return tuple(self._lines)
