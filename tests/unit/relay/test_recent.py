"""What was read lately is given again as it is stored, within its room."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest

from cloister.relay.storage.api import EnvelopeRow
from cloister.relay.storage.sqlite import reads
from cloister.relay.storage.sqlite.recent import Recent
from cloister.relay.storage.sqlite.store import SqliteStore
from cloister.relay.storage.writes import (
    BindCode,
    Expire,
    OpenCircle,
    PutEnvelope,
    Refused,
    Write,
)

CHANNEL, OTHER = b"c" * 16, b"o" * 16
HOUR, NOW = 3600, 1_700_000_000


def rows(first: int, last: int, size: int = 1024) -> list[EnvelopeRow]:
    return [EnvelopeRow(n, 1, 0, bytes(16), bytes(size), b"", 0, b"") for n in range(first, last)]


def given(store: SqliteStore, *wanted: int) -> list[int]:
    return numbers(store.envelopes(CHANNEL, *wanted))


def numbers(found: list[EnvelopeRow]) -> list[int]:
    return [row.n for row in found]


def held(recent: Recent, channel_id: bytes, *wanted: int) -> list[int]:
    return numbers(recent.run(channel_id, *wanted)[0])


def test_a_run_begins_at_its_first_index_and_ends_at_a_gap() -> None:
    recent = Recent()
    recent.add(CHANNEL, rows(3, 6))
    recent.add(CHANNEL, rows(7, 9))
    assert held(recent, CHANNEL, 3, 9, 9, 10**6) == [3, 4, 5]
    assert held(recent, CHANNEL, 7, 9, 9, 10**6) == [7, 8]
    assert held(recent, CHANNEL, 2, 9, 9, 10**6) == []
    assert held(recent, OTHER, 3, 9, 9, 10**6) == []


def test_a_run_is_bounded_as_what_is_read_from_the_file() -> None:
    recent = Recent()
    recent.add(CHANNEL, rows(0, 9))
    assert held(recent, CHANNEL, 2, 4, 9, 10**6) == [2, 3, 4]
    assert held(recent, CHANNEL, 2, 8, 2, 10**6) == [2, 3]
    assert held(recent, CHANNEL, 2, 8, 9, 2048) == [2, 3]
    assert held(recent, CHANNEL, 2, 8, 9, 1) == [2]


def test_it_is_known_whether_the_file_would_give_more() -> None:
    recent = Recent()
    recent.add(CHANNEL, rows(0, 4))
    wanted = {(3, 9, 10**6): True, (3, 9, 1024): True, (9, 9, 10**6): False, (4, 9, 10**6): False}
    assert {one: recent.run(CHANNEL, 0, one[0], one[1], one[2])[1] for one in wanted} == wanted
    assert recent.run(CHANNEL, 0, 9, 2, 10**6)[1]


def test_who_was_not_asked_for_the_longest_goes_first() -> None:
    recent = Recent(max_bytes=4 * (1024 + 256))
    recent.add(CHANNEL, rows(0, 4))
    assert held(recent, CHANNEL, 0, 0, 1, 10**6) == [0]
    recent.add(OTHER, rows(0, 1))
    assert held(recent, CHANNEL, 1, 1, 1, 10**6) == []
    assert held(recent, CHANNEL, 0, 0, 1, 10**6) == [0]
    # What is read twice counts once.
    recent.add(CHANNEL, rows(0, 1))
    assert held(recent, CHANNEL, 2, 3, 9, 10**6) == [2, 3]
    recent.clear()
    recent.add(CHANNEL, rows(0, 4))
    assert held(recent, CHANNEL, 0, 9, 9, 10**6) == [0, 1, 2, 3]


def test_a_crowd_is_served_without_the_file_and_never_with_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    from_file = reads.Reads.envelopes

    def count(store: reads.Reads, *wanted: int) -> list[EnvelopeRow]:
        asked.append(1)
        return from_file(store, *wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(reads.Reads, "envelopes", count)

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "relay.sqlite3", lambda: None)

        async def done(write: Write) -> None:
            answer = asyncio.get_running_loop().create_future()
            store.submit(write, answer.set_result)
            assert not isinstance(await answer, Refused)

        key = bytes(32)
        await done(BindCode(key, key, "o"))
        await done(
            OpenCircle(
                code_hash=key,
                setup_key=key,
                origin="o",
                genesis=b"genesis",
                fold=b"fold",
                root=bytes(32),
                note=b"note",
                commons_id=CHANNEL,
                commons_key=key,
                inbox_id=OTHER,
                inbox_key=key,
            )
        )
        for n in range(4):
            await done(PutEnvelope(CHANNEL, 0, n.to_bytes(16, "big"), bytes(1024), NOW))
        for _ in range(10):
            assert given(store, 0, 3, 9, 10**6) == [0, 1, 2, 3]
        assert len(asked) == 1
        await done(PutEnvelope(CHANNEL, 0, b"n" * 16, bytes(1024), NOW + 5 * HOUR))
        assert given(store, 0, 4, 9, 10**6) == [0, 1, 2, 3, 4]
        assert given(store, 0, 4, 9, 10**6) == [0, 1, 2, 3, 4]
        assert len(asked) == 2
        await done(Expire(NOW + HOUR, NOW - HOUR, NOW + 5 * HOUR, 100))
        assert given(store, 0, 4, 9, 10**6) == [4]
        store.close()

    asyncio.run(scenario())


def test_what_is_read_for_many_is_not_planned_anew_each_time() -> None:
    # SQLite looks at the value that stands for a limit when it plans, so a new one is a new plan.
    assert "LIMIT ?" not in inspect.getsource(reads)
