"""The supervisor: who dies is started again, who cannot run is given up, who is stopped stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cloister.demo import children
from cloister.demo.children import Child, LifeLine
from cloister.demo.folder import Folder

pytestmark = pytest.mark.process

WITHIN_S = 30


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path)
    found.make(1)
    return found


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110 (a process tells nobody that it has died)
            await asyncio.sleep(0.02)


def agent(folder: Folder, life: LifeLine) -> Child:
    arguments = ["agent", "run", "--profile", str(folder.profile(0)), "--passphrase-fd", "{fd}"]
    return Child("device-0", arguments, folder=folder, life=life, secret=b"pass")


def is_running(folder: Folder) -> bool:
    log = folder.log("device-0")
    return log.exists() and b"running" in log.read_bytes()


def test_a_killed_child_is_started_again_and_a_stopped_one_is_not(folder: Folder) -> None:
    async def story() -> None:
        life = LifeLine()
        child = agent(folder, life)
        await child.start()
        await until(lambda: is_running(folder))
        first = child.pid
        child.kill()
        await until(lambda: child.starts == 2)
        second = child.pid
        assert second not in {first, None}
        assert int(folder.pid("device-0").read_text()) == second
        await child.stop()
        assert child.pid is None
        assert child.starts == 2
        assert not folder.pid("device-0").exists()
        life.close()

    asyncio.run(story())


def test_a_child_that_is_stopped_as_it_dies_is_not_left_behind(folder: Folder) -> None:
    async def story() -> None:
        life = LifeLine()
        child = agent(folder, life)
        await child.start()
        child.kill()
        async with asyncio.timeout(WITHIN_S):
            await child.stop()
        assert child.pid is None
        life.close()

    asyncio.run(story())


def test_a_child_that_cannot_run_is_given_up_with_its_words(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each start takes half a second, under load several; the number is the demo's patience.
    monkeypatch.setattr(children, "MOST_QUICK_DEATHS", 3)

    async def story() -> None:
        life = LifeLine()
        child = Child("home", ["relay", "run", "/nowhere"], folder=folder, life=life)
        await child.start()
        await until(lambda: life.failed is not None)
        assert "is no relay folder" in str(life.failed)
        assert child.starts == 3
        await child.stop()
        life.close()

    asyncio.run(story())
