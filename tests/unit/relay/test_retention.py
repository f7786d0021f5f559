"""What is deleted when: clocks that are wrong at a start, or jump; and the pages afterwards."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloister.relay.logsafe import Log
from cloister.relay.retention import MAX_JUMP_S, Held, Retention
from cloister.relay.storage.api import Store
from cloister.relay.storage.memory import MemoryStore
from cloister.relay.storage.sqlite import SqliteStore
from cloister.relay.storage.writes import (
    Accepted,
    BindCode,
    OpenChannel,
    OpenCircle,
    PutEnvelope,
    Tidy,
    Write,
)

DAY = 86_400
NOW = 1_800_000_000
ORIGIN = "hk.example/one"
CHANNEL = b"c" * 16


class World:
    """A store, and the two clocks of the machine that it runs on."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.true = NOW
        self.wrong_by = 0
        self.booted = 0
        self.said = io.StringIO()
        self.word: int | None = None
        self.retention = self.start()

    def start(self) -> Retention:
        """The relay starts: nothing that was only in memory is left."""
        self.booted = self.true
        self.retention = Retention(
            self.store,
            Log(lambda: 0, self.said),
            retention_s=30 * DAY,
            held=Held,
            now=self.wall,
            monotonic=lambda: float(self.true - self.booted),
            word=lambda: self.word,
        )
        return self.retention

    def wall(self) -> int:
        return self.true + self.wrong_by

    async def write(self, write: Write) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.store.submit(write, future.set_result)
        return await future

    async def open(self) -> None:
        await self.write(BindCode(b"h" * 32, b"s" * 32, ORIGIN, None))
        await self.write(
            OpenCircle(
                code_hash=b"h" * 32,
                setup_key=b"s" * 32,
                origin=ORIGIN,
                genesis=b"genesis",
                fold=b"",
                root=bytes(32),
                note=b"note",
                commons_id=b"o" * 16,
                commons_key=b"k" * 32,
                inbox_id=b"i" * 16,
                inbox_key=b"k" * 32,
            )
        )
        await self.write(OpenChannel(ORIGIN, CHANNEL, b"k" * 32))

    async def put(self, number: int, content: bytes = b"e" * 1024) -> None:
        put = PutEnvelope(CHANNEL, 0, number.to_bytes(16, "big"), content, self.wall())
        assert isinstance(await self.write(put), Accepted)

    def left(self) -> list[int]:
        rows = self.store.envelopes(CHANNEL, 0, 99, 99, 10**9)
        return [int.from_bytes(row.envelope_id, "big") for row in rows]


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    def running(story: Callable[[World], Any]) -> None:
        async def main() -> None:
            store: Store = (
                MemoryStore()
                if request.param == "memory"
                else SqliteStore(tmp_path / "relay.sqlite3", lambda: None)
            )
            world = World(store)
            await world.open()
            try:
                await story(world)
            finally:
                store.close()

        asyncio.run(main())

    return running


@pytest.mark.parametrize("wrong_by", [365 * DAY, DAY, -DAY])
def test_relay_that_starts_with_a_wrong_clock_deletes_nothing_early(
    run: Callable[..., None], wrong_by: int
) -> None:
    async def story(world: World) -> None:
        await world.put(1)
        world.true += 29 * DAY + DAY // 2
        world.wrong_by = wrong_by
        retention = world.start()
        for _ in range(3):
            assert await retention.expire_all() == 0
        retention.witness(world.true)  # a mirror's clock is right
        assert await retention.expire_all() == 0
        assert world.left() == [1]
        assert "clock-differs-from-a-mirror" in world.said.getvalue()
        assert "clock-unconfirmed-nothing-expires" in world.said.getvalue()
        # The clock is set right while the relay runs: the next cosignature ends the matter.
        world.wrong_by = 0
        world.true += DAY
        retention.witness(world.true)
        assert await retention.expire_all() == 1
        assert world.left() == []

    run(story)


