"""How labels enter hashes and associated data.

Signatures get their prefix from :mod:`cloister.crypto.signature`. Hashes and associated data use
the form defined here. The labels themselves stand beside the structures they protect.
"""

from __future__ import annotations

from cloister.codec import encode_opaque
from cloister.crypto.hashing import sha256
from cloister.crypto.signature import LABEL_PREFIX


def framed(label: bytes) -> bytes:
    """``opaque label<V>`` with the version prefix: no framed label is the beginning of another."""
    return encode_opaque(LABEL_PREFIX + label)


def labelled_hash(label: bytes, data: bytes) -> bytes:
    """SHA-256(opaque label<V> || data), 32 bytes."""
    return sha256(framed(label), data)
