"""The disk fails under a running home relay: R4 of the promises.

strace gives the error back instead of the kernel. After the first one the relay acknowledges
nothing more and is gone within a second, also when every later flush "succeeds": what a failed
flush leaves in the kernel's cache counts as written from then on, and is not.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloister.wire import events
from cloister.wire.codes import Refusal
from counts import is_long
from crash.lone_home import LARGEST, SMALLEST, LoneHome
from crash.tracing import FLUSHES, Call, Trace, started_under_strace, traced
from integration.relay_world import Device

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("tracing")]

STOP_S = 1.0
MOST_PUTS = 100
"""More than a checkpoint takes to come, of the largest size."""
CHECKPOINT_FLUSHES = 3
TRACED = f"trace={FLUSHES},pwrite64"


def moments(*plain: int, most: int) -> list[int]:
    """Which of the calls fails first: in the long run each of the first ``most``."""
    return list(range(1, most + 1)) if is_long() else list(plain)


class GoesOn(Exception):
    """The relay has met an error of the disk, and has not stopped."""


def put_until_it_fails(world: LoneHome, folder: Path, size: int, *options: str) -> list[Call]:
    """Put one after the other under strace until one is refused; return the relay's calls.

    Raises GoesOn when the relay does not refuse, or is not gone in time."""

    async def put_all(device: Device) -> float:
        for _ in range(MOST_PUTS):
            answer = await world.put_new(device, size)
            if isinstance(answer, events.Failed):
                assert answer.code == Refusal.STORAGE
                return time.monotonic()
        raise GoesOn(f"{MOST_PUTS} puts were acknowledged")

    async def main() -> Trace:
        async with world.device() as device:
            await world.put_new(device)
            with traced(world.pid, folder / "trace", "-e", TRACED, *options) as trace:
                refused_at = await put_all(device)
                # Those that come after the refusal must not be acknowledged either.
                late = [asyncio.create_task(world.put_new(device, size)) for _ in range(3)]
                assert await asyncio.to_thread(world.wait_for_end, 20) == 1
                took_s = time.monotonic() - refused_at
                for task in late:
                    task.cancel()
                answers = await asyncio.gather(*late, return_exceptions=True)
        if took_s > STOP_S or any(isinstance(answer, events.Done) for answer in answers):
            raise GoesOn(f"{took_s:.2f} s, {answers}")
        return trace

    calls: list[Call] = asyncio.run(main()).calls
    assert any(call.is_injected for call in calls)
    return calls


def restart_and_check(world: LoneHome, first_n: int) -> None:
    """On a sound disk: everything acknowledged is there, and what was refused is put again."""
    assert world.unanswered
    world.start()
    asyncio.run(world.check_after_restart(first_n))


def flush_fails(error: str, when: str) -> tuple[str, str]:
    """Return the options of strace for an error at flushes."""
    return "-e", f"inject={FLUSHES}:error={error}:when={when}"


@pytest.mark.parametrize(
    ("moment", "error", "from_then_on"),
    [
        *((moment, "EIO", "+") for moment in moments(2, 5, 12, 29, most=50)),
        # Only one: the kernel reports a lost page once.
        *((moment, "EIO", "") for moment in moments(1, most=10)),
        *((moment, "ENOSPC", "") for moment in moments(3, most=10)),
    ],
)
def test_a_flush_that_fails_stops_the_relay(
    world: LoneHome, tmp_path: Path, moment: int, error: str, from_then_on: str
) -> None:
    before = len(world.acknowledged)
    when = f"{moment}{from_then_on}"
    put_until_it_fails(world, tmp_path, SMALLEST, *flush_fails(error, when))
    # Each put has a flush of its own; a checkpoint on the way has some more.
    assert before + moment - CHECKPOINT_FLUSHES <= len(world.acknowledged) <= before + moment
    restart_and_check(world, before)


@pytest.mark.parametrize("moment", moments(4, most=50))
def test_a_write_that_fails_stops_the_relay(world: LoneHome, tmp_path: Path, moment: int) -> None:
    before = len(world.acknowledged)
    inject = f"inject=pwrite64:error=EIO:when={moment}"
    put_until_it_fails(world, tmp_path, SMALLEST, "-P", str(world.log), "-e", inject)
    restart_and_check(world, before)


@pytest.mark.parametrize("moment", moments(6, most=50))
def test_a_full_disk_is_said_and_outlived(world: LoneHome, tmp_path: Path, moment: int) -> None:
    """The one error after which the file is as it was: nothing is stored, reads go on, and once
    there is room the same relay takes the same envelopes."""
    before = len(world.acknowledged)
    options = ("-e", TRACED, "-P", str(world.log))
    inject = f"inject=pwrite64:error=ENOSPC:when={moment}+"

    async def main() -> None:
        async with world.device() as device:
            await world.put_new(device)
            with traced(world.pid, tmp_path / "trace", *options, "-e", inject) as trace:
                answers = [await world.put_new(device) for _ in range(moment + 2)]
                refused = [answer for answer in answers if isinstance(answer, events.Failed)]
                assert {answer.code for answer in refused} == {Refusal.STORAGE}
                # From the first one that finds no room on, all.
                assert answers[-len(refused) :] == refused
                found = await world.stored(device, before)
                assert len(found) == len(world.acknowledged) - before
            assert any(call.is_injected for call in trace.calls)
        await world.check_after_restart(before)

    asyncio.run(main())
    assert world.home.stop() == 0
    world.start()
    asyncio.run(world.check_after_restart(before))


def test_the_same_test_finds_a_checkpoint_whose_error_is_dropped(
    world: LoneHome, tmp_path: Path
) -> None:
    world.start(fault="silent-checkpoint")
    options = ("-P", str(world.database), *flush_fails("EIO", "1"))
    with pytest.raises(GoesOn, match="acknowledged"):
        put_until_it_fails(world, tmp_path, SMALLEST, *options)
    assert "(INJECTED)" in (tmp_path / "trace").read_text()


def test_a_checkpoint_that_fails_stops_the_relay_and_leaves_the_log(
    world: LoneHome, tmp_path: Path
) -> None:
    before = len(world.acknowledged)
    options = ("-P", str(world.database), *flush_fails("EIO", "1"))
    calls = put_until_it_fails(world, tmp_path, LARGEST, *options)
    # Nobody asks again: the answer would be "written", and the log would go.
    assert [call.is_injected for call in calls if call.name != "pwrite64"] == [True]
    assert world.log.stat().st_size > (len(world.acknowledged) - before - 1) * LARGEST
    restart_and_check(world, before)


def test_a_checkpoint_without_room_stops_nothing(world: LoneHome, tmp_path: Path) -> None:
    """What was acknowledged is in the log, and the log grows on."""
    before = len(world.acknowledged)
    options = ("-e", TRACED, "-P", str(world.database))

    async def main() -> None:
        async with world.device() as device:
            inject = "inject=pwrite64:error=ENOSPC:when=1+"
            with traced(world.pid, tmp_path / "trace", *options, "-e", inject) as trace:
                for _ in range(MOST_PUTS):
                    assert isinstance(await world.put_new(device, LARGEST), events.Done)
            assert any(call.is_injected for call in trace.calls)

    asyncio.run(main())
    assert world.home.stop() == 0
    world.start()
    asyncio.run(world.check_after_restart(before))


def test_a_flush_that_fails_as_the_relay_stops_is_said(world: LoneHome, tmp_path: Path) -> None:
    before = len(world.acknowledged)

    async def main() -> None:
        async with world.device() as device:
            await world.put_new(device)

    asyncio.run(main())
    options = ("-e", TRACED, "-P", str(world.database), *flush_fails("EIO", "1"))
    with traced(world.pid, tmp_path / "trace", *options) as trace:
        assert world.home.stop() == 1
    assert [call.is_injected for call in trace.calls if call.name != "pwrite64"] == [True]
    assert world.log.stat().st_size > 0
    world.start()
    asyncio.run(world.check_after_restart(before))


def test_a_folder_that_cannot_be_flushed_is_no_start(world: LoneHome, tmp_path: Path) -> None:
    """The name of a new log stands in it, and SQLite drops the error of its own flush."""
    assert world.home.stop() == 0
    inject = f"inject={FLUSHES}:error=EIO:when=1+"
    trace = tmp_path / "trace"
    before = started_under_strace(trace, "-P", str(world.database.parent), "-e", inject)
    done = subprocess.run(
        [*before, sys.executable, "-m", "cloister", "relay", "run", str(world.home.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "the relay's file cannot be opened" in done.stderr
    assert "(INJECTED)" in trace.read_text()
