"""The key encapsulation mechanisms of HPKE: their key pairs, lengths and checks.

MLKEM768-X25519 (X-Wing, KEM 0x647a) is draft-ietf-hpke-pq, the DHKEMs are RFC 9180 section 4.1.
A private key is kept as the bytes HPKE serialises: 32 for X25519 and X-Wing.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
)

from cloister.crypto.errors import BadPublicKey, MisusedKey
from cloister.crypto.nist import Curve, derive_scalar, parse_point, parse_scalar
from cloister.crypto.secret import Secret

SEED_LENGTH: Final = 32
_ML_KEM_768_PUBLIC: Final = 1184
_X25519_PUBLIC: Final = 32
_X_WING_ENCAPSULATION: Final = 1120

_P: Final = 2**255 - 19
# The u coordinates of order dividing 8 on curve and twist: with these X25519 always gives zeros.
_LOW_ORDER_U: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)

PublicKey = X25519PublicKey | MLKEM768X25519PublicKey | ec.EllipticCurvePublicKey
PrivateKey = X25519PrivateKey | MLKEM768X25519PrivateKey | ec.EllipticCurvePrivateKey


class Kem(Enum):
    """A KEM by its HPKE code point."""

    P256 = 0x0010
    P384 = 0x0011
    P521 = 0x0012
    X25519 = 0x0020
    MLKEM768_X25519 = 0x647A

    @property
    def curve(self) -> Curve | None:
        """The NIST curve of this KEM, if it has one."""
        return _CURVES.get(self)

    @property
    def public_length(self) -> int:
        """Npk in bytes."""
        if self.curve is not None:
            return self.curve.public_length
        return _X25519_PUBLIC if self is Kem.X25519 else _ML_KEM_768_PUBLIC + _X25519_PUBLIC

    @property
    def encapsulation_length(self) -> int:
        """Nenc in bytes; a DHKEM encapsulates in a public key."""
        return _X_WING_ENCAPSULATION if self is Kem.MLKEM768_X25519 else self.public_length

    @property
    def seed_length(self) -> int:
        """Nsk in bytes."""
        return SEED_LENGTH if self.curve is None else self.curve.scalar_length

    @property
    def library_kem(self) -> KEM:
        """The library's name for this KEM."""
        return _LIBRARY[self]

    def derive_seed(self, ikm: Secret) -> Secret:
        """DeriveKeyPair: the private key for ``ikm``, Nsk bytes.

        For MLKEM768-X25519 this is the labelled form of draft-ietf-hpke-pq. The plain
        SHAKE256(ikm, 32) of the X-Wing draft gives other keys and does not interoperate.
        """
        if self.curve is not None:
            return derive_scalar(self.curve, ikm)
        if self is Kem.X25519:
            suite_id = b"KEM" + self.value.to_bytes(2, "big")
            prk = hmac.digest(b"", b"HPKE-v1" + suite_id + b"dkp_prk" + ikm.expose(), "sha256")
            info = b"\x00\x20" + b"HPKE-v1" + suite_id + b"sk"
            return Secret(hmac.digest(prk, info + b"\x01", "sha256"))
        label = b"DeriveKeyPair"
        data = (
            ikm.expose()
            + b"HPKE-v1"
            + b"KEM"
            + self.value.to_bytes(2, "big")
            + len(label).to_bytes(2, "big")
            + label
            + SEED_LENGTH.to_bytes(2, "big")
        )
        return Secret(hashlib.shake_256(data).digest(SEED_LENGTH))

    def parse_private(self, seed: Secret) -> tuple[PrivateKey, bytes]:
        """The library's private key and the public key's bytes. Raises MisusedKey."""
        if self.curve is not None:
            return parse_scalar(self.curve, seed)
        if len(seed) != SEED_LENGTH:
            raise MisusedKey("a KEM private key has 32 bytes")
        if self is Kem.X25519:
            key = X25519PrivateKey.from_private_bytes(seed.expose())
            return key, key.public_key().public_bytes_raw()
        expanded = hashlib.shake_256(seed.expose()).digest(96)
        ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        public = ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return MLKEM768X25519PrivateKey(ml_kem, x25519), public

    def parse_public(self, public: bytes) -> PublicKey:
        """Parse and check a public key.

        The library accepts low-order X25519 points and fails on every later use, so that one
        poisoned key would stop all others from sending. Raises BadPublicKey.
        """
        if self.curve is not None:
            return parse_point(self.curve, public)
        if len(public) != self.public_length:
            raise BadPublicKey(f"a {self.name} public key has {self.public_length} bytes")
        point = public[-_X25519_PUBLIC:]
        # RFC 7748 section 5: the top bit is masked and the coordinate taken modulo p before use.
        if (int.from_bytes(point, "little") & ((1 << 255) - 1)) % _P in _LOW_ORDER_U:
            raise BadPublicKey("X25519 public key has low order")
        try:
            x25519 = X25519PublicKey.from_public_bytes(point)
            if self is Kem.X25519:
                return x25519
            ml_kem = MLKEM768PublicKey.from_public_bytes(public[:_ML_KEM_768_PUBLIC])
        except ValueError:
            raise BadPublicKey(f"malformed {self.name} public key") from None
        return MLKEM768X25519PublicKey(ml_kem, x25519)


_CURVES: Final = {Kem.P256: Curve.P256, Kem.P384: Curve.P384, Kem.P521: Curve.P521}
_LIBRARY: Final = {
    Kem.P256: KEM.P256,
    Kem.P384: KEM.P384,
    Kem.P521: KEM.P521,
    Kem.X25519: KEM.X25519,
    Kem.MLKEM768_X25519: KEM.MLKEM768_X25519,
}
