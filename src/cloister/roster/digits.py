"""The sixty digits that two people read to each other: twelve groups of five."""

from __future__ import annotations

from typing import Final

from cloister.crypto.hashing import digest
from cloister.roster.labels import framed

ROUNDS: Final = 5200
"""As in Signal's safety numbers: a forger pays them for each try."""
GROUPS: Final = 12
_BYTES_EACH: Final = 5


def sixty_digits(label: bytes, encoded: bytes, binding: bytes) -> str:
    """Return twelve groups of five digits with spaces between, about 199 bits.

    h = SHA-512(label || encoded), then 5,199 times h = SHA-512(h || binding); group i is the
    number in bytes 5i to 5i+4 of h, modulo 100,000.
    """
    value = digest("sha512", framed(label) + encoded)
    for _ in range(ROUNDS - 1):
        value = digest("sha512", value + binding)
    groups = (
        int.from_bytes(value[start : start + _BYTES_EACH], "big") % 100_000
        for start in range(0, _BYTES_EACH * GROUPS, _BYTES_EACH)
    )
    return " ".join(f"{group:05d}" for group in groups)
