"""The list of what a backup holds: each file with its digest, and the size of each log."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from cloister.errors import LocalError, NotFoundError

VERSION: Final = 1
NAME: Final = "backup.json"
_CHUNK: Final = 1024 * 1024


class BackupDamaged(LocalError):
    """A backup is not as it was made; nothing of it was restored."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in ``backup.json``."""

    v: int
    program: str
    """Version of Cloister that made it."""
    relay_id: str
    """Hexadecimal."""
    role: str
    made_at: int
    """s since the Unix epoch."""
    files: dict[str, str]
    """SHA-256 by path inside the backup."""
    logs: dict[str, int]
    """Entries of each log, by its origin."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file.  Raises LocalError."""
    state = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
    except OSError as error:
        raise LocalError(f"{path} cannot be read: {error.strerror}") from None
    return state.hexdigest()


def files_in(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, the manifest left out."""
    names = (str(one.relative_to(folder)) for one in folder.rglob("*") if not one.is_dir())
    return sorted(name for name in names if name != NAME)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it; with it the backup is whole."""
    path = folder / NAME
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Read it and check every file.  Raises NotFoundError, BackupDamaged."""
    try:
        manifest = msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except OSError:
        raise NotFoundError(
            f"{folder} is no backup of a relay: {NAME} is missing",
            hint="name the folder that `cloister relay backup` made; without the list it was not"
            " finished",
        ) from None
    except msgspec.MsgspecError:
        raise BackupDamaged(f"{folder / NAME} is damaged", hint="take another backup") from None
    if manifest.v != VERSION:
        raise BackupDamaged(
            f"the backup has form {manifest.v}, this program reads {VERSION}",
            hint=f"restore it with Cloister {manifest.program}",
        )
    found = files_in(folder)
    if found != sorted(manifest.files):
        differing = sorted(set(found) ^ set(manifest.files))
        raise BackupDamaged(
            f"the backup lacks files or has others: {', '.join(differing[:3])}",
            hint="take another backup",
        )
    for name, digest in manifest.files.items():
        if digest_of(folder / name) != digest:
            raise BackupDamaged(f"{name} was changed since the backup", hint="take another backup")
    return manifest
