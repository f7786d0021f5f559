"""The relay's databases: readable, of this program's layout, and with the key they need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cloister.errors import LocalError
from cloister.finding import Finding, Grade, wrong
from cloister.relay.disclosure.inventory import open_read_only
from cloister.relay.folder import Folder, is_there
from cloister.relay.shares import schema as shares_schema
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.startable import demand_databases
from cloister.relay.storage.sqlite import schema as stored_schema


def look_at_databases(folder: Folder) -> Iterator[Finding]:
    """Look at both without a change. Every page of them is read by the start itself."""
    try:
        demand_databases(folder)
    except LocalError as error:
        yield wrong("database", error)
    for path, newest in (
        (folder.database_path, stored_schema.SCHEMA_VERSION),
        (folder.shares_path, shares_schema.SCHEMA_VERSION),
    ):
        if path not in folder.gone:
            yield from _database(path, newest)
    yield from _epoch_key(folder)


def _database(path: Path, newest: int) -> Iterator[Finding]:
    if not is_there(path):
        yield Finding("database", Grade.GOOD, f"{path.name} is not there: the first start makes it")
        return
    try:
        with open_read_only(path) as connection:
            (layout,) = connection.execute("PRAGMA user_version").fetchone()
    except LocalError as error:
        yield Finding(
            "database",
            Grade.WRONG,
            str(error),
            "look at the disk and at who owns the file; if it is damaged, see the guide on backups",
        )
        return
    if layout > newest:
        yield Finding(
            "database",
            Grade.WRONG,
            f"{path.name} has layout {layout}, this program writes {newest}",
            "run the version of Cloister that wrote it, or a newer one",
        )
    elif layout < newest:
        yield Finding(
            "database",
            Grade.DOUBTFUL,
            f"{path.name} has layout {layout}: the start brings it to {newest}",
            "make a backup first (cloister relay backup): an older program will not read it then",
        )
    else:
        yield Finding("database", Grade.GOOD, f"{path.name} can be opened, layout {layout}")


def _epoch_key(folder: Folder) -> Iterator[Finding]:
    if not is_there(folder.shares_path):
        return
    try:
        with open_read_only(folder.shares_path) as connection:
            row = connection.execute("SELECT ek_id FROM meta").fetchone()
        if row is None or EpochKeyFile(folder.epoch_key_path).has(bytes(row[0])):
            return
    except LocalError as error:
        yield wrong("shares", error)
        return
    yield Finding(
        "shares",
        Grade.WRONG,
        f"{folder.epoch_key_path.name} is not the key of the unlock shares in the database",
        "one of the two was restored from a backup: shares of that time are gone, and devices"
        " that need them have to be admitted anew",
    )
