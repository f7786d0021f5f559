"""The vault's files: their names, and writing that survives a loss of power."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

DATABASE_NAME: Final = "vault.db"
KEY_NAME: Final = "vault.key"
UNFINISHED: Final = ".new"
"""Ends the names of a vault that is being made and holds nothing yet."""
NEXT_KEY_NAME: Final = "vault.key.next"
"""What ``vault.key`` is about to be replaced by; of no account until it has that name."""


def vault_exists(folder: Path) -> bool:
    """Tell whether the profile holds a vault, be it whole or not."""
    return (folder / KEY_NAME).exists() or (
        (folder / DATABASE_NAME).exists() and not (folder / (KEY_NAME + UNFINISHED)).exists()
    )


def write_new_file(path: Path, content: bytes) -> None:
    """Write a private file (0600) that must not exist, and see it onto the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """See a file's content onto the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """See a folder's names onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
