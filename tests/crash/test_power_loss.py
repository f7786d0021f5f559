"""The power goes under load: R2 of the promises.

What was acknowledged must have reached the disk, not the page cache. The load is stopped in the
middle, the disk is copied as it is, and relay or vault go on from the copy (``crash.power``).
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlite

from counts import seeds
from crash.load import Load
from crash.lone_home import LoneHome
from crash.lone_vault import LoneVault, missing
from crash.power import PowerDisk
from integration.nursery import Nursery

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("power_disks")]

CUTS_OF_A_VAULT = 20


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerDisk]:
    with power_disk(tmp_path_factory.mktemp("power")) as made:
        yield made


@pytest.fixture(scope="module")
def load(disk: PowerDisk, nursery: Nursery) -> Iterator[Load]:
    """Each cut goes on with what the one before has left."""
    with home_on(disk, nursery) as made:
        yield Load(made)


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


def load_and_cut(load: Load, disk: PowerDisk, enough: int, grace_s: float) -> None:
    """Ask much of the relay; cut the power after some answers and a moment more."""
    asyncio.run(load.run(enough, grace_s, lambda: disk.freeze(load.world.pid)))
    disk.lose_power()


def check_file(path: Path) -> None:
    connection = sqlite.connect(str(path))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.parametrize("seed", seeds(4, 200))
def test_what_a_relay_acknowledged_outlives_a_loss_of_power(
    load: Load, disk: PowerDisk, seed: int
) -> None:
    world = load.world
    world.start()
    chooser = random.Random(seed)
    load_and_cut(load, disk, chooser.randint(1, 400), chooser.uniform(0, 0.02))
    world.start()
    asyncio.run(load.check_after_restart())
    world.home.stop()
    check_file(world.database)


def test_the_same_test_finds_a_relay_that_does_not_flush(tmp_path: Path, nursery: Nursery) -> None:
    with power_disk(tmp_path) as disk, home_on(disk, nursery) as world:
        world.start("normal")
        load = Load(world)
        load_and_cut(load, disk, 200, 0)
        world.start()
        assert asyncio.run(load.losses()) == ["envelopes", "entries", "commits", "key packages"]
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
    vaults: dict[int, LoneVault], disk: PowerDisk, seed: int
) -> None:
    """Some cuts go on with one vault: all of it is read after each."""
    chooser = random.Random(seed)
    place = seed // CUTS_OF_A_VAULT
    if place not in vaults:
        for before in vaults.values():
            # Two hundred cuts would fill the disk, which is no loss of power.
            shutil.rmtree(before.folder, ignore_errors=True)
        vaults[place] = LoneVault(disk.folder / f"profile-{place}")
        disk.keep()
    lone = vaults[place]
    lone.start()
    cut_while_putting(lone, disk, chooser.randint(1, 400), chooser.uniform(0, 0.02))
    assert missing(lone.folder, lone.stored) == 0


def test_the_same_test_finds_a_vault_that_does_not_flush(tmp_path: Path) -> None:
    with power_disk(tmp_path) as disk:
        lone = LoneVault(disk.folder / "profile")
        disk.keep()
        lone.start("normal")
        cut_while_putting(lone, disk, 100, 0)
        assert missing(lone.folder, lone.stored) > 50


@pytest.fixture(scope="module")
def vaults(disk: PowerDisk) -> Iterator[dict[int, LoneVault]]:
    made: dict[int, LoneVault] = {}
    yield made
    for lone in made.values():
        lone.kill()
