"""A stream of bytes in sealed parts, each in its place and the last one known as the last.

    part = uint32 number || AES-256-GCM(key, nonce = number in 12 bytes, 64 KiB, aad = last)

This is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015) with parts of one length: the last one is
filled with zeros, so a file tells the length of what is in it to 64 KiB.  The number before a
part is for words only, where parts have changed places; what counts is the nonce.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from cloister.crypto.aead import NONCE_LENGTH, TAG_LENGTH, aes256gcm_open, aes256gcm_seal
from cloister.crypto.errors import DecryptError
from cloister.crypto.secret import Secret
from cloister.device.archive.errors import (
    ArchiveAltered,
    ArchiveCutShort,
    ArchiveDamaged,
    ArchiveReordered,
)
from cloister.errors import LocalError

PART_BYTES: Final = 64 * 1024
NUMBER_BYTES: Final = 4
SEALED_BYTES: Final = NUMBER_BYTES + PART_BYTES + TAG_LENGTH
MOST_PARTS: Final = 2**32
_MORE: Final = b"\0"
_LAST: Final = b"\1"


class SealedWriter:
    """Seals what is written to it.  The key is used for this file only: nonces count from 0."""

    def __init__(self, file: BinaryIO, key: Secret) -> None:
        self._file = file
        self._key = key
        self._held = bytearray()
        self._number = 0

    def write(self, data: bytes) -> None:
        """Take more of the stream; a part is kept back, because it may be the last."""
        self._held += data
        while len(self._held) > PART_BYTES:
            self._part(bytes(self._held[:PART_BYTES]), _MORE)
            del self._held[:PART_BYTES]

    def finish(self) -> None:
        """Write the last part, filled up with zeros."""
        self._part(bytes(self._held).ljust(PART_BYTES, b"\0"), _LAST)
        self._held.clear()

    def _part(self, plain: bytes, last: bytes) -> None:
        number = self._number
        if number >= MOST_PARTS:
            raise LocalError("the backup is too large", hint="a backup holds 256 TiB at the most")
        self._number += 1
        self._file.write(number.to_bytes(NUMBER_BYTES, "big"))
        self._file.write(aes256gcm_seal(self._key, _nonce(number), plain, last))


def opened_parts(file: BinaryIO, key: Secret) -> Iterator[bytes]:
    """Yield the stream part by part, each only when it is known to be in its place and whole.

    Raises ``ArchiveAltered``, ``ArchiveReordered``, ``ArchiveCutShort``, ``ArchiveDamaged``.
    Whoever uses the last part knows that nothing is missing.
    """
    number = 0
    part = _read(file)
    while True:
        following = _read(file)
        if len(part) < SEALED_BYTES:
            raise ArchiveCutShort
        yield _opened(part, number, key, is_last=not following)
        if not following:
            return
        part, number = following, number + 1


def _read(file: BinaryIO) -> bytes:
    try:
        return file.read(SEALED_BYTES)
    except OSError as error:
        raise ArchiveDamaged(f"it cannot be read: {error.strerror}") from None


def _opened(part: bytes, number: int, key: Secret, *, is_last: bool) -> bytes:
    stands = int.from_bytes(part[:NUMBER_BYTES], "big")
    if stands != number:
        raise ArchiveReordered(stands, number)
    sealed, nonce = part[NUMBER_BYTES:], _nonce(number)
    right, other = (_LAST, _MORE) if is_last else (_MORE, _LAST)
    try:
        return aes256gcm_open(key, nonce, sealed, right)
    except DecryptError:
        pass
    try:
        aes256gcm_open(key, nonce, sealed, other)
    except DecryptError:
        raise ArchiveAltered(number) from None
    if is_last:
        raise ArchiveCutShort
    raise ArchiveDamaged("something was added behind its end")


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE_LENGTH, "big")
