"""The keys that proofs are checked against, looked up at one cost whether there is one or not.

Strangers may ask for any id, and time the answer.  So each look reads one row that is there and one
that is not: the row that was asked for, and another for balance.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.wire.auth import ObjectKind

Place = tuple[bytes, int]
"""Id of an object, and epoch: 0 but for channels."""
_NOWHERE: Final[Place] = (bytes(17), 0)
"""An id of a length that none has."""
_FIND: Final = {
    ObjectKind.CHANNEL: "SELECT pk FROM ladder JOIN channel ON channel.key = ladder.channel"
    " WHERE channel.id = ? AND ladder.epoch = ?",
    ObjectKind.INBOX: "SELECT pk FROM inbox WHERE id = ? AND ? = 0",
    ObjectKind.BOX: "SELECT pk FROM invite_box WHERE id = ? AND ? = 0",
}
_NEXT: Final = {
    ObjectKind.CHANNEL: "SELECT channel.id, ladder.epoch FROM ladder"
    " JOIN channel ON channel.key = ladder.channel WHERE ladder.rowid >= ? LIMIT 1",
    ObjectKind.INBOX: "SELECT id, 0 FROM inbox WHERE key >= ? LIMIT 1",
    ObjectKind.BOX: "SELECT id, 0 FROM invite_box WHERE key >= ? LIMIT 1",
}
_LAST: Final = {
    ObjectKind.CHANNEL: "SELECT max(rowid) FROM ladder",
    ObjectKind.INBOX: "SELECT max(key) FROM inbox",
    ObjectKind.BOX: "SELECT max(key) FROM invite_box",
}
_PLACES: Final = 256
"""That are looked at for balance, all over the table: a page that is always the same is always in
the processor's cache."""


class ProofKeys:
    """Looks on one connection."""

    def __init__(self, connection: sqlite.Connection) -> None:
        self._connection = connection
        self._somewhere: dict[ObjectKind, deque[Place]] = {kind: deque() for kind in ObjectKind}

    def find(self, kind: ObjectKind, place: Place) -> bytes | None:
        """Return the key that stands at a place.  Raises sqlite.Error."""
        execute, sql = self._connection.execute, _FIND[kind]
        places = self._somewhere[kind] or self._settle(kind)
        other = places[0]
        places.rotate(-1)
        found = execute(sql, place).fetchone()
        balance = execute(sql, other if found is None else _NOWHERE).fetchone()
        if found is not None:
            return bytes(found[0])
        if balance is None:
            # What stood there has aged out; or nothing stood anywhere yet.
            places.pop()
        return None

    def _settle(self, kind: ObjectKind) -> deque[Place]:
        """Choose rows that are there; where there are none, there is nothing to be found out."""
        places = self._somewhere[kind]
        last = self._connection.execute(_LAST[kind]).fetchone()[0] or 0
        count = min(_PLACES, last)
        for number in range(count):
            start = last * number // count
            row = self._connection.execute(_NEXT[kind], (start,)).fetchone()
            if row is not None:
                places.append((bytes(row[0]), int(row[1])))
        if not places:
            places.append(_NOWHERE)
        return places
