"""Cipher suites and the labelled operations on them (RFC 9420 section 5).

Suites by code point: 0x0001 and 0x0003 for vectors and interoperability, and
MLKEM768X25519_AES256GCM_SHA384_Ed25519 (draft-ietf-mls-pq-ciphersuites), which no registry has
numbered yet. Cloister writes 0xF002 for it; 0x0008 and 0x004E are the numbers other
implementations gave the same suite, understood so that their test material can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloister.codec import encode_opaque
from cloister.crypto.aead import NONCE_LENGTH, Aead
from cloister.crypto.hashing import check_mac, digest, hash_length, hkdf_expand, hkdf_extract, mac
from cloister.crypto.hpke import HpkePrivateKey, HpkeSuite
from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key, verify_raw
from cloister.mls import labels
from cloister.mls.errors import Unsupported
from cloister.mls.registry import CipherSuite


@dataclass(frozen=True, slots=True)
class Suite:
    """One cipher suite under one code point. Nh, Nk and Nn are lengths in bytes."""

    code: int
    hpke: HpkeSuite
    nh: int
    nk: int

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

    def check_mac(self, key: Secret, data: bytes, received: bytes) -> None:
        """Raises BadMac unless ``received`` is the whole MAC of ``data``."""
        check_mac(self.hash_name, key, data, received)

    def sign_with_label(self, key: Ed25519Key, label: bytes, content: bytes) -> bytes:
        """SignWithLabel (5.1.2)."""
        return key.sign_raw(encode_opaque(labels.PREFIX + label) + encode_opaque(content))

    def verify_with_label(
        self, public: bytes, label: bytes, content: bytes, signature: bytes
    ) -> None:
        """VerifyWithLabel (5.1.2). Raises BadPublicKey, BadSignature."""
        signed = encode_opaque(labels.PREFIX + label) + encode_opaque(content)
        verify_raw(public, signed, signature)

    def signature_seed(self, private: bytes) -> Secret:
        """The 32-byte seed of a serialised Ed25519 private key (32 bytes, or with the public)."""
        return Secret(private[:32])

    def signature_key(self, seed: Secret) -> Ed25519Key:
        """The signature key of a seed."""
        return Ed25519Key(seed)

    def encrypt_with_label(
        self, public: bytes, label: bytes, context: bytes, plaintext: bytes
    ) -> tuple[bytes, bytes]:
        """EncryptWithLabel (5.1.3): (kem_output, ciphertext). Raises BadPublicKey."""
        info = encode_opaque(labels.PREFIX + label) + encode_opaque(context)
        return self.hpke.seal(public, info, plaintext)

    def decrypt_with_label(
        self, key: HpkePrivateKey, label: bytes, context: bytes, sealed: tuple[bytes, bytes]
    ) -> Secret:
        """DecryptWithLabel (5.1.3) of (kem_output, ciphertext). Raises DecryptError."""
        info = encode_opaque(labels.PREFIX + label) + encode_opaque(context)
        return Secret(self.hpke.open(key, info, *sealed))

    def derive_key_pair(self, secret: Secret) -> HpkePrivateKey:
        """KEM.DeriveKeyPair (5.1.1)."""
        return HpkePrivateKey(self.kem, self.kem.derive_seed(secret))

    def private_key(self, seed: Secret) -> HpkePrivateKey:
        """A key pair from the private key's serialised form."""
        return HpkePrivateKey(self.kem, seed)


def _suite(code: int, kem: Kem, hash_name: str, aead: Aead) -> Suite:
    return Suite(code, HpkeSuite(kem, hash_name, aead), hash_length(hash_name), aead.key_length)


def _x_wing(code: int) -> Suite:
    return _suite(code, Kem.MLKEM768_X25519, "sha384", Aead.AES_256_GCM)


_SUITES: Final = {
    suite.code: suite
    for suite in (
        _suite(CipherSuite.X25519_AES128GCM_SHA256_ED25519, Kem.X25519, "sha256", Aead.AES_128_GCM),
        _suite(
            CipherSuite.X25519_CHACHA20POLY1305_SHA256_ED25519,
            Kem.X25519,
            "sha256",
            Aead.CHACHA20_POLY1305,
        ),
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
