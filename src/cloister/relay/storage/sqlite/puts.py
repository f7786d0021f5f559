"""Envelopes: puts in groups, and the commit that ends an epoch.

A group of puts is one INSERT of many rows.  One statement a row would give up and take back the
interpreter lock for each, and behind a busy event loop each taking costs up to a switch interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.crypto.hashing import sha256
from cloister.limits import KEPT_TREE_EPOCHS, QUOTA_RETRY_S
from cloister.relay.storage.api import EnvelopeKind, StorageFailure
from cloister.relay.storage.quotas import Quotas
from cloister.relay.storage.sqlite.channel_state import SAVE_EVERY, ChannelState, ChannelStates
from cloister.relay.storage.sqlite.schema import HOUR_S
from cloister.relay.storage.writes import (
    Accepted,
    Delivered,
    Mail,
    Outcome,
    PutCommit,
    PutEnvelope,
    Refused,
)
from cloister.wire.codes import Refusal

_ROWS: Final = 64
"""Rows of the largest statement; the remainder of a group gets one of its own size."""
_COLUMNS: Final = 6
_INSERTS: Final = {
    rows: "INSERT INTO envelope (channel, n, id, epoch, hour, bytes) VALUES "
    + ", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)
    for rows in range(1, _ROWS + 1)
}


class EnvelopeWrites:
    """Applies puts and commits inside the transaction that the writer has begun."""

    def __init__(
        self, connection: sqlite.Connection, states: ChannelStates, quotas: Quotas
    ) -> None:
        self._connection = connection
        self._states = states
        self._quotas = quotas
        self._has_put_ids = self._any_put_id()
        self._newest_hour = self._newest()

    def note_expiry(self) -> None:
        """Envelopes were deleted: look for remembered ids from now on."""
        self._has_put_ids = self._any_put_id()
        self._newest_hour = self._newest()

    def _newest(self) -> int:
        row = self._connection.execute(
            "SELECT hour FROM envelope ORDER BY key DESC LIMIT 1"
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _hour(self, now: int) -> int:
        """Return the hour to stamp a row with: never before that of an earlier row.

        Rows are deleted by their hour; under a clock that was set back they would go too early."""
        self._newest_hour = max(now // HOUR_S, self._newest_hour)
        return self._newest_hour

    def put_group(self, writes: Sequence[PutEnvelope]) -> list[Outcome]:
        """Apply puts in order.  Optimistic: ids are new; if not, again one by one."""
        execute = self._connection.execute
        execute("SAVEPOINT puts")
        try:
            outcomes = self._put_new(writes)
        except sqlite.IntegrityError:
            execute("ROLLBACK TO puts")
            self._states.forget()
            outcomes = [self._put_one(write) for write in writes]
        execute("RELEASE puts")
        return outcomes

    def _put_new(self, writes: Sequence[PutEnvelope]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        values: list[object] = []
        touched: list[ChannelState] = []
        get = self._states.get
        looks_up = self._has_put_ids
        quotas = self._quotas
        channel_full_at, circle_full_at = quotas.channel_full_at, quotas.circle_full_at
        is_short = quotas.is_short()
        for write in writes:
            state = get(write.channel_id)
            if state is None:
                outcomes.append(Refused(Refusal.UNKNOWN_OBJECT))
                continue
            envelope = write.envelope
            is_full = state.size_bytes > channel_full_at or state.use.size_bytes > circle_full_at
            if write.epoch != state.epoch or is_full or is_short or looks_up:
                known = self._known(state, write.envelope_id, envelope)
                if known is not None:
                    outcomes.append(known)
                    continue
                if write.epoch != state.epoch:
                    # An id of this group is not in the file yet, so look at the values too.
                    if write.envelope_id in values:
                        raise sqlite.IntegrityError
                    outcomes.append(Refused(Refusal.STALE_EPOCH))
                    continue
                if is_full or is_short:
                    code = Refusal.QUOTA if is_full else Refusal.STORAGE
                    outcomes.append(Refused(code, QUOTA_RETRY_S))
                    continue
            n = state.next_n
            state.next_n = n + 1
            state.size_bytes += len(envelope)
            state.use.size_bytes += len(envelope)
            if n - state.saved_n == SAVE_EVERY:
                touched.append(state)
            values += (
                state.key,
                n,
                write.envelope_id,
                write.epoch,
                self._hour(write.now),
                envelope,
            )
            outcomes.append(Accepted(n))
        self._insert(values)
        for state in touched:
            self._states.save(state)
        return outcomes

    def _insert(self, values: list[object]) -> None:
        step = _ROWS * _COLUMNS
        for start in range(0, len(values), step):
            chunk = values[start : start + step]
            self._connection.execute(_INSERTS[len(chunk) // _COLUMNS], chunk)

    def _put_one(self, write: PutEnvelope) -> Outcome:
        state = self._states.get(write.channel_id)
        if state is None:
            return Refused(Refusal.UNKNOWN_OBJECT)
        known = self._known(state, write.envelope_id, write.envelope)
        if known is not None:
            return known
        (outcome,) = self._put_new([write])
        return outcome

    def _known(self, state: ChannelState, envelope_id: bytes, envelope: bytes) -> Outcome | None:
        """Answer for an id that is stored or remembered: the old index, or a conflict."""
        row = self._connection.execute(
            "SELECT n, bytes FROM envelope WHERE channel = ? AND id = ?", (state.key, envelope_id)
        ).fetchone()
        if row is not None:
            is_same = row[1] == envelope
        else:
            row = self._connection.execute(
                "SELECT n, hash FROM put_id WHERE channel = ? AND id = ?", (state.key, envelope_id)
            ).fetchone()
            if row is None:
                return None
            is_same = row[1] == sha256(envelope)
        return Accepted(row[0], fresh=False) if is_same else Refused(Refusal.ID_CONFLICT)

    def _any_put_id(self) -> bool:
        row = self._connection.execute("SELECT 1 FROM put_id LIMIT 1").fetchone()
        return row is not None

    # --- commits -----------------------------------------------------------------------------

    def put_commit(self, write: PutCommit) -> Outcome:
        """Apply a commit: envelope, two ladder rows, parts and Welcomes."""
        execute = self._connection.execute
        state = self._states.get(write.channel_id)
        if state is None:
            return Refused(Refusal.UNKNOWN_OBJECT)
        known = self._known_commit(state, write)
        if known is not None:
            return known
        if write.epoch != state.epoch:
            return Refused(Refusal.STALE_EPOCH)
        if state.size_bytes > self._quotas.commits_full_at:
            return Refused(Refusal.QUOTA)
        named = [write.staged, write.tree, *(one.staged for one in write.mail)]
        counts: dict[bytes, int] = {b"": 0}
        for object_hash in filter(None, named):
            count = self._complete_parts(write.channel_id, object_hash, write.now)
            if count is None:
                return Refused(Refusal.PARTS_MISSING)
            counts[object_hash] = count
        inboxes = [self._inbox(one.inbox_id, state.circle) for one in write.mail]
        if None in inboxes:
            return Refused(Refusal.UNKNOWN_OBJECT)
        if any(self._is_full(inbox) for inbox in inboxes if inbox is not None):
            return Refused(Refusal.QUOTA)

        n = state.next_n
        execute(
            "INSERT INTO envelope (channel, n, id, epoch, hour, bytes, kind, hash, parts)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                state.key,
                n,
                write.envelope_id,
                write.epoch,
                self._hour(write.now),
                write.envelope,
                EnvelopeKind.COMMIT,
                write.staged,
                counts[write.staged],
            ),
        )
        self._drop_tree(state, write.channel_id, write.epoch - KEPT_TREE_EPOCHS)
        for object_hash in filter(None, (write.staged, write.tree)):
            self._keep_parts(write.channel_id, write.channel_id, object_hash)
        execute(
            "UPDATE ladder SET commit_n = ?,"
            " log_size_end = (SELECT size FROM circle WHERE key = ?)"
            " WHERE channel = ? AND epoch = ?",
            (n, state.circle, state.key, write.epoch),
        )
        execute(
            "INSERT INTO ladder (channel, epoch, pk, first_n, tree) VALUES (?, ?, ?, ?, ?)",
            (state.key, write.epoch + 1, write.next_key, n + 1, write.tree),
        )
        state.epoch = write.epoch + 1
        state.next_n = n + 1
        state.size_bytes += len(write.envelope)
        state.use.size_bytes += len(write.envelope)
        self._states.save(state)
        mail = tuple(
            (one.inbox_id, self._deliver(write, one, counts[one.staged])) for one in write.mail
        )
        for object_hash in filter(None, named):
            execute(
                "DELETE FROM part WHERE owner = ? AND hash = ? AND until > 0",
                (write.channel_id, object_hash),
            )
        return Delivered(n, True, mail)

    def _known_commit(self, state: ChannelState, write: PutCommit) -> Outcome | None:
        row = self._connection.execute(
            "SELECT n, bytes, hash FROM envelope WHERE channel = ? AND id = ?",
            (state.key, write.envelope_id),
        ).fetchone()
        if row is not None:
            is_same = (row[1], row[2]) == (write.envelope, write.staged)
        else:
            row = self._connection.execute(
                "SELECT n, hash FROM put_id WHERE channel = ? AND id = ?",
                (state.key, write.envelope_id),
            ).fetchone()
            if row is None:
                return None
            is_same = row[1] == (write.staged or sha256(write.envelope))
        return Delivered(row[0], False, ()) if is_same else Refused(Refusal.ID_CONFLICT)

    def _complete_parts(self, owner_id: bytes, object_hash: bytes, now: int) -> int | None:
        have, count = self._connection.execute(
            "SELECT count(*), max(count) FROM part WHERE owner = ? AND hash = ? AND until >= ?",
            (owner_id, object_hash, max(now, 1)),
        ).fetchone()
        return int(count) if have and have == count else None

    def _keep_parts(self, channel_id: bytes, owner_id: bytes, object_hash: bytes) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO part (owner, hash, i, count, until, bytes)"
            " SELECT ?, hash, i, count, 0, bytes FROM part"
            " WHERE owner = ? AND hash = ? AND until > 0",
            (owner_id, channel_id, object_hash),
        )

    def _drop_tree(self, state: ChannelState, channel_id: bytes, epoch: int) -> None:
        """Drop the tree of an epoch that ended long ago."""
        self._connection.execute(
            "DELETE FROM part WHERE owner = ? AND until = 0 AND length(hash) > 0 AND hash ="
            " (SELECT tree FROM ladder WHERE channel = ? AND epoch = ?)",
            (channel_id, state.key, epoch),
        )

    def _inbox(self, inbox_id: bytes, circle: int) -> int | None:
        row = self._connection.execute(
            "SELECT key FROM inbox WHERE id = ? AND circle = ?", (inbox_id, circle)
        ).fetchone()
        return int(row[0]) if row is not None else None

    def _is_full(self, inbox: int) -> bool:
        (items,) = self._connection.execute(
            "SELECT count(*) FROM inbox_item WHERE inbox = ?", (inbox,)
        ).fetchone()
        return int(items) >= self._quotas.inbox_items

    def _deliver(self, write: PutCommit, one: Mail, parts: int) -> int:
        execute = self._connection.execute
        row = execute(
            "UPDATE inbox SET next_n = next_n + 1 WHERE id = ? RETURNING key, next_n",
            (one.inbox_id,),
        ).fetchone()
        if row is None:
            raise StorageFailure("an inbox vanished inside a transaction")
        inbox, next_n = row
        execute(
            "INSERT INTO inbox_item (inbox, n, bytes, hash, parts, hour) VALUES (?, ?, ?, ?, ?, ?)",
            (inbox, next_n - 1, one.item, one.staged, parts, self._hour(write.now)),
        )
        if one.staged:
            self._keep_parts(write.channel_id, one.inbox_id, one.staged)
        return int(next_n) - 1
