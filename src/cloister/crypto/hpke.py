"""Hybrid public-key encryption (RFC 9180), base mode, one message per encapsulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke as library

from cloister.crypto.aead import Aead
from cloister.crypto.errors import DecryptError
from cloister.crypto.kem import Kem, PrivateKey, PublicKey
from cloister.crypto.secret import Secret

_KDFS: Final = {
    "sha256": library.KDF.HKDF_SHA256,
    "sha384": library.KDF.HKDF_SHA384,
    "sha512": library.KDF.HKDF_SHA512,
}
_AEADS: Final = {
    Aead.AES_128_GCM: library.AEAD.AES_128_GCM,
    Aead.AES_256_GCM: library.AEAD.AES_256_GCM,
    Aead.CHACHA20_POLY1305: library.AEAD.CHACHA20_POLY1305,
}


class HpkePrivateKey:
    """A KEM private key kept as its serialised form, 32 bytes for X-Wing and X25519.

    The parsed key (94 microseconds for X-Wing) is made at first use and kept with this object,
    so states hold seeds only and copies of a state share the parsed key.
    """

    __slots__ = ("_parsed", "kem", "seed")

    def __init__(self, kem: Kem, seed: Secret) -> None:
        self.kem: Final = kem
        self.seed: Final = seed
        self._parsed: tuple[PrivateKey, bytes] | None = None

    @property
    def parsed(self) -> PrivateKey:
        """The library's key object. Raises MisusedKey for a seed of wrong length."""
        return self._pair()[0]

    @property
    def public(self) -> bytes:
        """The public key, Npk bytes."""
        return self._pair()[1]

    def _pair(self) -> tuple[PrivateKey, bytes]:
        if self._parsed is None:
            self._parsed = self.kem.parse_private(self.seed)
        return self._parsed

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HpkePrivateKey):
            return NotImplemented
        return self.kem is other.kem and self.seed == other.seed

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class HpkeSuite:
    """A KEM, a KDF by its hash and an AEAD."""

    kem: Kem
    hash_name: str
    aead: Aead

    def _library_suite(self) -> library.Suite:
        return library.Suite(self.kem.library_kem, _KDFS[self.hash_name], _AEADS[self.aead])

    def seal(self, public: PublicKey | bytes, info: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        """Encrypt to ``public``; return (kem_output, ciphertext). Raises BadPublicKey.

        The associated data is empty, as in RFC 9420 section 5.1.3.
        """
        key = self.kem.parse_public(public) if isinstance(public, bytes) else public
        sealed = self._library_suite().encrypt(plaintext, key, info)
        length = self.kem.encapsulation_length
        return sealed[:length], sealed[length:]

    def open(self, key: HpkePrivateKey, info: bytes, kem_output: bytes, ciphertext: bytes) -> bytes:
        """Decrypt. Raises DecryptError for every failure."""
        # The library takes both as one string: a wrong split must not move bytes between them.
        if len(kem_output) != self.kem.encapsulation_length:
            raise DecryptError
        try:
            return self._library_suite().decrypt(kem_output + ciphertext, key.parsed, info)
        except (InvalidTag, ValueError):
            raise DecryptError from None


# What Cloister itself seals with, outside MLS: the KEM, hash and AEAD of its MLS suite.
CLOISTER_HPKE: Final = HpkeSuite(Kem.MLKEM768_X25519, "sha384", Aead.AES_256_GCM)


class HpkeKey:
    """A private X-Wing key of 32 bytes for Cloister's own sealed items."""

    __slots__ = ("_key",)

    def __init__(self, seed: Secret) -> None:
        self._key: Final = HpkePrivateKey(Kem.MLKEM768_X25519, seed)

    @property
    def public(self) -> bytes:
        """The public key, 1216 bytes."""
        return self._key.public

    def open(self, info: bytes, ciphertext: bytes) -> bytes:
        """Open what hpke_seal made with the same ``info``. Raises DecryptError."""
        length = Kem.MLKEM768_X25519.encapsulation_length
        return CLOISTER_HPKE.open(self._key, info, ciphertext[:length], ciphertext[length:])


def hpke_seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Seal to a 1216-byte X-Wing public key: 1120 bytes of encapsulation, then the ciphertext.

    The result is 1136 bytes longer than ``plaintext``. Raises BadPublicKey.
    """
    kem_output, ciphertext = CLOISTER_HPKE.seal(public, info, plaintext)
    return kem_output + ciphertext


def check_hpke_public(public: bytes) -> None:
    """Demand a well-formed X-Wing key, its X25519 half of large order. Raises BadPublicKey."""
    Kem.MLKEM768_X25519.parse_public(public)
