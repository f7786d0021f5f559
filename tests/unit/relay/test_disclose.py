"""Nothing is kept that is not declared, and what is declared is there."""

from __future__ import annotations

import ast
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as sqlite
from click.testing import CliRunner

from cloister.books.money import Money
from cloister.books.schema import SCHEMA as BOOKS_SCHEMA
from cloister.books.store import open_books
from cloister.cli.relay import relay
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.errors import LocalError, NotFoundError, UsageError
from cloister.relay.disclosure.books import BOOKS
from cloister.relay.disclosure.declaration import Database
from cloister.relay.disclosure.inventory import (
    columns_of,
    declaration_of,
    take_inventory,
    undeclared_in,
)
from cloister.relay.disclosure.shares import SHARES
from cloister.relay.disclosure.stored import STORED
from cloister.relay.disclosure.surroundings import LINES
from cloister.relay.folder import Folder
from cloister.relay.shares.schema import SCHEMA as SHARES_SCHEMA
from cloister.relay.storage.sqlite.schema import SCHEMA as RELAY_SCHEMA
from cloister.relay.storage.sqlite.schema import open_file

SOURCE = Path(__file__).resolve().parents[3] / "src" / "cloister" / "relay"
HANDLE = bytes(range(16))
CHANNEL = b"K" * 16
ENVELOPE = (
    "INSERT INTO envelope (channel, n, id, epoch, hour, bytes) VALUES (1, 0, ?, 0, 500000, ?)"
)
NOW = 1_800_000_000
TYPED = ("Clinic of the North", "INV 7")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home relay with a circle, a channel, a seat, a hold on a handle, and books."""
    place = Folder(tmp_path / "home")
    place.init(
        role="home",
        host="127.0.0.1",
        port=0,
        jurisdiction="HK",
        operator="North",
        name="home",
        now=NOW,
        entropy=SystemEntropy(),
    )
    with open_books(place.path, lambda: NOW) as books:
        books.add_plan("team", Money(160_000, "EUR"))
        account, code = books.add_account(
            TYPED[0],
            plan="team",
            seats=3,
            first=date(2027, 1, 1),
            zone="UTC",
            entropy=SystemEntropy(),
        )
        books.pay(TYPED[0], Money(1, "EUR"), paid_on=date(2027, 1, 1), reference=TYPED[1])
    connection = open_file(place.database_path)
    for sql, values in (
        ("INSERT INTO activation VALUES (?, x'01', 'home/1')", (sha256(code.encode()),)),
        ("INSERT INTO circle VALUES (1, 'home/1', 0, x'', x'', x'', x'')", ()),
        ("INSERT INTO channel VALUES (1, ?, 1, 0, 0, 1, 1024, 0)", (CHANNEL,)),
        ("INSERT INTO ladder VALUES (1, 0, x'aa', 0, NULL, NULL, x'')", ()),
        (ENVELOPE, (b"i" * 16, b"e" * 1024)),
        ("INSERT INTO seat VALUES (?, ?)", (HANDLE, account.id)),
    ):
        connection.execute(sql, values)
    connection.close()
    return place.path


def schema_of(text: str) -> dict[str, list[str]]:
    connection = sqlite.connect(":memory:")
    connection.executescript(text)
    found = columns_of(connection)
    connection.close()
    return found


@pytest.mark.parametrize(
    ("declared", "schema"),
    [(STORED, RELAY_SCHEMA), (SHARES, SHARES_SCHEMA), (BOOKS, BOOKS_SCHEMA)],
    ids=["relay", "shares", "books"],
)
def test_every_column_is_declared_and_nothing_else(declared: Database, schema: str) -> None:
    stated = {name: sorted(columns) for name, columns in declared.tables.items()}
    assert stated == {name: sorted(columns) for name, columns in schema_of(schema).items()}
    for columns in declared.tables.values():
        assert all(column.purpose and column.kept for column in columns.values())


def log_calls() -> set[tuple[str, tuple[str, ...]]]:
    """Each line that the relay's source writes to its log: the event, and its fields."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = ast.unparse(node.func.value)
            if node.func.attr not in {"info", "warning", "error", "bug"} or "log" not in owner:
                continue
            (event, *_) = node.args
            assert isinstance(event, ast.Constant), ast.unparse(node)
            fields = [str(keyword.arg) for keyword in node.keywords]
            if node.func.attr == "bug":
                fields = ["cause", "line"]
            found.add((str(event.value), tuple(fields)))
    return found


