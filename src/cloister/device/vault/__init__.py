"""The encrypted database of one profile: ``vault.db`` (SQLCipher) and ``vault.key`` beside it.

docs/spec/vault.md.  Made once, never silently made again; one process at a time.
"""

from cloister.device.vault.errors import (
    VaultBusy,
    VaultDamaged,
    VaultExists,
    VaultMissing,
    VaultWriteFailed,
)
from cloister.device.vault.key_file import DEFAULT_COST, Cost, NoUnlockShares, UnlockShares
from cloister.device.vault.store import Vault

__all__ = [
    "DEFAULT_COST",
    "Cost",
    "NoUnlockShares",
    "UnlockShares",
    "Vault",
    "VaultBusy",
    "VaultDamaged",
    "VaultExists",
    "VaultMissing",
    "VaultWriteFailed",
]
