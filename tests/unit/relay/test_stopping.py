"""A relay that stops: nothing meets closed files, and nothing keeps it from stopping."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloister.clock import VARIABLE
from cloister.crypto.entropy import SystemEntropy
from cloister.relay.folder import Folder
from cloister.relay.gate import Gate
from cloister.relay.home import Home
from cloister.relay.logsafe import Log
from cloister.relay.shares import enforcing

ENTROPY = SystemEntropy()


class _Ended(Exception):
    """Ends the group, as the program does after the face has stopped."""


@pytest.mark.parametrize("face_class", [Home, Gate])
def test_what_is_looked_at_now_and_then_ends_before_the_files_close(
    face_class: type[Home | Gate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enforcing, "LOOK_S", 0.001)
    folder = Folder(tmp_path / "relay")
    folder.init(
        role="home" if face_class is Home else "entry",
        host="127.0.0.1",
        port=0,
        jurisdiction="HK",
        operator="North",
        name=None,
        now=int(time.time()),
        entropy=ENTROPY,
    )
    failures: list[bool] = []

    async def live() -> None:
        face = face_class(
            folder,
            folder.settings({}),
            folder.identity(),
            entropy=ENTROPY,
            log=Log(lambda: 0, io.StringIO()),
            now=lambda: int(time.time()),
            on_failure=lambda: failures.append(True),
        )
        async with asyncio.TaskGroup() as group:
            await face.start(group)
            await asyncio.sleep(0.05)
            await face.stop()
            raise _Ended

    with pytest.raises(ExceptionGroup) as ended:
        asyncio.run(live())
    assert [type(one) for one in ended.value.exceptions] == [_Ended]
    assert not failures


@pytest.mark.process
def test_a_relay_that_cannot_say_so_stops_nevertheless(tmp_path: Path) -> None:
    """Each line of its log has a time, and the clock file of the drill is gone."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    folder = tmp_path / "relay"
    Folder(folder).init(
        role="entry",
        host="127.0.0.1",
        port=0,
        jurisdiction="HK",
        operator="North",
        name=None,
        now=int(time.time()),
        entropy=ENTROPY,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "cloister", "relay", "run", str(folder)],
        env={**os.environ, VARIABLE: str(clock)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        while '"ready"' not in process.stderr.readline():
            assert process.poll() is None
        clock.unlink()
        process.terminate()
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert "clock file" in said
