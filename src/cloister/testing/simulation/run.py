"""One run of one seed: what was wrong, and the trace by which another run is compared."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cloister.testing.simulation.circle import founded
from cloister.testing.simulation.history import Violation, check
from cloister.testing.simulation.loop import Process, Stalled, VirtualLoop
from cloister.testing.simulation.once import working_out_once
from cloister.testing.simulation.trace import Trace
from cloister.testing.simulation.workload import Workload
from cloister.testing.simulation.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    seed: int
    violations: tuple[Violation, ...]
    digest: str
    """Of the trace: the same for the same seed and code."""
    lines: tuple[str, ...]
    texts: int
    crashes: int
    virtual_s: float
    steps: int
    admitted: int

    def report(self) -> str:
        """Say what was wrong, how to see it again, and what happened last."""
        return "\n".join(
            [
                f"seed {self.seed}: {len(self.violations)} violations",
                *(f"  {one}" for one in self.violations[:20]),
                f"replay: .venv/bin/python -m cloister.testing.simulation {self.seed} --trace",
                *self.lines[-40:],
            ]
        )


def run(seed: int, world_class: type[World] = World, *, keeps_all: bool = False) -> Outcome:
    """Run a seed."""
    standing = founded()
    loop = VirtualLoop(seed)
    trace = Trace(loop.time, keeps_all=keeps_all)
    world = world_class(seed, loop, standing, trace)
    workload = Workload(world)

    def fail(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What is raised into the loop itself, in a relay's callback say, is seen by nobody."""
        world.history.fail(f"{context['message']}: {context.get('exception')!r}")

    loop.set_exception_handler(fail)
    with _without_collector(), working_out_once():
        try:
            loop.run_until_complete(workload.run())
        except Stalled as stalled:
            world.history.fail(str(stalled))
        outcome = Outcome(
            seed=seed,
            violations=tuple(check(world)),
            digest=trace.digest,
            lines=trace.lines,
            texts=len(world.history.said),
            crashes=sum(machine.crashes for machine in world.machines),
            virtual_s=loop.time(),
            steps=loop.steps,
            admitted=workload.admitted,
        )
        loop.set_exception_handler(None)
        _end(loop, world.processes)
    return outcome


def _end(loop: VirtualLoop, processes: list[Process]) -> None:
    """Let tasks that were killed, or still run, end by being cancelled, unseen."""
    for process in processes:
        process.is_alive = True
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


@contextmanager
def _without_collector() -> Iterator[None]:
    """What lies about in cycles is not collected in the middle: a run would be slower, and killed
    coroutines would be ended by it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
