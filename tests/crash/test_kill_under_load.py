"""kill -9 of a home relay under load, again and again on the same folder: R1 of the promises.

The page cache outlives the process, so this proves what the relay does with its file and its log,
not that it flushes them: that is the matter of the tests beside it.
"""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest

from counts import seeds
from crash.load import Load
from crash.lone_home import LoneHome
from integration.nursery import Nursery

pytestmark = pytest.mark.process

FULL_EVERY = 50
"""Rounds after which the whole channel is read again, and not only what the round put."""


@pytest.fixture(scope="module")
def load(lone_home: LoneHome) -> Load:
    return Load(lone_home)


@pytest.mark.parametrize("seed", seeds(20, 1000))
def test_what_was_acknowledged_outlives_kill_9(world: LoneHome, load: Load, seed: int) -> None:
    chooser = random.Random(seed)
    asyncio.run(load.run(chooser.randint(1, 150), chooser.uniform(0, 0.02)))
    world.start()
    asyncio.run(load.check_after_restart(whole=seed % FULL_EVERY == 4))


def test_the_load_had_something_of_everything(load: Load) -> None:
    """After the rounds before it, on the same folder."""
    assert all(load.rare.counts.values()), load.rare.counts


def test_the_ledger_finds_a_relay_that_answers_early(tmp_path: Path, nursery: Nursery) -> None:
    world = LoneHome(tmp_path, nursery)
    world.start("late-commit")

    async def put_one() -> None:
        async with world.device() as device:
            await world.put_new(device)
            await world.put_new(device)

    asyncio.run(put_one())
    world.home.stop(signal.SIGKILL)
    world.start()
    # The first one went to disk with the second.
    assert asyncio.run(world.gone(0)) == 1
    world.home.stop(signal.SIGKILL)
