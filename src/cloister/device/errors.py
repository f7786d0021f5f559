"""What the link and the engine can run into."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.errors import LocalError, NetworkError, PolicyError, TrustError
from cloister.wire.frame import PROTOCOL_VERSION


class WrongCertificate(TrustError):
    """A relay shows another certificate than the pinned one."""


class EntryRefused(PolicyError):
    """The entry relay does not dial that home relay."""


class VersionDiffers(NetworkError):
    """The relay and this program share no version of the protocol."""


def version_differs(spoken: Sequence[int]) -> VersionDiffers:
    """Say who is too old, by the versions that the relay speaks."""
    if any(version > PROTOCOL_VERSION for version in spoken):
        return VersionDiffers(
            "this program is too old for the home relay: nothing is sent or fetched",
            hint="update Cloister on this device; what is queued is sent then",
        )
    return VersionDiffers(
        "the home relay is too old for this program: nothing is sent or fetched",
        hint="ask its operator to update it, or use the version of Cloister from before",
    )


class NotAnswered(NetworkError):
    """An act was not answered in time; it may still be done later."""


class DeviceClosed(LocalError):
    """The device was locked or is being closed."""


class FellBehind(LocalError):
    """A reader of notices was too slow; what it missed is in the vault."""
