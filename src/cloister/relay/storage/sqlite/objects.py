"""Everything that is written rarely: circles, mailboxes, pools, parts, log entries."""

from __future__ import annotations

import sqlcipher3.dbapi2 as sqlite

from cloister.crypto.hashing import sha256
from cloister.limits import (
    MAX_BOX_ITEMS,
    MAX_KEY_PACKAGES,
    MAX_STAGED_BYTES,
    MAX_STAGED_OBJECTS,
)
from cloister.relay.storage.sqlite.adopting import insert_channel, insert_inbox, open_later
from cloister.relay.storage.sqlite.rollback import Conflict, Over
from cloister.relay.storage.sqlite.seats import reserve
from cloister.relay.storage.writes import (
    Accepted,
    AddKeyPackages,
    AppendEntry,
    BindCode,
    Bound,
    MirrorEntries,
    OpenBox,
    OpenChannel,
    OpenCircle,
    OpenInbox,
    Outcome,
    PutBoxItem,
    Refused,
    SetNote,
    StagePart,
    TakeKeyPackage,
    Taken,
)
from cloister.wire.codes import Refusal

_READABLE = 2
_UNKNOWN = Refusal.UNKNOWN_OBJECT


class ObjectWrites:
    """Applies one write inside the transaction that the writer has begun."""

    def __init__(self, connection: sqlite.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute

    def bind_code(self, write: BindCode) -> Outcome:
        bound = self._execute(
            "SELECT setup_key, origin FROM activation WHERE code_hash = ?", (write.code_hash,)
        ).fetchone()
        if bound is not None:
            is_same = bound[0] == write.setup_key
            return Bound(bound[1]) if is_same else Refused(Refusal.WRONG_CODE)
        refused = reserve(self._connection, write.reservation) if write.reservation else None
        if refused is not None:
            return refused
        self._execute(
            "INSERT INTO activation (code_hash, setup_key, origin) VALUES (?, ?, ?)",
            (write.code_hash, write.setup_key, write.origin),
        )
        return Bound(write.origin)

    def open_circle(self, write: OpenCircle) -> Outcome:
        bound = self._execute(
            "SELECT setup_key, origin FROM activation WHERE code_hash = ?", (write.code_hash,)
        ).fetchone()
        if bound != (write.setup_key, write.origin):
            return Refused(Refusal.WRONG_CODE)
        if self._circle(write.origin) is not None:
            return self._opened_before(write)
        row = self._execute(
            "INSERT INTO circle (origin, size, root, note, fold) VALUES (?, 1, ?, ?, ?)"
            " RETURNING key",
            (write.origin, write.root, write.note, write.fold),
        ).fetchone()
        circle = int(row[0])
        self._execute(
            "INSERT INTO log_entry (circle, seq, kind, bytes) VALUES (?, 0, ?, ?)",
            (circle, _READABLE, write.genesis),
        )
        try:
            commons = OpenChannel(write.origin, write.commons_id, write.commons_key)
            insert_channel(self._connection, circle, commons, is_commons=True)
            insert_inbox(self._connection, circle, write.inbox_id, write.inbox_key)
        except sqlite.IntegrityError:
            # The caller's savepoint takes the circle back.
            raise Conflict from None
        return Accepted(0)

    def _opened_before(self, write: OpenCircle) -> Outcome:
        row = self._execute(
            "SELECT 1 FROM circle"
            " JOIN log_entry ON log_entry.circle = circle.key AND seq = 0 AND log_entry.bytes = ?"
            " JOIN channel ON channel.circle = circle.key AND is_commons = 1 AND channel.id = ?"
            " JOIN inbox ON inbox.circle = circle.key AND inbox.id = ? AND inbox.pk = ?"
            " WHERE origin = ?",
            (write.genesis, write.commons_id, write.inbox_id, write.inbox_key, write.origin),
        ).fetchone()
        key = self._first_key(write.commons_id)
        # The key of epoch 0 may have aged out with its commit; then the rest must do.
        is_same = row is not None and key in {None, write.commons_key}
        return Accepted(0, fresh=False) if is_same else Refused(Refusal.ID_CONFLICT)

    def open_channel(self, write: OpenChannel) -> Outcome:
        circle = self._circle(write.origin)
        if circle is None:
            return Refused(_UNKNOWN)
        known = self._execute(
            "SELECT circle FROM channel WHERE id = ?", (write.channel_id,)
        ).fetchone()
        if known is None:
            insert_channel(self._connection, circle, write, is_commons=False)
            return Accepted(0)
        if known[0] == circle and self._first_key(write.channel_id, write.epoch) == write.key:
            return Accepted(0, fresh=False)
        return open_later(self._connection, circle, write)

    def open_inbox(self, write: OpenInbox) -> Outcome:
        box = self._execute(
            "SELECT key, circle, expires, inbox FROM invite_box WHERE id = ?", (write.box_id,)
        ).fetchone()
        if box is None:
            return Refused(_UNKNOWN)
        box_key, circle, expires, opened = box
        if opened is not None:
            row = self._execute("SELECT id, pk FROM inbox WHERE key = ?", (opened,)).fetchone()
            is_same = row == (write.inbox_id, write.key)
            return Accepted(0, fresh=False) if is_same else Refused(Refusal.ID_CONFLICT)
        if expires < write.now:
            return Refused(Refusal.EXPIRED)
        if self._inbox(write.inbox_id) is not None:
            return Refused(Refusal.ID_CONFLICT)
        inbox = insert_inbox(self._connection, circle, write.inbox_id, write.key)
        self._execute("UPDATE invite_box SET inbox = ? WHERE key = ?", (inbox, box_key))
        return Accepted(0)

    def open_box(self, write: OpenBox) -> Outcome:
        circle = self._circle(write.origin)
        if circle is None:
            return Refused(_UNKNOWN)
        known = self._execute(
            "SELECT circle, pk, expires FROM invite_box WHERE id = ?", (write.box_id,)
        ).fetchone()
        if known is not None:
            is_same = known == (circle, write.key, write.expires)
            return Accepted(0, fresh=False) if is_same else Refused(Refusal.ID_CONFLICT)
        refused = reserve(self._connection, write.reservation) if write.reservation else None
        if refused is not None:
            return refused
        self._execute(
            "INSERT INTO invite_box (id, circle, pk, expires, next_n) VALUES (?, ?, ?, ?, 0)",
            (write.box_id, circle, write.key, write.expires),
        )
        return Accepted(0)

    def put_box_item(self, write: PutBoxItem) -> Outcome:
        box = self._execute(
            "SELECT key, expires, next_n FROM invite_box WHERE id = ?", (write.box_id,)
        ).fetchone()
        if box is None:
            return Refused(_UNKNOWN)
        key, expires, next_n = box
        known = self._execute(
            "SELECT n FROM box_item WHERE box = ? AND bytes = ?", (key, write.item)
        ).fetchone()
        if known is not None:
            return Accepted(known[0], fresh=False)
        if expires < write.now:
            return Refused(Refusal.EXPIRED)
        if next_n >= MAX_BOX_ITEMS:
            return Refused(Refusal.QUOTA)
        self._execute(
            "INSERT INTO box_item (box, n, bytes) VALUES (?, ?, ?)", (key, next_n, write.item)
        )
        self._execute("UPDATE invite_box SET next_n = next_n + 1 WHERE key = ?", (key,))
        return Accepted(next_n)

    def add_key_packages(self, write: AddKeyPackages) -> Outcome:
        inbox = self._inbox(write.inbox_id)
        if inbox is None:
            return Refused(_UNKNOWN)
        for package in write.packages:
            self._execute(
                "INSERT OR IGNORE INTO key_package (inbox, bytes) VALUES (?, ?)", (inbox, package)
            )
        (size,) = self._execute(
            "SELECT count(*) FROM key_package WHERE inbox = ?", (inbox,)
        ).fetchone()
        if size > MAX_KEY_PACKAGES:
            raise Over
        return Accepted(size)

    def take_key_package(self, write: TakeKeyPackage) -> Outcome:
        row = self._execute(
            "SELECT inbox.key FROM inbox JOIN circle ON circle.key = inbox.circle"
            " WHERE inbox.id = ? AND origin = ?",
            (write.inbox_id, write.origin),
        ).fetchone()
        if row is None:
            return Refused(_UNKNOWN)
        taken = self._execute(
            "DELETE FROM key_package WHERE key ="
            " (SELECT min(key) FROM key_package WHERE inbox = ?) RETURNING bytes",
            (row[0],),
        ).fetchone()
        return Taken(taken[0]) if taken is not None else Refused(Refusal.NO_KEY_PACKAGE)

    def stage_part(self, write: StagePart) -> Outcome:
        self._execute("DELETE FROM part WHERE until > 0 AND until < ?", (write.now,))
        objects, held, own, known = self._execute(
            "SELECT count(DISTINCT hash), sum(length(bytes)),"
            " max(CASE hash WHEN ?1 THEN count END), sum(hash = ?1 AND i = ?2)"
            " FROM part WHERE owner = ?3 AND until > 0",
            (write.object_hash, write.index, write.owner_id),
        ).fetchone()
        if not known and (held or 0) + len(write.part) > MAX_STAGED_BYTES:
            return Refused(Refusal.QUOTA)
        if own is None and objects >= MAX_STAGED_OBJECTS:
            return Refused(Refusal.QUOTA)
        if own is not None and own != write.count:
            return Refused(Refusal.ID_CONFLICT)
        self._execute(
            "INSERT OR IGNORE INTO part (owner, hash, i, count, until, bytes)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                write.owner_id,
                write.object_hash,
                write.index,
                write.count,
                write.until,
                write.part,
            ),
        )
        parts = self._execute(
            "SELECT bytes FROM part WHERE owner = ? AND hash = ? AND until > 0 ORDER BY i",
            (write.owner_id, write.object_hash),
        ).fetchall()
        if len(parts) == write.count and sha256(*(row[0] for row in parts)) != write.object_hash:
            self._execute(
                "DELETE FROM part WHERE owner = ? AND hash = ? AND until > 0",
                (write.owner_id, write.object_hash),
            )
            return Refused(Refusal.PARTS_MISSING)
        return Accepted(len(parts))

    def append_entry(self, write: AppendEntry) -> Outcome:
        row = self._execute(
            "SELECT key, size FROM circle WHERE origin = ?", (write.origin,)
        ).fetchone()
        if row is None:
            return Refused(_UNKNOWN)
        circle, size = row
        if write.seq < size:
            stored = self._execute(
                "SELECT bytes FROM log_entry WHERE circle = ? AND seq = ?", (circle, write.seq)
            ).fetchone()
            if stored is not None and stored[0] == write.entry:
                return Accepted(write.seq, fresh=False)
        if write.seq != size:
            return Refused(Refusal.MOVED, size)
        self._execute(
            "INSERT INTO log_entry (circle, seq, kind, bytes) VALUES (?, ?, ?, ?)",
            (circle, write.seq, write.kind, write.entry),
        )
        self._execute(
            "UPDATE circle SET size = ?, root = ?, note = ?, fold = ? WHERE key = ?",
            (size + 1, write.root, write.note, write.fold, circle),
        )
        return Accepted(write.seq)

    def set_note(self, write: SetNote) -> Outcome:
        changed = self._execute(
            "UPDATE circle SET note = ?1, settled = ?1 WHERE origin = ?2 AND size = ?3"
            " RETURNING size",
            (write.note, write.origin, write.size),
        ).fetchone()
        if changed is not None:
            return Accepted(write.size)
        row = self._execute("SELECT size FROM circle WHERE origin = ?", (write.origin,)).fetchone()
        return Refused(_UNKNOWN) if row is None else Refused(Refusal.MOVED, row[0])

    def mirror_entries(self, write: MirrorEntries) -> Outcome:
        row = self._execute(
            "SELECT key, size FROM circle WHERE origin = ?", (write.origin,)
        ).fetchone()
        size = row[1] if row is not None else 0
        if write.from_seq != size:
            return Refused(Refusal.MOVED, size)
        if row is None:
            row = self._execute(
                "INSERT INTO circle (origin, size, root, note, fold)"
                " VALUES (?, 0, x'', x'', x'') RETURNING key, size",
                (write.origin,),
            ).fetchone()
        circle = row[0]
        for seq, entry in enumerate(write.entries, start=size):
            # The kind is a column of the home's queries; a mirror has none.
            self._execute(
                "INSERT INTO log_entry (circle, seq, kind, bytes) VALUES (?, ?, 0, ?)",
                (circle, seq, entry),
            )
        size += len(write.entries)
        self._execute(
            "UPDATE circle SET size = ?, root = ?, note = ? WHERE key = ?",
            (size, write.root, write.note, circle),
        )
        return Accepted(size)

    # --- rows --------------------------------------------------------------------------------

    def _circle(self, origin: str) -> int | None:
        row = self._execute("SELECT key FROM circle WHERE origin = ?", (origin,)).fetchone()
        return int(row[0]) if row is not None else None

    def _inbox(self, inbox_id: bytes) -> int | None:
        row = self._execute("SELECT key FROM inbox WHERE id = ?", (inbox_id,)).fetchone()
        return int(row[0]) if row is not None else None

    def _first_key(self, channel_id: bytes, epoch: int = 0) -> bytes | None:
        row = self._execute(
            "SELECT ladder.pk FROM ladder JOIN channel ON channel.key = ladder.channel"
            " WHERE channel.id = ? AND ladder.epoch = ?",
            (channel_id, epoch),
        ).fetchone()
        return row[0] if row is not None else None
