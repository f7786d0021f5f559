-- data/relay.sqlite3 as the release before wrote it: layout 1, from the history of
-- src/cloister/relay/storage/sqlite/schema.py before seats came.

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

-- A circle of two members: its log, a channel with three items, an inbox, a pool, a box, an id.
INSERT INTO activation VALUES (x'01', x'02', 'home/1');
INSERT INTO circle VALUES (1, 'home/1', 2, x'aa', x'6e6f7465', x'736574746c6564', x'00');
INSERT INTO log_entry VALUES (1, 0, 2, x'67656e65736973');
INSERT INTO log_entry VALUES (1, 1, 1, x'7365616c6564');
INSERT INTO channel VALUES (1, x'43434343434343434343434343434343', 1, 1, 1, 2, 2048, 0);
INSERT INTO ladder VALUES (1, 0, x'10', 0, 1, 1, x'');
INSERT INTO ladder VALUES (1, 1, x'11', 2, NULL, NULL, x'');
INSERT INTO envelope VALUES (1, 1, 0, x'e0', 0, 500000, x'6669727374', 1, x'', 0);
INSERT INTO envelope VALUES (2, 1, 1, x'e1', 0, 500000, x'636f6d6d6974', 2, x'', 0);
INSERT INTO envelope VALUES (3, 1, 2, x'e2', 1, 500001, x'7365636f6e64', 1, x'', 0);
INSERT INTO put_id VALUES (1, x'ee', x'ff', 0, 500000);
INSERT INTO inbox VALUES (1, x'49494949494949494949494949494949', 1, x'20', 1, 0);
INSERT INTO inbox_item VALUES (1, 0, x'77656c636f6d65', x'', 0, 500000);
INSERT INTO key_package VALUES (1, 1, x'7061636b616765');
INSERT INTO invite_box VALUES (1, x'42424242424242424242424242424242', 1, x'21', 1800000000, 1, 1);
INSERT INTO box_item VALUES (1, 0, x'6c6574746572');
PRAGMA user_version = 1;
