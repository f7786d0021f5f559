"""Hashes, HMAC and HKDF (RFC 2104, RFC 5869).

Hashes and HMAC come from the standard library: it calls the same OpenSSL, at a third of the
cost per short input, and the key schedule is made of short inputs.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cloister.crypto.errors import BadMac, MisusedKey
from cloister.crypto.secret import Secret

_LENGTHS: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
# Called directly: ``hashlib.new`` looks the name up anew, which costs twice the hash itself.
_HASHES: Final = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


def hash_length(hash_name: str) -> int:
    """The output length of ``sha256``, ``sha384`` or ``sha512`` in bytes."""
    try:
        return _LENGTHS[hash_name]
    except KeyError:
        raise MisusedKey(f"unknown hash {hash_name}") from None


def sha256(*parts: bytes) -> bytes:
    """SHA-256 of the parts in a row. Parts of varying length need a framing of their own."""
    return hashlib.sha256(b"".join(parts)).digest()


def digest(hash_name: str, data: bytes) -> bytes:
    """The hash of ``data``, with ``sha256``, ``sha384`` or ``sha512``."""
    try:
        return _HASHES[hash_name](data).digest()
    except KeyError:
        raise MisusedKey(f"unknown hash {hash_name}") from None


def mac(hash_name: str, key: Secret, data: bytes) -> bytes:
    """HMAC of ``data``, at full length."""
    return hmac.digest(key.expose(), data, hash_name)


def check_mac(hash_name: str, key: Secret, data: bytes, received: bytes) -> None:
    """Demand that ``received`` is the HMAC of ``data``.

    compare_digest refuses unequal lengths, so an empty or a truncated code never passes.
    Raises BadMac.
    """
    if not hmac.compare_digest(hmac.digest(key.expose(), data, hash_name), received):
        raise BadMac


def hkdf_extract(hash_name: str, salt: bytes, ikm: bytes) -> Secret:
    """HKDF-Extract; an empty salt stands for Nh zero bytes, as RFC 5869 2.2 says."""
    return Secret(hmac.digest(salt or bytes(hash_length(hash_name)), ikm, hash_name))


def hkdf_expand(hash_name: str, prk: Secret, info: bytes, length: int) -> Secret:
    """HKDF-Expand to ``length`` bytes, at most 255 blocks of Nh. Raises MisusedKey beyond that."""
    size = hash_length(hash_name)
    if length > 255 * size:
        raise MisusedKey(f"HKDF gives at most {255 * size} bytes")
    key = prk.expose()
    if length <= size:
        return Secret(hmac.digest(key, info + b"\x01", hash_name)[:length])
    block = b""
    output = b""
    counter = 0
    while len(output) < length:
        counter += 1
        block = hmac.digest(key, block + info + bytes([counter]), hash_name)
        output += block
    return Secret(output[:length])
