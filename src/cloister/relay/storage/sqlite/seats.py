"""Seats in the file: reserved by a ticket's key, taken by a handle, never more than sold."""

from __future__ import annotations

import json

import sqlcipher3.dbapi2 as sqlite

from cloister.relay.storage.writes import (
    Accepted,
    Allowance,
    Outcome,
    Refused,
    Reservation,
    TakeSeat,
)
from cloister.wire.codes import Refusal


def reserve(connection: sqlite.Connection, wanted: Reservation) -> Refused | None:
    """Reserve a seat inside the writer's transaction; None: it is reserved."""
    execute = connection.execute
    allowance = wanted.allowance
    known = execute("SELECT 1 FROM seat_reserved WHERE key = ?", (wanted.key,)).fetchone()
    if known is not None:
        return None
    if _used(connection, allowance) >= allowance.seats:
        return Refused(Refusal.NO_SEAT, allowance.seats)
    execute(
        "INSERT INTO seat_reserved (key, account, expires) VALUES (?, ?, ?)",
        (wanted.key, allowance.account, wanted.expires),
    )
    return None


def take_seat(connection: sqlite.Connection, write: TakeSeat) -> Outcome:
    """Put a handle in the place of a reservation."""
    execute = connection.execute
    allowance = write.allowance
    known = execute("SELECT 1 FROM seat WHERE handle = ?", (write.handle,)).fetchone()
    if known is not None:
        return Accepted(fresh=False)
    row = execute("SELECT expires FROM seat_reserved WHERE key = ?", (write.key,)).fetchone()
    if row is None:
        return Refused(Refusal.BAD_TICKET)
    if row[0] < allowance.now and _used(connection, allowance) >= allowance.seats:
        return Refused(Refusal.NO_SEAT, allowance.seats)
    execute("DELETE FROM seat_reserved WHERE key = ?", (write.key,))
    execute("INSERT INTO seat (handle, account) VALUES (?, ?)", (write.handle, allowance.account))
    return Accepted()


def _used(connection: sqlite.Connection, allowance: Allowance) -> int:
    freed = json.dumps([handle.hex().upper() for handle in allowance.freed])
    (used,) = connection.execute(
        "SELECT (SELECT count(*) FROM seat WHERE account = ?1"
        "        AND hex(handle) NOT IN (SELECT value FROM json_each(?2)))"
        " + (SELECT count(*) FROM seat_reserved WHERE account = ?1 AND expires >= ?3)",
        (allowance.account, freed, allowance.now),
    ).fetchone()
    return int(used)
