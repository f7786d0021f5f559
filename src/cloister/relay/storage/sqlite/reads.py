"""Reads, on a connection of their own that never writes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import sqlcipher3.dbapi2 as sqlite

from cloister.relay.storage.api import (
    ChannelRow,
    Counts,
    EnvelopeRow,
    LadderRow,
    LogRow,
    MailboxRow,
    MailRow,
    SeatRows,
    StorageFailure,
)
from cloister.relay.storage.sqlite.proof_keys import ProofKeys
from cloister.relay.storage.sqlite.schema import open_file
from cloister.relay.storage.writes import NO_MEMBER
from cloister.wire.auth import ObjectKind

T = TypeVar("T")


class Reads:
    """The reading half of :class:`cloister.relay.storage.api.Store`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_file(path, read_only=True)
        self._proof_keys = ProofKeys(self._connection)

    def _query(self, sql: str, *values: object) -> sqlite.Cursor:
        try:
            return self._connection.execute(sql, values)
        except sqlite.Error as error:
            raise StorageFailure(f"the relay's file cannot be read: {error}") from None

    def _row(self, sql: str, *values: object) -> Any:
        try:
            return self._query(sql, *values).fetchone()
        except sqlite.Error as error:
            raise StorageFailure(f"the relay's file cannot be read: {error}") from None

    def _bounded(
        self,
        cursor: sqlite.Cursor,
        make: Callable[..., T],
        size_column: int,
        max_bytes: int,
        max_items: int | None = None,
    ) -> list[T]:
        """Take rows until their bytes pass ``max_bytes``; the first row always.

        (With a ``LIMIT`` that is a parameter SQLite plans anew each time, which takes as long as
        all the rest.)"""
        rows: list[T] = []
        total = 0
        try:
            for row in islice(cursor, max_items):
                total += len(row[size_column])
                if total > max_bytes and rows:
                    break
                rows.append(make(*row))
        except sqlite.Error as error:
            raise StorageFailure(f"the relay's file cannot be read: {error}") from None
        finally:
            cursor.close()
        return rows

    def proof_key(self, kind: ObjectKind, object_id: bytes, epoch: int) -> bytes | None:
        """Return the key that proves an object, or an epoch of a channel."""
        try:
            key = self._proof_keys.find(kind, (object_id, epoch))
        except sqlite.Error as error:
            raise StorageFailure(f"the relay's file cannot be read: {error}") from None
        return key if key != NO_MEMBER else None

    def channel(self, channel_id: bytes) -> ChannelRow | None:
        """Return a channel as it stands."""
        row = self._row(
            "SELECT origin, is_commons, epoch, next_n, floor_n, channel.key"
            " FROM channel JOIN circle ON circle.key = channel.circle WHERE channel.id = ?",
            channel_id,
        )
        if row is None:
            return None
        origin, is_commons, epoch, next_n, floor_n, key = row
        newest = self._row("SELECT max(n) FROM envelope WHERE channel = ?", key)[0]
        if newest is not None:
            next_n = max(next_n, newest + 1)
        return ChannelRow(origin, bool(is_commons), epoch, next_n, floor_n)

    def ladder(self, channel_id: bytes, epoch: int) -> LadderRow | None:
        """Return one epoch of a channel."""
        row = self._row(
            "SELECT ladder.epoch, pk, first_n, commit_n, log_size_end, tree"
            " FROM ladder JOIN channel ON channel.key = ladder.channel"
            " WHERE channel.id = ? AND ladder.epoch = ?",
            channel_id,
            epoch,
        )
        return LadderRow(*row) if row is not None else None

    def envelopes(
        self, channel_id: bytes, from_n: int, to_n: int, max_items: int, max_bytes: int
    ) -> list[EnvelopeRow]:
        """Return envelopes of a range, bounded."""
        cursor = self._query(
            "SELECT n, kind, e.epoch, e.id, e.bytes, hash, parts,"
            "  CASE kind WHEN 2 THEN (SELECT pk FROM ladder"
            "    WHERE ladder.channel = e.channel AND ladder.epoch = e.epoch + 1) ELSE x'' END"
            " FROM envelope AS e JOIN channel ON channel.key = e.channel"
            " WHERE channel.id = ? AND n BETWEEN ? AND ? ORDER BY n",
            channel_id,
            from_n,
            to_n,
        )
        return self._bounded(cursor, EnvelopeRow, 4, max_bytes, max_items)

    def mailbox(self, kind: ObjectKind, object_id: bytes) -> MailboxRow | None:
        """Return an inbox or a box."""
        sql = (
            "SELECT origin, pk, next_n, floor_n, 0 FROM inbox"
            " JOIN circle ON circle.key = circle WHERE id = ?"
            if kind is ObjectKind.INBOX
            else "SELECT origin, pk, next_n, 0, expires FROM invite_box"
            " JOIN circle ON circle.key = circle WHERE id = ?"
        )
        row = self._row(sql, object_id)
        return MailboxRow(*row) if row is not None else None

    def mail(
        self, kind: ObjectKind, object_id: bytes, from_n: int, max_items: int, max_bytes: int
    ) -> list[MailRow]:
        """Return items of an inbox or a box, bounded."""
        sql = (
            "SELECT n, bytes, hash, parts FROM inbox_item JOIN inbox ON inbox.key = inbox"
            " WHERE id = ? AND n >= ? ORDER BY n"
            if kind is ObjectKind.INBOX
            else "SELECT n, bytes, x'', 0 FROM box_item JOIN invite_box AS b ON b.key = box"
            " WHERE id = ? AND n >= ? ORDER BY n"
        )
        return self._bounded(self._query(sql, object_id, from_n), MailRow, 1, max_bytes, max_items)

    def part(self, owner_id: bytes, object_hash: bytes, index: int) -> tuple[int, bytes] | None:
        """Return (count, bytes) of a part that an item names."""
        row = self._row(
            "SELECT count, bytes FROM part WHERE owner = ? AND hash = ? AND i = ? AND until = 0",
            owner_id,
            object_hash,
            index,
        )
        return (row[0], row[1]) if row is not None else None

    def log(self, origin: str) -> LogRow | None:
        """Return the head of a log."""
        row = self._row(
            "SELECT origin, size, root, note, fold, settled FROM circle WHERE origin = ?", origin
        )
        return LogRow(*row) if row is not None else None

    def entries(self, origin: str, from_seq: int, to_seq: int, max_bytes: int) -> list[bytes]:
        """Return entries of a range, bounded."""
        cursor = self._query(
            "SELECT bytes FROM log_entry JOIN circle ON circle.key = circle"
            " WHERE origin = ? AND seq >= ? AND seq < ? ORDER BY seq",
            origin,
            from_seq,
            to_seq,
        )
        return self._bounded(cursor, bytes, 0, max_bytes)

    def origins(self) -> list[str]:
        """Return the origins of all logs."""
        return [origin for (origin,) in self._query("SELECT origin FROM circle ORDER BY key")]

    def code_of(self, origin: str) -> bytes | None:
        """Return the hash of the activation code that a log was opened with."""
        row = self._row("SELECT code_hash FROM activation WHERE origin = ?", origin)
        return row[0] if row is not None else None

    def bound_key(self, code_hash: bytes) -> bytes | None:
        """Return the setup key that an activation code is bound to."""
        row = self._row("SELECT setup_key FROM activation WHERE code_hash = ?", code_hash)
        return row[0] if row is not None else None

    def seats(self, account: str, now: int) -> SeatRows:
        """Return the seats of an account and the reservations that have not run out."""
        handles = self._query("SELECT handle FROM seat WHERE account = ? ORDER BY handle", account)
        (reserved,) = self._row(
            "SELECT count(*) FROM seat_reserved WHERE account = ? AND expires >= ?", account, now
        )
        return SeatRows(tuple(handle for (handle,) in handles), reserved)

    def account_of_seat(self, key: bytes, handle: bytes) -> str | None:
        """Return the account of a seated handle, else of the reservation of a ticket's key."""
        row = self._row(
            "SELECT account FROM seat WHERE handle = ?1"
            " UNION ALL SELECT account FROM seat_reserved WHERE key = ?2 LIMIT 1",
            handle,
            key,
        )
        return row[0] if row is not None else None

    def _counts(self, envelopes: int) -> Counts:
        """Return how much is stored beside so many envelopes.  It is asked every few seconds, in
        the loop: nothing may be counted of which there are millions."""
        circles, channels, entries = self._row(
            "SELECT (SELECT count(*) FROM circle), (SELECT count(*) FROM channel),"
            " (SELECT count(*) FROM log_entry)"
        )
        size = sum(
            path.stat().st_size
            for path in (self._path, self._path.with_name(self._path.name + "-wal"))
            if path.exists()
        )
        return Counts(circles, channels, envelopes, entries, size)

    def close_reads(self) -> None:
        """Close the connection."""
        self._connection.close()
