"""Ed25519 signatures (RFC 8032), labelled and raw."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloister.codec import encode_opaque
from cloister.crypto.errors import BadPublicKey, BadSignature, MisusedKey
from cloister.crypto.secret import Secret

# Every signature of Cloister outside MLS and C2SP notes begins with this, so that none can be
# taken for a signature of another protocol, nor of a later version of this one.
LABEL_PREFIX: Final = b"Cloister 1.0 "

ED25519_SEED_LENGTH: Final = 32
ED25519_PUBLIC_LENGTH: Final = 32
ED25519_SIGNATURE_LENGTH: Final = 64

_P: Final = 2**255 - 19
# The y coordinates of the eight points of order dividing 8: one signature fits every message.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)


def labelled(label: bytes, content: bytes) -> bytes:
    """The bytes signed for ``content``: struct { opaque label<V>; opaque content<V>; }."""
    return encode_opaque(LABEL_PREFIX + label) + encode_opaque(content)


class Ed25519Key:
    """A private signing key, kept as its 32-byte seed."""

    __slots__ = ("_key", "public", "seed")

    def __init__(self, seed: Secret) -> None:
        if len(seed) != ED25519_SEED_LENGTH:
            raise MisusedKey("an Ed25519 seed has 32 bytes")
        self.seed: Final = seed
        self._key: Final = Ed25519PrivateKey.from_private_bytes(seed.expose())
        self.public: Final[bytes] = self._key.public_key().public_bytes_raw()

    def sign(self, label: bytes, content: bytes) -> bytes:
        """Sign the labelled content; 64 bytes."""
        return self._key.sign(labelled(label, content))

    def sign_raw(self, message: bytes) -> bytes:
        """Sign a message that carries its own domain separation (MLS, C2SP notes); 64 bytes."""
        return self._key.sign(message)


def check_ed25519_public(public: bytes) -> None:
    """Demand a canonical encoding of a point of large order.

    The library verifies under small-order keys, for which one signature fits every message, so
    each key is checked once when it enters. Raises BadPublicKey.
    """
    if len(public) != ED25519_PUBLIC_LENGTH:
        raise BadPublicKey("an Ed25519 public key has 32 bytes")
    y = int.from_bytes(public, "little") & ((1 << 255) - 1)
    if y >= _P:
        raise BadPublicKey("Ed25519 public key is not canonical")
    if y in _SMALL_ORDER_Y:
        raise BadPublicKey("Ed25519 public key has small order")


def sign_raw(seed: Secret, message: bytes) -> bytes:
    """Sign ``message`` as it is. The message must carry its own domain separation."""
    return Ed25519Key(seed).sign_raw(message)


def verify_raw(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify a signature over ``message`` as it is. Raises BadPublicKey, BadSignature."""
    check_ed25519_public(public)
    verify_raw_under_checked_key(public, message, signature)


def verify_raw_under_checked_key(public: bytes, message: bytes, signature: bytes) -> None:
    """Like verify_raw for a key that check_ed25519_public has seen. Raises BadSignature."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise BadSignature from None


def verify_ed25519(public: bytes, label: bytes, content: bytes, signature: bytes) -> None:
    """Verify a labelled signature. Raises BadPublicKey, BadSignature."""
    verify_raw(public, labelled(label, content), signature)
