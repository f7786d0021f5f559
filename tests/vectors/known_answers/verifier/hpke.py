"""HPKE in base mode (RFC 9180, sections 5.1.1 and 6.1), single shot and with export."""

from __future__ import annotations

from dataclasses import dataclass

from vectors.known_answers.verifier.aead import Aead
from vectors.known_answers.verifier.failure import require
from vectors.known_answers.verifier.kdf import Hkdf, LabeledKdf
from vectors.known_answers.verifier.kem import Kem


@dataclass(frozen=True)
class Context:
    """What sender and receiver share after setting up."""

    key: bytes
    base_nonce: bytes
    exporter_secret: bytes


@dataclass(frozen=True)
class Hpke:
    """HPKE with one KEM, KDF and AEAD."""

    kem: Kem
    kdf: Hkdf
    aead: Aead

    @property
    def _labeled(self) -> LabeledKdf:
        codes = (self.kem.code, self.kdf.code, self.aead.code)
        return LabeledKdf(self.kdf, b"HPKE" + b"".join(code.to_bytes(2) for code in codes))

    def key_schedule(self, shared_secret: bytes, info: bytes) -> Context:
        """KeySchedule(mode_base, shared_secret, info, "", "")."""
        labeled = self._labeled
        context = (
            b"\x00"
            + labeled.extract(b"", b"psk_id_hash", b"")
            + labeled.extract(b"", b"info_hash", info)
        )
        secret = labeled.extract(shared_secret, b"secret", b"")
        return Context(
            key=labeled.expand(secret, b"key", context, self.aead.nk),
            base_nonce=labeled.expand(secret, b"base_nonce", context, self.aead.nn),
            exporter_secret=labeled.expand(secret, b"exp", context, self.kdf.nh),
        )

    def seal(self, public: bytes, info: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        """SealBase with an empty aad: the encapsulation and the ciphertext."""
        shared_secret, enc = self.kem.encap(public)
        context = self.key_schedule(shared_secret, info)
        return enc, self.aead.seal(context.key, context.base_nonce, b"", plaintext)

    def open(self, enc: bytes, private: bytes, info: bytes, ciphertext: bytes) -> bytes:
        """OpenBase with an empty aad."""
        context = self.setup_receiver(enc, private, info)
        return self.aead.open(context.key, context.base_nonce, b"", ciphertext)

    def setup_receiver(self, enc: bytes, private: bytes, info: bytes) -> Context:
        """SetupBaseR."""
        require(len(enc) == self.kem.nenc, "an encapsulation has the wrong length")
        return self.key_schedule(self.kem.decap(enc, private), info)

    def export(self, context: Context, exporter_context: bytes, length: int) -> bytes:
        """Context.Export."""
        return self._labeled.expand(context.exporter_secret, b"sec", exporter_context, length)
