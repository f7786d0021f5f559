"""The loop itself: time jumps, order within a process, chance between them, and death.

It stands on private methods of asyncio, so this is what a new Python has to pass first.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloister.testing.simulation.loop import Process, Stalled, VirtualLoop


def play(work: Any, seed: int = 1) -> Any:
    """Run a coroutine in a loop of its own."""
    loop = VirtualLoop(seed)
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_a_day_passes_at_once() -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(86_400)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        return loop.time()

    assert play(story()) == 90_000


def test_the_usual_tools_of_asyncio_work() -> None:
    async def story() -> list[int]:
        queue: asyncio.Queue[int] = asyncio.Queue(1)

        async def give() -> None:
            for number in range(3):
                await queue.put(number)

        async with asyncio.TaskGroup() as group:
            giving = group.create_task(give())
            taken = [await queue.get() for _ in range(3)]
            await giving
        lock = asyncio.Lock()
        async with lock:
            assert list(await asyncio.gather(asyncio.sleep(1, 4), asyncio.sleep(2, 5))) == [4, 5]
        return taken

    assert play(story()) == [0, 1, 2]


def test_what_is_cancelled_does_not_run() -> None:
    async def story() -> list[str]:
        seen: list[str] = []
        loop = asyncio.get_running_loop()
        loop.call_later(1, seen.append, "cancelled").cancel()
        loop.call_soon(seen.append, "cancelled").cancel()
        loop.call_later(1, seen.append, "kept")
        await asyncio.sleep(2)
        return seen

    assert play(story()) == ["kept"]


def interleaving(seed: int) -> list[str]:
    """Let three processes do four steps each; return the order."""

    async def story() -> list[str]:
        seen: list[str] = []

        async def steps(name: str) -> None:
            for number in range(4):
                seen.append(f"{name}{number}")
                await asyncio.sleep(0)

        for name in "abc":
            Process(name).spawn(steps(name))
        await asyncio.sleep(1)
        return seen

    result: list[str] = play(story(), seed)
    return result


def test_a_process_keeps_its_order_and_the_seed_decides_between_processes() -> None:
    orders = [interleaving(seed) for seed in range(20)]
    for order in orders:
        for name in "abc":
            assert [one for one in order if one[0] == name] == [f"{name}{n}" for n in range(4)]
    assert len({tuple(order) for order in orders}) > 10
    assert orders == [interleaving(seed) for seed in range(20)]


def test_within_a_process_callbacks_run_in_the_order_in_which_they_were_asked_for() -> None:
    async def story() -> list[int]:
        seen: list[int] = []
        for number in range(50):
            asyncio.get_running_loop().call_soon(seen.append, number)
        await asyncio.sleep(0.1)
        return seen

    assert play(story()) == list(range(50))


def test_a_killed_process_does_nothing_more_and_its_callbacks_inherit_its_fate() -> None:
    async def story() -> list[str]:
        seen: list[str] = []
        victim = Process("victim")
        children: list[asyncio.Future[None]] = []

        async def work() -> None:
            asyncio.get_running_loop().call_later(5, seen.append, "timer")
            children.append(asyncio.ensure_future(child()))
            try:
                await asyncio.sleep(10)
            finally:
                seen.append("finally")

        async def child() -> None:
            await asyncio.sleep(4)
            seen.append("child")

        victim.spawn(work())
        await asyncio.sleep(1)
        victim.kill()
        await asyncio.sleep(60)
        before = list(seen)
        victim.is_alive = True  # as at the end of a run, so that Python has nothing to complain of
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(1)
        return before

    assert play(story()) == []


def test_what_nothing_will_bring_about_is_said_and_threads_are_refused() -> None:
    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    async def use_a_thread() -> None:
        await asyncio.get_running_loop().run_in_executor(None, print)

    loop = VirtualLoop(1)
    task = loop.create_task(wait_for_nothing())
    with pytest.raises(Stalled):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    with pytest.raises(RuntimeError, match="thread"):
        loop.run_until_complete(use_a_thread())
    with pytest.raises(RuntimeError, match="thread"):
        loop.call_soon_threadsafe(print)
    loop._ready.clear()  # type: ignore[attr-defined]
    loop.close()
