"""Where randomness comes from. Below the programs it is always an argument."""

from __future__ import annotations

import os
from typing import Protocol


class Entropy(Protocol):
    """A source of uniform bytes fit for keys."""

    def random(self, n: int) -> bytes:
        """Return ``n`` fresh bytes."""
        ...


class SystemEntropy:
    """The operating system's generator."""

    def random(self, n: int) -> bytes:
        """Return ``n`` bytes of getrandom(2) or its like."""
        return os.urandom(n)
