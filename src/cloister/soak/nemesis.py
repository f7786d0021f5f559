"""What goes wrong on purpose: processes are killed, or stand still for a while."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from cloister.demo.children import Child
from cloister.soak.circle import Circle

LONGEST_STOP_S: Final = 20.0


@dataclass(slots=True)
class Nemesis:
    """Does one harm after the other, until cancelled."""

    circle: Circle
    every_s: float
    rng: random.Random
    tell: Callable[[str], None]
    done: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Do harm now and then."""
        while True:
            await asyncio.sleep(self.rng.uniform(0.5, 1.5) * self.every_s)
            await self._harm()

    async def _harm(self) -> None:
        kind = self.rng.choice(("kill home", "kill device", "kill device", "cut", "stop"))
        match kind:
            case "kill home":
                self._kill(self.circle.home, kind)
            case "cut":
                # All connections of devices go through the entry relay: they end with it.
                self._kill(self.circle.entry, "cut all connections")
            case "kill device":
                self._kill(self.rng.choice(self.circle.people).child, kind)
            case _:
                await self._stop(self.rng.choice(list(self.circle.children.values())))

    def _kill(self, child: Child, what: str) -> None:
        self.done[what] += 1
        self.tell(f"nemesis: kill -9 {child.name} ({what})")
        child.kill()

    async def _stop(self, child: Child) -> None:
        """Let a process stand still; the agent's other process, which holds the vault, too."""
        pid = child.pid
        if pid is None:
            return
        seconds = self.rng.uniform(1, LONGEST_STOP_S)
        self.done["stop"] += 1
        self.tell(f"nemesis: {child.name} stands still for {seconds:.0f} s")
        pids = [pid, *children_of(pid)]
        _signal(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            _signal(pids, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started; nothing where the system does not say."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(one) for one in file.read().split()]
    except OSError:
        return []


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
