"""Ed448 signatures (RFC 8032 section 5.2, empty context), for MLS suites 0x0004 and 0x0006.

Cloister itself does not use them. They are there so that published vectors and other
implementations can be followed.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey

from cloister.crypto.errors import BadPublicKey, BadSignature, MisusedKey
from cloister.crypto.secret import Secret

ED448_SEED_LENGTH: Final = 57
ED448_PUBLIC_LENGTH: Final = 57

_P: Final = 2**448 - 2**224 - 1
# The y coordinates of the points whose order divides 4, the cofactor.  The group has 4 L points, L
# an odd prime, so there are four of them.  On x^2 + y^2 = 1 + d x^2 y^2 they are (0, 1), (0, -1) of
# order 2, and (1, 0), (-1, 0), which doubled give (0, -1).  The library verifies one signature for
# every message under the last two; the equation of RFC 8032, times 4, does so under all four.
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1})


class Ed448Key:
    """A private signing key, kept as its 57-byte seed."""

    __slots__ = ("_key", "public", "seed")

    def __init__(self, seed: Secret) -> None:
        if len(seed) != ED448_SEED_LENGTH:
            raise MisusedKey(f"an Ed448 seed has {ED448_SEED_LENGTH} bytes")
        self.seed: Final = seed
        self._key: Final = Ed448PrivateKey.from_private_bytes(seed.expose())
        self.public: Final[bytes] = self._key.public_key().public_bytes_raw()

    def sign_raw(self, message: bytes) -> bytes:
        """Sign a message that carries its own domain separation (MLS); 114 bytes."""
        return self._key.sign(message)


def check_ed448_public(public: bytes) -> None:
    """Demand a canonical encoding of a y coordinate that no point of small order has.

    The top bit of the last byte is the sign of x; the other seven are zero (RFC 8032 5.2.2).  A
    sign of x = 0 would be a second encoding too, but those two points have small order anyway.
    Raises BadPublicKey.
    """
    if len(public) != ED448_PUBLIC_LENGTH:
        raise BadPublicKey(f"an Ed448 public key has {ED448_PUBLIC_LENGTH} bytes")
    y = int.from_bytes(public, "little") & ((1 << 455) - 1)
    if y >= _P:
        raise BadPublicKey("Ed448 public key is not canonical")
    if y in _SMALL_ORDER_Y:
        raise BadPublicKey("Ed448 public key has small order")


def verify_ed448(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify a signature over ``message`` as it is. Raises BadPublicKey, BadSignature."""
    check_ed448_public(public)
    try:
        Ed448PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise BadSignature from None
