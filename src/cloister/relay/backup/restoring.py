"""Restoring a backup: a new folder, whose numbers go on where no number was given before.

A channel's next index jumps to the first of a new life (``cloister.lives``): what was given after
the backup is never given again, and devices see that the relay was restored and what is missing.
The mark that is left in the folder makes a home fetch the rest of its logs from their mirrors
before it listens.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import sqlcipher3.dbapi2 as sqlite

from cloister.errors import LocalError, UsageError
from cloister.lives import LIFE_SHIFT, first_of_life, life_of
from cloister.relay.backup.manifest import Manifest, read_manifest
from cloister.relay.folder import Folder
from cloister.relay.storage.sqlite.schema import open_file


class Mark(msgspec.Struct, frozen=True):
    """What ``restored.json`` says, until the logs have been compared with their mirrors."""

    made_at: int
    """When the backup was made, s since the Unix epoch."""
    restored_at: int
    logs_due: bool
    """Whether a home still has to ask the mirrors."""


class Restored(msgspec.Struct, frozen=True):
    """What came of it."""

    manifest: Manifest
    circles: int
    channels: int
    shares: int


def restore(backup: Path, target: Path, now: int) -> Restored:
    """Make the folder of a relay from a backup.

    Raises UsageError when ``target`` holds anything, NotFoundError or BackupDamaged for what is
    no whole backup, LocalError when it cannot be written."""
    manifest = read_manifest(backup)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target} is not empty",
            hint="a backup is restored into a new folder; move the old one aside, and let its"
            " relay never run again",
        )
    building = target.with_name(f".{target.name}.unfinished")
    try:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700, parents=True)
        for place in ("keys", "peers", "codes", "data", "books"):
            (building / place).mkdir(mode=0o700)
        for name in manifest.files:
            shutil.copyfile(backup / name, building / name)
            (building / name).chmod(0o600)
        if not any((building / "books").iterdir()):
            (building / "books").rmdir()
        folder = Folder(building)
        if folder.identity().card.relay_id.hex() != manifest.relay_id:
            raise LocalError("the backup's keys are of another relay than its list says")
        circles, channels = _move_on(folder.database_path, now)
        shares = _count_shares(folder.shares_path)
        mark = Mark(manifest.made_at, now, manifest.role == "home" and circles > 0)
        write_mark(folder, mark)
        if folder.database_path.exists() and folder.shares_path.exists():
            folder.note_begun()
        _flush_all(building)
        if target.exists():
            target.rmdir()
        building.rename(target)
    except (OSError, sqlite.Error) as error:
        raise LocalError(f"the backup could not be restored: {error}") from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Restored(manifest, circles, channels, shares)


def write_mark(folder: Folder, mark: Mark) -> None:
    """Write ``restored.json``, as a whole or not at all."""
    new = folder.restored_path.with_name(".restored.json.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(mark) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder.restored_path)


def read_mark(folder: Folder) -> Mark | None:
    """Return what the folder says of a restore; None when there was none.

    Raises LocalError when the file is damaged: nobody knows then what is still to be done."""
    try:
        return msgspec.json.decode(folder.restored_path.read_bytes(), type=Mark)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        raise LocalError(
            f"{folder.restored_path} cannot be read",
            hint="restore the backup once more into another folder",
        ) from None


def _move_on(path: Path, now: int) -> tuple[int, int]:
    """Let every channel and inbox go on in a new life; return (circles, channels)."""
    if not path.exists():
        return 0, 0
    connection = open_file(path)
    try:
        execute = connection.execute
        execute("BEGIN IMMEDIATE")
        (newest,) = execute(
            "SELECT max((SELECT coalesce(max(next_n), 0) FROM channel),"
            " (SELECT coalesce(max(n), 0) FROM envelope),"
            " (SELECT coalesce(max(next_n), 0) FROM inbox))"
        ).fetchone()
        # The clock says which life it is, so that two restores of one backup are two lives.
        life = max(now, life_of(newest) + 1)
        if life >> (62 - LIFE_SHIFT):
            raise LocalError("the clock is too far ahead", hint="set it right, restore again")
        execute(
            "UPDATE channel SET next_n = ?, bytes = (SELECT coalesce(sum(length(envelope.bytes)),"
            " 0) FROM envelope WHERE envelope.channel = channel.key)",
            (first_of_life(life),),
        )
        execute("UPDATE inbox SET next_n = ?", (first_of_life(life),))
        execute("COMMIT")
        (circles,) = execute("SELECT count(*) FROM circle").fetchone()
        (channels,) = execute("SELECT count(*) FROM channel").fetchone()
        execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    return int(circles), int(channels)


def _count_shares(path: Path) -> int:
    if not path.exists():
        return 0
    connection = sqlite.connect(str(path), isolation_level=None)
    try:
        (shares,) = connection.execute(
            "SELECT count(*) FROM share WHERE erased_at IS NULL"
        ).fetchone()
    finally:
        connection.close()
    return int(shares)


def _flush_all(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
