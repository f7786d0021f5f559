"""The epoch key: 32 bytes in a file of their own, under which every scalar is wrapped.

Whoever wants a scalar back after it was erased, from a backup of the database or from blocks that
a disk kept, needs the epoch key of that time. Each erasure replaces it and destroys the old one.
So the file does not belong into backups of the data folder.

Replacing it, step by step; a crash between any two is finished at the next start (``recover``):

    1. shares.key.next is written and flushed
    2. one transaction wraps all scalars anew and records the new key's id
    3. shares.key is linked to shares.key.old
    4. shares.key.next is renamed to shares.key
    5. shares.key.old is overwritten, flushed, removed

Which key is in force is what the database says: before step 2 is through, the old one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from cloister.crypto.aead import NONCE_LENGTH, TAG_LENGTH, aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.ids import Handle
from cloister.relay.storage.api import StorageFailure

ID_BYTES: Final = 16
KEY_BYTES: Final = 32
WRAPPED_BYTES: Final = NONCE_LENGTH + 32 + TAG_LENGTH
# Says what is inside the wrap; handle and generation follow, so that no wrap fits another row.
_WRAP_LABEL: Final = b"Cloister 1.0 share scalar"


class EpochKey:
    """One epoch key and its id, which is random and tells nothing of the key."""

    __slots__ = ("_key", "key_id")

    def __init__(self, key_id: bytes, key: Secret) -> None:
        self.key_id: Final = key_id
        self._key: Final = key

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """Draw a fresh one."""
        return cls(entropy.random(ID_BYTES), Secret(entropy.random(KEY_BYTES)))

    def wrap(self, handle: Handle, generation: int, scalar: Secret, entropy: Entropy) -> bytes:
        """Wrap a scalar: nonce, ciphertext, tag.

        The nonce is random: one key wraps each share once, and each new generation until the next
        replacement, which is far below 2^32."""
        nonce = entropy.random(NONCE_LENGTH)
        return nonce + aes256gcm_seal(self._key, nonce, scalar.expose(), _aad(handle, generation))

    def unwrap(self, handle: Handle, generation: int, wrapped: bytes) -> Secret:
        """Unwrap a scalar. Raises DecryptError."""
        nonce, sealed = wrapped[:NONCE_LENGTH], wrapped[NONCE_LENGTH:]
        return Secret(aes256gcm_open(self._key, nonce, sealed, _aad(handle, generation)))

    def encode(self) -> bytes:
        """The bytes of the file."""
        return self.key_id + self._key.expose()

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """Read the bytes of a file; None when they are none, as after a crash in step 1 or 5."""
        if len(data) != ID_BYTES + KEY_BYTES or not any(data):
            return None
        return cls(data[:ID_BYTES], Secret(data[ID_BYTES:]))


class EpochKeyFile:
    """The file, and how one key takes the place of another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(path.name + ".next")
        self._old = path.with_name(path.name + ".old")

    def create(self, key: EpochKey) -> None:
        """Write the first key. Raises StorageFailure."""
        self.prepare(key)
        _try(lambda: self._next.replace(self._path), self._path)
        self._flush_folder()

    def prepare(self, key: EpochKey) -> None:
        """Step 1. Raises StorageFailure."""
        _write(self._next, key.encode())
        self._flush_folder()

    def adopt(self) -> None:
        """Steps 3 to 5, when the database has recorded the key prepared. Raises StorageFailure."""
        if not self._old.exists():
            _try(lambda: os.link(self._path, self._old), self._old)
            self._flush_folder()
        _try(lambda: self._next.replace(self._path), self._path)
        self._flush_folder()
        self._destroy(self._old)

    def has(self, key_id: bytes) -> bool:
        """Tell, without a change, whether `recover` would find this key. Raises StorageFailure."""
        return any(
            key is not None and key.key_id == key_id
            for key in (_read(self._path), _read(self._next))
        )

    def recover(self, key_id: bytes | None) -> EpochKey | None:
        """Finish what a crash broke off and return the key in force, by its id in the database.

        ``key_id`` None: the database records none yet, so what is in the file is in force; None
        when there is no file. Raises StorageFailure when no key here has that id: then the
        scalars cannot be read, by anybody."""
        upcoming = _read(self._next)
        if upcoming is not None and upcoming.key_id == key_id:
            self.adopt()
        elif self._next.exists():
            self._destroy(self._next)
        key = _read(self._path)
        if key_id is not None and (key is None or key.key_id != key_id):
            raise StorageFailure(
                f"{self._path.name} is not the key of the unlock shares in the database",
                hint="one of the two was restored from a backup: shares of that time are gone,"
                " and devices that need them have to be admitted anew",
            )
        if self._old.exists():
            self._destroy(self._old)
        return key

    def _destroy(self, path: Path) -> None:
        """Step 5: overwrite in place, flush, remove. What a flash disk keeps is beyond reach."""
        _write(path, bytes(ID_BYTES + KEY_BYTES), in_place=True)
        _try(path.unlink, path)
        self._flush_folder()

    def _flush_folder(self) -> None:
        def flush() -> None:
            descriptor = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

        _try(flush, self._path.parent)


def _aad(handle: Handle, generation: int) -> bytes:
    return _WRAP_LABEL + handle + generation.to_bytes(8, "big")


def _read(path: Path) -> EpochKey | None:
    try:
        return EpochKey.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailure(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, data: bytes, *, in_place: bool = False) -> None:
    def write() -> None:
        flags = os.O_WRONLY if in_place else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    _try(write, path)


def _try(step: Callable[[], object], path: Path) -> None:
    try:
        step()
    except OSError as error:
        raise StorageFailure(f"{path} cannot be written: {error.strerror}") from None
