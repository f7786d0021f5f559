"""The key encapsulation mechanisms of HPKE: their key pairs, lengths and checks.

MLKEM768-X25519 (X-Wing, KEM 0x647a) is draft-ietf-hpke-pq, the DHKEMs are RFC 9180 section 4.1.
A private key is kept as the bytes HPKE serialises: 32 for X25519 and X-Wing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import KEM

from cloister.crypto import montgomery, x_wing
from cloister.crypto.montgomery import Montgomery
from cloister.crypto.nist import Curve, derive_scalar, parse_point, parse_scalar
from cloister.crypto.secret import Secret
from cloister.crypto.x_wing import XWingPrivateKey, XWingPublicKey

PublicKey = X25519PublicKey | X448PublicKey | ec.EllipticCurvePublicKey | XWingPublicKey
PrivateKey = X25519PrivateKey | X448PrivateKey | ec.EllipticCurvePrivateKey | XWingPrivateKey


class Kem(Enum):
    """A KEM by its HPKE code point."""

    P256 = 0x0010
    P384 = 0x0011
    P521 = 0x0012
    X25519 = 0x0020
    X448 = 0x0021
    MLKEM768_X25519 = 0x647A

    @property
    def curve(self) -> Curve | None:
        """The NIST curve of this KEM, if it has one."""
        return _CURVES.get(self)

    @property
    def group(self) -> Curve | Montgomery | None:
        """The curve of this KEM if it is a DHKEM, which X-Wing is not."""
        return _CURVES.get(self) or _MONTGOMERY.get(self)

    @property
    def public_length(self) -> int:
        """Npk in bytes."""
        if self.curve is not None:
            return self.curve.public_length
        curve = _MONTGOMERY.get(self)
        return x_wing.PUBLIC_LENGTH if curve is None else curve.length

    @property
    def encapsulation_length(self) -> int:
        """Nenc in bytes; a DHKEM encapsulates in a public key."""
        return x_wing.ENCAPSULATION_LENGTH if self.group is None else self.public_length

    @property
    def seed_length(self) -> int:
        """Nsk in bytes."""
        if self.curve is not None:
            return self.curve.scalar_length
        curve = _MONTGOMERY.get(self)
        return x_wing.SEED_LENGTH if curve is None else curve.length

    @property
    def library_kem(self) -> KEM | None:
        """The library's name for this KEM, or None if its HPKE lacks it."""
        return _LIBRARY.get(self)

    def derive_seed(self, ikm: Secret) -> Secret:
        """DeriveKeyPair: the private key for ``ikm``, Nsk bytes."""
        if self.curve is not None:
            return derive_scalar(self.curve, ikm)
        curve = _MONTGOMERY.get(self)
        return x_wing.derive_seed(ikm) if curve is None else montgomery.derive_private(curve, ikm)

    def parse_private(self, seed: Secret) -> tuple[PrivateKey, bytes]:
        """The private key as an object and the public key's bytes. Raises MisusedKey."""
        if self.curve is not None:
            return parse_scalar(self.curve, seed)
        curve = _MONTGOMERY.get(self)
        if curve is None:
            return x_wing.parse_private(seed)
        return montgomery.parse_private(curve, seed)

    def parse_public(self, public: bytes) -> PublicKey:
        """Parse and check a public key, Npk bytes.

        What passes can be used: points are on the curve and of large order, halves well-formed.
        Raises BadPublicKey.
        """
        if self.curve is not None:
            return parse_point(self.curve, public)
        curve = _MONTGOMERY.get(self)
        if curve is None:
            return x_wing.parse_public(public)
        return montgomery.parse_public(curve, public)

    def check_public(self, public: bytes) -> None:
        """Demand of a public key all that ``parse_public`` does, where it is not used yet.

        Raises BadPublicKey.
        """
        if self is Kem.MLKEM768_X25519:
            x_wing.check_public(public)
        else:
            self.parse_public(public)


_CURVES: Final = {Kem.P256: Curve.P256, Kem.P384: Curve.P384, Kem.P521: Curve.P521}
_MONTGOMERY: Final = {Kem.X25519: Montgomery.X25519, Kem.X448: Montgomery.X448}
_LIBRARY: Final = {
    Kem.P256: KEM.P256,
    Kem.P384: KEM.P384,
    Kem.P521: KEM.P521,
    Kem.X25519: KEM.X25519,
    Kem.MLKEM768_X25519: KEM.MLKEM768_X25519,
}
