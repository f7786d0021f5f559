"""The keeper: one process at a time holds the vault, whoever asks for what meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cloister.device.keeper import Keeper
from cloister.device.unlock.lease import Lease
from cloister.device.vault_process import VaultProcess
from cloister.errors import CloisterError, LocalError


class Process:
    """A child on paper: it opens the vault when it is told to, unless it was killed."""

    def __init__(self) -> None:
        self.may_open = asyncio.Event()
        self.is_killed = False
        self.was_open = False
        """It was open before it was killed, and its word of that is on the way."""

    async def until_open(self) -> None:
        await self.may_open.wait()
        if self.is_killed and not self.was_open:
            raise LocalError("the process of the vault ended before the vault was open")

    async def until_ended(self) -> CloisterError | None:
        await asyncio.Event().wait()
        return None

    async def kill(self) -> None:
        self.is_killed = True
        self.may_open.set()

    end = kill


class World:
    """Children that start when a test lets them."""

    def __init__(self, folder: Path) -> None:
        self.keeper = Keeper(folder, Lease(0))
        self.may_start = asyncio.Event()
        self.started: list[Process] = []

    async def start(self, *_arguments: Any, **_options: Any) -> Process:
        made = Process()
        self.started.append(made)
        await self.may_start.wait()
        return made

    @property
    def open(self) -> list[Process]:
        """Those that have the vault open."""
        return [one for one in self.started if one.may_open.is_set() and not one.is_killed]


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[World], Awaitable[None]]
) -> None:
    async def main() -> None:
        world = World(folder)
        monkeypatch.setattr(VaultProcess, "start", world.start)
        await story(world)

    asyncio.run(main())


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_two_who_unlock_at_once_start_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one would be the one that is locked, and the first would stay open."""

    async def story(world: World) -> None:
        asking = [asyncio.ensure_future(world.keeper.unlock(None)) for _ in range(2)]
        await turns()
        world.may_start.set()
        await turns()
        for process in world.started:
            process.may_open.set()
        await asyncio.gather(*asking)
        assert len(world.started) == 1
        await world.keeper.lock()
        assert (world.keeper.state.phase, world.open) == ("locked", [])

    run(tmp_path, monkeypatch, story)


@pytest.mark.parametrize("end", ["lock", "stop"])
def test_a_process_that_is_only_starting_is_ended_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    async def story(world: World) -> None:
        unlocking = asyncio.ensure_future(world.keeper.unlock(None))
        await turns()
        ending = asyncio.ensure_future(getattr(world.keeper, end)())
        await turns()
        world.may_start.set()
        await turns()
        for process in world.started:
            process.may_open.set()
        await ending
        with pytest.raises(LocalError):
            await unlocking
        assert (world.keeper.state.phase, world.open) == ("locked", [])

    run(tmp_path, monkeypatch, story)


def test_a_lock_between_the_opening_and_its_news_is_no_open_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        world.may_start.set()
        unlocking = asyncio.ensure_future(world.keeper.unlock(None))
        await turns()
        (process,) = world.started
        process.was_open = True
        process.may_open.set()
        await world.keeper.lock()
        await asyncio.gather(unlocking, return_exceptions=True)
        # The next one is opening, and not open.
        again = asyncio.ensure_future(world.keeper.unlock(None))
        await turns()
        assert world.keeper.state.phase == "opening"
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)

    run(tmp_path, monkeypatch, story)
