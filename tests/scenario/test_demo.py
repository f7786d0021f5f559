"""The demo with real processes, and the checker on what it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloister.demo.check.__main__ import judge

if TYPE_CHECKING:
    from scenario.conftest import Played

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_it_is_ok_and_says_so_in_its_last_line(played: Played) -> None:
    assert played.status == 0, played.output
    summary = played.summary
    assert summary["v"] == 1
    assert summary["ok"] is True
    assert [member["state"] for member in summary["members"]] == [
        "active",
        "active",
        "removed",
        "erased",
        "active",
    ]
    # The script, the burst, what is said after the removal, and the two later chapters.
    assert summary["sent"] == 24 + 200 + 2 + 10
    assert summary["restarts"]["home"] >= 1
    assert summary["restarts"]["device-1"] >= 1


def test_the_checker_judges_the_same_folder_alike_again(played: Played, copy: Path) -> None:
    command = [sys.executable, "-P", "-m", "cloister.demo.check", str(copy)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    lines = result.stdout.splitlines()
    assert lines[-1] == "ok"
    assert all(line.startswith("yes  ") for line in lines[:-1])
    assert len(lines) - 1 == len(played.summary["checks"])


def test_a_false_verdict_is_the_exit_status(copy: Path) -> None:
    (copy / "relays" / "home" / "data" / "relay.sqlite3").unlink()
    command = [sys.executable, "-P", "-m", "cloister.demo.check", "--json", str(copy)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert json.loads(result.stdout)["ok"] is False


def test_an_empty_folder_is_not_ok(tmp_path: Path) -> None:
    findings = judge(tmp_path)
    assert findings
    assert not any(finding.ok for finding in findings)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc")
def test_no_canary_is_in_the_memory_of_the_relays(played: Played) -> None:
    if not played.scans:
        pytest.skip("the system forbids reading another process's memory")
    # The search does find what is there: each relay's own name.
    assert played.marker_seen.keys() == {"entry", "home"}
    assert played.found == []


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep out")
    command = [sys.executable, "-P", "-m", "cloister", "demo", "--keep", str(tmp_path)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 2
    assert "is not empty" in result.stderr
    assert (tmp_path / "mine").read_text() == "keep out"


def test_a_wrong_script_is_refused_with_the_line(tmp_path: Path) -> None:
    script = tmp_path / "talk.txt"
    script.write_text("# a comment\n\nAda: fine\nno colon here\n")
    command = [sys.executable, "-P", "-m", "cloister", "demo", "--script", str(script)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 2
    assert "line 4: no name before a colon" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.nightly),
        pytest.param(signal.SIGINT, marks=pytest.mark.nightly),
    ],
)
def test_a_demo_that_is_told_to_stop_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-P", "-m", "cloister", "demo", "--no-input"]
    with subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "Two relays run" in process.stdout.readline()
        pids = [int(path.read_text()) for path in tmp_path.glob("*/pids/*")]
        assert pids
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    # A library that looks for OpenSSL as it is imported has a file of its own there for a moment;
    # who is killed in that moment leaves it.
    assert [path for path in tmp_path.iterdir() if not path.name.startswith("tmp")] == []
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
