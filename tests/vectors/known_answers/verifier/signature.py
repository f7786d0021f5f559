"""The signature schemes of the cipher suites (RFC 9420, section 5.1.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vectors.known_answers.verifier.failure import Failure


class Scheme(ABC):
    """A signature scheme; keys and signatures are byte strings."""

    @abstractmethod
    def public_of(self, private: bytes) -> bytes:
        """The public key that belongs to a private one."""

    @abstractmethod
    def sign(self, private: bytes, message: bytes) -> bytes:
        """A signature."""

    @abstractmethod
    def _verify(self, public: bytes, message: bytes, signature: bytes) -> None:
        """Let the library verify."""

    def verify(self, public: bytes, message: bytes, signature: bytes) -> None:
        """Stop unless the signature is the key's over the message."""
        try:
            self._verify(public, message, signature)
        except (InvalidSignature, ValueError):
            raise Failure("a signature does not verify") from None


class Ed25519(Scheme):
    def public_of(self, private: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def sign(self, private: bytes, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(private).sign(message)

    def _verify(self, public: bytes, message: bytes, signature: bytes) -> None:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)


class Ed448(Scheme):
    def public_of(self, private: bytes) -> bytes:
        return Ed448PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def sign(self, private: bytes, message: bytes) -> bytes:
        return Ed448PrivateKey.from_private_bytes(private).sign(message)

    def _verify(self, public: bytes, message: bytes, signature: bytes) -> None:
        Ed448PublicKey.from_public_bytes(public).verify(signature, message)


@dataclass(frozen=True)
class Ecdsa(Scheme):
    """ECDSA, signatures in DER, public keys as uncompressed points."""

    curve: ec.EllipticCurve
    algorithm: hashes.HashAlgorithm

    def _private(self, private: bytes) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(private), self.curve)

    def public_of(self, private: bytes) -> bytes:
        return (
            self._private(private)
            .public_key()
            .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        )

    def sign(self, private: bytes, message: bytes) -> bytes:
        return self._private(private).sign(message, ec.ECDSA(self.algorithm))

    def _verify(self, public: bytes, message: bytes, signature: bytes) -> None:
        key = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, public)
        key.verify(signature, message, ec.ECDSA(self.algorithm))


ECDSA_P256 = Ecdsa(ec.SECP256R1(), hashes.SHA256())
ECDSA_P384 = Ecdsa(ec.SECP384R1(), hashes.SHA384())
ECDSA_P521 = Ecdsa(ec.SECP521R1(), hashes.SHA512())
