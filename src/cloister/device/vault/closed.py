"""A vault that is held but not open: the lock is taken, the key file read, nothing decrypted.

Whoever derives the key asks relays, and each question costs one of the device's tries; so what
else could be wrong (no vault, a damaged file, another process) is found first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from cloister.device.vault.errors import VaultDamaged, VaultMissing
from cloister.device.vault.key_file import AnyKeyFile, parse_key_file
from cloister.device.vault.profile_lock import ProfileLock
from cloister.device.vault_files import DATABASE_NAME, KEY_NAME, vault_exists


class ClosedVault:
    """Give it up with ``release``, or open it with ``Vault.open_held``."""

    def __init__(self, folder: Path, lock: ProfileLock, file: AnyKeyFile) -> None:
        self.folder = folder
        self.lock = lock
        self.file = file

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Raises ``VaultMissing``, ``VaultBusy``, ``VaultDamaged``."""
        if not vault_exists(folder):
            raise VaultMissing(
                "this profile has no vault yet",
                hint="found a circle (cloister circle new) or join one (cloister join)",
            )
        lock = ProfileLock.take(folder)
        try:
            file = parse_key_file(_read_key_file(folder))
            if not (folder / DATABASE_NAME).exists():
                raise VaultDamaged(
                    "vault.db is missing", hint="put it back from a backup; nothing was changed"
                )
            return cls(folder, lock, file)
        except BaseException:
            lock.release()
            raise

    def release(self) -> None:
        """Give the lock up."""
        self.lock.release()


def _read_key_file(folder: Path) -> bytes:
    try:
        return (folder / KEY_NAME).read_bytes()
    except FileNotFoundError:
        raise VaultDamaged(
            "vault.key is missing",
            hint="put it back from a backup; without it nobody can open vault.db",
        ) from None
    except OSError as error:
        raise VaultDamaged(
            f"vault.key cannot be read: {error.strerror}", hint="check the disk and the rights"
        ) from None
