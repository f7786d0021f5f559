"""What opened a vault, kept while it is open: to wrap the vault's key anew without asking again.

It lives in the process that holds the vault and dies with it; that process has the vault key and
everything the key protects anyway.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from cloister.crypto.secret import Secret
from cloister.device.vault.errors import VaultWriteFailed
from cloister.device.vault.key_file import (
    AnyKeyFile,
    ShareKeyFile,
    ShareReference,
    Stretched,
    parse_key_file,
    stretch_for,
)
from cloister.device.vault_files import KEY_NAME, NEXT_KEY_NAME, sync_folder, write_new_file


class OpenKey:
    """The vault key, the stretched passphrase, and the key file as it lies on the disk."""

    def __init__(
        self,
        folder: Path,
        file: AnyKeyFile,
        vault_key: Secret,
        stretched: Stretched,
        shares: Mapping[bytes, Secret] | None = None,
    ) -> None:
        self._folder = folder
        self.file = file
        self.vault_key = vault_key
        self.stretched = stretched
        self.shares: dict[bytes, Secret] = dict(shares or {})
        """relay id -> y of the present generation, as far as it was asked or leased."""
        self.unconfirmed: set[bytes] = set()
        """Relays that counted a try for this opening and have not given it back yet."""

    @property
    def references(self) -> tuple[ShareReference, ...]:
        """Where the shares are; empty when the passphrase alone opens the vault."""
        return self.file.references if isinstance(self.file, ShareKeyFile) else ()

    def is_right(self, passphrase: Secret) -> bool:
        """Tell whether this is what opened the vault; takes as long as a guess does."""
        again = stretch_for(self.file, passphrase)
        return hmac.compare_digest(again.key.expose(), self.stretched.key.expose())

    def replace(self, content: bytes, stretched: Stretched, shares: Mapping[bytes, Secret]) -> None:
        """Put a new key file in the place of the old one.

        Either the old or the new one is there, whole, whenever the power fails.  Raises
        ``VaultWriteFailed``; then the old one is in force.
        """
        following = self._folder / NEXT_KEY_NAME
        try:
            following.unlink(missing_ok=True)
            write_new_file(following, content)
            following.rename(self._folder / KEY_NAME)
            sync_folder(self._folder)
        except OSError as error:
            raise VaultWriteFailed(
                f"vault.key could not be written: {error.strerror}",
                hint="the old one is in force; make room, check the disk, try again",
            ) from None
        self.file = parse_key_file(content)
        self.stretched = stretched
        self.shares = dict(shares)
