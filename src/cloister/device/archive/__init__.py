"""One's own history in a sealed file: made on one device, read on another of the same member.

docs/spec/archive.md.  It holds what was said and nothing by which anything could be said: no key
of the device, no group, no ratchet, nothing of what opens a vault.
"""

from cloister.device.archive.errors import (
    ArchiveAltered,
    ArchiveCutShort,
    ArchiveDamaged,
    ArchiveNewer,
    ArchiveOfAnother,
    ArchiveReordered,
    NotAnArchive,
    PassphraseTooShort,
    PassphraseWrong,
)
from cloister.device.archive.making import make_archive
from cloister.device.archive.restoring import restore_archive

__all__ = [
    "ArchiveAltered",
    "ArchiveCutShort",
    "ArchiveDamaged",
    "ArchiveNewer",
    "ArchiveOfAnother",
    "ArchiveReordered",
    "NotAnArchive",
    "PassphraseTooShort",
    "PassphraseWrong",
    "make_archive",
    "restore_archive",
]
