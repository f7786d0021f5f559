"""An event loop in which time is a number and chance is a seed.

Nothing waits: when no callback is ready the clock jumps to the next timer.  Callbacks belong to
processes, by their context.  Which process goes next is drawn; within one process the order is
the one that asyncio promises, first come, first served.  A process that was killed runs no more:
not even its ``finally`` blocks, as after ``kill -9``.

There are no sockets and no threads here; who asks for one is told so.  The loop stands on the
private methods of ``asyncio.BaseEventLoop`` that Python 3.11 to 3.14 share; its tests show them.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, NoReturn

_PROCESS: Final[ContextVar[Process | None]] = ContextVar("process", default=None)


class Stalled(RuntimeError):
    """Something is awaited that nothing will bring about."""


class Process:
    """A program that runs in a loop until it ends or is killed."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.is_alive = True
        self.context: Final[Context] = copy_context()
        self.context.run(_PROCESS.set, self)
        self._tasks: list[asyncio.Task[Any]] = []

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a task of this process."""
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(work, context=self.context))

    async def end(self) -> None:
        """Cancel its tasks and let them end, as a program does that is told to stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """Let nothing of it run any more."""
        self.is_alive = False


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._virtual_now = 0.0
        self.steps = 0
        """Callbacks that have run."""

    def time(self) -> float:
        """Return seconds since the simulation began."""
        return self._virtual_now

    # --- what BaseEventLoop leaves to its children, and what it must not do here ------------------

    def _run_once(self) -> None:
        ready: deque[events.Handle] = self._ready  # type: ignore[attr-defined]
        if not ready:
            self._jump(ready)
        handle = self._next(ready)
        if handle is not None:
            self.steps += 1
            handle._run()

    def _jump(self, ready: deque[events.Handle]) -> None:
        """Move the clock to the next timer, and make ready all that are due then."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        while scheduled and (scheduled[0].cancelled() or not _is_alive(scheduled[0])):
            heapq.heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not scheduled:
            raise Stalled("nothing is ready, no timer is set: what is awaited will not come")
        self._virtual_now = max(self._virtual_now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._virtual_now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            ready.append(timer)

    def _next(self, ready: deque[events.Handle]) -> events.Handle | None:
        """Take the first callback of a process that is drawn; ``None``: it is not to run."""
        if not ready:
            return None
        if len(ready) == 1:
            return _if_it_runs(ready.popleft())
        process = _process_of(ready[self._random.randrange(len(ready))])
        for place, handle in enumerate(ready):
            if _process_of(handle) is process:
                del ready[place]
                return _if_it_runs(handle)
        return None  # the chosen one is in the list

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> NoReturn:
        raise RuntimeError("a thread called into a simulation")

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> NoReturn:
        """Refuse: what runs in a thread does not replay."""
        raise RuntimeError(f"a simulation runs no thread, not even for {func!r}")


def _process_of(handle: events.Handle) -> Process | None:
    context: Context = handle._context  # type: ignore[attr-defined]
    return context.get(_PROCESS)


def _if_it_runs(handle: events.Handle) -> events.Handle | None:
    return None if handle.cancelled() or not _is_alive(handle) else handle


def _is_alive(handle: events.Handle) -> bool:
    process = _process_of(handle)
    return process is None or process.is_alive
