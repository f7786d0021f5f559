"""What can be wrong with an archive; each says what to do.  Nothing was changed by any of them."""

from __future__ import annotations

from typing import Final

from cloister.errors import LocalError, LockedError, PolicyError, UsageError

_ANOTHER_COPY: Final = "use another copy of it; nothing was changed here"


class NotAnArchive(UsageError):
    """The file begins like no archive."""

    def __init__(self) -> None:
        super().__init__("this is no backup made by cloister", hint="name the file of a backup")


class PassphraseTooShort(UsageError):
    """A passphrase that a machine would find: nobody counts the guesses at a file."""


class PassphraseWrong(LockedError):
    """The archive was made under another passphrase."""

    def __init__(self) -> None:
        super().__init__(
            "the passphrase of the backup is not right",
            hint="it is the one that was chosen when the backup was made, not the PIN",
        )


class ArchiveDamaged(LocalError):
    """What is in the file is not what any program wrote there."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the backup is damaged: {what}", hint=_ANOTHER_COPY)


class ArchiveAltered(ArchiveDamaged):
    """A part does not open: its bytes are others than were written."""

    def __init__(self, number: int) -> None:
        super().__init__(f"part {number + 1} was altered")


class ArchiveReordered(ArchiveDamaged):
    """A part stands in the place of another."""

    def __init__(self, number: int, expected: int) -> None:
        super().__init__(f"part {number + 1} stands where part {expected + 1} belongs")


class ArchiveCutShort(ArchiveDamaged):
    """The end is missing."""

    def __init__(self) -> None:
        super().__init__("its end is missing")


class ArchiveNewer(LocalError):
    """A later program made it."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the backup is of a newer program: {what}", hint="update cloister, then try again"
        )


class ArchiveOfAnother(PolicyError):
    """It is the history of another circle, or of another member."""
