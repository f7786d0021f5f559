"""README.md, "By hand": the session runs exactly as it is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.process
@pytest.mark.slow
def test_the_session_runs_as_printed(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## By hand")[1]
    found = re.search(r"^```sh\n(.*?)^```$", section, re.M | re.S)
    assert found is not None
    program = tmp_path / "cloister"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m cloister "$@"\n')
    program.chmod(0o700)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    # What is waited against an observer of the network needs no waiting here.
    kept["CLOISTER_ERRAND_DELAY_S"] = "0"
    # A session that fails in the middle must not leave its relays behind.
    session = "trap 'jobs -p | xargs -r kill' EXIT\n" + found.group(1)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", session],
        cwd=tmp_path,
        env={**kept, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "phase: member" in result.stdout
    jonas_reads, amira_reads = re.findall(r"^Amira, .*: lead is confirmed$", result.stdout, re.M)
    assert jonas_reads == amira_reads
    assert re.search(r"^Jonas, .*: seen, thank you$", result.stdout, re.M)
    assert re.search(r"^Jonas/1: locked$", result.stdout, re.M)
    assert "exit status 7" in result.stdout
    assert "ALARM" not in result.stderr
    # The relays were stopped by the session itself.
    for name in ("hk", "pa"):
        assert '"event": "stopped"' in (tmp_path / "try" / f"{name}.log").read_text("utf-8")
