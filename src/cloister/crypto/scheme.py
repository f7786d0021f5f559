"""Signature schemes of MLS cipher suites behind one form."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol, assert_never

from cloister.crypto.ed448 import ED448_SEED_LENGTH, Ed448Key, verify_ed448
from cloister.crypto.entropy import Entropy
from cloister.crypto.nist import Curve, EcdsaKey, generate_scalar, verify_ecdsa
from cloister.crypto.secret import Secret
from cloister.crypto.signature import ED25519_SEED_LENGTH, Ed25519Key, verify_raw


class SignatureKey(Protocol):
    """A private signing key: its stored form, its public key, and signing."""

    @property
    def seed(self) -> Secret:
        """The private key's stored form."""
        ...

    @property
    def public(self) -> bytes:
        """The public key as MLS encodes it."""
        ...

    def sign_raw(self, message: bytes) -> bytes:
        """Sign a message that carries its own domain separation."""
        ...


class SignatureScheme(Enum):
    """A scheme by its TLS name (RFC 9420 section 17.1)."""

    ED25519 = "ed25519"
    ED448 = "ed448"
    ECDSA_P256 = "ecdsa_secp256r1_sha256"
    ECDSA_P384 = "ecdsa_secp384r1_sha384"
    ECDSA_P521 = "ecdsa_secp521r1_sha512"

    def stored_form(self, private: bytes) -> Secret:
        """The stored form of a serialised private key.

        Of Edwards curves some write the seed and behind it the public key, 64 or 114 bytes.
        """
        length = _SEED_LENGTHS.get(self)
        return Secret(private if length is None else private[:length])

    def generate_seed(self, entropy: Entropy) -> Secret:
        """Draw the stored form of a new key: 32 bytes, 57 for Ed448, a scalar for ECDSA."""
        match self:
            case SignatureScheme.ED25519:
                return Secret(entropy.random(ED25519_SEED_LENGTH))
            case SignatureScheme.ED448:
                return Secret(entropy.random(ED448_SEED_LENGTH))
            case SignatureScheme.ECDSA_P256:
                return generate_scalar(Curve.P256, entropy)
            case SignatureScheme.ECDSA_P384:
                return generate_scalar(Curve.P384, entropy)
            case SignatureScheme.ECDSA_P521:
                return generate_scalar(Curve.P521, entropy)
            case _:
                assert_never(self)

    def key(self, seed: Secret) -> SignatureKey:
        """The key with this stored form. Raises MisusedKey."""
        match self:
            case SignatureScheme.ED25519:
                return Ed25519Key(seed)
            case SignatureScheme.ED448:
                return Ed448Key(seed)
            case SignatureScheme.ECDSA_P256:
                return EcdsaKey(Curve.P256, seed)
            case SignatureScheme.ECDSA_P384:
                return EcdsaKey(Curve.P384, seed)
            case SignatureScheme.ECDSA_P521:
                return EcdsaKey(Curve.P521, seed)
            case _:
                assert_never(self)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> None:
        """Verify a signature and check the key. Raises BadPublicKey, BadSignature."""
        match self:
            case SignatureScheme.ED25519:
                verify_raw(public, message, signature)
            case SignatureScheme.ED448:
                verify_ed448(public, message, signature)
            case SignatureScheme.ECDSA_P256:
                verify_ecdsa(Curve.P256, public, message, signature)
            case SignatureScheme.ECDSA_P384:
                verify_ecdsa(Curve.P384, public, message, signature)
            case SignatureScheme.ECDSA_P521:
                verify_ecdsa(Curve.P521, public, message, signature)
            case _:
                assert_never(self)


_SEED_LENGTHS: Final = {
    SignatureScheme.ED25519: ED25519_SEED_LENGTH,
    SignatureScheme.ED448: ED448_SEED_LENGTH,
}
