"""What is really there, beside what is declared: tables and columns from the live schemas, files
from the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.errors import LocalError
from cloister.relay.disclosure.books import BOOKS
from cloister.relay.disclosure.declaration import Database, Kept
from cloister.relay.disclosure.shares import SHARES
from cloister.relay.disclosure.stored import STORED
from cloister.relay.disclosure.surroundings import CANNOT, FILES, LINES, SEEN

DATABASES: Final = (STORED, SHARES, BOOKS)
UNDECLARED: Final = "UNDECLARED"
Inventory = Mapping[str, object]


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite.Connection]:
    """Open a database that a relay may be writing, without a change. Raises LocalError."""
    try:
        connection = sqlite.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite.Error as error:
        raise LocalError(f"{path} cannot be read: {error}") from None
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.row_factory = sqlite.Row
        yield connection
    except sqlite.Error as error:
        raise LocalError(f"{path} cannot be read: {error}") from None
    finally:
        connection.close()


def columns_of(connection: sqlite.Connection) -> dict[str, list[str]]:
    """The columns of each table, from the live schema."""
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY rowid"
    ).fetchall()
    return {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(name)})")]
        for (name,) in names
    }


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def take_inventory(folder: Path) -> Inventory:
    """Everything that is kept in a relay's folder, each with what it is for and how long it stays.

    What is there and not declared is listed too, with UNDECLARED as its purpose.

    Raises LocalError when a file cannot be read.
    """
    return {
        "databases": [
            _database(folder, declared)
            for declared in DATABASES
            if (folder / declared.place).exists()
        ],
        "files": list(_files(folder)),
        "log": [
            {"event": line.event, "fields": ["time", "level", *line.fields], "when": line.when}
            for line in LINES
        ],
        "seen": list(SEEN),
        "cannot": list(CANNOT),
    }


def undeclared_in(inventory: Inventory) -> list[str]:
    """The names of what an inventory found and nobody has declared."""
    found: list[str] = []
    databases, files = inventory["databases"], inventory["files"]
    if not isinstance(databases, list) or not isinstance(files, list):
        raise LocalError("not an inventory")
    for database in databases:
        for table in database["tables"]:
            found += [
                f"{database['file']}: {table['table']}.{column['column']}"
                for column in table["columns"]
                if column["purpose"] == UNDECLARED
            ]
    return found + [file["file"] for file in files if file["what"] == UNDECLARED]


def _database(folder: Path, declared: Database) -> Mapping[str, object]:
    tables: list[Mapping[str, object]] = []
    with open_read_only(folder / declared.place) as connection:
        for name, columns in columns_of(connection).items():
            (rows,) = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()  # noqa: S608
            known = declared.tables.get(name, {})
            tables.append(
                {
                    "table": name,
                    "rows": rows,
                    "columns": [
                        {
                            "column": column,
                            "purpose": known[column].purpose if column in known else UNDECLARED,
                            "kept": known[column].kept if column in known else UNDECLARED,
                            "links": known[column].links if column in known else "",
                        }
                        for column in columns
                    ],
                }
            )
    return {"file": declared.place, "what": declared.what, "tables": tables}


def _files(folder: Path) -> Iterator[Mapping[str, object]]:
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        place = path.relative_to(folder).as_posix()
        kept = declaration_of(place)
        yield {
            "file": place,
            "bytes": path.lstat().st_size,
            "what": kept.what if kept is not None else UNDECLARED,
            "kept": kept.kept if kept is not None else UNDECLARED,
            "secret": kept is not None and kept.is_secret,
        }


def declaration_of(place: str) -> Kept | None:
    """What is declared of a file, by its path from the folder on."""
    name = place.rsplit("/", 1)[-1]
    if name.startswith(".") and name.endswith(".new"):
        # Left by a crash between writing a file and putting it in its place.
        place = place.removesuffix(name) + name[1 : -len(".new")]
    return next(
        (
            kept
            for kept in FILES
            if fnmatchcase(place, kept.pattern) and place.count("/") == kept.pattern.count("/")
        ),
        None,
    )
