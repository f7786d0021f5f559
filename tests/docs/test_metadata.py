"""The metadata page names every table and column of the shares and of the books."""

from __future__ import annotations

import re
from pathlib import Path

from cloister.relay.disclosure.books import BOOKS
from cloister.relay.disclosure.shares import SHARES

PAGE = (Path(__file__).resolve().parents[2] / "docs/security/metadata.md").read_text("utf-8")


def test_every_column_of_the_shares_stands_there() -> None:
    section = PAGE.split("`data/shares.sqlite3`**")[1].split("**`books/`**")[0]
    rows = dict(re.findall(r"^\| (\w+) \| ([\w, ]+?)(?::[^|]*)? \|", section, re.M))
    rows.pop("table")
    assert {name: columns.split(", ") for name, columns in rows.items()} == {
        name: list(columns) for name, columns in SHARES.tables.items()
    }


def test_every_table_of_the_books_stands_there() -> None:
    match = re.search(r"`books.sqlite3` \(([\w, ]+)\)", PAGE)
    assert match is not None
    assert match[1].split(", ") == list(BOOKS.tables)
