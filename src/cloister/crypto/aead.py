"""Authenticated encryption: AES-GCM and ChaCha20-Poly1305."""

from __future__ import annotations

from enum import Enum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from cloister.crypto.errors import DecryptError, MisusedKey
from cloister.crypto.secret import Secret

NONCE_LENGTH: Final = 12
TAG_LENGTH: Final = 16


class Aead(Enum):
    """An AEAD by name; the value is its key length in bytes and a counter to tell them apart."""

    AES_128_GCM = ("AES-128-GCM", 16)
    AES_256_GCM = ("AES-256-GCM", 32)
    CHACHA20_POLY1305 = ("ChaCha20-Poly1305", 32)

    @property
    def key_length(self) -> int:
        """Nk in bytes."""
        return self.value[1]

    def _cipher(self, key: Secret) -> AESGCM | ChaCha20Poly1305:
        if len(key) != self.key_length:
            raise MisusedKey(f"{self.value[0]} takes a key of {self.key_length} bytes")
        if self is Aead.CHACHA20_POLY1305:
            return ChaCha20Poly1305(key.expose())
        return AESGCM(key.expose())

    def seal(self, key: Secret, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt; the result is 16 bytes longer. A (key, nonce) pair is used once."""
        if len(nonce) != NONCE_LENGTH:
            raise MisusedKey("a nonce has 12 bytes")
        return self._cipher(key).encrypt(nonce, plaintext, aad)

    def open(self, key: Secret, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Decrypt. Raises DecryptError for every failure."""
        if len(nonce) != NONCE_LENGTH:
            raise MisusedKey("a nonce has 12 bytes")
        try:
            return self._cipher(key).decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            raise DecryptError from None


def aes256gcm_seal(key: Secret, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """AES-256-GCM with a 32-byte key and a 12-byte nonce."""
    return Aead.AES_256_GCM.seal(key, nonce, plaintext, aad)


def aes256gcm_open(key: Secret, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """Open AES-256-GCM. Raises DecryptError."""
    return Aead.AES_256_GCM.open(key, nonce, ciphertext, aad)
