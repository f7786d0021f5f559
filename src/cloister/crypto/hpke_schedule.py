"""The key schedule of HPKE in base mode and what comes out of it (RFC 9180 sections 5.1 to 5.3).

One message per encapsulation: the sequence number is always zero, so the nonce is base_nonce.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cloister.crypto.aead import NONCE_LENGTH, Aead
from cloister.crypto.errors import MisusedKey
from cloister.crypto.hashing import hash_length
from cloister.crypto.kem import Kem
from cloister.crypto.labeled_kdf import labeled_expand, labeled_extract
from cloister.crypto.secret import Secret

_MODE_BASE: Final = b"\x00"
_KDF_IDS: Final = {"sha256": 0x0001, "sha384": 0x0002, "sha512": 0x0003}
_AEAD_IDS: Final = {
    Aead.AES_128_GCM: 0x0001,
    Aead.AES_256_GCM: 0x0002,
    Aead.CHACHA20_POLY1305: 0x0003,
}


class HpkeContext(msgspec.Struct, frozen=True):
    """The secrets of one encapsulation, the same on both sides."""

    suite_id: bytes
    hash_name: str
    aead: Aead
    key: Secret
    base_nonce: Secret
    exporter_secret: Secret

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt the one message. A second one would be under the same nonce."""
        return self.aead.seal(self.key, self.base_nonce.expose(), plaintext, aad)

    def open(self, ciphertext: bytes, aad: bytes) -> bytes:
        """Decrypt the one message. Raises DecryptError."""
        return self.aead.open(self.key, self.base_nonce.expose(), ciphertext, aad)

    def export(self, exporter_context: bytes, length: int) -> Secret:
        """Context.Export: ``length`` bytes, at most 255 blocks of Nh. Raises MisusedKey."""
        if not 0 <= length <= 255 * hash_length(self.hash_name):
            raise MisusedKey(f"HPKE exports no {length} bytes")
        return labeled_expand(
            self.hash_name, self.suite_id, self.exporter_secret, b"sec", exporter_context, length
        )


def key_schedule(
    kem: Kem, hash_name: str, aead: Aead, shared_secret: Secret, info: bytes
) -> HpkeContext:
    """KeySchedule(mode_base, shared_secret, info, "", ""): base mode has no pre-shared key."""
    suite_id = b"HPKE" + b"".join(
        code.to_bytes(2, "big") for code in (kem.value, _KDF_IDS[hash_name], _AEAD_IDS[aead])
    )
    psk_id_hash = labeled_extract(hash_name, suite_id, b"", b"psk_id_hash", b"")
    info_hash = labeled_extract(hash_name, suite_id, b"", b"info_hash", info)
    context = _MODE_BASE + psk_id_hash.expose() + info_hash.expose()
    secret = labeled_extract(hash_name, suite_id, shared_secret.expose(), b"secret", b"")

    def expand(label: bytes, length: int) -> Secret:
        return labeled_expand(hash_name, suite_id, secret, label, context, length)

    return HpkeContext(
        suite_id=suite_id,
        hash_name=hash_name,
        aead=aead,
        key=expand(b"key", aead.key_length),
        base_nonce=expand(b"base_nonce", NONCE_LENGTH),
        exporter_secret=expand(b"exp", hash_length(hash_name)),
    )
