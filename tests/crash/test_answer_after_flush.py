"""No answer leaves the relay before what it acknowledges is flushed: R3 of the promises.

Read from a trace of the relay's calls. Each put waits for the answer to the one before, so that
the answers are known by their order; the envelopes are known by their bytes.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from cloister.wire import events
from counts import is_long
from crash.lone_home import LoneHome
from crash.tracing import FLUSHES, SENDS, Call, traced

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("tracing")]

PUTS = 500 if is_long() else 40
ROUNDS = 20 if is_long() else 1
"""A trace is kept whole in memory: ten thousand answers are read in parts."""
WHOLE_PAGES = "5000"
"""Bytes of each argument that strace writes down: a page with its header in the log is 4,120."""


def puts_under_trace(world: LoneHome, folder: Path) -> tuple[list[bytes], list[Call]]:
    """Put one after the other; return the ids in order, and what the relay asked of the kernel.

    The trace may end before it shows the last answer, so there is one put more than is returned.
    """

    async def put_all() -> tuple[list[bytes], list[Call]]:
        async with world.device() as device:
            # Answered, so that the trace begins with nothing under way.
            await world.put_new(device)
            before = len(world.acknowledged)
            options = ("-xx", "-s", WHOLE_PAGES, "-e", f"trace=pwrite64,{FLUSHES},{SENDS}")
            with traced(world.pid, folder / "trace", *options) as trace:
                for _ in range(PUTS + 1):
                    assert isinstance(await world.put_new(device), events.Done)
        return list(world.acknowledged)[before:-1], trace.calls

    return asyncio.run(put_all())


def early_answers(ids: list[bytes], calls: list[Call], log: Path) -> int:
    """Count the answers before which their envelope was not written to the log, then flushed."""
    sends = [call for call in calls if call.target.startswith("socket:")]
    # Nobody else is connected; what wakes the event loop is no socket.
    assert len({call.target for call in sends}) == 1
    assert len(sends) in {len(ids), len(ids) + 1}
    on_log = [call for call in calls if call.target == str(log)]
    early = at = 0
    for one, send in zip(ids, sends, strict=False):
        # Put one after the other, they are written one after the other.
        at = _first_written(one, on_log, at)
        early += not _is_flushed(on_log[at:], send)
    return early


def _first_written(one: bytes, on_log: list[Call], start: int) -> int:
    """Return the place of the first call, from ``start`` on, that writes the envelope of an id."""
    text = "".join(f"\\x{byte:02x}" for byte in one * 4)
    return next(place for place in range(start, len(on_log)) if text in on_log[place].data)


def _is_flushed(on_log: list[Call], send: Call) -> bool:
    """Tell whether a flush that began after the first of these calls returned before the answer."""
    written, *later = on_log
    before = itertools.takewhile(lambda call: call.first_line < send.first_line, later)
    return any(
        call.name in FLUSHES.split(",")
        and call.result == 0
        and written.last_line < call.first_line
        and call.last_line < send.first_line
        for call in before
    )


def test_every_answer_comes_after_a_flush_of_its_envelope(world: LoneHome, tmp_path: Path) -> None:
    for _ in range(ROUNDS):
        ids, calls = puts_under_trace(world, tmp_path)
        assert len(ids) == PUTS
        assert early_answers(ids, calls, world.log) == 0


@pytest.mark.parametrize("fault", ["normal", "late-commit"])
def test_the_same_test_finds_a_relay_that_answers_early(
    world: LoneHome, tmp_path: Path, fault: str
) -> None:
    world.start(fault)
    ids, calls = puts_under_trace(world, tmp_path)
    assert early_answers(ids, calls, world.log) == PUTS
