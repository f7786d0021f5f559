"""The KEMs: DHKEM over five curves (RFC 9180, section 4.1) and the hybrid MLKEM768-X25519."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vectors.known_answers.verifier.failure import Failure, require
from vectors.known_answers.verifier.kdf import (
    HKDF_SHA256,
    HKDF_SHA384,
    HKDF_SHA512,
    Hkdf,
    LabeledKdf,
)


class Kem(ABC):
    """A key encapsulation mechanism; keys and encapsulations are byte strings."""

    code: int
    # Lengths of an encapsulation and of a public key in bytes.
    nenc: int
    npk: int

    @abstractmethod
    def derive_private(self, ikm: bytes) -> bytes:
        """The private half of DeriveKeyPair(ikm)."""

    @abstractmethod
    def public_of(self, private: bytes) -> bytes:
        """The public key that belongs to a private one."""

    @abstractmethod
    def encap(self, public: bytes) -> tuple[bytes, bytes]:
        """A fresh shared secret and its encapsulation."""

    @abstractmethod
    def decap(self, enc: bytes, private: bytes) -> bytes:
        """The shared secret inside an encapsulation."""

    def generate(self) -> bytes:
        """A fresh private key."""
        return self.derive_private(os.urandom(64))


class Dhkem(Kem):
    """DHKEM; the curve's subclass says how keys are made and multiplied."""

    kdf: Hkdf

    @property
    def _labeled(self) -> LabeledKdf:
        return LabeledKdf(self.kdf, b"KEM" + self.code.to_bytes(2))

    @abstractmethod
    def _dh(self, private: bytes, public: bytes) -> bytes:
        """The Diffie-Hellman output."""

    def _shared_secret(self, dh: bytes, enc: bytes, public: bytes) -> bytes:
        prk = self._labeled.extract(b"", b"eae_prk", dh)
        return self._labeled.expand(prk, b"shared_secret", enc + public, self.kdf.nh)

    def encap(self, public: bytes) -> tuple[bytes, bytes]:
        ephemeral = self.generate()
        enc = self.public_of(ephemeral)
        return self._shared_secret(self._dh(ephemeral, public), enc, public), enc

    def decap(self, enc: bytes, private: bytes) -> bytes:
        return self._shared_secret(self._dh(private, enc), enc, self.public_of(private))


class X25519(Dhkem):
    """DHKEM(X25519, HKDF-SHA256)."""

    code, kdf, nenc, npk = 0x0020, HKDF_SHA256, 32, 32

    def derive_private(self, ikm: bytes) -> bytes:
        prk = self._labeled.extract(b"", b"dkp_prk", ikm)
        return self._labeled.expand(prk, b"sk", b"", 32)

    def public_of(self, private: bytes) -> bytes:
        return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def _dh(self, private: bytes, public: bytes) -> bytes:
        try:
            peer = X25519PublicKey.from_public_bytes(public)
            return X25519PrivateKey.from_private_bytes(private).exchange(peer)
        except ValueError:
            raise Failure("a key is no usable X25519 key") from None


class X448(Dhkem):
    """DHKEM(X448, HKDF-SHA512)."""

    code, kdf, nenc, npk = 0x0021, HKDF_SHA512, 56, 56

    def derive_private(self, ikm: bytes) -> bytes:
        prk = self._labeled.extract(b"", b"dkp_prk", ikm)
        return self._labeled.expand(prk, b"sk", b"", 56)

    def public_of(self, private: bytes) -> bytes:
        return X448PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def _dh(self, private: bytes, public: bytes) -> bytes:
        try:
            peer = X448PublicKey.from_public_bytes(public)
            return X448PrivateKey.from_private_bytes(private).exchange(peer)
        except ValueError:
            raise Failure("a key is no usable X448 key") from None


