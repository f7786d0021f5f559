"""The three AEADs of the cipher suites."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from vectors.known_answers.verifier.failure import Failure


@dataclass(frozen=True)
class Aead:
    """One AEAD; its key has ``nk`` bytes and its nonce ``nn``."""

    # The AEAD's number in the registry of RFC 9180, section 7.3.
    code: int
    cipher: type[AESGCM | ChaCha20Poly1305]
    nk: int
    nn: int = 12

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        return self.cipher(key).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        try:
            return self.cipher(key).decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            raise Failure("a ciphertext does not open") from None


AES_128_GCM = Aead(0x0001, AESGCM, 16)
AES_256_GCM = Aead(0x0002, AESGCM, 32)
CHACHA20_POLY1305 = Aead(0x0003, ChaCha20Poly1305, 32)
