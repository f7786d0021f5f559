"""LabeledExtract and LabeledExpand (RFC 9180 section 4): what HPKE makes all its secrets with.

The suite identifier says who asks: ``"KEM" || kem_id`` inside a KEM, and the three code points of
the suite in the key schedule. So no secret of one is ever a secret of the other.
"""

from __future__ import annotations

from typing import Final

from cloister.crypto.hashing import hkdf_expand, hkdf_extract
from cloister.crypto.secret import Secret

VERSION: Final = b"HPKE-v1"


def kem_suite_id(kem_id: int) -> bytes:
    """The suite identifier within a KEM (RFC 9180 section 4.1)."""
    return b"KEM" + kem_id.to_bytes(2, "big")


def labeled_extract(
    hash_name: str, suite_id: bytes, salt: bytes, label: bytes, ikm: bytes
) -> Secret:
    """LabeledExtract, Nh bytes. ``ikm`` is mostly a secret, sometimes empty or public."""
    return hkdf_extract(hash_name, salt, VERSION + suite_id + label + ikm)


def labeled_expand(
    hash_name: str, suite_id: bytes, prk: Secret, label: bytes, info: bytes, length: int
) -> Secret:
    """LabeledExpand to ``length`` bytes, at most 255 blocks of Nh. Raises MisusedKey beyond."""
    labeled_info = length.to_bytes(2, "big") + VERSION + suite_id + label + info
    return hkdf_expand(hash_name, prk, labeled_info, length)
