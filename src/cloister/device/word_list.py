"""A fingerprint as words that can be told apart by ear: the English list of BIP-39."""

from __future__ import annotations

from typing import Final

COMPARED_BYTES: Final = 16
"""Of a fingerprint: 128 bits and four of a checksum are twelve words of a list of 2,048."""


def words_of(fingerprint: bytes) -> list[str]:
    """Return the twelve words of a fingerprint of 16 bytes or more, of which the first 16 count."""
    from mnemonic import Mnemonic

    return Mnemonic("english").to_mnemonic(fingerprint[:COMPARED_BYTES]).split()
