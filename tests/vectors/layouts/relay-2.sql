-- Layout 2, as this release writes it: what the next one has to bring up.

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

CREATE TABLE seat_reserved (
    key     BLOB NOT NULL PRIMARY KEY,    -- Ed25519 key of the ticket: a box key or a setup key
    account TEXT NOT NULL,                -- account in the operator's books, 16 random digits
    expires INTEGER NOT NULL              -- s since the Unix epoch: it counts no longer
) STRICT, WITHOUT ROWID;

CREATE TABLE seat (
    handle  BLOB NOT NULL PRIMARY KEY,    -- device at this relay, 16 random bytes
    account TEXT NOT NULL                 -- account in the operator's books
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;
