"""The root of every error that Cloister raises on purpose.

    CloisterError
    |- LocalError      we were misused: a wrong argument, a missing file, a bad setting
    '- RemoteError     a peer, or stored bytes that came from one, broke a rule

Anything else that escapes from an entry point is a bug of ours.  Packages add subclasses of these
two where a caller would decide differently; the exit status of the command line follows from the
class (notes: 1 failed, 2 usage, 3 not found, 4 network, 5 refused by policy, 6 trust, 7 locked).
"""

from __future__ import annotations

from typing import ClassVar


class CloisterError(Exception):
    """Root of the tree. ``str(error)`` says what is wrong; ``hint`` says what to do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class LocalError(CloisterError):
    """The caller asked for something that cannot be done."""


class RemoteError(CloisterError):
    """Bytes from outside broke a rule; nothing was changed."""


class UsageError(LocalError):
    """The command or argument is not of the form it should have."""

    exit_code = 2


class NotFoundError(LocalError):
    """What was named does not exist here."""

    exit_code = 3


class NetworkError(RemoteError):
    """A relay could not be reached, or stopped answering."""

    exit_code = 4


class PolicyError(LocalError):
    """The circle's rules, or a relay's, forbid it."""

    exit_code = 5


class TrustError(RemoteError):
    """Keys, certificates, vouches or logs do not fit together: nobody should go on."""

    exit_code = 6


class LockedError(LocalError):
    """The vault is locked, or the passphrase is wrong."""

    exit_code = 7
