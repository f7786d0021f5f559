"""A private file that is there whole or not at all, and never in the place of another."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from cloister.device.vault_files import sync_folder
from cloister.errors import LocalError, UsageError

UNFINISHED: Final = ".unfinished"
"""Ends the name under which it is written."""
_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class FileExists(UsageError):
    """There is a file of that name, and nobody said that it may go."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.name} is there already", hint="choose another name, or say --force"
        )


@contextmanager
def complete_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Yield a file (0600) to write; it gets its name, on disk, when the body ends well.

    ``force``: another file of that name is replaced.  Raises ``FileExists``, before anything is
    written and again when somebody made one meanwhile, and ``LocalError`` when the disk refuses.
    """
    if not force and os.path.lexists(path):
        raise FileExists(path)
    # A name of this process: two that write the same file do not write into each other.
    building = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with suppress(FileNotFoundError):
            building.unlink()
        with os.fdopen(os.open(building, flags, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _give_name(building, path, force=force)
        sync_folder(path.parent)
    except OSError as error:
        raise LocalError(
            f"{path} cannot be written: {error.strerror}",
            hint="check the folder, its rights and the room on the disk; nothing is left of it",
        ) from None
    finally:
        with suppress(OSError):
            building.unlink()


def _give_name(building: Path, path: Path, *, force: bool) -> None:
    if force:
        building.replace(path)
        return
    try:
        path.hardlink_to(building)
    except FileExistsError:
        raise FileExists(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A disk without hard links, as in a camera: hold the name first, then fill it.
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise FileExists(path) from None
        building.replace(path)
