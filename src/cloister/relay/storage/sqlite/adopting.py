"""Rows of channels and inboxes, and of a circle that comes from another home."""

from __future__ import annotations

import sqlcipher3.dbapi2 as sqlite

from cloister.relay.storage.sqlite.rollback import Conflict
from cloister.relay.storage.writes import Accepted, AdoptCircle, OpenChannel, Outcome, Refused
from cloister.wire.codes import Refusal


def insert_channel(
    connection: sqlite.Connection, circle: int, write: OpenChannel, *, is_commons: bool
) -> None:
    """Open a channel; the caller has seen that its id is free."""
    row = connection.execute(
        "INSERT INTO channel (id, circle, is_commons, epoch, next_n, bytes, floor_n)"
        " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?5) RETURNING key",
        (write.channel_id, circle, int(is_commons), write.epoch, write.first_n),
    ).fetchone()
    connection.execute(
        "INSERT INTO ladder (channel, epoch, pk, first_n, tree) VALUES (?, ?, ?, ?, x'')",
        (row[0], write.epoch, write.key, write.first_n),
    )


def insert_inbox(connection: sqlite.Connection, circle: int, inbox_id: bytes, key: bytes) -> int:
    """Open an inbox; the caller has seen that its id is free."""
    row = connection.execute(
        "INSERT INTO inbox (id, circle, pk, next_n, floor_n) VALUES (?, ?, ?, 0, 0) RETURNING key",
        (inbox_id, circle, key),
    ).fetchone()
    return int(row[0])


def open_later(connection: sqlite.Connection, circle: int, write: OpenChannel) -> Outcome:
    """Put a later epoch in the place of the only one of a channel in which nothing is stored."""
    row = connection.execute(
        "SELECT channel.key FROM channel"
        " JOIN ladder ON ladder.channel = channel.key AND ladder.epoch = channel.epoch"
        " WHERE channel.id = ?1 AND circle = ?2 AND is_commons = 0"
        " AND channel.epoch > 0 AND channel.epoch < ?3"
        " AND (SELECT count(*) FROM ladder WHERE ladder.channel = channel.key) = 1"
        " AND NOT EXISTS (SELECT 1 FROM envelope WHERE envelope.channel = channel.key)"
        " AND NOT EXISTS (SELECT 1 FROM put_id WHERE put_id.channel = channel.key)",
        (write.channel_id, circle, write.epoch),
    ).fetchone()
    if row is None:
        return Refused(Refusal.ID_CONFLICT)
    connection.execute(
        "UPDATE channel SET epoch = ?1, next_n = ?2, floor_n = ?2 WHERE key = ?3",
        (write.epoch, write.first_n, row[0]),
    )
    connection.execute(
        "UPDATE ladder SET epoch = ?, pk = ?, first_n = ? WHERE channel = ?",
        (write.epoch, write.key, write.first_n, row[0]),
    )
    return Accepted(0)


def adopt_circle(connection: sqlite.Connection, write: AdoptCircle) -> Outcome:
    """Apply the write inside the transaction that the writer has begun."""
    execute = connection.execute
    bound = execute(
        "SELECT setup_key, origin FROM activation WHERE code_hash = ?", (write.code_hash,)
    ).fetchone()
    if bound is None:
        execute(
            "INSERT INTO activation (code_hash, setup_key, origin) VALUES (?, ?, ?)",
            (write.code_hash, write.setup_key, write.origin),
        )
    elif bound != (write.setup_key, write.origin):
        return Refused(Refusal.WRONG_CODE)
    known = execute("SELECT key FROM circle WHERE origin = ?", (write.origin,)).fetchone()
    if known is not None:
        commons = execute(
            "SELECT pk FROM channel JOIN ladder ON ladder.channel = channel.key"
            " WHERE id = ? AND circle = ? AND is_commons = 1 AND ladder.epoch = ?",
            (write.commons.channel_id, known[0], write.commons.epoch),
        ).fetchone()
        if commons == (write.commons.key,):
            return Accepted(len(write.entries), fresh=False)
        raise Conflict
    (circle,) = execute(
        "INSERT INTO circle (origin, size, root, note, fold) VALUES (?, ?, ?, ?, ?) RETURNING key",
        (write.origin, len(write.entries), write.root, write.note, write.fold),
    ).fetchone()
    connection.executemany(
        "INSERT INTO log_entry (circle, seq, kind, bytes) VALUES (?, ?, ?, ?)",
        [(circle, seq, kind, entry) for seq, (kind, entry) in enumerate(write.entries)],
    )
    try:
        insert_channel(connection, circle, write.commons, is_commons=True)
        for inbox_id, key in write.inboxes:
            insert_inbox(connection, circle, inbox_id, key)
    except sqlite.IntegrityError:
        raise Conflict from None
    return Accepted(len(write.entries))
