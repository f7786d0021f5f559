"""Encap and Decap of every KEM (RFC 9180 section 4.1, for X-Wing draft-ietf-hpke-pq).

The library has both inside its HPKE only, where the shared secret cannot be had, and has them
not for X448.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloister.crypto import x_wing
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadPublicKey, MisusedKey
from cloister.crypto.hashing import hash_length
from cloister.crypto.kem import Kem, PrivateKey, PublicKey
from cloister.crypto.labeled_kdf import kem_suite_id, labeled_expand, labeled_extract
from cloister.crypto.secret import Secret
from cloister.crypto.x_wing import XWingPrivateKey, XWingPublicKey


def encapsulate(kem: Kem, public: PublicKey, entropy: Entropy) -> tuple[Secret, bytes]:
    """Encap to a checked public key: the shared secret, Nsecret bytes, and the kem_output, Nenc.

    Raises BadPublicKey, MisusedKey for a public key of another KEM.
    """
    if isinstance(public, XWingPublicKey):
        if kem is not Kem.MLKEM768_X25519:
            raise MisusedKey("the public key is one of another KEM")
        return x_wing.encapsulate(public, entropy)
    ikm = Secret(entropy.random(kem.seed_length))
    ephemeral, kem_output = kem.parse_private(kem.derive_seed(ikm))
    dh = _diffie_hellman(ephemeral, public)
    return _extract_and_expand(kem, dh, kem_output + _serialize(public)), kem_output


def decapsulate(kem: Kem, private: PrivateKey, public: bytes, kem_output: bytes) -> Secret:
    """Decap: the shared secret, Nsecret bytes. ``public`` is that of ``private``, Npk bytes.

    Raises BadPublicKey for a malformed kem_output or one that gives zeros, MisusedKey for a
    private key of another KEM.
    """
    if isinstance(private, XWingPrivateKey):
        if kem is not Kem.MLKEM768_X25519:
            raise MisusedKey("the private key is one of another KEM")
        return x_wing.decapsulate(private, kem_output)
    dh = _diffie_hellman(private, kem.parse_public(kem_output))
    return _extract_and_expand(kem, dh, kem_output + public)


def _diffie_hellman(private: PrivateKey, public: PublicKey) -> bytes:
    """DH of two keys of one group.

    RFC 9180 7.1.4 demands that all zeros are refused; the key checks leave no way to them, and
    the library raises as well.
    """
    try:
        if isinstance(private, X25519PrivateKey) and isinstance(public, X25519PublicKey):
            return private.exchange(public)
        if isinstance(private, X448PrivateKey) and isinstance(public, X448PublicKey):
            return private.exchange(public)
        if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(
            public, ec.EllipticCurvePublicKey
        ):
            return private.exchange(ec.ECDH(), public)
    except ValueError:
        raise BadPublicKey("no Diffie-Hellman result with this public key") from None
    raise MisusedKey("the two keys are of different groups")


def _serialize(public: X25519PublicKey | X448PublicKey | ec.EllipticCurvePublicKey) -> bytes:
    if isinstance(public, ec.EllipticCurvePublicKey):
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return public.public_bytes_raw()


def _extract_and_expand(kem: Kem, dh: bytes, kem_context: bytes) -> Secret:
    """ExtractAndExpand with the hash of the KEM; Nsecret is its Nh for each of the five."""
    group = kem.group
    if group is None:
        raise MisusedKey("X-Wing is not a DHKEM")
    suite_id = kem_suite_id(kem.value)
    eae_prk = labeled_extract(group.hash_name, suite_id, b"", b"eae_prk", dh)
    length = hash_length(group.hash_name)
    return labeled_expand(group.hash_name, suite_id, eae_prk, b"shared_secret", kem_context, length)
