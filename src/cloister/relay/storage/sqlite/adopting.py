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


_OF_CHANNELS = ("envelope", "put_id", "ladder")
_OF_INBOXES = ("inbox_item", "key_package")


def _drop(connection: sqlite.Connection, circle: int) -> None:
    """Delete all rows of a circle."""
    execute = connection.execute
    for owner in ("channel", "inbox"):
        execute(
            f"DELETE FROM part WHERE owner IN (SELECT id FROM {owner} WHERE circle = ?)",
            (circle,),
        )
    for table in _OF_CHANNELS:
        execute(
            f"DELETE FROM {table} WHERE channel IN (SELECT key FROM channel WHERE circle = ?)",
            (circle,),
        )
    execute(
        "DELETE FROM box_item WHERE box IN (SELECT key FROM invite_box WHERE circle = ?)",
        (circle,),
    )
    for table in _OF_INBOXES:
        execute(
            f"DELETE FROM {table} WHERE inbox IN (SELECT key FROM inbox WHERE circle = ?)",
            (circle,),
        )
    for table in ("invite_box", "inbox", "channel", "log_entry"):
        execute(f"DELETE FROM {table} WHERE circle = ?", (circle,))
    execute("DELETE FROM circle WHERE key = ?", (circle,))


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
    known = execute("SELECT key, settled FROM circle WHERE origin = ?", (write.origin,)).fetchone()
    if known is not None:
        commons = execute(
            "SELECT pk, log_entry.bytes FROM channel JOIN ladder ON ladder.channel = channel.key"
            " JOIN log_entry ON log_entry.circle = channel.circle AND seq = ?"
            " WHERE id = ? AND channel.circle = ? AND is_commons = 1 AND ladder.epoch = ?",
            (len(write.entries) - 1, write.commons.channel_id, known[0], write.commons.epoch),
        ).fetchone()
        if commons == (write.commons.key, write.entries[-1][1]):
            return Accepted(len(write.entries), fresh=False)
        if known[1]:
            raise Conflict
        _drop(connection, known[0])
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
