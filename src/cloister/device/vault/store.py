"""The open vault: what was written, and one durable transaction at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, Self, TypeVar

from cloister.client.effects import (
    DeleteRecord,
    PutAnnotation,
    PutEntry,
    PutMessage,
    PutReadTo,
    PutRecord,
    Write,
)
from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.device.vault import timeline
from cloister.device.vault.closed import ClosedVault
from cloister.device.vault.connection import (
    DatabaseError,
    abandon,
    checkpoint,
    checkpoint_error,
    is_full,
    make_database,
    open_database,
    read_error,
    write_error,
)
from cloister.device.vault.errors import (
    VaultDamaged,
    VaultExists,
    VaultWriteFailed,
)
from cloister.device.vault.kept_rows import KeptRows
from cloister.device.vault.key_file import (
    DEFAULT_COST,
    KEY_BYTES,
    Cost,
    Stretched,
    parse_key_file,
)
from cloister.device.vault.open_key import OpenKey
from cloister.device.vault.profile_lock import ProfileLock
from cloister.device.vault.wrapping import fresh_stretch, unwrap_alone, wrap_alone
from cloister.device.vault_files import (
    DATABASE_NAME,
    KEY_NAME,
    UNFINISHED,
    sync_file,
    sync_folder,
    write_new_file,
)
from cloister.errors import CloisterError

R = TypeVar("R")

CHECKPOINT_PAGES: Final = 1000
"""Pages in the log from which on they go to the file, 4 KiB each."""
_PUT_RECORD: Final = "INSERT OR REPLACE INTO record (tbl, key, value) VALUES (?, ?, ?)"
_DELETE_RECORD: Final = "DELETE FROM record WHERE tbl = ? AND key = ?"
_PUT_ENTRY: Final = "INSERT OR REPLACE INTO log_entry (seq, entry) VALUES (?, ?)"
_DRAFT: Final = (
    "INSERT INTO draft (channel_id, text) VALUES (?, ?)"
    " ON CONFLICT (channel_id) DO UPDATE SET text = excluded.text"
)
_NEWEST_N: Final = (
    "SELECT max(n) FROM message WHERE channel_id = ? AND position BETWEEN 0 AND ? AND own = 0"
)


class Vault:
    """One open vault.  Not for use by two threads at once."""

    def __init__(self, lock: ProfileLock, connection: Any, key: OpenKey) -> None:
        self._lock = lock
        self._connection = connection
        self._failed: CloisterError | None = None
        self._is_sound = True
        self.key: Final = key
        connection.create_function("has_words", 2, timeline.has_words, deterministic=True)
        self.timeline: Final = timeline.Timeline(self._rows)
        """What of the timelines is shown."""
        self.kept: Final = KeptRows(self._rows, self._by_itself)
        """What backups are made of and restored to."""

    @classmethod
    def create(
        cls, folder: Path, passphrase: Secret, *, entropy: Entropy, cost: Cost = DEFAULT_COST
    ) -> Self:
        """Make a vault in a folder that has none, and open it.

        The passphrase alone opens it until the device has enrolled at its relays.  ``vault.key``
        gets its name last: until then nothing was ever stored, so what an interrupted attempt
        left may be removed.  Raises ``VaultExists``, ``VaultDamaged`` (a database without its key
        file), ``VaultBusy``, ``VaultWriteFailed``.
        """
        lock = ProfileLock.take(folder)
        try:
            _make_room(folder)
            vault_key = Secret(entropy.random(KEY_BYTES))
            stretched = fresh_stretch(passphrase, cost, entropy)
            content = wrap_alone(vault_key, stretched, entropy)
            try:
                _write(folder, vault_key, content)
            except OSError as error:
                raise VaultWriteFailed(
                    f"the vault could not be made: {error.strerror}",
                    hint="check the disk and the rights of the profile folder, then try again",
                ) from None
            key = OpenKey(folder, parse_key_file(content), vault_key, stretched)
            return cls(lock, open_database(folder / DATABASE_NAME, vault_key), key)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, folder: Path, passphrase: Secret) -> Self:
        """Open the vault of a folder that the passphrase alone opens.

        Raises ``VaultMissing``, ``VaultDamaged``, ``VaultBusy``, ``LockedError``.
        """
        held = ClosedVault.take(folder)
        try:
            vault_key, stretched = unwrap_alone(held.file, passphrase)
            return cls.open_held(held, vault_key, stretched, {})
        except BaseException:
            held.release()
            raise

    @classmethod
    def open_held(
        cls,
        held: ClosedVault,
        vault_key: Secret,
        stretched: Stretched,
        shares: Mapping[bytes, Secret],
    ) -> Self:
        """Open a vault whose key is known.  Raises ``VaultDamaged``; then it stays held."""
        key = OpenKey(held.folder, held.file, vault_key, stretched, shares)
        return cls(held.lock, open_database(held.folder / DATABASE_NAME, vault_key), key)

    def close(self) -> None:
        """Empty the write-ahead log, close the database, give the lock up.

        Raises ``VaultWriteFailed`` when the disk fails at that.  What is committed is in the log
        then, which stays, and is found there at the next opening; so after any earlier failure."""
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        try:
            if self._is_sound:
                checkpoint(connection, at_pages=1, truncate=True)
                connection.close()
        except DatabaseError as error:
            self._is_sound = False
            raise checkpoint_error(error) from None
        finally:
            if not self._is_sound:
                abandon(connection)
            self._lock.release()

    def commit(self, writes: Iterable[Write]) -> None:
        """Store all writes in one transaction that is on disk when this returns.

        Raises ``VaultWriteFailed`` or ``VaultDamaged``; then nothing of it counts and the vault
        takes no further write, because memory and disk no longer tell the same story.
        """
        if self._failed is not None:
            raise self._failed
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for write in writes:
                    self._write(write)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except DatabaseError as error:
            self._fail(error, write_error(error))
        self._checkpoint_if_due()

    def _checkpoint_if_due(self) -> None:
        """Copy the log into the file when it is long; fail when the disk does.

        SQLite would do it by itself, inside a COMMIT, and would say nothing of an error."""
        try:
            checkpoint(self._connection, at_pages=CHECKPOINT_PAGES)
        except DatabaseError as error:
            self._fail(error, checkpoint_error(error))

    def _fail(self, error: Exception, meaning: CloisterError) -> NoReturn:
        """Take no further write.  After any error but a full disk the log is not touched either:
        what the failed flush left in the kernel's cache is unknown, and asked again it would say
        "written"."""
        self._failed = meaning
        self._is_sound = self._is_sound and is_full(error)
        raise meaning from None

    def _write(self, write: Write) -> None:
        match write:
            case PutRecord():
                self._connection.execute(_PUT_RECORD, (write.table, write.key, write.value))
            case DeleteRecord():
                self._connection.execute(_DELETE_RECORD, (write.table, write.key))
            case PutEntry():
                self._connection.execute(_PUT_ENTRY, (write.seq, write.entry))
            case PutMessage():
                timeline.put_message(self._run, write.message)
            case PutAnnotation():
                timeline.put_annotation(self._run, write.annotation)
            case PutReadTo():
                timeline.read_below(self._run, write.channel_id, write.below_n, write.at)

    def mark_read(self, channel_id: bytes, position: int, now: int) -> None:
        """Move the read marker of a channel forward; it never goes back.  The time of what is
        kept for a time runs from ``now``, s since the Unix epoch.

        Raises as ``commit`` does."""

        self._by_itself(lambda run: timeline.read_up_to(run, channel_id, position, now))

    def sweep(self, now: int, held: Collection[bytes]) -> set[bytes]:
        """Delete what has come to its time, and what was taken back; return the channels.

        ``held``: those under a legal hold, of which nothing is deleted.  Raises as ``commit`` does.
        """
        due = timeline.due_channels(self._rows, now, held)
        if due:
            self._by_itself(lambda run: timeline.sweep(run, now, due))
        return due

    def next_expiry(self, held: Collection[bytes]) -> int | None:
        """Return when the next text is to be deleted, s since the Unix epoch."""
        return timeline.next_expiry(self._rows, held)

    def _by_itself(self, work: Callable[[timeline.Rows], R]) -> R:
        """Do a transaction that the core knows nothing of: where the disk is full, nothing in
        memory is ahead of it, and it is done another time."""
        if self._failed is not None:
            raise self._failed
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                done = work(self._run)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except DatabaseError as error:
            if is_full(error):
                raise write_error(error) from None
            self._fail(error, write_error(error))
        self._checkpoint_if_due()
        return done

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(statement, values).fetchall()
        return rows

    def newest_index(self, channel_id: bytes, position: int) -> int | None:
        """Return the channel's index of the newest row of another up to a position."""
        ((n,),) = self._rows(_NEWEST_N, (channel_id, position))
        return None if n is None else int(n)

    def keep_draft(self, channel_id: bytes, text: str) -> None:
        """Keep what has been begun in a channel; an empty text forgets it."""
        try:
            if text:
                self._connection.execute(_DRAFT, (channel_id, text))
            else:
                self._connection.execute("DELETE FROM draft WHERE channel_id = ?", (channel_id,))
        except DatabaseError as error:
            raise write_error(error) from None

    def drafts(self) -> dict[bytes, str]:
        """Return what has been begun, channel -> text."""
        rows = self._rows("SELECT channel_id, text FROM draft", ())
        return {bytes(channel_id): str(text) for channel_id, text in rows}

    def records(self) -> dict[str, dict[bytes, bytes]]:
        """Return all records, table -> key -> value."""
        found: dict[str, dict[bytes, bytes]] = {}
        for table, key, value in self._rows("SELECT tbl, key, value FROM record", ()):
            found.setdefault(str(table), {})[bytes(key)] = bytes(value)
        return found

    def entries(self) -> tuple[bytes, ...]:
        """Return the log's entries in order of seq.  Raises ``VaultDamaged`` on a hole."""
        rows = self._rows("SELECT seq, entry FROM log_entry ORDER BY seq", ())
        if any(seq != expected for expected, (seq, _) in enumerate(rows)):
            raise VaultDamaged("the vault's roster log has a hole", hint="restore a backup")
        return tuple(bytes(entry) for _, entry in rows)

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._run(statement, values)
        except DatabaseError as error:
            raise read_error(error) from None


