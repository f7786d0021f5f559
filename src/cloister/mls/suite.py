"""Cipher suites and the labelled operations on them (RFC 9420 section 5).

Suites 1 to 7 of section 17.1 are there for vectors and interoperability.
MLKEM768X25519_AES256GCM_SHA384_Ed25519 of draft-ietf-mls-pq-ciphersuites, which the product uses,
has not been numbered yet. Cloister writes 0xF002 for it; 0x0008 and 0x004E are the numbers other
implementations gave the same suite, understood so that their test material can be read.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cloister.codec import encode_opaque
from cloister.crypto.aead import NONCE_LENGTH, Aead
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadMac, BadPublicKey, BadSignature
from cloister.crypto.hashing import check_mac, digest, hash_length, hkdf_expand, hkdf_extract, mac
from cloister.crypto.hpke import HpkePrivateKey, HpkeSuite
from cloister.crypto.kem import Kem
from cloister.crypto.nist import is_scalar
from cloister.crypto.scheme import SignatureKey, SignatureScheme
from cloister.crypto.secret import Secret
from cloister.mls import labels
from cloister.mls.errors import RuleViolation, Unsupported
from cloister.mls.registry import CipherSuite
from cloister.mls.rules import Rule


class Suite(msgspec.Struct, frozen=True):
    """One cipher suite under one code point. Nh, Nk and Nn are lengths in bytes."""

    code: int
    hpke: HpkeSuite
    nh: int
    nk: int
    scheme: SignatureScheme

    @property
    def nn(self) -> int:
        """The AEAD nonce length."""
        return NONCE_LENGTH

    @property
    def kem(self) -> Kem:
        """The KEM of tree and init keys."""
        return self.hpke.kem

    @property
    def aead(self) -> Aead:
        """The AEAD of messages and of the Welcome."""
        return self.hpke.aead

    @property
    def hash_name(self) -> str:
        """The hash of KDF, MAC, tree and transcript."""
        return self.hpke.hash_name

    def hash(self, data: bytes) -> bytes:
        """Hash(data), Nh bytes."""
        return digest(self.hash_name, data)

    def ref_hash(self, label: bytes, value: bytes) -> bytes:
        """RefHash (5.2)."""
        return self.hash(encode_opaque(label) + encode_opaque(value))

    def extract(self, salt: Secret, ikm: Secret) -> Secret:
        """KDF.Extract."""
        return hkdf_extract(self.hash_name, salt.expose(), ikm.expose())

    def expand_with_label(
        self, secret: Secret, label: bytes, context: bytes, length: int
    ) -> Secret:
        """ExpandWithLabel (8)."""
        info = (
            length.to_bytes(2, "big")
            + encode_opaque(labels.PREFIX + label)
            + encode_opaque(context)
        )
        return hkdf_expand(self.hash_name, secret, info, length)

    def derive_secret(self, secret: Secret, label: bytes) -> Secret:
        """DeriveSecret (8)."""
        return self.expand_with_label(secret, label, b"", self.nh)

    def derive_tree_secret(
        self, secret: Secret, label: bytes, generation: int, length: int
    ) -> Secret:
        """DeriveTreeSecret (9)."""
        return self.expand_with_label(secret, label, generation.to_bytes(4, "big"), length)

    def mac(self, key: Secret, data: bytes) -> bytes:
        """MAC, Nh bytes."""
        return mac(self.hash_name, key, data)

    def check_mac(self, key: Secret, data: bytes, received: bytes, rule: Rule) -> None:
        """Demand that ``received`` is the whole MAC of ``data``. Raises RuleViolation."""
        try:
            check_mac(self.hash_name, key, data, received)
        except BadMac:
            raise RuleViolation(rule) from None

    def sign_with_label(self, key: SignatureKey, label: bytes, content: bytes) -> bytes:
        """SignWithLabel (5.1.2)."""
        return key.sign_raw(encode_opaque(labels.PREFIX + label) + encode_opaque(content))

    def verify_with_label(
        self, public: bytes, label: bytes, content: bytes, signature: bytes, rule: Rule
    ) -> None:
        """VerifyWithLabel (5.1.2).

        Raises RuleViolation: of ``rule``, or SIGNATURE_KEY for a key no signature counts under.
        """
        signed = encode_opaque(labels.PREFIX + label) + encode_opaque(content)
        try:
            self.scheme.verify(public, signed, signature)
        except BadSignature:
            raise RuleViolation(rule) from None
        except BadPublicKey as error:
            raise RuleViolation(Rule.SIGNATURE_KEY, str(error)) from None

    def signature_seed(self, private: bytes) -> Secret:
        """The stored form of a serialised private key (of EdDSA perhaps with its public)."""
        return self.scheme.stored_form(private)

    def generate_signature_seed(self, entropy: Entropy) -> Secret:
        """The stored form of a new signature key."""
        return self.scheme.generate_seed(entropy)

    def signature_key(self, seed: Secret) -> SignatureKey:
        """The signature key of a seed."""
        return self.scheme.key(seed)

    def encrypt_with_label(
        self, public: bytes, label: bytes, context: bytes, plaintext: bytes
    ) -> tuple[bytes, bytes]:
        """EncryptWithLabel (5.1.3): (kem_output, ciphertext).

        The key has been through check_public_key when it came in.
        """
        info = encode_opaque(labels.PREFIX + label) + encode_opaque(context)
        return self.hpke.seal(public, info, plaintext)

    def decrypt_with_label(
        self, key: HpkePrivateKey, label: bytes, context: bytes, sealed: tuple[bytes, bytes]
    ) -> Secret:
        """DecryptWithLabel (5.1.3) of (kem_output, ciphertext). Raises DecryptError."""
        info = encode_opaque(labels.PREFIX + label) + encode_opaque(context)
        return Secret(self.hpke.open(key, info, *sealed))

    def check_public_key(self, public: bytes) -> None:
        """Demand a KEM public key that can be encrypted to (5.1.1). Raises RuleViolation."""
        try:
            self.kem.check_public(public)
        except BadPublicKey as error:
            raise RuleViolation(Rule.ENCRYPTION_KEY, str(error)) from None

    def is_private_key(self, seed: Secret) -> bool:
        """Whether a stored private key of the KEM can be one: its length, or a scalar's range."""
        curve = self.kem.curve
        return len(seed) == self.kem.seed_length if curve is None else is_scalar(curve, seed)

    def derive_key_pair(self, secret: Secret) -> HpkePrivateKey:
        """KEM.DeriveKeyPair (5.1.1)."""
        return HpkePrivateKey(self.kem, self.kem.derive_seed(secret))

    def generate_key_pair(self, entropy: Entropy) -> HpkePrivateKey:
        """A fresh key pair of the KEM."""
        return self.derive_key_pair(Secret(entropy.random(self.kem.seed_length)))

    def private_key(self, seed: Secret) -> HpkePrivateKey:
        """A key pair from the private key's serialised form."""
        return HpkePrivateKey(self.kem, seed)


