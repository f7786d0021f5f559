"""No answer leaves the relay before what it acknowledges is flushed: R3 of the promises.

Read from a trace of the relay's calls. Each put waits for the answer to the one before, so that
between two answers there must be a flush of the log that has returned.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloister.wire import events
from counts import is_long
from crash.lone_home import LoneHome
from crash.tracing import FLUSHES, SENDS, Call, traced

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("tracing")]

PUTS = 2000 if is_long() else 60


def calls_of_puts(world: LoneHome, folder: Path) -> list[Call]:
    """Put one after the other under strace; return what the relay asked of the kernel."""

    async def put_all() -> list[Call]:
        async with world.device() as device:
            # Answered, so that the trace begins with nothing under way.
            await world.put_new(device)
            options = ("-e", f"trace={FLUSHES},{SENDS}")
            with traced(world.pid, folder / "trace", *options) as trace:
                for _ in range(PUTS):
                    assert isinstance(await world.put_new(device), events.Done)
        return trace.calls

    return asyncio.run(put_all())


def answers_without_a_flush(calls: list[Call], log: Path) -> tuple[int, int]:
    """Return how many answers there are, and before how many of them nothing was flushed."""
    flushes = [call for call in calls if call.name in FLUSHES.split(",")]
    assert all(call.result == 0 for call in flushes)
    returned = [call.last_line for call in flushes if call.target == str(log)]
    sends = [call for call in calls if call.target.startswith("socket:")]
    # Nobody else is connected; what wakes the event loop is no socket.
    assert len({call.target for call in sends}) == 1
    before = [-1, *(call.first_line for call in sends)]
    unflushed = sum(
        not any(before[i] < line < before[i + 1] for line in returned) for i in range(len(sends))
    )
    return len(sends), unflushed


def test_every_answer_comes_after_a_flush_of_the_log(world: LoneHome, tmp_path: Path) -> None:
    assert answers_without_a_flush(calls_of_puts(world, tmp_path), world.log) == (PUTS, 0)


def test_the_same_test_finds_a_relay_that_does_not_flush(world: LoneHome, tmp_path: Path) -> None:
    world.start(fault="normal")
    assert answers_without_a_flush(calls_of_puts(world, tmp_path), world.log) == (PUTS, PUTS)
