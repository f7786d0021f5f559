"""A relay's disk: writes gather into transactions, and are answered when those are on it.

The rows are the reference backend's.  Reading shows what is on disk and nothing else, as SQLite's
readers do.  A killed process leaves what was committed, whether or not anybody was told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from cloister.relay.storage import api, writes
from cloister.relay.storage.memory import MemoryStore
from cloister.testing.simulation.faults import Faults

BATCH: Final = 64


class SimulatedStore:
    """A running process's access to the rows (``relay.storage.api.Store``)."""

    def __init__(
        self,
        rows: MemoryStore,
        rng: random.Random,
        faults: Callable[[], Faults],
        crash: Callable[[str], None],
        asked: Callable[[writes.Write], None] = lambda _write: None,
    ) -> None:
        """``asked`` is shown every write that is asked for."""
        self.rows: Final = rows
        self._asked = asked
        self._random = rng
        self._faults = faults
        self._crash = crash
        self._queue: list[tuple[writes.Write, api.Done]] = []
        self._is_writing = False
        self.proof_key = rows.proof_key
        self.channel = rows.channel
        self.ladder = rows.ladder
        self.envelopes = rows.envelopes
        self.mailbox = rows.mailbox
        self.mail = rows.mail
        self.part = rows.part
        self.log = rows.log
        self.entries = rows.entries
        self.origins = rows.origins
        self.code_of = rows.code_of
        self.bound_key = rows.bound_key
        self.seats = rows.seats
        self.account_of_seat = rows.account_of_seat
        self.counts = rows.counts

    def submit(self, write: writes.Write, done: api.Done) -> None:
        """Queue a write for the next transaction."""
        self._asked(write)
        self._queue.append((write, done))
        if not self._is_writing:
            self._begin()

    def _begin(self) -> None:
        self._is_writing = True
        loop = asyncio.get_running_loop()
        loop.call_later(self._random.uniform(0, self._faults().disk_s), self._commit)

    def _commit(self) -> None:
        batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        is_last = self._random.random() < self._faults().relay_crash_at_commit
        if is_last and self._random.random() < 0.5:
            self._crash("before a commit")
            return
        outcomes = [(done, self.rows.apply(write)) for write, done in batch]
        if is_last:
            self._crash("after a commit")
            return
        # Who reads in between sees what nobody has been told of yet.
        loop = asyncio.get_running_loop()
        loop.call_later(self._random.uniform(0, self._faults().disk_s), self._tell, outcomes)

    def _tell(self, outcomes: list[tuple[api.Done, writes.Outcome]]) -> None:
        for done, outcome in outcomes:
            done(outcome)
        if self._queue:
            self._begin()
        else:
            self._is_writing = False

    def close(self) -> None:
        """A simulated relay does not stop, it is killed."""
