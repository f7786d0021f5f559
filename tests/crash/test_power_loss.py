"""The power goes under load: R2 of the promises.

What was acknowledged must have reached the disk, not the page cache. The load is stopped in the
middle, the disk is copied as it is, and relay or vault go on from the copy (``crash.power``).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlite

from cloister.wire import events
from counts import seeds
from crash.lone_home import LoneHome
from crash.lone_vault import LoneVault, missing
from crash.nursery import Nursery
from crash.power import PowerDisk
from integration.relay_world import PATIENCE_S, Device

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("power_disks")]

WORKERS = 24


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerDisk]:
    with power_disk(tmp_path_factory.mktemp("power")) as made:
        yield made


@pytest.fixture(scope="module")
def world(disk: PowerDisk, nursery: Nursery) -> Iterator[LoneHome]:
    """Each cut goes on with what the one before has left."""
    with home_on(disk, nursery) as made:
        yield made


@contextmanager
def power_disk(place: Path) -> Iterator[PowerDisk]:
    made = PowerDisk(place)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def home_on(disk: PowerDisk, nursery: Nursery) -> Iterator[LoneHome]:
    """A relay with a circle, and all of it on the disk."""

    async def found() -> None:
        async with made.device() as device:
            await made.put_new(device)

    made = LoneHome(disk.folder, nursery)
    try:
        made.start()
        asyncio.run(found())
        disk.keep()
        yield made
    finally:
        made.home.stop(signal.SIGKILL)


async def load_and_cut(world: LoneHome, disk: PowerDisk, enough: int, grace_s: float) -> None:
    """Put from many workers; cut the power after some answers and a moment more."""
    target = len(world.acknowledged) + enough
    is_enough = asyncio.Event()

    async def work(device: Device) -> None:
        while True:
            assert isinstance(await world.put_new(device), events.Done)
            if len(world.acknowledged) >= target:
                is_enough.set()

    async with world.device() as device:
        tasks = [asyncio.create_task(work(device)) for _ in range(WORKERS)]
        await asyncio.wait_for(is_enough.wait(), PATIENCE_S)
        await asyncio.sleep(grace_s)
        await asyncio.to_thread(disk.freeze, world.pid)
        # An answer that had left the relay is still taken into the ledger.
        os.kill(world.pid, signal.SIGKILL)
        await asyncio.wait_for(device.gone.wait(), 10)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
    assert world.wait_for_end(10) == -signal.SIGKILL
    disk.lose_power()


def check_file(path: Path) -> None:
    connection = sqlite.connect(str(path))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.parametrize("seed", seeds(4, 200))
def test_what_a_relay_acknowledged_outlives_a_loss_of_power(
    world: LoneHome, disk: PowerDisk, seed: int
) -> None:
    world.start()
    chooser = random.Random(seed)
    before = len(world.acknowledged)
    enough, grace_s = chooser.randint(1, 400), chooser.uniform(0, 0.02)
    asyncio.run(load_and_cut(world, disk, enough, grace_s))
    assert len(world.acknowledged) >= before + enough
    world.start()
    asyncio.run(world.check_after_restart(before))
    world.home.stop()
    check_file(world.database)


def test_the_same_test_finds_a_relay_that_does_not_flush(tmp_path: Path, nursery: Nursery) -> None:
    with power_disk(tmp_path) as disk, home_on(disk, nursery) as world:
        world.start("normal")
        before = len(world.acknowledged)
        asyncio.run(load_and_cut(world, disk, 200, 0))
        world.start()
        assert asyncio.run(world.gone(before)) > 100
        world.home.stop()
        # The file is in order all the same: only who remembers notices.
        check_file(world.database)


def cut_while_putting(lone: LoneVault, disk: PowerDisk, enough: int, grace_s: float) -> None:
    lone.put_many(enough)
    time.sleep(grace_s)
    disk.freeze(lone.pid)
    lone.kill_and_count()
    disk.lose_power()


@pytest.mark.parametrize("seed", seeds(4, 200))
def test_what_a_vault_has_stored_outlives_a_loss_of_power(
    vault_on_disk: LoneVault, disk: PowerDisk, seed: int
) -> None:
    chooser = random.Random(seed)
    vault_on_disk.start()
    enough, grace_s = chooser.randint(1, 400), chooser.uniform(0, 0.02)
    cut_while_putting(vault_on_disk, disk, enough, grace_s)
    assert missing(vault_on_disk.folder, vault_on_disk.stored) == 0


def test_the_same_test_finds_a_vault_that_does_not_flush(tmp_path: Path) -> None:
    with power_disk(tmp_path) as disk:
        lone = LoneVault(disk.folder / "profile")
        disk.keep()
        lone.start("normal")
        cut_while_putting(lone, disk, 100, 0)
        assert missing(lone.folder, lone.stored) > 50


@pytest.fixture(scope="module")
def vault_on_disk(disk: PowerDisk) -> Iterator[LoneVault]:
    made = LoneVault(disk.folder / "profile")
    disk.keep()
    yield made
    made.kill()
