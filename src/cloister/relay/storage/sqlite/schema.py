"""The tables of a relay's file, a comment for every column, and how the file is opened.

What stands here is all that a relay knows (flows 6).  Times are hours, so that the file does not
say more about when somebody wrote than retention needs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.layouts import LayoutRefused, bring_up
from cloister.relay.storage.api import StorageFailure

SCHEMA_VERSION: Final = 2
MIN_SQLITE: Final = (3, 51, 3)
"""Up to 3.51.2 two connections at a checkpoint could corrupt the file (WAL reset)."""
HOUR_S: Final = 3600

_LAYOUT_1: Final = """
CREATE TABLE activation (
    code_hash BLOB NOT NULL PRIMARY KEY,  -- SHA-256 of the activation code
    setup_key BLOB NOT NULL,              -- Ed25519 key that the code is bound to
    origin    TEXT NOT NULL               -- origin of the log that it opens
) STRICT, WITHOUT ROWID;

CREATE TABLE circle (
    key     INTEGER PRIMARY KEY,
    origin  TEXT NOT NULL UNIQUE,         -- name of the log; says nothing about the circle
    size    INTEGER NOT NULL,             -- entries in the log
    root    BLOB NOT NULL,                -- tree root at that size
    note    BLOB NOT NULL,                -- signed checkpoint at that size
    settled BLOB NOT NULL DEFAULT x'',    -- newest checkpoint with a cosignature
    fold    BLOB NOT NULL                 -- relay fold: steward keys and relay set at that size
) STRICT;

CREATE TABLE log_entry (
    circle  INTEGER NOT NULL REFERENCES circle,
    seq     INTEGER NOT NULL,             -- position in the log, from 0
    kind    INTEGER NOT NULL,             -- 1 sealed, 2 readable
    bytes   BLOB NOT NULL,                -- the entry as it was appended
    PRIMARY KEY (circle, seq)
) STRICT;

CREATE TABLE channel (
    key        INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,      -- 16 random bytes
    circle     INTEGER NOT NULL REFERENCES circle,
    is_commons INTEGER NOT NULL,          -- 1: its proofs open the circle's log
    epoch      INTEGER NOT NULL,          -- current epoch
    next_n     INTEGER NOT NULL,          -- saved lower bound of the next index (see channel_state)
    bytes      INTEGER NOT NULL,          -- size of the envelopes below next_n
    floor_n    INTEGER NOT NULL           -- lower indices have aged out
) STRICT;

CREATE TABLE ladder (
    channel      INTEGER NOT NULL REFERENCES channel,
    epoch        INTEGER NOT NULL,
    pk           BLOB NOT NULL,           -- Ed25519 key that proves membership of the epoch
    first_n      INTEGER NOT NULL,        -- first index of the epoch
    commit_n     INTEGER,                 -- index of the commit that ended it; NULL: current
    log_size_end INTEGER,                 -- size of the log when it ended; NULL: current
    tree         BLOB NOT NULL,           -- hash of its staged, encrypted ratchet tree, or empty
    PRIMARY KEY (channel, epoch)
) STRICT;

-- One rowid table with two unique indexes: measured at half the cost of two WITHOUT ROWID tables.
CREATE TABLE envelope (
    key     INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL REFERENCES channel,
    n       INTEGER NOT NULL,             -- index in the channel, without holes
    id      BLOB NOT NULL,                -- 16 random bytes, chosen by the sender
    epoch   INTEGER NOT NULL,             -- epoch it was accepted in
    hour    INTEGER NOT NULL,             -- hour it was accepted in, since the Unix epoch
    bytes   BLOB NOT NULL,                -- padded ciphertext; empty when it is in parts
    kind    INTEGER NOT NULL DEFAULT 1,   -- 1 message, 2 commit
    hash    BLOB NOT NULL DEFAULT x'',    -- SHA-256 of the object when it is in parts
    parts   INTEGER NOT NULL DEFAULT 0    -- number of its parts
) STRICT;
CREATE UNIQUE INDEX envelope_n ON envelope (channel, n);
CREATE UNIQUE INDEX envelope_id ON envelope (channel, id);

