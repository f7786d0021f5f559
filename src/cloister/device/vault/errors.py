"""What can be wrong with a vault; each says what to do."""

from __future__ import annotations

from cloister.errors import LocalError, LockedError, NotFoundError


class VaultMissing(NotFoundError):
    """The profile holds no vault."""


class VaultExists(LocalError):
    """There is a vault already, and it is never made anew over it."""


class VaultDamaged(LocalError):
    """A file of the vault is missing, altered, or belongs to another vault."""


class VaultBusy(LocalError):
    """Another process has the vault open."""


class VaultWriteFailed(LocalError):
    """The disk refused a write; nothing of the transaction counts."""


class SecretNotRight(LockedError):
    """The passphrase or PIN is another."""


class VaultNeedsShares(LockedError):
    """Only the relays and the PIN together open this vault."""
