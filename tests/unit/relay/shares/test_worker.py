"""The thread of the shares' file: order, batches, and what a failure leaves."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlcipher3.dbapi2 as sqlite

from cloister.crypto.entropy import SystemEntropy
from cloister.relay.logsafe import Log
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.shares.store import ShareStore
from cloister.relay.shares.worker import BATCH, ThreadWorker
from cloister.relay.storage.writes import Refused
from cloister.wire.codes import Refusal


class Running:
    """A worker over a store of its own, and what its jobs were answered."""

    def __init__(self, folder: Path) -> None:
        key_file = EpochKeyFile(folder / "shares.key")
        self.store = ShareStore(folder / "shares.sqlite3", key_file, SystemEntropy())
        self.failures = 0
        self.stream = io.StringIO()
        self.worker = ThreadWorker(self.store, Log(lambda: 0, self.stream), self._on_failure)
        self.answers: list[Any] = []

    def _on_failure(self) -> None:
        self.failures += 1

    def submit(self, run: Callable[[ShareStore], Any], *, is_alone: bool = False) -> None:
        self.worker.submit(run, self.answers.append, is_alone=is_alone)

    async def rest(self) -> None:
        while self.worker.waiting:  # noqa: ASYNC110  what is waited for is another thread
            await asyncio.sleep(0.001)


def add(store: ShareStore) -> int:
    store.add(bytes(32), bytes(32), bytes(32), bytes(32))
    return store.counts()[0]


def test_jobs_run_in_order_in_few_transactions_off_the_loop(tmp_path: Path) -> None:
    async def run() -> None:
        running = Running(tmp_path)
        commits: list[str] = []
        running.store.connection.set_trace_callback(
            lambda statement: commits.append(statement) if statement == "COMMIT" else None
        )
        gate = threading.Event()
        threads: set[int] = set()

        def job(store: ShareStore) -> int:
            gate.wait(5)
            threads.add(threading.get_ident())
            return add(store)

        for _ in range(3 * BATCH):
            running.submit(job)
        assert running.worker.waiting == 3 * BATCH
        gate.set()
        await running.rest()
        assert running.answers == list(range(1, 3 * BATCH + 1))
        assert len(commits) <= 5
        assert threading.get_ident() not in threads
        running.worker.close()

    asyncio.run(run())


def test_job_of_its_own_keeps_its_place(tmp_path: Path) -> None:
    async def run() -> None:
        running = Running(tmp_path)
        running.submit(add)
        running.submit(lambda store: store.destroy((), (), 0), is_alone=True)
        running.submit(add)
        await running.rest()
        assert running.answers == [1, None, 2]
        running.worker.close()

    asyncio.run(run())


def test_what_was_submitted_is_finished_at_the_end(tmp_path: Path) -> None:
    async def run() -> None:
        running = Running(tmp_path)
        for _ in range(10):
            running.submit(add)
        running.worker.close()
        assert running.answers == list(range(1, 11))

    asyncio.run(run())


def test_bug_in_a_job_undoes_its_batch_and_nothing_else(tmp_path: Path) -> None:
    async def run() -> None:
        running = Running(tmp_path)
        running.submit(add)
        await running.rest()

        def bug(store: ShareStore) -> None:
            add(store)
            raise ZeroDivisionError("text of others")

        running.submit(bug)
        await running.rest()
        running.submit(add)
        await running.rest()
        first, refused, second = running.answers
        assert (first, second) == (1, 2)
        assert isinstance(refused, Refused)
        assert refused.code is Refusal.STORAGE
        assert running.failures == 0
        assert "ZeroDivisionError" in running.stream.getvalue()
        assert "text of others" not in running.stream.getvalue()
        running.worker.close()

    asyncio.run(run())


def test_failed_disk_stops_the_relay_and_acknowledges_nothing_more(tmp_path: Path) -> None:
    async def run() -> None:
        running = Running(tmp_path)

        def fail(_store: ShareStore) -> None:
            raise sqlite.OperationalError("disk I/O error")

        running.submit(fail)
        await running.rest()
        running.submit(add)
        await running.rest()
        assert running.failures == 1
        assert all(isinstance(one, Refused) for one in running.answers)
        running.worker.close()

    asyncio.run(run())


def test_bug_in_one_answer_keeps_no_other_from_coming(tmp_path: Path) -> None:
    async def run() -> None:
        running = Running(tmp_path)

        def broken(_outcome: object) -> None:
            raise ZeroDivisionError("text of others")

        gate = threading.Event()
        running.submit(lambda _store: gate.wait(5))
        running.worker.submit(add, broken)
        running.submit(add)
        gate.set()
        async with asyncio.timeout(10):
            await running.rest()
        assert running.answers == [True, 2]
        assert "share-answer-failed" in running.stream.getvalue()
        assert "text of others" not in running.stream.getvalue()
        running.worker.close()

    asyncio.run(run())