CREATE TABLE put_id (
    channel INTEGER NOT NULL REFERENCES channel,
    id      BLOB NOT NULL,                -- id of an envelope that has aged out before 30 days
    hash    BLOB NOT NULL,                -- SHA-256 of its bytes
    n       INTEGER NOT NULL,             -- index it had
    hour    INTEGER NOT NULL,             -- hour it was accepted in
    PRIMARY KEY (channel, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE part (
    key     INTEGER PRIMARY KEY,
    owner   BLOB NOT NULL,                -- id of the channel or inbox
    hash    BLOB NOT NULL,                -- SHA-256 of the whole object
    i       INTEGER NOT NULL,             -- position of this part, from 0
    count   INTEGER NOT NULL,             -- parts of the object
    until   INTEGER NOT NULL,             -- s: dropped then; 0: kept as long as an item names it
    bytes   BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX part_place ON part (owner, hash, i, until = 0);

CREATE TABLE inbox (
    key     INTEGER PRIMARY KEY,
    id      BLOB NOT NULL UNIQUE,         -- 16 random bytes
    circle  INTEGER NOT NULL REFERENCES circle,
    pk      BLOB NOT NULL,                -- Ed25519 key of the device that reads it
    next_n  INTEGER NOT NULL,             -- index that the next item gets
    floor_n INTEGER NOT NULL              -- lower indices have aged out
) STRICT;

CREATE TABLE inbox_item (
    inbox   INTEGER NOT NULL REFERENCES inbox,
    n       INTEGER NOT NULL,
    bytes   BLOB NOT NULL,                -- Welcome, sealed to the device; empty when in parts
    hash    BLOB NOT NULL,                -- SHA-256 of the object when it is in parts, or empty
    parts   INTEGER NOT NULL,
    hour    INTEGER NOT NULL,             -- hour it came, since the Unix epoch
    PRIMARY KEY (inbox, n)
) STRICT;

CREATE TABLE key_package (
    key     INTEGER PRIMARY KEY,          -- order of publishing
    inbox   INTEGER NOT NULL REFERENCES inbox,
    bytes   BLOB NOT NULL,
    UNIQUE (inbox, bytes)
) STRICT;

CREATE TABLE invite_box (
    key     INTEGER PRIMARY KEY,
    id      BLOB NOT NULL UNIQUE,         -- derived from the invitation's seed
    circle  INTEGER NOT NULL REFERENCES circle,
    pk      BLOB NOT NULL,                -- Ed25519 key derived from the same seed
    expires INTEGER NOT NULL,             -- s since the Unix epoch
    next_n  INTEGER NOT NULL,
    inbox   INTEGER REFERENCES inbox      -- the one inbox opened by it; NULL: none yet
) STRICT;

CREATE TABLE box_item (
    box     INTEGER NOT NULL REFERENCES invite_box,
    n       INTEGER NOT NULL,
    bytes   BLOB NOT NULL,                -- letter or join request, sealed
    PRIMARY KEY (box, n)
) STRICT;
"""

# Since layout 2.  No row links a handle to an invitation: a reservation goes when it is taken.
_LAYOUT_2: Final = """
CREATE TABLE seat_reserved (
    key     BLOB NOT NULL PRIMARY KEY,    -- Ed25519 key of the ticket: a box key or a setup key
    account TEXT NOT NULL,                -- account in the operator's books, 16 random digits
    expires INTEGER NOT NULL              -- s since the Unix epoch: it counts no longer
) STRICT, WITHOUT ROWID;

CREATE TABLE seat (
    handle  BLOB NOT NULL PRIMARY KEY,    -- device at this relay, 16 random bytes
    account TEXT NOT NULL                 -- account in the operator's books
) STRICT, WITHOUT ROWID;
"""

SCHEMA: Final = _LAYOUT_1 + _LAYOUT_2
STEPS: Final = {1: _LAYOUT_2}
"""Statements by the layout that they begin with (``cloister.layouts``)."""


def open_file(path: Path, *, read_only: bool = False) -> sqlite.Connection:
    """Open the file with the settings that make a commit durable, and read them back.

    Raises StorageFailure when the library is too old, the file is another program's, or a
    setting does not hold."""
    if sqlite.sqlite_version_info < MIN_SQLITE:
        raise StorageFailure(
            f"SQLite {sqlite.sqlite_version} can corrupt a file that two connections use",
            hint="install sqlcipher3 0.6.4 or newer: it brings its own SQLite",
        )
    try:
        connection = sqlite.connect(
            str(path), isolation_level=None, check_same_thread=False, cached_statements=256
        )
        # The file's first page must be readable and ours before anything is set.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA mmap_size = 0")
        # A checkpoint that SQLite begins by itself, in a COMMIT, drops its errors: see Writer.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        _demand(connection, "journal_mode", "wal")
        _demand(connection, "synchronous", 2)
        _demand(connection, "secure_delete", 1)
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            _migrate(connection)
            # The log has its name by now. SQLite flushes the folder too, and drops the error.
            _flush_folder(path.parent)
    except LayoutRefused as refused:
        connection.close()
        raise StorageFailure(str(refused), hint=refused.hint) from None
    except (sqlite.Error, OSError) as error:
        raise StorageFailure(
            f"the relay's file cannot be opened: {error}",
            hint="look at the disk and at who owns the file; if it is damaged, restore a backup",
        ) from None
    return connection


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _demand(connection: sqlite.Connection, pragma: str, expected: object) -> None:
    (found,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    if found != expected:
        raise StorageFailure(f"SQLite refuses {pragma} = {expected}: it says {found}")


def _migrate(connection: sqlite.Connection) -> None:
    bring_up(connection.execute, "the relay's file", SCHEMA_VERSION, fresh=SCHEMA, steps=STEPS)
    (report,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if report != "ok":
        raise StorageFailure("the relay's file is damaged", hint="restore the folder from a backup")
