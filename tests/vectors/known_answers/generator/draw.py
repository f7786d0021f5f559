"""Values that the cases are made of: repeatable bytes, keys, names."""

from __future__ import annotations

import hashlib

from cloister.crypto.secret import Secret


class Draw:
    """Seeded randomness in the form of the engine's entropy; every call gives other bytes."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose.encode()
        self._count = 0

    def random(self, n: int) -> bytes:
        """``n`` bytes."""
        self._count += 1
        seed = self._purpose + self._count.to_bytes(8)
        return hashlib.shake_256(seed).digest(n)

    def secret(self, n: int) -> Secret:
        """``n`` bytes as a secret."""
        return Secret(self.random(n))

    def number(self, bits: int) -> int:
        """A number of at most ``bits`` bits."""
        return int.from_bytes(self.random(8)) >> (64 - bits)


def text(value: bytes | Secret) -> str:
    """The form of binary values in the files."""
    return (value.expose() if isinstance(value, Secret) else value).hex()
