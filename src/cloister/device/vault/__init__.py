"""The encrypted database of one profile: ``vault.db`` (SQLCipher) and ``vault.key`` beside it.

docs/spec/vault.md.  Made once, never silently made again; one process at a time.
"""

from cloister.device.vault.closed import ClosedVault
from cloister.device.vault.errors import (
    SecretNotRight,
    VaultBusy,
    VaultDamaged,
    VaultExists,
    VaultMissing,
    VaultNeedsShares,
    VaultWriteFailed,
)
from cloister.device.vault.key_file import DEFAULT_COST, Cost
from cloister.device.vault.open_key import OpenKey
from cloister.device.vault.store import Vault
from cloister.device.vault_files import vault_exists

__all__ = [
    "DEFAULT_COST",
    "ClosedVault",
    "Cost",
    "OpenKey",
    "SecretNotRight",
    "Vault",
    "VaultBusy",
    "VaultDamaged",
    "VaultExists",
    "VaultMissing",
    "VaultNeedsShares",
    "VaultWriteFailed",
    "vault_exists",
]
