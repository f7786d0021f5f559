"""Deleting by age, and by nothing else (flows 4.2.4).

Rows lie in the order of their coming, so the scan stops at the first young one.  What is under a
legal hold stays, and goes with the first pass after its release.
"""

from __future__ import annotations

import json

import sqlcipher3.dbapi2 as sqlite

from cloister.crypto.hashing import sha256
from cloister.relay.storage.sqlite.channel_state import ChannelStates
from cloister.relay.storage.sqlite.schema import HOUR_S
from cloister.relay.storage.writes import (
    Accepted,
    Expire,
    Outcome,
)


def expire(connection: sqlite.Connection, states: ChannelStates, write: Expire) -> Outcome:
    """Apply an expiry inside the transaction that the writer has begun."""
    execute = connection.execute
    before = write.before // HOUR_S
    held_channels = json.dumps([channel_id.hex().upper() for channel_id in write.held_channels])
    held_origins = json.dumps(sorted(write.held_origins))
    _take_back_the_future(connection, write.now // HOUR_S)
    old = execute(
        "SELECT e.key, e.channel, e.n, e.id, e.hash, e.parts, e.hour, channel.id,"
        "       CASE e.hour >= ?2 WHEN 1 THEN e.bytes END, length(e.bytes)"
        " FROM envelope AS e JOIN channel ON channel.key = e.channel"
        " JOIN circle ON circle.key = channel.circle"
        " JOIN ladder ON ladder.channel = e.channel AND ladder.epoch = channel.epoch"
        " WHERE e.key < coalesce((SELECT min(key) FROM envelope WHERE hour >= ?1),"
        "                        (SELECT max(key) + 1 FROM envelope))"
        " AND e.hour < ?1 AND e.n <> ladder.first_n - 1"
        " AND hex(channel.id) NOT IN (SELECT value FROM json_each(?4))"
        " AND circle.origin NOT IN (SELECT value FROM json_each(?5)) ORDER BY e.key LIMIT ?3",
        (before, write.forget_before // HOUR_S, write.limit, held_channels, held_origins),
    ).fetchall()
    for key, channel, n, envelope_id, object_hash, parts, hour, channel_id, envelope, size in old:
        # The saved point moves first: the index must not be given again, nor the size counted.
        state = states.get(channel_id)
        if state is not None:
            state.size_bytes -= size
            state.use.size_bytes -= size
            states.save(state)
        if envelope is not None:
            execute(
                "INSERT INTO put_id (channel, id, hash, n, hour) VALUES (?, ?, ?, ?, ?)",
                (channel, envelope_id, object_hash or sha256(envelope), n, hour),
            )
        if parts:
            execute(
                "DELETE FROM part WHERE owner = ? AND hash = ? AND until = 0",
                (channel_id, object_hash),
            )
        execute("DELETE FROM envelope WHERE key = ?", (key,))
        execute("UPDATE channel SET floor_n = max(floor_n, ?) WHERE key = ?", (n + 1, channel))
    for channel in {row[1] for row in old}:
        execute(
            "DELETE FROM part WHERE until = 0 AND owner = (SELECT id FROM channel WHERE key = ?1)"
            " AND hash IN (SELECT tree FROM ladder WHERE channel = ?1 AND length(tree) > 0"
            " AND commit_n IS NOT NULL"
            " AND commit_n < (SELECT floor_n FROM channel WHERE key = ?1)"
            " AND NOT EXISTS (SELECT 1 FROM envelope WHERE channel = ?1 AND n = commit_n))",
            (channel,),
        )
        execute(
            "DELETE FROM ladder WHERE channel = ?1 AND commit_n IS NOT NULL"
            " AND commit_n < (SELECT floor_n FROM channel WHERE key = ?1)"
            " AND NOT EXISTS (SELECT 1 FROM envelope WHERE channel = ?1 AND n = commit_n)",
            (channel,),
        )
    execute("DELETE FROM put_id WHERE hour < ?", (write.forget_before // HOUR_S,))
    execute("DELETE FROM part WHERE until > 0 AND until < ?", (write.now,))
    execute("DELETE FROM seat_reserved WHERE expires < ?", (write.before,))
    _expire_mail(connection, before, write, held_origins)
    return Accepted(len(old))


def _take_back_the_future(connection: sqlite.Connection, hour: int) -> None:
    """Stamp with the present what a clock that ran ahead has stamped: or it, and all that lies
    behind it, would stay until that time has come."""
    newest = connection.execute("SELECT hour FROM envelope ORDER BY key DESC LIMIT 1").fetchone()
    if newest is not None and newest[0] > hour + 1:
        for table in ("envelope", "inbox_item", "put_id"):
            connection.execute(f"UPDATE {table} SET hour = ?1 WHERE hour > ?1", (hour,))


def _expire_mail(
    connection: sqlite.Connection, before: int, write: Expire, held_origins: str
) -> None:
    execute = connection.execute
    aged = execute(
        "DELETE FROM inbox_item WHERE hour < ? AND inbox NOT IN"
        " (SELECT inbox.key FROM inbox JOIN circle ON circle.key = inbox.circle"
        " WHERE origin IN (SELECT value FROM json_each(?))) RETURNING inbox, n, hash",
        (before, held_origins),
    ).fetchall()
    for inbox, n, object_hash in aged:
        row = execute(
            "UPDATE inbox SET floor_n = max(floor_n, ?) WHERE key = ? RETURNING id", (n + 1, inbox)
        ).fetchone()
        if object_hash and row is not None:
            execute(
                "DELETE FROM part WHERE owner = ? AND hash = ? AND until = 0",
                (row[0], object_hash),
            )
    boxes = execute(
        "SELECT invite_box.key FROM invite_box JOIN circle ON circle.key = circle"
        " WHERE expires < ? AND origin NOT IN (SELECT value FROM json_each(?))",
        (write.before, held_origins),
    ).fetchall()
    for (box,) in boxes:
        execute("DELETE FROM box_item WHERE box = ?", (box,))
        execute("DELETE FROM invite_box WHERE key = ?", (box,))
