"""kill -9 of a home relay under load, again and again on the same folder: R1 of the promises.

The page cache outlives the process, so this proves what the relay does with its file and its log,
not that it flushes them: that is the matter of the tests beside it.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal

import pytest

from cloister.wire import events
from counts import seeds
from crash.lone_home import LoneHome
from integration.relay_world import PATIENCE_S, Device

pytestmark = pytest.mark.process

WORKERS = 24
FULL_EVERY = 50
"""Rounds after which the whole channel is read again, and not only what the round put."""


@pytest.mark.parametrize("seed", seeds(20, 1000))
def test_what_was_acknowledged_outlives_kill_9(world: LoneHome, seed: int) -> None:
    chooser = random.Random(seed)
    before = len(world.acknowledged)
    enough, grace_s = chooser.randint(1, 150), chooser.uniform(0, 0.02)
    asyncio.run(load_and_kill(world, enough, grace_s))
    assert len(world.acknowledged) >= before + enough
    world.start()
    asyncio.run(world.check_after_restart(0 if seed % FULL_EVERY == 4 else before))


async def load_and_kill(world: LoneHome, enough: int, grace_s: float) -> None:
    """Put from many workers; kill after some answers and a moment more."""
    target = len(world.acknowledged) + enough
    is_enough = asyncio.Event()

    async def work(device: Device) -> None:
        last_n = -1
        while True:
            answer = await world.put_new(device)
            assert isinstance(answer, events.Done), answer
            # A worker puts one after the other: so they stand in the channel.
            assert answer.n > last_n
            last_n = answer.n
            if len(world.acknowledged) >= target:
                is_enough.set()

    async with world.device() as device:
        tasks = [asyncio.create_task(work(device)) for _ in range(WORKERS)]
        await asyncio.wait_for(is_enough.wait(), PATIENCE_S)
        await asyncio.sleep(grace_s)
        # The signal only: an answer that has left the relay is still taken into the ledger.
        os.kill(world.pid, signal.SIGKILL)
        await asyncio.wait_for(device.gone.wait(), 10)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
    assert world.wait_for_end(10) == -signal.SIGKILL
