"""The SQLite backend: reads in the event loop's thread, writes collected there and handed over."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cloister.relay.storage.api import Counts, Done, EnvelopeRow
from cloister.relay.storage.quotas import Quotas
from cloister.relay.storage.sqlite.reads import Reads
from cloister.relay.storage.sqlite.recent import Recent
from cloister.relay.storage.sqlite.writer import Writer
from cloister.relay.storage.writes import (
    AddKeyPackages,
    AppendEntry,
    MirrorEntries,
    Outcome,
    PutBoxItem,
    PutCommit,
    PutEnvelope,
    SetNote,
    StagePart,
    TakeKeyPackage,
    Write,
)

WINDOW_S: Final = 0.014
"""Group-commit window at a high rate: what it adds to latency, it saves many times in CPU."""
BUSY_RATE: Final = 400.0
"""Writes a second from which on the window is kept; below it a write goes out at once."""
RATE_S: Final = 0.2
"""Over so long the rate is taken.  A few writes that come together, as after every moment in which
this or another process was busy, are no high rate: those behind them would wait for nothing."""
FULL_BATCH: Final = 256
"""A batch of this size does not wait: more rows in a transaction save nothing further."""
_ADD: Final[frozenset[type]] = frozenset(
    {
        AddKeyPackages,
        AppendEntry,
        MirrorEntries,
        PutBoxItem,
        PutCommit,
        PutEnvelope,
        SetNote,
        StagePart,
        TakeKeyPackage,
    }
)
"""The writes of every day: what is stored of envelopes stays as it is."""


class Metrics:
    """Counters of the writer."""

    __slots__ = ("batches", "writes")

    def __init__(self) -> None:
        self.batches = 0
        self.writes = 0


class SqliteStore(Reads):
    """See :class:`cloister.relay.storage.api.Store`.  Made inside a running event loop."""

    def __init__(
        self,
        path: Path,
        on_failure: Callable[[], None],
        window_s: float = WINDOW_S,
        quotas: Quotas | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()

        def report_failure() -> None:
            self._loop.call_soon_threadsafe(on_failure)

        self._quotas = quotas or Quotas()
        self._writer = Writer(path, report_failure, self._quotas)
        super().__init__(path)
        self._recent = Recent()
        self._takes_away = False
        """Whether the batch that is under way may change what is stored of envelopes."""
        self._window_s = window_s
        self._writes: list[Write] = []
        self._dones: list[Done] = []
        self._timer: asyncio.Handle | None = None
        self._is_busy = False
        self._handed_at = self._loop.time()
        self._rate = 0.0
        self._in_flight: list[Done] = []
        self._outcomes: list[Outcome] | None = None
        self.metrics = Metrics()

    @property
    def is_short(self) -> bool:
        """Tell whether texts are refused, as the disk has less than its reserve left."""
        return self._quotas.is_short()

    def counts(self) -> Counts:
        """Return how much is stored."""
        return self._counts(self._writer.envelopes)

    def envelopes(
        self, channel_id: bytes, from_n: int, to_n: int, max_items: int, max_bytes: int
    ) -> list[EnvelopeRow]:
        """Return envelopes of a range, bounded."""
        rows, is_all = self._recent.run(channel_id, from_n, to_n, max_items, max_bytes)
        if is_all:
            return rows
        from_n, max_items = from_n + len(rows), max_items - len(rows)
        max_bytes -= sum(len(row.envelope) for row in rows)
        more = super().envelopes(channel_id, from_n, to_n, max_items, max_bytes)
        self._recent.add(channel_id, more)
        if rows and more and len(more[0].envelope) > max_bytes:
            return rows
        return rows + more

    def submit(self, write: Write, done: Done) -> None:
        """Queue a write (see the contract)."""
        self._writes.append(write)
        self._dones.append(done)
        if self._is_busy:
            return
        if self._timer is None:
            self._schedule()
        elif len(self._writes) == FULL_BATCH:
            self._timer.cancel()
            self._hand_over()

    def _schedule(self) -> None:
        if self._rate > BUSY_RATE:
            due = self._handed_at + self._window_s
            self._timer = self._loop.call_at(due, self._hand_over)
        else:
            self._timer = self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._timer = None
        if not self._writes or self._is_busy:
            return
        now = self._loop.time()
        writes, self._writes = self._writes, []
        self._in_flight, self._dones = self._dones, []
        faded = math.exp((self._handed_at - now) / RATE_S)
        self._rate = self._rate * faded + len(writes) / RATE_S
        self._handed_at = now
        self._is_busy = True
        self._takes_away = not all(type(write) in _ADD for write in writes)
        self._writer.hand_over(writes, self._on_written)

    def _on_written(self, outcomes: list[Outcome]) -> None:
        """In the writer's thread: leave the outcomes for the loop's and wake it."""
        self._outcomes = outcomes
        self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        if self._outcomes is None:
            return
        try:
            self._finish(self._outcomes)
        finally:
            if len(self._writes) >= FULL_BATCH:
                self._hand_over()
            elif self._writes and self._timer is None:
                self._schedule()

    def _finish(self, outcomes: list[Outcome]) -> None:
        dones, self._in_flight = self._in_flight, []
        self._outcomes = None
        self._is_busy = False
        if self._takes_away:
            # Before anybody hears that it is done; what was read meanwhile may be of before.
            self._recent.clear()
        self.metrics.batches += 1
        self.metrics.writes += len(outcomes)
        failures: list[Exception] = []
        for done, outcome in zip(dones, outcomes, strict=True):
            try:
                done(outcome)
            except Exception as error:  # noqa: BLE001  the others wait for theirs
                failures.append(error)
        if failures:
            raise failures[0]

    def close(self) -> None:
        """Finish all submitted writes, call their ``done`` and close.  Blocks."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        last: list[Outcome] = []
        writes, self._writes = self._writes, []
        dones, self._dones = self._dones, []
        if writes:
            self._writer.hand_over(writes, last.extend)
        self._writer.close()
        # The batch that was under way reported to a loop that did not turn meanwhile.
        if self._outcomes is not None:
            self._finish(self._outcomes)
        for done, outcome in zip(dones, last, strict=True):
            done(outcome)
        self.close_reads()
