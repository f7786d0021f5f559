-- Layout 4, as this release writes it: what the next one has to bring up.

CREATE TABLE record (          -- the core's own state
    tbl   TEXT NOT NULL,       -- which of the core's tables
    key   BLOB NOT NULL,
    value BLOB NOT NULL,       -- encoded by the core; never looked into here
    PRIMARY KEY (tbl, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (         -- the timelines
    channel_id    BLOB NOT NULL,     -- 16 bytes
    message_id    BLOB NOT NULL,     -- 16 bytes, chosen by the author
    position      INTEGER NOT NULL,  -- order on screen; never changes
    sender        BLOB NOT NULL,     -- did of the author, 32 bytes
    sender_name   TEXT NOT NULL,
    own           INTEGER NOT NULL CHECK (own IN (0, 1)),
    kind          INTEGER NOT NULL,  -- MessageKind
    state         INTEGER NOT NULL,  -- MessageState
    counter       INTEGER NOT NULL,  -- the author's counter in the channel, from 1
    n             INTEGER NOT NULL,  -- the channel's index, 0 while queued
    at            INTEGER NOT NULL,  -- the author's clock, s since the Unix epoch
    text          TEXT NOT NULL,
    reason        TEXT NOT NULL,     -- why it failed, else empty
    envelope_hash BLOB NOT NULL,     -- SHA-256 of the envelope, or empty
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_order ON message (channel_id, position);

CREATE TABLE log_entry (       -- the roster log as received
    seq   INTEGER PRIMARY KEY NOT NULL,
    entry BLOB NOT NULL
) STRICT;

CREATE TABLE read_marker (     -- how far the person has read
    channel_id BLOB PRIMARY KEY NOT NULL,
    position   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE draft (           -- what the person has begun to write
    channel_id BLOB PRIMARY KEY NOT NULL,
    text       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE message ADD COLUMN reply_to BLOB NOT NULL DEFAULT x'';        -- id, or empty
ALTER TABLE message ADD COLUMN lifetime_s INTEGER NOT NULL DEFAULT 0;     -- 0: kept for good
ALTER TABLE message ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;     -- 0: not before read
ALTER TABLE message ADD COLUMN original TEXT;                  -- the first text of an edited one
ALTER TABLE message ADD COLUMN edited_n INTEGER NOT NULL DEFAULT 0;       -- of its newest edit
ALTER TABLE message ADD COLUMN retracted INTEGER NOT NULL DEFAULT 0 CHECK (retracted IN (0, 1));

CREATE INDEX message_due ON message (expires_at) WHERE expires_at > 0;
CREATE INDEX message_taken_back ON message (channel_id) WHERE retracted = 1 AND text <> '';

CREATE TABLE annotation (      -- what is said of messages
    channel_id BLOB NOT NULL,        -- 16 bytes
    message_id BLOB NOT NULL,        -- its own id, 16 bytes
    target     BLOB NOT NULL,        -- the message's id
    kind       INTEGER NOT NULL,     -- AnnotationKind
    member_id  BLOB NOT NULL,        -- of its author, 16 bytes
    name       TEXT NOT NULL,        -- its author's
    own        INTEGER NOT NULL CHECK (own IN (0, 1)),
    state      INTEGER NOT NULL,     -- MessageState
    n          INTEGER NOT NULL,     -- the channel's index, 0 while queued
    at         INTEGER NOT NULL,     -- the author's clock, s since the Unix epoch
    text       TEXT NOT NULL,        -- the new text, or the mark
    reason     TEXT NOT NULL,        -- why it failed, else empty
    PRIMARY KEY (channel_id, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX annotation_target ON annotation (channel_id, target);
PRAGMA user_version = 4;