def test_every_line_of_the_log_is_declared_and_nothing_else() -> None:
    assert log_calls() == {(line.event, line.fields) for line in LINES}


def test_every_file_of_a_folder_is_declared(folder: Path) -> None:
    inventory: Any = take_inventory(folder)
    assert undeclared_in(inventory) == []
    listed = {file["file"] for file in inventory["files"]}
    assert {"relay.toml", "keys/relay.key", "data/relay.sqlite3", "books/accounts.json"} <= listed


@pytest.mark.parametrize(
    "place", ["notes.txt", "data/relay.sqlite3.d/x", "keys/other.key", "codes/a/b", "books/.x.new"]
)
def test_a_file_of_no_known_place_is_not_declared(place: str) -> None:
    assert declaration_of(place) is None


@pytest.mark.parametrize(
    "place", ["keys/.relay.key.new", "books/.accounts.json.new", "keys/shares.key.next", "log"]
)
def test_what_a_crash_leaves_is_declared(place: str) -> None:
    assert declaration_of(place) is not None


def test_what_is_not_declared_is_named_and_fails(folder: Path) -> None:
    connection = sqlite.connect(str(folder / "data" / "relay.sqlite3"))
    connection.execute("ALTER TABLE seat ADD COLUMN address TEXT")
    connection.close()
    (folder / "addresses.txt").write_text("")
    found = undeclared_in(take_inventory(folder))
    assert found == ["data/relay.sqlite3: seat.address", "addresses.txt"]
    result = CliRunner().invoke(relay, ["disclose", str(folder)])
    assert isinstance(result.exception, LocalError)
    assert "seat.address" in str(result.exception)


def disclose(folder: Path, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(relay, ["disclose", str(folder), *arguments, "--json"])
    assert result.exception is None, result.exception
    return dict(json.loads(result.stdout))


def test_a_handle_leads_to_its_account_and_its_circle_and_no_further(folder: Path) -> None:
    view = disclose(folder, "--handle", HANDLE.hex())
    found = view["found"]
    (seat,) = found["data/relay.sqlite3: seat"]
    (account,) = found["books/books.sqlite3: account"]
    assert seat["account"] == account["id"]
    assert account["name"] == TYPED[0]
    assert [row["origin"] for row in found["data/relay.sqlite3: circle"]] == ["home/1"]
    assert [row["reference"] for row in found["books/books.sqlite3: payment"]] == [TYPED[1]]
    # No channel and no inbox: nothing that is stored leads there from a handle.
    assert not {"channel", "inbox", "envelope"} & {place.split(": ")[1] for place in found}
    assert CHANNEL.hex() not in json.dumps(found)


def test_a_channel_leads_to_its_items_by_the_hour_and_to_no_handle(folder: Path) -> None:
    found = disclose(folder, "--channel", CHANNEL.hex())["found"]
    (item,) = found["data/relay.sqlite3: envelope"]
    assert (item["hour"], item["n"], item["bytes"]) == (500_000, 0, "1024 bytes")
    assert found["books/books.sqlite3: account"][0]["name"] == TYPED[0]
    assert HANDLE.hex() not in json.dumps(found)


def test_the_relays_own_files_hold_no_name(folder: Path) -> None:
    """Handles and accounts, never names: what was typed stands in the operator's books alone."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "books.sqlite3":
            data = path.read_bytes()
            assert not [typed for typed in TYPED if typed.encode() in data], path
    everything = json.dumps(disclose(folder))
    assert not [typed for typed in TYPED if typed in everything]


def test_the_text_says_what_cannot_be_handed_over(folder: Path) -> None:
    for arguments in ([], ["--handle", HANDLE.hex()], ["--channel", CHANNEL.hex()]):
        result = CliRunner().invoke(relay, ["disclose", str(folder), *arguments])
        assert result.exit_code == 0, result.exception
        assert "No name and no member is here" in result.stdout


def test_an_unknown_number_is_not_found(folder: Path) -> None:
    for option in ("--handle", "--channel"):
        result = CliRunner().invoke(relay, ["disclose", str(folder), option, "00" * 16])
        assert isinstance(result.exception, NotFoundError)
        result = CliRunner().invoke(relay, ["disclose", str(folder), option, "Amira"])
        assert isinstance(result.exception, UsageError)


def test_disclosing_changes_nothing(folder: Path) -> None:
    def content() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix not in {".sqlite3-shm", ".sqlite3-wal"}
        }

    before = content()
    disclose(folder)
    disclose(folder, "--handle", HANDLE.hex())
    assert content() == before
