"""Curve25519 and Curve448 (RFC 7748): DHKEM key pairs (RFC 9180 section 4.1) and key checks.

X25519 is half of the product's KEM.  X448 is there for MLS cipher suites 0x0004 and 0x0006, so
that published vectors and other implementations can be followed.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from cloister.crypto.errors import BadPublicKey, MisusedKey
from cloister.crypto.labeled_kdf import kem_suite_id, labeled_expand, labeled_extract
from cloister.crypto.secret import Secret

_P25519: Final = 2**255 - 19
_P448: Final = 2**448 - 2**224 - 1

# The u coordinates of order dividing 8 on Curve25519 and its twist.
_LOW_ORDER_25519: Final = frozenset(
    {
        0,
        1,
        _P25519 - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
# The u coordinates of order dividing 4, the cofactor of Curve448 and of its twist; X448 scalars are
# multiples of 4.  Doubling is u -> (u^2 - 1)^2 / 4u(u^2 + 156326u + 1).  Only u = 0 has order 2,
# since 156326^2 - 4 is no square; a point of order 4 is doubled to it, so its u^2 is 1.  The point
# at infinity has no encoding of its own.
_LOW_ORDER_448: Final = frozenset({0, 1, _P448 - 1})


class Montgomery(Enum):
    """A curve: KEM code point, hash of its DHKEM, length in bytes, bits of u used, prime."""

    X25519 = (0x0020, "sha256", 32, 255, _P25519)
    X448 = (0x0021, "sha512", 56, 448, _P448)

    @property
    def hash_name(self) -> str:
        """The hash of the DHKEM over this curve."""
        return self.value[1]

    @property
    def length(self) -> int:
        """Npk, Nsk and Ndh in bytes."""
        return self.value[2]


_LOW_ORDER: Final = {Montgomery.X25519: _LOW_ORDER_25519, Montgomery.X448: _LOW_ORDER_448}


def derive_private(curve: Montgomery, ikm: Secret) -> Secret:
    """DeriveKeyPair of DHKEM: the private key for ``ikm``, Nsk bytes (RFC 9180 7.1.3)."""
    kem_id, hash_name, length, _, _ = curve.value
    suite_id = kem_suite_id(kem_id)
    prk = labeled_extract(hash_name, suite_id, b"", b"dkp_prk", ikm.expose())
    return labeled_expand(hash_name, suite_id, prk, b"sk", b"", length)


def parse_private(
    curve: Montgomery, private: Secret
) -> tuple[X25519PrivateKey | X448PrivateKey, bytes]:
    """The library's private key and the public key's bytes. Raises MisusedKey."""
    if len(private) != curve.length:
        raise MisusedKey(f"an {curve.name} private key has {curve.length} bytes")
    key: X25519PrivateKey | X448PrivateKey
    if curve is Montgomery.X25519:
        key = X25519PrivateKey.from_private_bytes(private.expose())
    else:
        key = X448PrivateKey.from_private_bytes(private.expose())
    return key, key.public_key().public_bytes_raw()


def check_public(curve: Montgomery, public: bytes) -> None:
    """Demand the length of a public key, and a point that is not of low order.

    The library accepts low-order points and fails on every later use, so that one poisoned key
    would stop all others from sending.  Raises BadPublicKey.
    """
    if len(public) != curve.length:
        raise BadPublicKey(f"an {curve.name} public key has {curve.length} bytes")
    # RFC 7748 section 5: bits beyond those of p are masked (X448 has none) and the coordinate is
    # taken modulo p before use.  So p and p + 1 are other names of 0 and 1, for X25519 twice.
    _, _, _, bits, prime = curve.value
    u = (int.from_bytes(public, "little") & ((1 << bits) - 1)) % prime
    if u in _LOW_ORDER[curve]:
        raise BadPublicKey(f"{curve.name} public key has low order")


def parse_public(curve: Montgomery, public: bytes) -> X25519PublicKey | X448PublicKey:
    """Parse and check a public key. Raises BadPublicKey as ``check_public`` does."""
    check_public(curve, public)
    if curve is Montgomery.X25519:
        return X25519PublicKey.from_public_bytes(public)
    return X448PublicKey.from_public_bytes(public)
