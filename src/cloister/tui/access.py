"""How the interface comes to its device: who holds the vault is not the interface's business."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloister.device.facade import Facade


class Phase(Enum):
    """Where the vault stands."""

    ABSENT = "absent"
    """There is none yet."""
    LOCKED = "locked"
    OPENING = "opening"
    OPEN = "open"


class Access(Protocol):
    """The way to the process that holds the vault.  Every method raises ``CloisterError``."""

    def guess(self) -> Phase:
        """Return where the vault probably stands, without asking anybody: for the first frame."""
        ...

    async def phase(self) -> Phase:
        """Return where the vault stands."""
        ...

    async def device(self) -> Facade:
        """Return the device of a vault that is open."""
        ...

    async def unlock(self, pin: str, *, new: bool) -> Facade:
        """Open the vault with a PIN and return the device; ``new``: make it, where there is none.

        Raises ``NotFoundError`` where there is no vault and none is to be made, ``LockedError`` for
        a wrong PIN, ``NetworkError`` while relays are out of reach, ``UsageError`` for a new PIN
        that is too easy.
        """
        ...

    async def lock(self) -> None:
        """Close the vault: the process that holds it ends."""
        ...
