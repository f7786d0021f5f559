"""The NIST curves: DHKEM key pairs (RFC 9180 section 4.1) and ECDSA.

Cloister itself uses none of them. They are there for MLS cipher suites 0x0002, 0x0005 and
0x0007, so that published vectors and other implementations can be followed.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadPublicKey, BadSignature, MisusedKey
from cloister.crypto.labeled_kdf import kem_suite_id, labeled_expand, labeled_extract
from cloister.crypto.secret import Secret


class Curve(Enum):
    """A curve: KEM code point, hash, Nsk in bytes, mask of the first byte, order."""

    P256 = (
        0x0010,
        "sha256",
        32,
        0xFF,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    )
    P384 = (
        0x0011,
        "sha384",
        48,
        0xFF,
        int(
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
            "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
            16,
        ),
    )
    P521 = (
        0x0012,
        "sha512",
        66,
        0x01,
        int(
            "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA"
            "51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
            16,
        ),
    )

    @property
    def hash_name(self) -> str:
        """The hash of the DHKEM over this curve."""
        return self.value[1]

    @property
    def scalar_length(self) -> int:
        """Nsk, and the length of a coordinate, in bytes."""
        return self.value[2]

    @property
    def public_length(self) -> int:
        """The length of an uncompressed point."""
        return 1 + 2 * self.scalar_length


_CURVES: Final[dict[Curve, ec.EllipticCurve]] = {
    Curve.P256: ec.SECP256R1(),
    Curve.P384: ec.SECP384R1(),
    Curve.P521: ec.SECP521R1(),
}
_HASHES: Final[dict[Curve, hashes.HashAlgorithm]] = {
    Curve.P256: hashes.SHA256(),
    Curve.P384: hashes.SHA384(),
    Curve.P521: hashes.SHA512(),
}


def derive_scalar(curve: Curve, ikm: Secret) -> Secret:
    """DeriveKeyPair of DHKEM: candidates until one is below the order (RFC 9180 7.1.3)."""
    kem_id, hash_name, length, mask, order = curve.value
    suite_id = kem_suite_id(kem_id)
    prk = labeled_extract(hash_name, suite_id, b"", b"dkp_prk", ikm.expose())
    for counter in range(256):
        info = bytes([counter])
        candidate = labeled_expand(hash_name, suite_id, prk, b"candidate", info, length).expose()
        candidate = bytes([candidate[0] & mask]) + candidate[1:]
        if 0 < int.from_bytes(candidate, "big") < order:
            return Secret(candidate)
    raise MisusedKey("no candidate below the order of the curve")


def generate_scalar(curve: Curve, entropy: Entropy) -> Secret:
    """Draw a uniform scalar below the order, Nsk bytes: a new private key."""
    _, _, length, mask, order = curve.value
    while True:
        drawn = entropy.random(length)
        candidate = bytes([drawn[0] & mask]) + drawn[1:]
        if 0 < int.from_bytes(candidate, "big") < order:
            return Secret(candidate)


def is_scalar(curve: Curve, scalar: Secret) -> bool:
    """Whether this is a private key: not longer than Nsk, above zero and below the order."""
    _, _, length, _, order = curve.value
    return len(scalar) <= length and 0 < int.from_bytes(scalar.expose(), "big") < order


def parse_scalar(curve: Curve, scalar: Secret) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """The library's private key and the uncompressed public key.

    A scalar may be shorter than Nsk: implementations leave out leading zeros.
    Raises MisusedKey.
    """
    try:
        key = ec.derive_private_key(int.from_bytes(scalar.expose(), "big"), _CURVES[curve])
    except ValueError:
        raise MisusedKey(f"not a private key of {curve.name}") from None
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key, public


def parse_point(curve: Curve, public: bytes) -> ec.EllipticCurvePublicKey:
    """Parse an uncompressed point; the library demands that it is on the curve.

    Raises BadPublicKey.
    """
    if len(public) != curve.public_length:
        raise BadPublicKey(f"a {curve.name} public key has {curve.public_length} bytes")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], public)
    except ValueError:
        raise BadPublicKey(f"malformed {curve.name} public key") from None


class EcdsaKey:
    """A private ECDSA key, kept as its scalar."""

    __slots__ = ("_curve", "_key", "public", "seed")

    def __init__(self, curve: Curve, scalar: Secret) -> None:
        self.seed: Final = scalar
        self._curve: Final = curve
        self._key, self.public = parse_scalar(curve, scalar)

    def sign_raw(self, message: bytes) -> bytes:
        """Sign with the curve's hash; the signature is DER, as MLS wants it."""
        return self._key.sign(message, ec.ECDSA(_HASHES[self._curve]))


def verify_ecdsa(curve: Curve, public: bytes, message: bytes, signature: bytes) -> None:
    """Verify a DER signature. Raises BadPublicKey, BadSignature."""
    key = parse_point(curve, public)
    try:
        key.verify(signature, message, ec.ECDSA(_HASHES[curve]))
    except InvalidSignature:
        raise BadSignature from None
