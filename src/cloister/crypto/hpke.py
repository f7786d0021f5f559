"""Hybrid public-key encryption (RFC 9180), base mode, one message or export per encapsulation.

The library seals and opens wherever it has the KEM. Ours is what it lacks: X448, and the exported
secrets with which MLS lets a new member commit from outside (RFC 9420 section 8.3).
"""

from __future__ import annotations

from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from cloister.crypto.aead import Aead
from cloister.crypto.encapsulation import decapsulate, encapsulate
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.errors import BadPublicKey, DecryptError, MisusedKey
from cloister.crypto.hpke_schedule import HpkeContext, key_schedule
from cloister.crypto.kem import Kem, PrivateKey, PublicKey
from cloister.crypto.secret import Secret
from cloister.crypto.x_wing import XWingPrivateKey, XWingPublicKey

_KDFS: Final = {
    "sha256": library.KDF.HKDF_SHA256,
    "sha384": library.KDF.HKDF_SHA384,
    "sha512": library.KDF.HKDF_SHA512,
}
# Encapsulation is never repeatable: the library does not let its callers choose either.
_ENTROPY: Final = SystemEntropy()
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
        """The key as an object. Raises MisusedKey for a seed of wrong length."""
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


class HpkeSuite(msgspec.Struct, frozen=True):
    """A KEM, a KDF by its hash and an AEAD."""

    kem: Kem
    hash_name: str
    aead: Aead

    def _library_suite(self) -> library.Suite | None:
        kem = self.kem.library_kem
        if kem is None:
            return None
        return library.Suite(kem, _KDFS[self.hash_name], _AEADS[self.aead])

    def setup_sender(self, public: PublicKey | bytes, info: bytes) -> tuple[bytes, HpkeContext]:
        """SetupBaseS: the kem_output and the secrets it carries. Raises BadPublicKey."""
        key = self.kem.parse_public(public) if isinstance(public, bytes) else public
        shared_secret, kem_output = encapsulate(self.kem, key, _ENTROPY)
        return kem_output, key_schedule(self.kem, self.hash_name, self.aead, shared_secret, info)

    def setup_receiver(self, key: HpkePrivateKey, kem_output: bytes, info: bytes) -> HpkeContext:
        """SetupBaseR: the secrets behind a kem_output.

        Raises DecryptError for whatever is wrong with it, MisusedKey for a key of another KEM.
        """
        self._check_key(key)
        try:
            shared_secret = decapsulate(self.kem, key.parsed, key.public, kem_output)
        except BadPublicKey:
            raise DecryptError from None
        return key_schedule(self.kem, self.hash_name, self.aead, shared_secret, info)

    def seal(self, public: PublicKey | bytes, info: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        """Encrypt to ``public``; return (kem_output, ciphertext). Raises BadPublicKey.

        The associated data is empty, as in RFC 9420 section 5.1.3.
        """
        key = self.kem.parse_public(public) if isinstance(public, bytes) else public
        suite = self._library_suite()
        if suite is None:
            kem_output, context = self.setup_sender(key, info)
            return kem_output, context.seal(plaintext, b"")
        sealed = suite.encrypt(plaintext, _library_public(key), info)
        length = self.kem.encapsulation_length
        return sealed[:length], sealed[length:]

    def open(self, key: HpkePrivateKey, info: bytes, kem_output: bytes, ciphertext: bytes) -> bytes:
        """Decrypt.

        Raises DecryptError for every failure, MisusedKey for a key of another KEM.
        """
        self._check_key(key)
        suite = self._library_suite()
        if suite is None:
            return self.setup_receiver(key, kem_output, info).open(ciphertext, b"")
        # The library takes both as one string: a wrong split must not move bytes between them.
        if len(kem_output) != self.kem.encapsulation_length:
            raise DecryptError
        try:
            return suite.decrypt(kem_output + ciphertext, _library_private(key.parsed), info)
        except (InvalidTag, ValueError):
            raise DecryptError from None

    def _check_key(self, key: HpkePrivateKey) -> None:
        if key.kem is not self.kem:
            raise MisusedKey("the private key is one of another KEM")

    def export_to(
        self, public: PublicKey | bytes, info: bytes, exporter_context: bytes, length: int
    ) -> tuple[bytes, Secret]:
        """SendExport (RFC 9180 6.2): (kem_output, exported secret of ``length`` bytes).

        Raises BadPublicKey, MisusedKey for more than 255 blocks of Nh.
        """
        kem_output, context = self.setup_sender(public, info)
        return kem_output, context.export(exporter_context, length)

    def export_from(
        self,
        key: HpkePrivateKey,
        kem_output: bytes,
        info: bytes,
        exporter_context: bytes,
        length: int,
    ) -> Secret:
        """ReceiveExport (RFC 9180 6.2): what ``export_to`` exported, ``length`` bytes.

        Nothing is authenticated: a kem_output that was changed may give another secret and no
        error.  Raises DecryptError for one that is malformed, MisusedKey as ``export_to`` does.
        """
        return self.setup_receiver(key, kem_output, info).export(exporter_context, length)


_LibraryPublic = X25519PublicKey | ec.EllipticCurvePublicKey | library.MLKEM768X25519PublicKey
_LibraryPrivate = X25519PrivateKey | ec.EllipticCurvePrivateKey | library.MLKEM768X25519PrivateKey


def _library_public(key: PublicKey) -> _LibraryPublic:
    if isinstance(key, XWingPublicKey):
        return key.library
    if isinstance(key, X448PublicKey):
        raise MisusedKey("the library's HPKE has no X448")
    return key


def _library_private(key: PrivateKey) -> _LibraryPrivate:
    if isinstance(key, XWingPrivateKey):
        return key.library
    if isinstance(key, X448PrivateKey):
        raise MisusedKey("the library's HPKE has no X448")
    return key


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
    Kem.MLKEM768_X25519.check_public(public)
