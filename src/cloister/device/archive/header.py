"""How an archive begins, and the keys that come of its passphrase.

    prk   = HKDF-Extract-SHA256("", Argon2id(passphrase, salt))
    key   = HKDF-Expand-SHA256(prk, "Cloister 1.0 ArchiveKey" || parameters, 32)
    check = HKDF-Expand-SHA256(prk, "Cloister 1.0 ArchiveCheck" || parameters, 32)

``check`` tells a wrong passphrase from an altered file, and makes the file open under one
passphrase only: AES-GCM alone would let somebody make a file that opens under two.  Nobody needs
the checksum for security; it tells a damaged header from a wrong passphrase.
"""

from __future__ import annotations

import hmac
from typing import Final

from cloister.codec import DecodeError, Struct, fixed, layout, uint8, uint16, uint32
from cloister.crypto.entropy import Entropy
from cloister.crypto.hashing import hkdf_expand, hkdf_extract, sha256
from cloister.crypto.secret import Secret
from cloister.device.archive.errors import (
    ArchiveCutShort,
    ArchiveDamaged,
    ArchiveNewer,
    NotAnArchive,
    PassphraseTooShort,
    PassphraseWrong,
)
from cloister.device.vault.key_file import (
    MAX_ITERATIONS,
    MAX_LANES,
    MAX_MEMORY_KIB,
    SALT_BYTES,
    Cost,
    stretch,
)

MAGIC: Final = b"cloistAR"
VERSION: Final = 1
HASH_BYTES: Final = 32
HEADER_BYTES: Final = 99
KEY_LABEL: Final = b"Cloister 1.0 ArchiveKey"
"""Separates the key from everything else that could come from the same passphrase."""
CHECK_LABEL: Final = b"Cloister 1.0 ArchiveCheck"
CHECKSUM_LABEL: Final = b"Cloister 1.0 ArchiveHeader"
ARCHIVE_COST: Final = Cost(128 * 1024, 4, 1)
"""More than a vault's: no relay counts the guesses at a file, which may lie about for years."""
LEAST_CHARACTERS: Final = 12


@layout
class ArchiveParameters(Struct):
    """What makes the key, beside the passphrase."""

    magic: bytes = fixed(len(MAGIC))
    version: int = uint16()
    memory_kib: int = uint32()
    iterations: int = uint32()
    lanes: int = uint8()
    salt: bytes = fixed(SALT_BYTES)


def new_header(passphrase: Secret, entropy: Entropy, cost: Cost) -> tuple[bytes, Secret]:
    """Make the header of a new archive, and its key.  Raises ``PassphraseTooShort``."""
    if len(passphrase.expose().decode("utf-8", "replace")) < LEAST_CHARACTERS:
        raise PassphraseTooShort(
            f"the passphrase of a backup has at least {LEAST_CHARACTERS} characters",
            hint="nobody counts the guesses at a file: six random words are good",
        )
    parameters = ArchiveParameters(
        magic=MAGIC,
        version=VERSION,
        memory_kib=cost.memory_kib,
        iterations=cost.iterations,
        lanes=cost.lanes,
        salt=entropy.random(SALT_BYTES),
    )
    key, check = _derive(passphrase, parameters)
    body = parameters.encode() + check.expose()
    return body + sha256(CHECKSUM_LABEL, body), key


def open_header(header: bytes, passphrase: Secret) -> Secret:
    """Return the key of an archive.

    Raises ``NotAnArchive``, ``ArchiveCutShort``, ``ArchiveNewer``, ``ArchiveDamaged``,
    ``PassphraseWrong``.  Nothing is stretched before the rest is known to be right.
    """
    if header[: len(MAGIC)] != MAGIC:
        raise NotAnArchive
    if len(header) < HEADER_BYTES:
        raise ArchiveCutShort
    version = int.from_bytes(header[len(MAGIC) : len(MAGIC) + 2], "big")
    if version != VERSION:
        raise ArchiveNewer(f"form {version}")
    body, checksum = header[:-HASH_BYTES], header[-HASH_BYTES:]
    if not hmac.compare_digest(sha256(CHECKSUM_LABEL, body), checksum):
        raise ArchiveDamaged("its beginning was altered")
    try:
        parameters = ArchiveParameters.decode(body[:-HASH_BYTES])
    except DecodeError:
        raise ArchiveDamaged("its beginning does not have its form") from None
    if (
        not 8 * parameters.lanes <= parameters.memory_kib <= MAX_MEMORY_KIB
        or not 0 < parameters.iterations <= MAX_ITERATIONS
        or not 0 < parameters.lanes <= MAX_LANES
    ):
        raise ArchiveDamaged("it asks for more work, or less, than any program writes")
    key, check = _derive(passphrase, parameters)
    if not hmac.compare_digest(check.expose(), body[-HASH_BYTES:]):
        raise PassphraseWrong
    return key


def _derive(passphrase: Secret, parameters: ArchiveParameters) -> tuple[Secret, Secret]:
    cost = Cost(parameters.memory_kib, parameters.iterations, parameters.lanes)
    stretched = stretch(passphrase, cost, parameters.salt).key
    prk = hkdf_extract("sha256", b"", stretched.expose())
    encoded = parameters.encode()
    key = hkdf_expand("sha256", prk, KEY_LABEL + encoded, HASH_BYTES)
    return key, hkdf_expand("sha256", prk, CHECK_LABEL + encoded, HASH_BYTES)
