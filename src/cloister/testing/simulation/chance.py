"""Chance out of one seed, a stream for each purpose: what one part draws moves no other part."""

from __future__ import annotations

import hashlib
import random


def stream(seed: int, purpose: str) -> random.Random:
    """Return the stream of one purpose."""
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))


class SeededEntropy:
    """Bytes for keys, the same ones for the same seed (``crypto.entropy.Entropy``)."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._random = stream(seed, purpose)

    def random(self, n: int) -> bytes:
        """Return the next ``n`` bytes."""
        return self._random.randbytes(n)
