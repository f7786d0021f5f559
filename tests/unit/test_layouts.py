"""Databases of the release before are brought up, or left as they are; later ones are refused.

tests/vectors/layouts holds each layout as SQL: that of the release before with rows, and today's,
so that whoever changes a table sees that a step is due."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as sqlite

from cloister.books import schema as books
from cloister.crypto.secret import Secret
from cloister.device.vault import schema as vault
from cloister.device.vault.connection import connect, open_database
from cloister.errors import LocalError
from cloister.layouts import LayoutRefused, bring_up, statements_of
from cloister.relay.shares import schema as shares
from cloister.relay.storage.sqlite import schema as stored

LAYOUTS = Path(__file__).parents[1] / "vectors" / "layouts"
KEY = Secret(b"k" * 32)
NEWEST = {
    "relay": stored.SCHEMA_VERSION,
    "shares": shares.SCHEMA_VERSION,
    "books": books.SCHEMA_VERSION,
    "vault": vault.SCHEMA_VERSION,
}
OPEN: dict[str, Callable[[Path], Any]] = {
    "relay": stored.open_file,
    "shares": shares.open_file,
    "books": books.open_file,
    "vault": lambda path: open_database(path, KEY),
}


def make(path: Path, name: str, layout: int) -> Path:
    """A file as the kept SQL says."""
    connection = connect(path, KEY) if name == "vault" else sqlite.connect(str(path))
    if name == "vault":
        connection.execute(f"PRAGMA application_id = {vault.APPLICATION_ID}")
    connection.executescript((LAYOUTS / f"{name}-{layout}.sql").read_text())
    connection.close()
    return path


def tables(connection: Any) -> set[tuple[str, str]]:
    """Every table, index and trigger, without comments and spaces."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    bare = {(name, "\n".join(one.split("--")[0] for one in sql.splitlines())) for name, sql in rows}
    return {(name, " ".join(sql.split())) for name, sql in bare}


def content(connection: Any) -> list[Any]:
    """Every row of every table."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [
        (name, connection.execute(f"SELECT * FROM {name}").fetchall())
        for (name,) in names.fetchall()
    ]


@pytest.mark.parametrize("name", NEWEST)
def test_tables_are_those_that_are_kept_for_the_next_release(tmp_path: Path, name: str) -> None:
    """When this fails a table has changed: raise the version, write a step, keep the new SQL."""
    connection = OPEN[name](make(tmp_path / "file", name, NEWEST[name]))
    module = {"relay": stored, "shares": shares, "books": books, "vault": vault}[name]
    memory = sqlite.connect(":memory:")
    memory.executescript(module.SCHEMA)
    assert tables(connection) == tables(memory)
    connection.close()


def test_relays_file_of_the_release_before_is_brought_up_with_its_rows(tmp_path: Path) -> None:
    path = make(tmp_path / "relay.sqlite3", "relay", 1)
    raw = sqlite.connect(str(path))
    before = dict(content(raw))
    raw.close()
    for _ in range(2):
        connection = stored.open_file(path)
        after = dict(content(connection))
        assert {name: after[name] for name in before} == before
        assert set(after) - set(before) == {"seat", "seat_reserved"}
        memory = sqlite.connect(":memory:")
        memory.executescript(stored.SCHEMA)
        assert tables(connection) == tables(memory)
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        connection.close()


def test_vault_of_the_form_before_is_brought_up_with_its_rows(tmp_path: Path) -> None:
    path = make(tmp_path / "vault.db", "vault", 2)
    raw = connect(path, KEY)
    raw.execute("INSERT INTO record VALUES ('circle', x'00', x'01')")
    raw.execute("INSERT INTO read_marker VALUES (x'02', 7)")
    raw.commit()
    before = dict(content(raw))
    raw.close()
    for _ in range(2):
        connection = open_database(path, KEY)
        after = dict(content(connection))
        assert {name: after[name] for name in before} == before
        assert set(after) - set(before) == {"draft", "annotation"}
        memory = sqlite.connect(":memory:")
        memory.executescript(vault.SCHEMA)
        assert tables(connection) == tables(memory)
        connection.close()


@pytest.mark.parametrize("name", NEWEST)
def test_a_file_of_a_later_release_is_refused_in_words_and_not_touched(
    tmp_path: Path, name: str
) -> None:
    later = NEWEST[name] + 1
    path = make(tmp_path / "file", name, NEWEST[name])
    connection = connect(path, KEY) if name == "vault" else sqlite.connect(str(path))
    connection.execute(f"PRAGMA user_version = {later}")
    connection.close()
    with pytest.raises(LocalError, match=f"has layout {later}, and this program knows") as refused:
        OPEN[name](path)
    assert "newer version of Cloister" in str(refused.value.hint)
    connection = connect(path, KEY) if name == "vault" else sqlite.connect(str(path))
    assert connection.execute("PRAGMA user_version").fetchone() == (later,)
    connection.close()


def test_vault_of_a_form_without_a_way_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "vault.db", "vault", 4)
    connection = connect(path, KEY)
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(LocalError, match="layout 1, from which no way leads to 4"):
        open_database(path, KEY)


class Broken(Exception):
    """The process ends here."""


@pytest.mark.parametrize("name", NEWEST)
def test_a_step_that_is_broken_off_anywhere_leaves_the_old_layout(
    tmp_path: Path, name: str
) -> None:
    """Each file with a step to come, broken off before each of its statements, then carried out."""
    layout = 1 if name == "relay" else NEWEST[name]
    steps = {**stored.STEPS} if name == "relay" else {}
    steps[NEWEST[name]] = "CREATE TABLE later (x INTEGER);\nINSERT INTO later VALUES (7);\n"
    path = make(tmp_path / "file", name, layout)

    def opened() -> Any:
        connection = connect(path, KEY) if name == "vault" else sqlite.connect(str(path))
        connection.isolation_level = None
        return connection

    connection = opened()
    before = (tables(connection), content(connection))
    connection.close()
    statements = sum(len(statements_of(one)) for one in steps.values()) + 4
    for broken_at in range(1, statements):
        connection = opened()
        done = 0

        def execute(statement: str, connection: Any = connection, at: int = broken_at) -> Any:
            nonlocal done
            done += 1
            if done > at:
                raise Broken
            return connection.execute(statement)

        with pytest.raises(Broken):
            bring_up(execute, "it", NEWEST[name] + 1, fresh="", steps=steps)
        connection.close()
        connection = opened()
        assert (tables(connection), content(connection)) == before, broken_at
        assert connection.execute("PRAGMA user_version").fetchone() == (layout,)
        connection.close()
    connection = opened()
    assert bring_up(connection.execute, "it", NEWEST[name] + 1, fresh="", steps=steps) == layout
    assert connection.execute("SELECT x FROM later").fetchone() == (7,)
    connection.close()


def test_an_empty_file_is_made_and_one_that_must_exist_is_not(tmp_path: Path) -> None:
    connection = sqlite.connect(str(tmp_path / "new"), isolation_level=None)
    with pytest.raises(LayoutRefused):
        bring_up(connection.execute, "it", 1, fresh="", steps={})
    assert bring_up(connection.execute, "it", 1, fresh="CREATE TABLE t (x);\n", steps={}) == 0
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()
