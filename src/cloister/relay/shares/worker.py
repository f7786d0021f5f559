"""The one thread that uses the shares' file: the event loop waits for no flush to the disk.

Jobs that gather while the thread works share the next transaction. A job's answer is given after
the transaction is on disk: a try is used up before anybody learns what came of it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec
import sqlcipher3.dbapi2 as sqlite

from cloister.relay.logsafe import Log
from cloister.relay.shares.store import ShareStore
from cloister.relay.storage.api import StorageFailure
from cloister.relay.storage.writes import Refused
from cloister.wire.codes import Refusal

T = TypeVar("T")

BATCH: Final = 64
"""Jobs in one transaction: a flush costs as much as thousands of them."""
MAX_WAITING: Final = 1_000
"""Jobs that wait; beyond, a request is refused before it costs anything."""

_FULL: Final = 13
"""SQLITE_FULL: the one error of the library after which the file is as it was."""


class _Job(msgspec.Struct, frozen=True):
    run: Callable[[ShareStore], Any]
    done: Callable[[Any], None]
    is_alone: bool


class _Following(msgspec.Struct, frozen=True):
    """What came after a batch: a job of its own, or None for the end."""

    job: _Job | None


class Worker(Protocol):
    """Runs jobs on the store, one after the other."""

    def submit(
        self,
        run: Callable[[ShareStore], T],
        done: Callable[[T | Refused], None],
        *,
        is_alone: bool = False,
    ) -> None:
        """Run a job in a transaction; ``done`` is told what it returned, once that is on disk, or
        ``Refused(STORAGE)``.  ``is_alone``: the job makes its own transactions."""

    @property
    def waiting(self) -> int:
        """Jobs that have not come back."""


class InlineWorker:
    """Runs each job at once, in the caller's thread: for tests, and before the loop turns."""

    def __init__(self, store: ShareStore) -> None:
        self._store = store

    @property
    def waiting(self) -> int:
        """None ever waits."""
        return 0

    def submit(
        self,
        run: Callable[[ShareStore], T],
        done: Callable[[T | Refused], None],
        *,
        is_alone: bool = False,
    ) -> None:
        """See ``Worker``."""
        (outcome,) = _transact(self._store, [_Job(run, done, is_alone)])
        done(outcome)


class ThreadWorker:
    """Runs jobs in a thread of its own.  Made inside a running event loop."""

    def __init__(self, store: ShareStore, log: Log, on_failure: Callable[[], None]) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._on_failure = on_failure
        self._has_failed = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._finished: list[tuple[_Job, Any]] = []
        self._thread = threading.Thread(target=self._run, name="share-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """See ``Worker``."""
        return self._waiting

    def submit(
        self,
        run: Callable[[ShareStore], T],
        done: Callable[[T | Refused], None],
        *,
        is_alone: bool = False,
    ) -> None:
        """See ``Worker``."""
        self._waiting += 1
        self._jobs.put(_Job(run, done, is_alone))

    def close(self) -> None:
        """Finish what was submitted, give the answers, close the file.  Blocks."""
        self._jobs.put(None)
        self._thread.join()
        self._deliver()

    def _run(self) -> None:
        job = self._jobs.get()
        while job is not None:
            batch = [job]
            following = None if job.is_alone else self._more(batch)
            self._finish(batch)
            job = self._jobs.get() if following is None else following.job
        self._store.close()

    def _more(self, batch: list[_Job]) -> _Following | None:
        """Add what waits, as far as it fits; return what does not belong to the batch."""
        while len(batch) < BATCH and not self._jobs.empty():
            job = self._jobs.get()
            if job is None or job.is_alone:
                return _Following(job)
            batch.append(job)
        return None

    def _say_failed(self, error: Exception) -> None:
        self._log.bug("share-job-failed", error)

    def _finish(self, batch: list[_Job]) -> None:
        """In the thread: carry out a batch and leave the answers for the loop."""
        if not batch:
            return
        outcomes: list[Any]
        outcomes = [Refused(Refusal.STORAGE)] * len(batch)
        if not self._has_failed:
            try:
                outcomes = _transact(self._store, batch)
            except Exception as error:  # noqa: BLE001  the thread outlives a bug, the batch does not
                self._loop.call_soon_threadsafe(self._say_failed, error)
                if batch[0].is_alone or not self._is_undone(error):
                    # What a failed flush left is unknown; only opening the file anew tells.
                    self._has_failed = True
                    self._loop.call_soon_threadsafe(self._on_failure)
        self._finished += zip(batch, outcomes, strict=True)
        self._loop.call_soon_threadsafe(self._deliver)

    def _is_undone(self, error: Exception) -> bool:
        """Tell whether the file is as it was before the batch."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if isinstance(error, StorageFailure) or (isinstance(error, sqlite.Error) and code != _FULL):
            return False
        try:
            self._store.connection.execute("ROLLBACK")
        except sqlite.Error:
            return False
        return True

    def _deliver(self) -> None:
        while self._finished:
            job, outcome = self._finished.pop(0)
            self._waiting -= 1
            try:
                job.done(outcome)
            except Exception as error:  # noqa: BLE001  the others wait for theirs
                self._log.bug("share-answer-failed", error)


def _transact(store: ShareStore, batch: list[_Job]) -> list[Any]:
    """Carry out a batch: one job alone, or several in one transaction."""
    if batch[0].is_alone:
        return [batch[0].run(store)]
    store.connection.execute("BEGIN IMMEDIATE")
    outcomes = [job.run(store) for job in batch]
    store.connection.execute("COMMIT")
    return outcomes
