"""MLKEM768-X25519 (X-Wing, KEM 0x647a of draft-ietf-hpke-pq): ML-KEM-768 and X25519 as one KEM.

A private key is kept as the 32 bytes from which both halves are expanded.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadPublicKey, MisusedKey
from cloister.crypto.labeled_kdf import VERSION, kem_suite_id
from cloister.crypto.montgomery import Montgomery
from cloister.crypto.montgomery import check_public as check_point
from cloister.crypto.secret import Secret

KEM_ID: Final = 0x647A
SEED_LENGTH: Final = 32
PUBLIC_LENGTH: Final = 1216
ENCAPSULATION_LENGTH: Final = 1120
_ML_KEM_PUBLIC: Final = 1184
_ML_KEM_CIPHERTEXT: Final = 1088
_ML_KEM_SEED: Final = 64
# FIPS 203 section 7.2: the first 1152 bytes of an ML-KEM-768 key are 768 numbers of twelve bits.
_COEFFICIENTS: Final = 1152
_Q: Final = 3329
# In every second of them a one, all bits, what a number reaches 4096 with if it is not below q,
# and the bit that it then carries into.
_ONES: Final = int.from_bytes(bytes((1, 0, 0)) * (_COEFFICIENTS // 3), "little")
_TWELVE_BITS: Final = 0xFFF * _ONES
_TO_CARRY: Final = (0x1000 - _Q) * _ONES
_CARRY: Final = 0x1000 * _ONES
# The label of the combiner, six bytes that draw an X-wing: \./ over /^\.
_LABEL: Final = bytes.fromhex("5c2e2f2f5e5c")


class XWingPublicKey(msgspec.Struct, frozen=True):
    """Both halves of a public key, and the library's own form of the two."""

    ml_kem: MLKEM768PublicKey
    x25519: X25519PublicKey
    library: MLKEM768X25519PublicKey


class XWingPrivateKey(msgspec.Struct, frozen=True):
    """Both halves of a private key, and the library's own form of the two. Secret."""

    ml_kem: MLKEM768PrivateKey
    x25519: X25519PrivateKey
    library: MLKEM768X25519PrivateKey


def derive_seed(ikm: Secret) -> Secret:
    """DeriveKeyPair: the private key for ``ikm``, 32 bytes.

    This is the labelled form of draft-ietf-hpke-pq. The plain SHAKE256(ikm, 32) of the X-Wing
    draft gives other keys and does not interoperate.
    """
    label = b"DeriveKeyPair"
    data = (
        ikm.expose()
        + VERSION
        + kem_suite_id(KEM_ID)
        + len(label).to_bytes(2, "big")
        + label
        + SEED_LENGTH.to_bytes(2, "big")
    )
    return Secret(hashlib.shake_256(data).digest(SEED_LENGTH))


def parse_private(seed: Secret) -> tuple[XWingPrivateKey, bytes]:
    """The private key and the public key's bytes. Raises MisusedKey."""
    if len(seed) != SEED_LENGTH:
        raise MisusedKey(f"an X-Wing private key has {SEED_LENGTH} bytes")
    expanded = hashlib.shake_256(seed.expose()).digest(96)
    ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_ML_KEM_SEED])
    x25519 = X25519PrivateKey.from_private_bytes(expanded[_ML_KEM_SEED:])
    public = ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return XWingPrivateKey(ml_kem, x25519, MLKEM768X25519PrivateKey(ml_kem, x25519)), public


def check_public(public: bytes) -> None:
    """Demand of a public key what ``parse_public`` demands, at a tenth of its cost.

    To parse an ML-KEM key is to expand a matrix from it, and a tree has thousands of keys of which
    few are ever encrypted to. What the library refuses is a number that is not below q (FIPS 203
    section 7.2), so that is looked for here, in all even ones and then in all odd ones at once.
    Raises BadPublicKey.
    """
    if len(public) != PUBLIC_LENGTH:
        raise BadPublicKey(f"an X-Wing public key has {PUBLIC_LENGTH} bytes")
    check_point(Montgomery.X25519, public[_ML_KEM_PUBLIC:])
    numbers = int.from_bytes(public[:_COEFFICIENTS], "little")
    even, odd = numbers & _TWELVE_BITS, numbers >> 12 & _TWELVE_BITS
    if (even + _TO_CARRY | odd + _TO_CARRY) & _CARRY:
        raise BadPublicKey("malformed ML-KEM-768 public key")


def parse_public(public: bytes) -> XWingPublicKey:
    """Parse and check a public key, its X25519 half of large order. Raises BadPublicKey."""
    if len(public) != PUBLIC_LENGTH:
        raise BadPublicKey(f"an X-Wing public key has {PUBLIC_LENGTH} bytes")
    point = public[_ML_KEM_PUBLIC:]
    check_point(Montgomery.X25519, point)
    try:
        ml_kem = MLKEM768PublicKey.from_public_bytes(public[:_ML_KEM_PUBLIC])
    except ValueError:
        raise BadPublicKey("malformed ML-KEM-768 public key") from None
    x25519 = X25519PublicKey.from_public_bytes(point)
    return XWingPublicKey(ml_kem, x25519, MLKEM768X25519PublicKey(ml_kem, x25519))


def encapsulate(public: XWingPublicKey, entropy: Entropy) -> tuple[Secret, bytes]:
    """Encap: the shared secret, 32 bytes, and the encapsulation, 1120 bytes.

    ``entropy`` gives the X25519 half; the library draws that of ML-KEM itself.
    Raises BadPublicKey.
    """
    ss_m, ct_m = public.ml_kem.encapsulate()
    ephemeral = X25519PrivateKey.from_private_bytes(entropy.random(Montgomery.X25519.length))
    ct_x = ephemeral.public_key().public_bytes_raw()
    ss_x = _exchange(ephemeral, public.x25519)
    return _combine(ss_m, ss_x, ct_x, public.x25519.public_bytes_raw()), ct_m + ct_x


def decapsulate(private: XWingPrivateKey, kem_output: bytes) -> Secret:
    """Decap: the shared secret, 32 bytes.

    A wrong ML-KEM ciphertext is no error here: it gives a secret that nobody else has.
    Raises BadPublicKey for a wrong length or an X25519 half of low order.
    """
    if len(kem_output) != ENCAPSULATION_LENGTH:
        raise BadPublicKey(f"an X-Wing encapsulation has {ENCAPSULATION_LENGTH} bytes")
    ct_x = kem_output[_ML_KEM_CIPHERTEXT:]
    check_point(Montgomery.X25519, ct_x)
    ss_m = private.ml_kem.decapsulate(kem_output[:_ML_KEM_CIPHERTEXT])
    ss_x = _exchange(private.x25519, X25519PublicKey.from_public_bytes(ct_x))
    return _combine(ss_m, ss_x, ct_x, private.x25519.public_key().public_bytes_raw())


def _exchange(private: X25519PrivateKey, public: X25519PublicKey) -> bytes:
    try:
        return private.exchange(public)
    except ValueError:  # the library's refusal of an all-zero result
        raise BadPublicKey("X25519 gives zeros with this public key") from None


def _combine(ss_m: bytes, ss_x: bytes, ct_x: bytes, pk_x: bytes) -> Secret:
    # ML-KEM's own ciphertext is bound by ML-KEM: its hash goes into ss_m.
    return Secret(hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + _LABEL).digest())
