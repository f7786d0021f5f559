"""The tables of books.sqlite3, a comment for every column, and how the file is opened.

Payments and changes are added and never altered: triggers refuse it, and each payment carries a
hash over the one before. A mistake is corrected by another row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.errors import LocalError
from cloister.layouts import bring_up

SCHEMA_VERSION: Final = 1

TABLES: Final = """
CREATE TABLE plan (
    name     TEXT NOT NULL PRIMARY KEY,
    price    INTEGER NOT NULL CHECK (price >= 0), -- of one seat for one term, in minor units
    currency TEXT NOT NULL,                       -- ISO 4217
    months   INTEGER NOT NULL                     -- calendar months of a term
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id    TEXT NOT NULL PRIMARY KEY,   -- 16 random digits: all that relays read of an account
    name  TEXT NOT NULL UNIQUE,        -- the customer, as the operator calls it
    plan  TEXT NOT NULL REFERENCES plan,
    seats INTEGER NOT NULL CHECK (seats > 0),
    zone  TEXT NOT NULL,               -- IANA time zone in which its days end
    first TEXT NOT NULL,               -- first day of the first of its terms without a break
    terms INTEGER NOT NULL             -- terms bought since then
) STRICT, WITHOUT ROWID;

CREATE TABLE activation (
    code_hash BLOB NOT NULL PRIMARY KEY, -- SHA-256 of a code that founds one circle
    account   TEXT NOT NULL REFERENCES account
) STRICT, WITHOUT ROWID;

CREATE TABLE freed (
    handle  TEXT NOT NULL PRIMARY KEY,   -- device at the home relay, in hex: its seat is free again
    account TEXT NOT NULL REFERENCES account
) STRICT, WITHOUT ROWID;

CREATE TABLE change (
    seq     INTEGER PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account,
    at      INTEGER NOT NULL,            -- s since the Unix epoch
    what    TEXT NOT NULL,               -- opened, seats, freed, renewed, code
    detail  TEXT NOT NULL                -- in words, with what was before
) STRICT;

CREATE TABLE payment (
    seq       INTEGER PRIMARY KEY,       -- from 1, without holes
    account   TEXT NOT NULL REFERENCES account,
    amount    INTEGER NOT NULL CHECK (amount <> 0), -- minor units; negative: a correction
    currency  TEXT NOT NULL,             -- ISO 4217
    paid_on   TEXT NOT NULL,             -- day of the payment
    reference TEXT NOT NULL,             -- of the bank, or of the operator
    at        INTEGER NOT NULL,          -- s since the Unix epoch: when it was entered
    hash      BLOB NOT NULL              -- SHA-256 over this row and the hash of the one before
) STRICT;
"""

# The last of each: INSERT OR REPLACE would delete a row without asking the other two.
TRIGGERS: Final = """
CREATE TRIGGER payment_no_update BEFORE UPDATE ON payment BEGIN
    SELECT RAISE(ABORT, 'rows of payment are only added');
END;
CREATE TRIGGER payment_no_delete BEFORE DELETE ON payment BEGIN
    SELECT RAISE(ABORT, 'rows of payment are only added');
END;
CREATE TRIGGER payment_no_replace BEFORE INSERT ON payment
WHEN EXISTS (SELECT 1 FROM payment WHERE seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'rows of payment are only added');
END;
CREATE TRIGGER change_no_update BEFORE UPDATE ON change BEGIN
    SELECT RAISE(ABORT, 'rows of change are only added');
END;
CREATE TRIGGER change_no_delete BEFORE DELETE ON change BEGIN
    SELECT RAISE(ABORT, 'rows of change are only added');
END;
CREATE TRIGGER change_no_replace BEFORE INSERT ON change
WHEN EXISTS (SELECT 1 FROM change WHERE seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'rows of change are only added');
END;
"""
SCHEMA: Final = TABLES + TRIGGERS
STEPS: Final[dict[int, str]] = {}
"""Statements by the layout that they begin with (``cloister.layouts``): there was none before."""


def open_file(path: Path) -> sqlite.Connection:
    """Open the books, make them when there are none. Raises LocalError."""
    try:
        connection = sqlite.connect(str(path), isolation_level=None)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA foreign_keys = ON")
        bring_up(
            connection.execute, "the file of the books", SCHEMA_VERSION, fresh=SCHEMA, steps=STEPS
        )
        (report,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite.Error as error:
        raise LocalError(f"the books {path} cannot be opened: {error}") from None
    if report != "ok":
        raise LocalError(f"the books {path} are damaged", hint="restore them from a backup")
    return connection