def _make_room(folder: Path) -> None:
    """Remove what an interrupted creation left; refuse to touch anything else."""
    if (folder / KEY_NAME).exists():
        raise VaultExists(
            "this profile has a vault already", hint="use another profile (--profile)"
        )
    unfinished_key = folder / (KEY_NAME + UNFINISHED)
    database = folder / DATABASE_NAME
    if database.exists() and not unfinished_key.exists():
        raise VaultDamaged(
            "vault.key is missing, and vault.db is there",
            hint="put vault.key back from a backup, or use another profile (--profile)",
        )
    for suffix in ("", "-wal", "-shm", "-journal"):
        (folder / (DATABASE_NAME + suffix)).unlink(missing_ok=True)
        (folder / (DATABASE_NAME + UNFINISHED + suffix)).unlink(missing_ok=True)
    unfinished_key.unlink(missing_ok=True)


def _write(folder: Path, vault_key: Secret, key_file: bytes) -> None:
    unfinished_database = folder / (DATABASE_NAME + UNFINISHED)
    unfinished_key = folder / (KEY_NAME + UNFINISHED)
    write_new_file(unfinished_database, b"")
    make_database(unfinished_database, vault_key)
    sync_file(unfinished_database)
    write_new_file(unfinished_key, key_file)
    sync_folder(folder)
    unfinished_database.rename(folder / DATABASE_NAME)
    sync_folder(folder)
    unfinished_key.rename(folder / KEY_NAME)
    sync_folder(folder)