@dataclass(frozen=True)
class NistCurve(Dhkem):
    """DHKEM over P-256, P-384 or P-521; public keys are uncompressed points."""

    code: int
    kdf: Hkdf
    curve: ec.EllipticCurve
    # Length of a private key, and the mask for its first byte (RFC 9180, section 7.1.3).
    nsk: int
    bitmask: int
    nenc: int
    npk: int

    def derive_private(self, ikm: bytes) -> bytes:
        prk = self._labeled.extract(b"", b"dkp_prk", ikm)
        for counter in range(256):
            candidate = bytearray(
                self._labeled.expand(prk, b"candidate", bytes([counter]), self.nsk)
            )
            candidate[0] &= self.bitmask
            if 0 < int.from_bytes(candidate) < self.curve.group_order:
                return bytes(candidate)
        raise Failure("DeriveKeyPair found no candidate")

    def _private(self, private: bytes) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(private), self.curve)

    def public_of(self, private: bytes) -> bytes:
        return (
            self._private(private)
            .public_key()
            .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        )

    def _dh(self, private: bytes, public: bytes) -> bytes:
        require(len(public) == self.npk, "a point is not in the uncompressed form")
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, public)
        except ValueError:
            raise Failure("a key is no point of the curve") from None
        return self._private(private).exchange(ec.ECDH(), peer)


class XWing(Kem):
    """MLKEM768-X25519, the private key being the seed of 32 bytes.

    Keys, encapsulation and combiner are those of draft-connolly-cfrg-xwing-kem; DeriveKeyPair is
    the labelled form of draft-ietf-hpke-pq, not the plain one of the former draft.
    """

    code, nenc, npk = 0x647A, 1120, 1216

    def derive_private(self, ikm: bytes) -> bytes:
        label = b"DeriveKeyPair"
        labeled = ikm + b"HPKE-v1" + b"KEM" + self.code.to_bytes(2)
        labeled += len(label).to_bytes(2) + label + (32).to_bytes(2)
        return hashlib.shake_256(labeled).digest(32)

    def _halves(self, seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        require(len(seed) == 32, "the seed of a hybrid key has 32 bytes")
        expanded = hashlib.shake_256(seed).digest(96)
        return (
            MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
            X25519PrivateKey.from_private_bytes(expanded[64:]),
        )

    def public_of(self, private: bytes) -> bytes:
        lattice, curve = self._halves(private)
        return lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    def _combine(self, ss_m: bytes, ss_x: bytes, ct_x: bytes, pk_x: bytes) -> bytes:
        return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + bytes.fromhex("5c2e2f2f5e5c")).digest()

    def encap(self, public: bytes) -> tuple[bytes, bytes]:
        require(len(public) == self.npk, "a hybrid public key has 1216 bytes")
        try:
            ss_m, ct_m = MLKEM768PublicKey.from_public_bytes(public[:1184]).encapsulate()
            ephemeral = X25519PrivateKey.generate()
            ss_x = ephemeral.exchange(X25519PublicKey.from_public_bytes(public[1184:]))
        except ValueError:
            raise Failure("a key is no usable hybrid key") from None
        ct_x = ephemeral.public_key().public_bytes_raw()
        return self._combine(ss_m, ss_x, ct_x, public[1184:]), ct_m + ct_x

    def decap(self, enc: bytes, private: bytes) -> bytes:
        require(len(enc) == self.nenc, "a hybrid encapsulation has 1120 bytes")
        lattice, curve = self._halves(private)
        ct_x = enc[1088:]
        try:
            ss_m = lattice.decapsulate(enc[:1088])
            ss_x = curve.exchange(X25519PublicKey.from_public_bytes(ct_x))
        except ValueError:
            raise Failure("an encapsulation is malformed") from None
        return self._combine(ss_m, ss_x, ct_x, curve.public_key().public_bytes_raw())


P256 = NistCurve(0x0010, HKDF_SHA256, ec.SECP256R1(), 32, 0xFF, 65, 65)
P384 = NistCurve(0x0011, HKDF_SHA384, ec.SECP384R1(), 48, 0xFF, 97, 97)
P521 = NistCurve(0x0012, HKDF_SHA512, ec.SECP521R1(), 66, 0x01, 133, 133)
