"""Making a backup: a consistent copy of each database, taken beside the running relay."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister import __version__
from cloister.errors import LocalError, UsageError
from cloister.relay.backup.manifest import (
    VERSION,
    Manifest,
    digest_of,
    files_in,
    write_manifest,
)
from cloister.relay.folder import Folder
from cloister.relay.shares import schema as shares_schema
from cloister.relay.startable import demand_databases

_SHARE_TABLES: Final = ("share", "ticket_spent", "pending_order", "erasure_receipt")
"""All but the scalars, which two stewards must be able to destroy everywhere, and their key's id.
"""
_NOT_COPIED: Final = (
    # One of these may be handed out tomorrow; from a copy it would be handed out twice.
    "DELETE FROM key_package",
    "DELETE FROM part WHERE until > 0",
)
_FILES: Final = ("relay.toml", "relay.card", "keys/relay.key", "keys/tls.key", "keys/tls.crt")
BUSY_S: Final = 30.0


def make_backup(folder: Folder, target: Path, now: int, *, with_books: bool = True) -> Manifest:
    """Copy what may be restored into ``target``, a folder that is not there yet.

    Consistent: each database as it was at one moment, the main one before the shares, so that no
    spent ticket is forgotten for which a seat was taken.  The relay may run meanwhile.  Raises
    UsageError, LocalError, and what a folder that is no relay's raises."""
    role = folder.settings({}).relay.role
    identity = folder.identity()
    demand_databases(folder)  # one without them would look whole, and take the place of a good one
    if target.exists():
        raise UsageError(f"{target} is there already", hint="name a folder that is not there yet")
    building = target.with_name(f".{target.name}.unfinished")
    try:
        shutil.rmtree(building, ignore_errors=True)
        for place in ("", "keys", "peers", "codes", "data", "books"):
            (building / place).mkdir(mode=0o700, parents=True)
        logs = _copy_main(folder.database_path, building / "data" / "relay.sqlite3")
        _copy_shares(folder.shares_path, building / "data" / "shares.sqlite3")
        for name in (*_FILES, *(str(one) for one in _peers(folder)), "books/accounts.json"):
            if (folder.path / name).exists():
                _copy(folder.path / name, building / name)
        _copy_used_codes(folder, building)
        books = folder.path / "books" / "books.sqlite3"
        if with_books and books.exists():
            _vacuum_into(books, building / "books" / "books.sqlite3")
        manifest = Manifest(
            v=VERSION,
            program=__version__,
            relay_id=identity.card.relay_id.hex(),
            role=role,
            made_at=now,
            files={name: digest_of(building / name) for name in files_in(building)},
            logs=logs,
        )
        write_manifest(building, manifest)
        _flush(building)
        building.rename(target)
        _flush(target.parent)
    except (OSError, sqlite.Error) as error:
        raise LocalError(f"the backup could not be made: {error}") from None
    finally:
        # Whatever ends it before it is whole: it has the keys, and lies where nobody looks.
        shutil.rmtree(building, ignore_errors=True)
    return manifest


def _copy_main(source: Path, target: Path) -> dict[str, int]:
    if not source.exists():
        return {}
    _vacuum_into(source, target)
    connection = sqlite.connect(str(target), isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN")
        for statement in _NOT_COPIED:
            connection.execute(statement)
        logs = dict(connection.execute("SELECT origin, size FROM circle").fetchall())
        connection.execute("COMMIT")
        connection.execute("VACUUM")
    finally:
        connection.close()
    return logs


def _copy_shares(source: Path, target: Path) -> None:
    """Copy the rows beside the scalars; these are read by nobody and written nowhere."""
    if not source.exists():
        return
    reader = sqlite.connect(str(source), isolation_level=None, timeout=BUSY_S)
    try:
        # A reader holds up the relay's writer: all is read at once, and let go.
        reader.execute("BEGIN")
        (layout,) = reader.execute("PRAGMA user_version").fetchone()
        if layout != shares_schema.SCHEMA_VERSION:
            raise LocalError(
                f"the file of unlock shares has layout {layout}, this program copies"
                f" {shares_schema.SCHEMA_VERSION}",
                hint="start and stop the relay once with this version, then make the backup",
            )
        rows = {
            table: reader.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  a constant
            for table in _SHARE_TABLES
        }
        reader.execute("COMMIT")
    finally:
        reader.close()
    writer = shares_schema.open_file(target)
    try:
        writer.execute("BEGIN IMMEDIATE")
        for table, found in rows.items():
            if found:
                marks = ", ".join("?" * len(found[0]))
                writer.executemany(f"INSERT INTO {table} VALUES ({marks})", found)  # noqa: S608
        writer.execute("COMMIT")
    finally:
        writer.close()
    target.chmod(0o600)


def _vacuum_into(source: Path, target: Path) -> None:
    connection = sqlite.connect(str(source), isolation_level=None, timeout=BUSY_S)
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    finally:
        connection.close()
    target.chmod(0o600)
    _flush(target)


def _copy_used_codes(folder: Folder, building: Path) -> None:
    """A code that nobody has used may be used tomorrow: it is made anew instead."""
    database = building / "data" / "relay.sqlite3"
    if not database.exists():
        return
    connection = sqlite.connect(str(database), isolation_level=None)
    try:
        used = [row[0].hex() for row in connection.execute("SELECT code_hash FROM activation")]
    finally:
        connection.close()
    for name in used:
        if (folder.path / "codes" / name).exists():
            _copy(folder.path / "codes" / name, building / "codes" / name)


def _peers(folder: Folder) -> list[Path]:
    return [one.relative_to(folder.path) for one in (folder.path / "peers").glob("*.card")]


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(source.read_bytes())
        file.flush()
        os.fsync(file.fileno())


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
