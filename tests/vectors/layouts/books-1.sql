-- Layout 1, as this release writes it: what the next one has to bring up.

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
PRAGMA user_version = 1;
