"""Ed25519 and ML-DSA-44 together: stewards and relays sign with both, and both must verify."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from cloister.codec import Struct, encode_opaque, fixed, layout
from cloister.crypto.errors import BadPublicKey, BadSignature, MisusedKey
from cloister.crypto.hashing import sha256
from cloister.crypto.secret import Secret
from cloister.crypto.signature import (
    Ed25519Key,
    check_ed25519_public,
    labelled,
    verify_raw_under_checked_key,
)

ML_DSA_44_PUBLIC_LENGTH: Final = 1312
ML_DSA_44_SIGNATURE_LENGTH: Final = 2420

# Inside the label, so that a half of a hybrid signature is never a valid plain signature for
# the same label and content, nor the other way round.
_HYBRID: Final = b"hybrid "


@layout
class HybridPublic(Struct):
    """struct { opaque ed25519[32]; opaque ml_dsa_44[1312]; } HybridPublic"""

    ed25519: bytes = fixed(32)
    ml_dsa_44: bytes = fixed(ML_DSA_44_PUBLIC_LENGTH)


@layout
class HybridSignature(Struct):
    """struct { opaque ed25519[64]; opaque ml_dsa_44[2420]; } HybridSignature"""

    ed25519: bytes = fixed(64)
    ml_dsa_44: bytes = fixed(ML_DSA_44_SIGNATURE_LENGTH)


class HybridKey:
    """A private hybrid key, kept as its two 32-byte seeds."""

    __slots__ = ("_ed25519", "_ml_dsa", "public")

    def __init__(self, ed25519_seed: Secret, ml_dsa_seed: Secret) -> None:
        if len(ml_dsa_seed) != 32:
            raise MisusedKey("an ML-DSA seed has 32 bytes")
        self._ed25519: Final = Ed25519Key(ed25519_seed)
        self._ml_dsa: Final = MLDSA44PrivateKey.from_seed_bytes(ml_dsa_seed.expose())
        self.public: Final = HybridPublic(
            ed25519=self._ed25519.public,
            ml_dsa_44=self._ml_dsa.public_key().public_bytes_raw(),
        )

    def sign(self, label: bytes, content: bytes) -> HybridSignature:
        """Sign the labelled content with both keys."""
        message = labelled(_HYBRID + label, content)
        return HybridSignature(
            ed25519=self._ed25519.sign_raw(message), ml_dsa_44=self._ml_dsa.sign(message)
        )

    def ed25519_sign_raw(self, message: bytes) -> bytes:
        """The Ed25519 half alone, for messages with their own domain separation (C2SP)."""
        return self._ed25519.sign_raw(message)

    def ml_dsa_44_sign_raw(self, message: bytes) -> bytes:
        """The ML-DSA-44 half alone, for messages with their own domain separation (C2SP)."""
        return self._ml_dsa.sign(message)


def check_hybrid_public(public: HybridPublic) -> None:
    """Demand that both halves can be keys. Raises BadPublicKey."""
    check_ed25519_public(public.ed25519)
    try:
        MLDSA44PublicKey.from_public_bytes(public.ml_dsa_44)
    except ValueError:
        raise BadPublicKey("malformed ML-DSA-44 public key") from None


def verify_ml_dsa_44_raw(public: bytes, message: bytes, signature: bytes) -> None:
    """Verify the ML-DSA-44 half alone. Raises BadPublicKey, BadSignature."""
    try:
        key = MLDSA44PublicKey.from_public_bytes(public)
    except ValueError:
        raise BadPublicKey("malformed ML-DSA-44 public key") from None
    try:
        key.verify(signature, message)
    except (InvalidSignature, ValueError):
        raise BadSignature from None


def verify_hybrid(
    public: HybridPublic, label: bytes, content: bytes, signature: HybridSignature
) -> None:
    """Verify both signatures. Raises BadPublicKey, BadSignature."""
    message = labelled(_HYBRID + label, content)
    check_ed25519_public(public.ed25519)
    verify_raw_under_checked_key(public.ed25519, message, signature.ed25519)
    verify_ml_dsa_44_raw(public.ml_dsa_44, message, signature.ml_dsa_44)


def key_id(label: bytes, public: HybridPublic) -> bytes:
    """The 32-byte name of a hybrid key in the role ``label``."""
    return sha256(encode_opaque(label), public.encode())
