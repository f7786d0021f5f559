"""The cipher suites (RFC 9420, section 17.1) and the labelled functions over them."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from vectors.known_answers.verifier.aead import AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305, Aead
from vectors.known_answers.verifier.codec import opaque, uint16, uint32
from vectors.known_answers.verifier.failure import Failure, require
from vectors.known_answers.verifier.hpke import Hpke
from vectors.known_answers.verifier.kdf import HKDF_SHA256, HKDF_SHA384, HKDF_SHA512, Hkdf
from vectors.known_answers.verifier.kem import P256, P384, P521, X448, X25519, Kem, XWing
from vectors.known_answers.verifier.signature import (
    ECDSA_P256,
    ECDSA_P384,
    ECDSA_P521,
    Ed448,
    Ed25519,
    Scheme,
)


@dataclass(frozen=True)
class Suite:
    """A cipher suite under the number that is written into messages."""

    code: int
    kem: Kem
    kdf: Hkdf
    aead: Aead
    signature: Scheme

    @property
    def nh(self) -> int:
        """KDF.Nh: length of a hash or a secret in bytes."""
        return self.kdf.nh

    @property
    def hpke(self) -> Hpke:
        return Hpke(self.kem, self.kdf, self.aead)

    def hash(self, data: bytes) -> bytes:
        return hashlib.new(self.kdf.hash_name, data).digest()

    def mac(self, key: bytes, data: bytes) -> bytes:
        """MAC is HMAC with the suite's hash (section 17.1)."""
        return hmac.digest(key, data, self.kdf.hash_name)

    # Section 5.1.2

    def sign_with_label(self, private: bytes, label: str, content: bytes) -> bytes:
        return self.signature.sign(private, _labeled(label) + opaque(content))

    def verify_with_label(self, public: bytes, label: str, content: bytes, value: bytes) -> None:
        self.signature.verify(public, _labeled(label) + opaque(content), value)

    # Section 5.1.3

    def encrypt_with_label(
        self, public: bytes, label: str, context: bytes, plaintext: bytes
    ) -> tuple[bytes, bytes]:
        return self.hpke.seal(public, _labeled(label) + opaque(context), plaintext)

    def decrypt_with_label(
        self, private: bytes, label: str, context: bytes, kem_output: bytes, ciphertext: bytes
    ) -> bytes:
        return self.hpke.open(kem_output, private, _labeled(label) + opaque(context), ciphertext)

    # Section 5.2

    def ref_hash(self, label: str, value: bytes) -> bytes:
        return self.hash(opaque(label.encode()) + opaque(value))

    # Section 8

    def expand_with_label(self, secret: bytes, label: str, context: bytes, length: int) -> bytes:
        info = uint16(length) + _labeled(label) + opaque(context)
        return self.kdf.expand(secret, info, length)

    def derive_secret(self, secret: bytes, label: str) -> bytes:
        return self.expand_with_label(secret, label, b"", self.nh)

    # Section 9.1

    def derive_tree_secret(self, secret: bytes, label: str, generation: int, length: int) -> bytes:
        return self.expand_with_label(secret, label, uint32(generation), length)

    def check_key_length(self, public: bytes) -> None:
        """Stop unless an HPKE public key has the length of the suite's KEM."""
        require(len(public) == self.kem.npk, "an HPKE public key has the wrong length")


def _labeled(label: str) -> bytes:
    return opaque(b"MLS 1.0 " + label.encode())


# 0xF002 is MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519, the second suite of
# draft-ietf-mls-pq-ciphersuites, which has no number yet; 0x0008 is what MLSpp calls it.
SUITES = {
    suite.code: suite
    for suite in (
        Suite(0x0001, X25519(), HKDF_SHA256, AES_128_GCM, Ed25519()),
        Suite(0x0002, P256, HKDF_SHA256, AES_128_GCM, ECDSA_P256),
        Suite(0x0003, X25519(), HKDF_SHA256, CHACHA20_POLY1305, Ed25519()),
        Suite(0x0004, X448(), HKDF_SHA512, AES_256_GCM, Ed448()),
        Suite(0x0005, P521, HKDF_SHA512, AES_256_GCM, ECDSA_P521),
        Suite(0x0006, X448(), HKDF_SHA512, CHACHA20_POLY1305, Ed448()),
        Suite(0x0007, P384, HKDF_SHA384, AES_256_GCM, ECDSA_P384),
        Suite(0x0008, XWing(), HKDF_SHA384, AES_256_GCM, Ed25519()),
        Suite(0xF002, XWing(), HKDF_SHA384, AES_256_GCM, Ed25519()),
    )
}


def suite_of(code: int) -> Suite:
    """The suite of a number that a file states."""
    if code not in SUITES:
        raise Failure(f"cipher suite {code:#06x} is not one of the verifier's")
    return SUITES[code]
