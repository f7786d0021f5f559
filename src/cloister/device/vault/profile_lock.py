"""One process per profile: an advisory lock that the kernel drops when the process ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Final, Self

from cloister.device.vault.errors import VaultBusy, VaultWriteFailed

LOCK_NAME: Final = "vault.lock"


class ProfileLock:
    """The held lock; two connections with two ratchet states would reuse keys."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, folder: Path, name: str = LOCK_NAME) -> Self:
        """Take the lock at once, or raise ``VaultBusy``; ``VaultWriteFailed`` without a file."""
        path = folder / name
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise VaultWriteFailed(
                f"{name} in the profile folder cannot be opened: {error.strerror}",
                hint="the folder and its files must be this user's and writable, also to read",
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK}:
                raise
            raise VaultBusy(
                "another process has this profile open",
                hint="wait until it has ended, or ask it through its agent socket",
            ) from None
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock up; a second call does nothing."""
        if self._descriptor is not None:
            # Closing drops the lock. The file stays: unlinking it would let two processes lock
            # two files of the same name.
            os.close(self._descriptor)
            self._descriptor = None
