"""The one thread that writes: a batch of writes is one transaction and one flush to the disk.

The event loop collects writes and hands them over as a batch; while the thread works on one batch
the next one fills.  At a high rate the loop also waits for the group-commit window, because the
price of a transaction is the same for one write and for a hundred (docs/performance.md).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, assert_never

import sqlcipher3.dbapi2 as sqlite

from cloister.relay.storage.api import StorageFailure
from cloister.relay.storage.quotas import Quotas
from cloister.relay.storage.sqlite.adopting import adopt_circle
from cloister.relay.storage.sqlite.channel_state import ChannelStates
from cloister.relay.storage.sqlite.expiry import expire
from cloister.relay.storage.sqlite.moving import move_commons
from cloister.relay.storage.sqlite.objects import ObjectWrites
from cloister.relay.storage.sqlite.puts import EnvelopeWrites
from cloister.relay.storage.sqlite.rollback import Conflict, Over
from cloister.relay.storage.sqlite.schema import open_file
from cloister.relay.storage.sqlite.seats import reserve, take_seat
from cloister.relay.storage.writes import (
    Accepted,
    AddKeyPackages,
    AdoptCircle,
    AppendEntry,
    BindCode,
    Delivered,
    Expire,
    MirrorEntries,
    MoveCommons,
    OpenBox,
    OpenChannel,
    OpenCircle,
    OpenInbox,
    Outcome,
    PutBoxItem,
    PutCommit,
    PutEnvelope,
    Refused,
    ReserveSeat,
    SetNote,
    StagePart,
    TakeKeyPackage,
    TakeSeat,
    Tidy,
    Write,
)
from cloister.wire.codes import Refusal

_FULL: Final = 13
"""SQLITE_FULL: the one error after which the file is as it was and may be written again."""
CHECKPOINT_PAGES: Final = 4000
"""Pages in the log from which on they go to the file: a sender's burst at once, not in pieces."""
LOOK_EVERY: Final = 32
"""Writes after which the length of the log is asked for.  The question is planned anew each time,
which is a twentieth of what a message costs that is a transaction of its own."""

BatchDone = Callable[[list[Outcome]], None]


