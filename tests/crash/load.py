"""A relay under load until it ends: envelopes from many workers, and of all else something."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from cloister.wire import events
from crash.lone_home import LoneHome
from crash.rare_writes import RareWrites, run_until_gone
from integration.relay_world import PATIENCE_S, Device, Refused

WORKERS = 24


class Load:
    """What is asked of one relay again and again, each time until it is killed."""

    def __init__(self, world: LoneHome) -> None:
        self.world = world
        self._rare: RareWrites | None = None
        self._from = (0, 0, 0)

    @property
    def rare(self) -> RareWrites:
        assert self._rare is not None
        return self._rare

    async def run(
        self, enough: int, grace_s: float, before_kill: Callable[[], None] | None = None
    ) -> None:
        """Kill after so many answers to puts and a moment more; ``before_kill`` is called first."""
        world = self.world
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

        async def kill() -> None:
            await asyncio.wait_for(is_enough.wait(), PATIENCE_S)
            await asyncio.sleep(grace_s)
            if before_kill is not None:
                await asyncio.to_thread(before_kill)
            # The signal only: an answer that has left the relay is still taken into the ledger.
            os.kill(world.pid, signal.SIGKILL)

        async with world.device() as device:
            if self._rare is None:
                self._rare = RareWrites(world.circle)
                await self.rare.open(device)
            rare = self.rare
            self._from = len(world.acknowledged), len(world.circle.entries), len(rare.commits)
            works = [work(device) for _ in range(WORKERS)]
            await run_until_gone(device, [*works, *rare.work(device), kill()])
        assert world.wait_for_end(10) == -signal.SIGKILL
        assert len(world.acknowledged) >= target

    async def check_after_restart(self, *, whole: bool = False) -> None:
        """What was acknowledged in the last run is there; with ``whole``, all there ever was."""
        first_n, first_seq, first_commit = self._from
        await self.world.check_after_restart(0 if whole else first_n)
        async with self.world.device() as device:
            await self.rare.check_entries(device, 0 if whole else first_seq)
            await self.rare.check_commits(device, first_commit)
            await self.rare.check_pool(device)

    async def losses(self) -> list[str]:
        """Name the kinds of which something is gone that the last run had acknowledged."""
        first_n, first_seq, first_commit = self._from
        found = ["envelopes"] if await self.world.gone(first_n) else []
        checks: dict[str, Callable[[Device], Awaitable[None]]] = {
            "entries": lambda device: self.rare.check_entries(device, first_seq),
            "commits": lambda device: self.rare.check_commits(device, first_commit),
            "key packages": self.rare.check_pool,
        }
        for name, check in checks.items():
            async with self.world.device() as device:
                try:
                    await check(device)
                except (AssertionError, Refused):
                    found.append(name)
        return found
