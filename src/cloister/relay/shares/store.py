"""The rows of the shares' file, and the epoch key that stands beside them.

Every method runs inside a transaction of its caller, in the one thread that uses the file; only
``destroy`` makes its own, because the key file changes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import DecryptError
from cloister.crypto.oprf import generate_scalar
from cloister.crypto.secret import Secret
from cloister.ids import SHORT_ID_BYTES, Handle
from cloister.relay.shares.epoch_key import EpochKey, EpochKeyFile
from cloister.relay.shares.rows import (
    FIRST_GENERATION,
    SPENT_FOR_S,
    TRIES,
    Enrolment,
    ErasureState,
    Share,
)
from cloister.relay.shares.schema import open_file
from cloister.relay.storage.api import StorageFailure
from cloister.roster.share import ShareReceipt

_COLUMNS: Final = (
    "handle, bind, unlock_key, confirm_key, owner_key, generation, tries_left, next_at,"
    " locked_at, unlocked_at, is_held, erased_at"
)
_NO_HANDLE: Final = Handle(bytes(SHORT_ID_BYTES + 1))
"""Of a length that no handle has."""


class ShareStore:
    """Shares, scalars, spent tickets, orders and receipts of one relay."""

    def __init__(self, path: Path, key_file: EpochKeyFile, entropy: Entropy) -> None:
        """Open the file and finish what a crash broke off.  Raises StorageFailure."""
        self.connection: Final[Any] = open_file(path)
        self._key_file = key_file
        self._entropy = entropy
        self._key = self._epoch_key()
        self._some_handle: Handle | None = None
        """Of a share that is there; none is ever deleted."""

    def _epoch_key(self) -> EpochKey:
        row = self.connection.execute("SELECT ek_id FROM meta").fetchone()
        if row is not None:
            key = self._key_file.recover(bytes(row[0]))
        else:
            key = self._key_file.recover(None)
            if key is None:
                key = EpochKey.generate(self._entropy)
                self._key_file.create(key)
            self.connection.execute("INSERT INTO meta VALUES (1, ?, 0)", (key.key_id,))
        if key is None:
            raise StorageFailure("the epoch key of the unlock shares is missing")
        return key

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    # --- shares ------------------------------------------------------------------------------

    def share(self, handle: Handle) -> Share | None:
        """Return the share of a handle."""
        row = self._row(handle)
        return _share_of(row) if row is not None else None

    def look_up(self, handle: Handle) -> Share | None:
        """Return the share of a handle, at one cost whether there is one or not.

        Strangers may ask for any handle, and time the answer: each time one row is read that is
        there and one that is not."""
        if self._some_handle is None:
            row = self.connection.execute("SELECT handle FROM share LIMIT 1").fetchone()
            self._some_handle = Handle(row[0]) if row is not None else None
        found = self._row(handle)
        other = self._row(_NO_HANDLE if found is not None else self._some_handle or _NO_HANDLE)
        made = [_share_of(row) for row in (found, other) if row is not None]
        return made[0] if found is not None else None

    def _row(self, handle: Handle) -> Any:
        return self.connection.execute(
            f"SELECT {_COLUMNS} FROM share WHERE handle = ?",  # noqa: S608  a constant
            (handle,),
        ).fetchone()

    def add(self, bind: bytes, unlock_key: bytes, confirm_key: bytes, owner_key: bytes) -> Handle:
        """Add a share under a fresh handle, with the scalar of its first generation."""
        handle = Handle(self._entropy.random(SHORT_ID_BYTES))
        self._insert(handle, bind, unlock_key, confirm_key, owner_key)
        self.add_scalar(handle, FIRST_GENERATION)
        return handle

    def add_again(self, receipt: ShareReceipt, confirm_key: bytes) -> None:
        """Add the share of a receipt under its own handle; it has no scalar."""
        self._insert(
            receipt.handle, receipt.bind, receipt.unlock_key, confirm_key, receipt.owner_key
        )

    def _insert(self, *row: bytes) -> None:
        self.connection.execute(
            f"INSERT INTO share ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 0, NULL, -1, 0, NULL)",  # noqa: S608
            (*row, FIRST_GENERATION, TRIES),
        )

    def set_tries(self, handle: Handle, left: int, next_at: int) -> None:
        """Say how many tries are left, and from when on (s) the next is taken."""
        self.connection.execute(
            "UPDATE share SET tries_left = ?, next_at = ? WHERE handle = ?", (left, next_at, handle)
        )

    def set_lock(self, handle: Handle, locked_at: int | None, unlocked_at: int) -> None:
        """Say at which log size the share was locked, and at which seq unlocked last."""
        self.connection.execute(
            "UPDATE share SET locked_at = ?, unlocked_at = ? WHERE handle = ?",
            (locked_at, unlocked_at, handle),
        )

    def set_held(self, handle: Handle, is_held: bool) -> None:
        """Say whether a legal hold covers the share."""
        self.connection.execute(
            "UPDATE share SET is_held = ? WHERE handle = ?", (int(is_held), handle)
        )

    # --- scalars -----------------------------------------------------------------------------

    def scalar(self, handle: Handle, generation: int) -> Secret | None:
        """Return the scalar of a generation, if it is kept.

        Raises StorageFailure when it does not unwrap: the row is another's, or damaged."""
        row = self.connection.execute(
            "SELECT wrapped FROM scalar WHERE handle = ? AND generation = ?", (handle, generation)
        ).fetchone()
        if row is None:
            return None
        try:
            return self._key.unwrap(handle, generation, bytes(row[0]))
        except DecryptError:
            raise StorageFailure("a scalar in the file of unlock shares is damaged") from None

    def generations(self, handle: Handle) -> list[int]:
        """Return the generations whose scalars are kept, oldest first."""
        rows = self.connection.execute(
            "SELECT generation FROM scalar WHERE handle = ? ORDER BY generation", (handle,)
        )
        return [generation for (generation,) in rows]

    def add_scalar(self, handle: Handle, generation: int) -> None:
        """Draw the scalar of a new generation; it is the newest from now on."""
        scalar = generate_scalar(self._entropy)
        wrapped = self._key.wrap(handle, generation, scalar, self._entropy)
        self.connection.execute(
            "INSERT INTO scalar VALUES (?, ?, ?)", (handle, generation, wrapped)
        )
        self.connection.execute(
            "UPDATE share SET generation = ? WHERE handle = ?", (generation, handle)
        )

    def drop_scalars(self, handle: Handle, before: int) -> None:
        """Delete the scalars of earlier generations.  The epoch key is to be replaced soon."""
        gone = self.connection.execute(
            "DELETE FROM scalar WHERE handle = ? AND generation < ?", (handle, before)
        )
        if gone.rowcount:
            self.connection.execute("UPDATE meta SET is_stale = 1")

    # --- tickets -----------------------------------------------------------------------------

    def enrolment(self, ticket_name: bytes) -> Enrolment | None:
        """Return what a ticket was spent on."""
        row = self.connection.execute(
            "SELECT handle, receipt FROM ticket_spent WHERE name = ?", (ticket_name,)
        ).fetchone()
        return None if row is None else Enrolment(Handle(row[0]), bytes(row[1]))

    def spend(self, ticket_name: bytes, enrolment: Enrolment, expires: int) -> None:
        """Note that a ticket is spent, and the answer that was given."""
        self.connection.execute(
            "INSERT INTO ticket_spent VALUES (?, ?, ?, ?)",
            (ticket_name, enrolment.handle, enrolment.receipt, expires),
        )

    def forget_tickets(self, now: int) -> None:
        """Drop tickets that expired long enough ago."""
        self.connection.execute("DELETE FROM ticket_spent WHERE expires < ?", (now - SPENT_FOR_S,))

    # --- erasures ----------------------------------------------------------------------------

    def set_pending(self, order_hash: bytes, handle: Handle, is_pending: bool) -> None:
        """Note that an erase in the log means this share, or does so no longer."""
        if is_pending:
            statement = "INSERT OR IGNORE INTO pending_order VALUES (?, ?)"
        else:
            statement = "DELETE FROM pending_order WHERE order_hash = ? AND handle = ?"
        self.connection.execute(statement, (order_hash, handle))

    def erasure(self, order_hash: bytes, handle: Handle) -> tuple[ErasureState, bytes]:
        """Return how far an erase has come, and the receipt when it is done."""
        values = (order_hash, handle)
        done = self.connection.execute(
            "SELECT receipt FROM erasure_receipt WHERE order_hash = ? AND handle = ?", values
        ).fetchone()
        if done is not None:
            return ErasureState.ERASED, bytes(done[0])
        pending = self.connection.execute(
            "SELECT 1 FROM pending_order WHERE order_hash = ? AND handle = ?", values
        ).fetchone()
        return (ErasureState.UNKNOWN if pending is None else ErasureState.PENDING), b""

    def add_receipt(self, order_hash: bytes, handle: Handle, receipt: bytes) -> None:
        """Store a receipt; what was pending is done."""
        self.connection.execute(
            "INSERT OR IGNORE INTO erasure_receipt VALUES (?, ?, ?)", (order_hash, handle, receipt)
        )
        self.set_pending(order_hash, handle, False)

    def is_stale(self) -> bool:
        """Tell whether a scalar was dropped since the epoch key was made."""
        (is_stale,) = self.connection.execute("SELECT is_stale FROM meta").fetchone()
        return bool(is_stale)

    def destroy(
        self, handles: Sequence[Handle], receipts: Sequence[tuple[bytes, Handle, bytes]], at: int
    ) -> None:
        """Destroy all scalars of these shares, and the epoch key that they were wrapped under.

        ``receipts`` are (order hash, handle, encoded receipt); they appear when the scalars are
        gone.  With nothing named, only the epoch key is replaced.  Its own transaction.  After
        a crash at any step either nothing has happened, or opening the file finishes it.
        Raises StorageFailure, sqlite.Error."""
        following = EpochKey.generate(self._entropy)
        self._key_file.prepare(following)
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        for handle in handles:
            execute("DELETE FROM scalar WHERE handle = ?", (handle,))
            execute("UPDATE share SET erased_at = ? WHERE handle = ?", (at, handle))
        for receipt in receipts:
            self.add_receipt(*receipt)
        for handle, generation in execute("SELECT handle, generation FROM scalar").fetchall():
            scalar = self.scalar(handle, generation)
            if scalar is None:
                raise StorageFailure("a scalar vanished while it was wrapped anew")
            wrapped = following.wrap(handle, generation, scalar, self._entropy)
            execute(
                "UPDATE scalar SET wrapped = ? WHERE handle = ? AND generation = ?",
                (wrapped, handle, generation),
            )
        execute("UPDATE meta SET ek_id = ?, is_stale = 0", (following.key_id,))
        execute("COMMIT")
        self._key = following
        self._key_file.adopt()

    def counts(self) -> tuple[int, int]:
        """Return how many shares there are, and how many of them are erased."""
        row = self.connection.execute("SELECT COUNT(*), COUNT(erased_at) FROM share").fetchone()
        return int(row[0]), int(row[1])


def _share_of(row: Any) -> Share:
    return Share(
        handle=Handle(row[0]),
        bind=row[1],
        unlock_key=row[2],
        confirm_key=row[3],
        owner_key=row[4],
        generation=row[5],
        tries_left=row[6],
        next_at=row[7],
        locked_at=row[8],
        unlocked_at=row[9],
        is_held=bool(row[10]),
        erased_at=row[11],
    )
