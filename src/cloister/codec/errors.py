"""What can go wrong between values and bytes."""

from __future__ import annotations

from cloister.errors import LocalError, RemoteError


class DecodeError(RemoteError):
    """The bytes are not the one encoding of a value of this structure.

    ``offset`` is the position in the outermost buffer at which reading stopped.
    """

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


class EncodeError(LocalError):
    """A value does not fit the layout it was put into: we were misused."""