def _suite(code: int, kem: Kem, hash_name: str, aead: Aead, scheme: SignatureScheme) -> Suite:
    hpke = HpkeSuite(kem, hash_name, aead)
    return Suite(code, hpke, hash_length(hash_name), aead.key_length, scheme)


def _x_wing(code: int) -> Suite:
    return _suite(code, Kem.MLKEM768_X25519, "sha384", Aead.AES_256_GCM, SignatureScheme.ED25519)


_SUITES: Final = {
    suite.code: suite
    for suite in (
        _suite(0x0001, Kem.X25519, "sha256", Aead.AES_128_GCM, SignatureScheme.ED25519),
        _suite(0x0002, Kem.P256, "sha256", Aead.AES_128_GCM, SignatureScheme.ECDSA_P256),
        _suite(0x0003, Kem.X25519, "sha256", Aead.CHACHA20_POLY1305, SignatureScheme.ED25519),
        _suite(0x0004, Kem.X448, "sha512", Aead.AES_256_GCM, SignatureScheme.ED448),
        _suite(0x0005, Kem.P521, "sha512", Aead.AES_256_GCM, SignatureScheme.ECDSA_P521),
        _suite(0x0006, Kem.X448, "sha512", Aead.CHACHA20_POLY1305, SignatureScheme.ED448),
        _suite(0x0007, Kem.P384, "sha384", Aead.AES_256_GCM, SignatureScheme.ECDSA_P384),
        _x_wing(CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519),
        _x_wing(0x0008),  # MLSpp
        _x_wing(0x004E),  # OpenMLS 0.9
    )
}


def suite_of(code: int) -> Suite:
    """The suite behind a code point. Raises Unsupported."""
    try:
        return _SUITES[code]
    except KeyError:
        raise Unsupported(f"cipher suite 0x{code:04x} is not supported") from None
