"""When the home collects writes for its group-commit window, and when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from cloister.relay.storage.sqlite import SqliteStore
from cloister.relay.storage.sqlite.store import BUSY_RATE, RATE_S
from cloister.relay.storage.writes import BindCode, Outcome

NEVER_S = 60.0
"""A window that nobody waits for here: who does has failed."""


def run(path: Path, story: Callable[[SqliteStore], Awaitable[None]]) -> None:
    async def main() -> None:
        store = SqliteStore(path / "relay.sqlite3", lambda: None, NEVER_S)
        try:
            await story(store)
        finally:
            store.close()

    asyncio.run(main())


def write(store: SqliteStore, number: int) -> asyncio.Future[Outcome]:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    bind = BindCode(number.to_bytes(32, "big"), b"k" * 32, f"home/{number}")
    store.submit(bind, future.set_result)
    return future


def test_a_few_writes_one_right_after_another_do_not_wait(tmp_path: Path) -> None:
    """As after a moment in which something else had the processor; each is a batch of its own."""

    async def story(store: SqliteStore) -> None:
        few = int(BUSY_RATE * RATE_S / 4)
        for number in range(few):
            await asyncio.wait_for(write(store, number), 10)
        assert store.metrics.batches == few

    run(tmp_path, story)


def test_many_writes_are_collected_until_the_window_is_over(tmp_path: Path) -> None:
    async def story(store: SqliteStore) -> None:
        many = int(2 * BUSY_RATE * RATE_S)
        await asyncio.wait_for(asyncio.gather(*(write(store, n) for n in range(many))), 10)
        waiting = [write(store, many + number) for number in range(3)]
        await asyncio.sleep(0.2)
        assert not any(one.done() for one in waiting)

    run(tmp_path, story)
