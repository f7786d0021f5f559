"""Processes of the demo are killed at random moments: nothing is lost, nothing shown twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]

KILLS = 12
"""Beside the six that the demo itself does."""
MOST_S = 240


def kill_one(folder: Path, chooser: random.Random) -> str | None:
    """Kill one process of the demo, chosen by its file; return its name."""
    try:
        name = chooser.choice(sorted(path.name for path in (folder / "pids").iterdir()))
        pid = int((folder / "pids" / name).read_text())
        # The number may have gone to another process meanwhile.
        if b"cloister.demo.actor" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return None
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError, IndexError):
        return None
    return name


@pytest.mark.nightly  # tests/simulation kills far more often in the same time
@pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised through /proc")
def test_killed_at_random_moments_nothing_is_lost_and_nothing_shown_twice(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-P", "-m", "cloister", "demo", "--json", "--keep", str(folder)]
    seed = random.randrange(10**6)
    chooser = random.Random(seed)
    killed: list[str] = []
    demo = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with demo:
        try:
            while demo.poll() is None and len(killed) < KILLS:
                with suppress(subprocess.TimeoutExpired):
                    demo.wait(chooser.uniform(0.1, 1.6))
                name = kill_one(folder, chooser)
                if name is not None:
                    killed.append(name)
            output, _ = demo.communicate(timeout=MOST_S)
        finally:
            demo.kill()
    summary = json.loads(output.splitlines()[-1])
    failed = [check for check in summary.get("checks", []) if not check["ok"]]
    assert summary["ok"], (seed, killed, failed, summary.get("error"))
    assert killed
    assert demo.returncode == 0
    assert not running_below(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised through /proc")
def test_no_process_outlives_a_driver_that_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-P", "-m", "cloister", "demo", "--json", "--keep", str(folder)]
    demo = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with demo:
        deadline = time.monotonic() + 60
        while len(list(folder.glob("pids/*"))) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        started = {int(path.read_text()) for path in folder.glob("pids/*")}
        demo.kill()
    assert len(started) == 5
    assert not running_below(folder)


def running_below(folder: Path) -> list[str]:
    """Return the command lines of processes that still work on the demo's folder."""
    needle = os.fsencode(folder)
    deadline = time.monotonic() + 60
    while True:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                line = path.read_bytes()
                if needle in line and int(path.parent.name) != os.getpid():
                    found.append(line.decode("utf-8", "replace"))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)
