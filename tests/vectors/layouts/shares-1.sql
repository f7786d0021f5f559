-- Layout 1, as this release writes it: what the next one has to bring up.

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
PRAGMA user_version = 1;
