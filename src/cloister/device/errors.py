"""What the link and the engine can run into."""

from __future__ import annotations

from cloister.errors import LocalError, NetworkError, PolicyError, TrustError


class WrongCertificate(TrustError):
    """A relay shows another certificate than the pinned one."""


class EntryRefused(PolicyError):
    """The entry relay does not dial that home relay."""


class NotAnswered(NetworkError):
    """An act was not answered in time; it may still be done later."""


class DeviceClosed(LocalError):
    """The device was locked or is being closed."""


class FellBehind(LocalError):
    """A reader of notices was too slow; what it missed is in the vault."""