class Writer:
    """Applies batches in order and says, from its own thread, how each write came out."""

    def __init__(self, path: Path, on_failure: Callable[[], None], quotas: Quotas) -> None:
        self._connection = open_file(path)
        self._states = ChannelStates(self._connection)
        self._envelopes = EnvelopeWrites(self._connection, self._states, quotas)
        self._objects = ObjectWrites(self._connection)
        self.envelopes = self._count_envelopes()
        """How many are on disk; counting them anew takes longer the more there are."""
        self._on_failure = on_failure
        self._batches: queue.SimpleQueue[tuple[Sequence[Write], BatchDone] | None] = (
            queue.SimpleQueue()
        )
        self._has_failed = False
        self._unlooked = 0
        """Writes since the length of the log was last asked for."""
        self._must_tidy = False
        """Until the log has been cut off: it may hold pages as they were before a deletion."""
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay-writer", daemon=True)
        self._thread.start()

    def hand_over(self, batch: Sequence[Write], done: BatchDone) -> None:
        """Queue a batch; ``done`` is called in the writer's thread once it is on disk."""
        self._batches.put((batch, done))

    def close(self) -> None:
        """Finish the batches that were handed over, and end."""
        self._batches.put(None)
        self._has_ended.wait()

    def _run(self) -> None:
        while (item := self._batches.get()) is not None:
            batch, done = item
            done(self._transact(batch))
        if not self._has_failed:
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite.Error as error:
                # A full disk leaves the log as it is; any other error is said by the exit status.
                if not _is_full(error):
                    self._has_failed = True
                    self._on_failure()
        if self._has_failed:
            self._abandon()
        self._connection.close()
        self._has_ended.set()

    def _abandon(self) -> None:
        """Keep the connection open until the process is gone.

        The last connection that closes copies the log into the file once more, flushes, and
        removes the log.  After a failed flush that one would "succeed", and with the log the only
        sound copy of what was acknowledged would go.  This thread is a daemon: it does not hold up
        the end of the process, and what it holds is never closed."""
        self._has_ended.set()
        threading.Event().wait()

    def _transact(self, batch: Sequence[Write]) -> list[Outcome]:
        if self._has_failed:
            return [Refused(Refusal.STORAGE)] * len(batch)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = self._apply_all(batch)
            self._connection.execute("COMMIT")
            self._note_count(batch, outcomes)
            self._unlooked += len(batch)
            if self._unlooked >= LOOK_EVERY or self._must_tidy:
                self._unlooked = 0
                self._checkpoint_if_due()
        except Exception as error:  # noqa: BLE001  a fault of ours in this thread would end it unseen
            self._states.forget()
            if _is_full(error) and self._roll_back():
                return [Refused(Refusal.STORAGE)] * len(batch)
            if not isinstance(error, sqlite.Error | StorageFailure):
                # Whoever waits would wait for ever: the relay stops, as it does for the disk.
                self._roll_back()
            # What the failed flush left in the kernel's cache is unknown, and asking it again
            # would say "written" (fsyncgate).  Only opening the file anew tells.
            self._has_failed = True
            self._on_failure()
            return [Refused(Refusal.STORAGE)] * len(batch)
        return outcomes

    def _note_count(self, batch: Sequence[Write], outcomes: Sequence[Outcome]) -> None:
        if any(type(write) is AdoptCircle for write in batch):
            self.envelopes = self._count_envelopes()  # those of a circle before may have gone
            return
        fresh = 0
        for write, outcome in zip(batch, outcomes, strict=True):
            match outcome:
                case Accepted(fresh=True) if type(write) is PutEnvelope:
                    fresh += 1
                case Delivered(fresh=True):
                    fresh += 1
                case Accepted(n=gone) if type(write) is Expire:
                    fresh -= gone
        self.envelopes += fresh

    def _count_envelopes(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM envelope").fetchone()
        return int(count)

    def _checkpoint_if_due(self) -> None:
        """Copy the log into the file when it is long; raises when the disk fails.

        SQLite would do it by itself, and would say nothing of an error.  The next checkpoint then
        flushes the file "successfully" without the lost pages, and the log, which has them, is
        written over: acknowledged items would be gone after a power cut."""
        execute = self._connection.execute
        _, pages, _ = execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
        if pages < CHECKPOINT_PAGES and not self._must_tidy:
            return
        try:
            mode = "TRUNCATE" if self._must_tidy else "PASSIVE"
            is_busy, _, _ = execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            self._must_tidy = self._must_tidy and bool(is_busy)
        except sqlite.Error as error:
            # A full disk takes nothing back: the batch is on disk, in the log, which grows on.
            if not _is_full(error):
                raise

    def _roll_back(self) -> bool:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite.Error:
            return False
        return True

    def _apply_all(self, batch: Sequence[Write]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        puts: list[PutEnvelope] = []
        for write in batch:
            if type(write) is PutEnvelope:
                puts.append(write)
                continue
            if puts:
                outcomes += self._envelopes.put_group(puts)
                puts = []
            outcomes.append(self._apply_one(write))
        if puts:
            outcomes += self._envelopes.put_group(puts)
        return outcomes

    def _apply_one(self, write: Write) -> Outcome:
        execute = self._connection.execute
        execute("SAVEPOINT one")
        try:
            outcome = self._apply(write)
        except (Conflict, Over) as refusal:
            execute("ROLLBACK TO one")
            self._states.forget()
            is_conflict = isinstance(refusal, Conflict)
            outcome = Refused(Refusal.ID_CONFLICT if is_conflict else Refusal.QUOTA)
        execute("RELEASE one")
        return outcome

    def _apply(self, write: Write) -> Outcome:
        objects = self._objects
        match write:
            case PutEnvelope():
                return self._envelopes.put_group([write])[0]
            case PutCommit():
                return self._envelopes.put_commit(write)
            case StagePart():
                return objects.stage_part(write)
            case BindCode():
                return objects.bind_code(write)
            case OpenCircle():
                return objects.open_circle(write)
            case AdoptCircle():
                outcome = adopt_circle(self._connection, write)
                self._states.forget()  # what was there before may have gone
                return outcome
            case OpenChannel():
                outcome = objects.open_channel(write)
                if write.epoch:
                    self._states.forget()  # a later epoch may have taken the place of the first
                return outcome
            case OpenInbox():
                return objects.open_inbox(write)
            case OpenBox():
                return objects.open_box(write)
            case ReserveSeat(reservation=wanted):
                return reserve(self._connection, wanted) or Accepted()
            case TakeSeat():
                return take_seat(self._connection, write)
            case PutBoxItem():
                return objects.put_box_item(write)
            case AddKeyPackages():
                return objects.add_key_packages(write)
            case TakeKeyPackage():
                return objects.take_key_package(write)
            case AppendEntry():
                return objects.append_entry(write)
            case MoveCommons():
                return move_commons(self._connection, self._states, write)
            case SetNote():
                return objects.set_note(write)
            case MirrorEntries():
                return objects.mirror_entries(write)
            case Expire():
                outcome = expire(self._connection, self._states, write)
                self._envelopes.note_expiry()
                return outcome
            case Tidy():
                self._must_tidy = True
                return Accepted(0)
            case _:
                assert_never(write)


def _is_full(error: Exception) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == _FULL
