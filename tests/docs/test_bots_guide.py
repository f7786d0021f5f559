"""docs/guide/bots.md: its Python runs as it is printed."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cloister.device.agent import serve
from cloister.device.paths import profile_folder, socket_path
from cloister.testing import Circle, circle

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/guide/bots.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.M | re.S)
SCRIPTS = [block for block in BLOCKS if "testing" not in block]
TESTS = [block for block in BLOCKS if "testing" in block]


async def texts(living: Circle, count: int) -> list[str]:
    """Wait until so many texts are in the conversation."""
    newsdesk = await living["Ada"].conversation("Newsdesk")
    async with asyncio.timeout(30):
        while len(found := await newsdesk.history()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return [f"{one.sender}: {one.text}" for one in found]


def test_the_scripts_talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    folder = profile_folder("echo")
    folder.mkdir(parents=True, mode=0o700)
    assert len(SCRIPTS) == 2

    async def story() -> None:
        async with (
            circle(2, bots=["Echo"], title="Newsdesk") as living,
            serve(living.device(living["Echo"]), socket_path(folder)),
        ):
            newsdesk = await living["Ada"].conversation("Newsdesk")
            await newsdesk.send("are you there?", wait_s=5)
            await living.rest()
            scripts = []
            for block in SCRIPTS:
                scripts.append(
                    await asyncio.create_subprocess_exec(
                        sys.executable, "-Pu", "-c", block, stdout=subprocess.PIPE,
                        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                    )
                )  # fmt: skip
            asynchronous, synchronous = scripts
            assert await asyncio.wait_for(synchronous.wait(), 30) == 0
            assert asynchronous.stdout is not None
            line = await asyncio.wait_for(asynchronous.stdout.readline(), 30)
            assert line == b"Ada are you there?\n"
            assert sorted(await texts(living, 3)) == [
                "Ada: are you there?",
                "Echo: hold until six",
                "Echo: the build is green",
            ]
            asynchronous.terminate()
            await asynchronous.wait()

    asyncio.run(story())


def test_the_test_of_a_bot_passes(tmp_path: Path) -> None:
    (block,) = TESTS
    names: dict[str, object] = {}
    exec(compile(block, "bots.md", "exec"), names)
    found = [value for name, value in names.items() if name.startswith("test_")]
    assert len(found) == 1
    for test in found:
        assert callable(test)
        test()