@pytest.mark.parametrize("jump", [DAY, -DAY, MAX_JUMP_S + 10])
def test_nothing_expires_after_a_jump_until_a_mirror_agrees(
    run: Callable[..., None], jump: int
) -> None:
    async def story(world: World) -> None:
        await world.put(1)
        retention = world.retention
        retention.witness(world.true)
        world.true += 29 * DAY + DAY // 2
        world.wrong_by = jump
        for _ in range(3):
            assert await retention.expire_all() == 0
        assert world.said.getvalue().count("clock-jumped") == 1
        world.wrong_by = 0
        world.true += DAY
        retention.witness(world.true)
        assert await retention.expire_all() == 1

    run(story)


def test_what_was_put_under_a_slow_clock_stays_its_full_time(run: Callable[..., None]) -> None:
    async def story(world: World) -> None:
        await world.put(1)
        world.wrong_by = -20 * DAY
        await world.put(2)
        world.wrong_by = 0
        world.true += 30 * DAY - 3600
        world.start().witness(world.true)
        assert await world.retention.expire_all() == 0
        assert world.left() == [1, 2]

    run(story)


def test_what_was_put_under_a_fast_clock_goes_and_keeps_nothing_behind_it(
    run: Callable[..., None],
) -> None:
    async def story(world: World) -> None:
        world.wrong_by = 365 * DAY
        await world.put(1)
        world.wrong_by = 0
        await world.put(2)
        world.start().witness(world.true)
        assert await world.retention.expire_all() == 0
        await world.put(3)
        world.true += 30 * DAY + 7200
        assert await world.retention.expire_all() == 3

    run(story)


def test_operators_word_is_good_for_an_hour(run: Callable[..., None]) -> None:
    async def story(world: World) -> None:
        await world.put(1)
        world.true += 31 * DAY
        world.start()
        world.word = world.true - 2 * 3600
        assert await world.retention.expire_all() == 0
        world.word = world.true - 60
        assert await world.retention.expire_all() == 1

    run(story)


def test_nothing_of_an_expired_row_stays_in_the_files(tmp_path: Path) -> None:
    canary = b"canary of a message that expires"

    def is_in_a_file() -> bool:
        files = [one for one in tmp_path.iterdir() if one.is_file()]
        assert {one.name for one in files} >= {"relay.sqlite3", "relay.sqlite3-wal"}
        return any(canary in one.read_bytes() for one in files)

    async def main() -> None:
        world = World(SqliteStore(tmp_path / "relay.sqlite3", lambda: None))
        await world.open()
        retention = world.retention
        retention.witness(world.true)
        for size in (1024, 16 * 1024, 256 * 1024):
            await world.put(size, canary * (size // len(canary)))
        await world.write(Tidy())  # in the file itself, and not only in its log
        await world.put(7, canary * 32)
        assert is_in_a_file()
        world.true += 30 * DAY + 7200
        assert await retention.expire_all() == 4
        await world.put(8)
        # One pass of the upkeep, which comes every ten minutes.
        upkeep = asyncio.create_task(retention.run())
        deadline = asyncio.get_running_loop().time() + 60
        while is_in_a_file():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)
        upkeep.cancel()
        world.store.close()

    asyncio.run(main())


def test_a_mirror_that_agrees_during_a_pass_has_the_next_come_at_once(
    run: Callable[..., None],
) -> None:
    async def story(world: World) -> None:
        await world.put(1)
        world.true += 31 * DAY
        retention = world.start()
        submit = world.store.submit

        def agreeing(write: Write, done: Callable[[Any], None]) -> None:
            if isinstance(write, Tidy) and retention.is_frozen:
                retention.witness(world.true)
            submit(write, done)

        world.store.submit = agreeing  # type: ignore[method-assign]
        running = asyncio.ensure_future(retention.run())
        try:
            async with asyncio.timeout(5):
                while world.left():  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(story)
