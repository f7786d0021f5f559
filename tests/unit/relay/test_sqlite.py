"""What only the SQLite backend has: settings, query plans, failing disks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as sqlite

from cloister.relay.storage.api import StorageFailure
from cloister.relay.storage.sqlite import SqliteStore
from cloister.relay.storage.sqlite import writer as writer_module
from cloister.relay.storage.sqlite.schema import SCHEMA, open_file
from cloister.relay.storage.sqlite.writer import LOOK_EVERY
from cloister.relay.storage.writes import (
    Accepted,
    BindCode,
    OpenChannel,
    OpenCircle,
    Outcome,
    PutEnvelope,
    Refused,
    Tidy,
    Write,
)
from cloister.wire.codes import Refusal

CHANNEL = b"K" * 16
ORIGIN = "home/00"


class Failing:
    """A connection whose COMMIT fails as a disk does."""

    def __init__(self, connection: Any, code: int) -> None:
        self._connection = connection
        self._code = code
        self.is_failing = False

    def execute(self, sql: str, *values: Any) -> Any:
        if self.is_failing and sql == "COMMIT":
            error = sqlite.OperationalError("disk I/O error")
            error.sqlite_errorcode = self._code
            raise error
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def write(store: SqliteStore, one: Write) -> Outcome:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    store.submit(one, future.set_result)
    return await asyncio.wait_for(future, 60)


def put(number: int) -> PutEnvelope:
    return PutEnvelope(CHANNEL, 0, number.to_bytes(16, "big"), b"e" * 1024, 0)


def run(path: Path, scenario: Callable[[SqliteStore, list[int]], Awaitable[None]]) -> None:
    async def main() -> None:
        failures: list[int] = []
        store = SqliteStore(path / "relay.sqlite3", lambda: failures.append(1))
        await write(store, BindCode(b"c" * 32, b"k" * 32, ORIGIN))
        circle = (b"c" * 32, b"k" * 32, ORIGIN, b"g", b"f", b"r" * 32, b"n")
        await write(store, OpenCircle(*circle, b"C" * 16, b"k" * 32, b"I" * 16, b"k" * 32))
        await write(store, OpenChannel(ORIGIN, CHANNEL, b"k" * 32))
        try:
            await scenario(store, failures)
        finally:
            store.close()

    asyncio.run(main())


def test_every_column_has_a_comment_or_a_plain_name() -> None:
    plain = {"key", "circle", "channel", "inbox", "box", "epoch", "n", "bytes", "next_n", "parts"}
    for line in SCHEMA.splitlines():
        column = re.match(r"\s+([a-z_]+)\s+(BLOB|TEXT|INTEGER)\b", line)
        if column and column[1] not in plain:
            assert "--" in line, line


def test_the_settings_hold_and_are_strict(tmp_path: Path) -> None:
    connection = open_file(tmp_path / "x.sqlite3")
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    (erasing,) = connection.execute("PRAGMA secure_delete").fetchone()
    assert (mode, synchronous, erasing) == ("wal", 2, 1)
    tables = connection.execute("SELECT name, strict FROM pragma_table_list").fetchall()
    own = [(name, strict) for name, strict in tables if not name.startswith("sqlite_")]
    assert len(own) == 15
    assert all(strict for _, strict in own)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT n, bytes FROM envelope WHERE channel = ? AND id = ?",
        "SELECT max(n) FROM envelope WHERE channel = ?",
        """SELECT n FROM envelope AS e JOIN channel ON channel.key = e.channel
        WHERE channel.id = ? AND n BETWEEN 1 AND 9 ORDER BY n LIMIT 5""",
        """SELECT pk FROM ladder JOIN channel ON channel.key = ladder.channel
        WHERE channel.id = ? AND ladder.epoch = 3""",
        "SELECT count, bytes FROM part WHERE owner = ? AND hash = x'' AND i = 0 AND until = 0",
    ],
)
def test_hot_queries_go_by_an_index_and_do_not_sort(tmp_path: Path, sql: str) -> None:
    connection = open_file(tmp_path / "x.sqlite3")
    values = [b"x"] * sql.count("?")
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert plan
    for step in plan:
        assert step.startswith("SEARCH"), plan


def test_a_file_of_the_layout_before_gets_the_new_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    connection = open_file(path)
    connection.execute("INSERT INTO activation VALUES (x'01', x'02', 'home/1')")
    connection.execute("DROP TABLE seat")
    connection.execute("DROP TABLE seat_reserved")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    for _ in range(2):
        connection = open_file(path)
        assert connection.execute("SELECT count(*) FROM seat").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM seat_reserved").fetchone() == (0,)
        assert connection.execute("SELECT origin FROM activation").fetchone() == ("home/1",)
        connection.close()


def test_another_layout_or_another_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    connection = open_file(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageFailure, match="layout 99"):
        open_file(path)
    other = tmp_path / "y.sqlite3"
    other.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StorageFailure):
        open_file(other)
    assert other.read_bytes() == b"this is no database at all" * 100


def test_a_failed_flush_stops_the_store_for_good(tmp_path: Path) -> None:
    async def scenario(store: SqliteStore, failures: list[int]) -> None:
        assert isinstance(await write(store, put(1)), Accepted)
        writer: Any = store._writer
        failing = writer._connection = Failing(writer._connection, 10)
        failing.is_failing = True
        refused = await write(store, put(2))
        failing.is_failing = False
        later = await write(store, put(3))
        for outcome in (refused, later):
            assert isinstance(outcome, Refused)
            assert outcome.code is Refusal.STORAGE
        assert failures == [1]
        assert [row.n for row in store.envelopes(CHANNEL, 0, 9, 9, 10**6)] == [0]

    run(tmp_path, scenario)


def test_a_fault_in_the_writers_thread_stops_the_store_and_leaves_nobody_waiting(
    tmp_path: Path,
) -> None:
    def broken(_batch: object) -> None:
        raise NameError("a fault of ours")

    async def scenario(store: SqliteStore, failures: list[int]) -> None:
        writer: Any = store._writer
        writer._apply_all = broken
        for number in (1, 2):
            outcome = await write(store, put(number))
            assert isinstance(outcome, Refused)
            assert outcome.code is Refusal.STORAGE
        assert failures == [1]

    run(tmp_path, scenario)


def test_a_full_disk_refuses_and_goes_on(tmp_path: Path) -> None:
    async def scenario(store: SqliteStore, failures: list[int]) -> None:
        writer: Any = store._writer
        (pages,) = writer._connection.execute("PRAGMA page_count").fetchone()
        writer._connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        outcomes = [await write(store, put(number)) for number in range(40)]
        stored = [one for one in outcomes if isinstance(one, Accepted)]
        refused = [one for one in outcomes if isinstance(one, Refused)]
        assert stored
        assert {one.code for one in refused} == {Refusal.STORAGE}
        assert failures == []
        assert len(store.envelopes(CHANNEL, 0, 99, 99, 10**6)) == len(stored)
        writer._connection.execute(f"PRAGMA max_page_count = {pages + 300}")
        again = [await write(store, put(number)) for number in range(40)]
        assert [getattr(one, "n", None) for one in again] == list(range(40))

    run(tmp_path, scenario)


def test_the_log_is_looked_at_now_and_then_and_goes_to_the_file_when_it_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CHECKPOINT_PAGES", 8)

    async def scenario(store: SqliteStore, failures: list[int]) -> None:
        writer: Any = store._writer
        look, looks = writer._checkpoint_if_due, []

        def pages() -> tuple[int, int]:
            """In the log, and of these in the file."""
            found = writer._connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
            return found[1], found[2]

        def looking() -> None:
            before = pages()
            look()
            looks.append((before, pages()))

        writer._checkpoint_if_due = looking
        for number in range(3 * LOOK_EVERY):
            assert isinstance(await write(store, put(number)), Accepted)
        assert len(looks) == 3
        for (in_log, in_file), (_, now_in_file) in looks:
            assert in_file < in_log
            assert now_in_file == in_log
        # What was deleted shall not wait for others' writes.
        await write(store, Tidy())
        assert len(looks) == 4

    run(tmp_path, scenario)


def test_a_fault_in_one_answer_keeps_no_other_from_coming(tmp_path: Path) -> None:
    def broken(_outcome: Outcome) -> None:
        raise NameError("a fault of ours")

    async def scenario(store: SqliteStore, _failures: list[int]) -> None:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, what: told.append(what))
        store.submit(put(1), broken)
        assert isinstance(await write(store, put(2)), Accepted)
        # What came while the batch was under way goes on as well.
        store.submit(put(3), broken)
        await asyncio.sleep(0)
        assert isinstance(await write(store, put(4)), Accepted)
        assert len(told) == 2

    run(tmp_path, scenario)
