"""HKDF (RFC 5869) and the labelled forms that HPKE makes of it (RFC 9180, section 4)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True)
class Hkdf:
    """HKDF over one hash function."""

    hash_name: str
    # The KDF's number in the registry of RFC 9180, section 7.2.
    code: int

    @property
    def nh(self) -> int:
        """Length of an output of Extract in bytes."""
        return hashlib.new(self.hash_name).digest_size

    def extract(self, salt: bytes, key_material: bytes) -> bytes:
        return hmac.digest(salt or bytes(self.nh), key_material, self.hash_name)

    def expand(self, key: bytes, info: bytes, length: int) -> bytes:
        output = block = b""
        counter = 1
        while len(output) < length:
            block = hmac.digest(key, block + info + bytes([counter]), self.hash_name)
            output += block
            counter += 1
        return output[:length]


HKDF_SHA256 = Hkdf("sha256", 0x0001)
HKDF_SHA384 = Hkdf("sha384", 0x0002)
HKDF_SHA512 = Hkdf("sha512", 0x0003)


@dataclass(frozen=True)
class LabeledKdf:
    """LabeledExtract and LabeledExpand of RFC 9180 for one ``suite_id``."""

    kdf: Hkdf
    suite_id: bytes

    def extract(self, salt: bytes, label: bytes, key_material: bytes) -> bytes:
        return self.kdf.extract(salt, b"HPKE-v1" + self.suite_id + label + key_material)

    def expand(self, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
        labeled = length.to_bytes(2) + b"HPKE-v1" + self.suite_id + label + info
        return self.kdf.expand(key, labeled, length)
