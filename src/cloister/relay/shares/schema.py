"""The tables of the shares' own file, a comment for every column, and how the file is opened.

Rollback journal and not a write-ahead log: what is overwritten is gone from the file when the
transaction ends. What the disk keeps of it is wrapped under an epoch key that is destroyed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.layouts import LayoutRefused, bring_up
from cloister.relay.storage.api import StorageFailure

SCHEMA_VERSION: Final = 1

SCHEMA: Final = """
CREATE TABLE share (
    handle      BLOB NOT NULL PRIMARY KEY, -- 16 random bytes: a device, at this relay alone
    bind        BLOB NOT NULL,             -- hash of a log's name and 32 random bytes: says nothing
    unlock_key  BLOB NOT NULL,             -- Ed25519 key that asks for evaluations
    confirm_key BLOB NOT NULL,             -- Ed25519 key inside the vault: gives the tries back
    owner_key   BLOB NOT NULL,             -- Ed25519 key that locks, and consents to unlocking
    generation  INTEGER NOT NULL,          -- newest generation of the scalar
    tries_left  INTEGER NOT NULL,          -- evaluations before the share is sealed
    next_at     INTEGER NOT NULL,          -- s since the Unix epoch: no evaluation before
    locked_at   INTEGER,                   -- log size of the newest lock; NULL: not locked
    unlocked_at INTEGER NOT NULL,          -- seq of the last unlock in the log; -1: none
    is_held     INTEGER NOT NULL,          -- 1: a legal hold covers it
    erased_at   INTEGER                    -- s since the Unix epoch; NULL: not erased
) STRICT, WITHOUT ROWID;

CREATE TABLE scalar (
    handle     BLOB NOT NULL REFERENCES share,
    generation INTEGER NOT NULL,           -- at most two at once, while a PIN is changed
    wrapped    BLOB NOT NULL,              -- the scalar, under the epoch key in keys/shares.key
    PRIMARY KEY (handle, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE ticket_spent (
    name    BLOB NOT NULL PRIMARY KEY,     -- hash of a ticket's issuer and key
    handle  BLOB NOT NULL REFERENCES share,
    receipt BLOB NOT NULL,                 -- signed answer, to be given again
    expires INTEGER NOT NULL               -- s since the Unix epoch: dropped a day later
) STRICT, WITHOUT ROWID;

CREATE TABLE pending_order (
    order_hash BLOB NOT NULL,              -- entry hash of an erase that the log has not refused
    handle     BLOB NOT NULL REFERENCES share,
    PRIMARY KEY (order_hash, handle)
) STRICT, WITHOUT ROWID;

CREATE TABLE erasure_receipt (
    order_hash BLOB NOT NULL,              -- entry hash of the erase that was carried out
    handle     BLOB NOT NULL REFERENCES share,
    receipt    BLOB NOT NULL,              -- signed: these scalars are destroyed
    PRIMARY KEY (order_hash, handle)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key      INTEGER PRIMARY KEY CHECK (key = 1),
    ek_id    BLOB NOT NULL,                -- names the epoch key that all scalars are wrapped under
    is_stale INTEGER NOT NULL              -- 1: a scalar was dropped; the epoch key is to follow
) STRICT;
"""

STEPS: Final[dict[int, str]] = {}
"""Statements by the layout that they begin with (``cloister.layouts``): there was none before."""


def open_file(path: Path) -> sqlite.Connection:
    """Open the file with the settings that make a commit durable and a deletion one.

    Raises StorageFailure when the file is another program's or a setting does not hold."""
    try:
        connection = sqlite.connect(str(path), isolation_level=None, check_same_thread=False)
        for setting in (
            "trusted_schema = OFF",
            "journal_mode = DELETE",
            # EXTRA: the journal's removal is flushed too, or a power cut would roll a try back.
            "synchronous = EXTRA",
            "secure_delete = ON",
            "temp_store = MEMORY",
            "mmap_size = 0",
        ):
            connection.execute(f"PRAGMA {setting}")
        for name, expected in (
            ("journal_mode", "delete"),
            ("synchronous", 3),
            ("secure_delete", 1),
        ):
            (found,) = connection.execute(f"PRAGMA {name}").fetchone()
            if found != expected:
                raise StorageFailure(f"SQLite refuses {name} = {expected}: it says {found}")
        _make_or_check(connection)
    except LayoutRefused as refused:
        connection.close()
        raise StorageFailure(str(refused), hint=refused.hint) from None
    except sqlite.Error as error:
        raise StorageFailure(
            f"the file of unlock shares cannot be opened: {error}",
            hint="look at the disk and at who owns the file; if it is damaged, restore a backup",
        ) from None
    return connection


def _make_or_check(connection: sqlite.Connection) -> None:
    bring_up(
        connection.execute, "the file of unlock shares", SCHEMA_VERSION, fresh=SCHEMA, steps=STEPS
    )
    (report,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if report != "ok":
        raise StorageFailure(
            "the file of unlock shares is damaged",
            hint="restore data/shares.sqlite3 and keys/shares.key as they were at one moment",
        )
