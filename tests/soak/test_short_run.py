"""A short soak on real processes: it ends by itself and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.nightly]

SOURCE = Path(__file__).parents[2] / "src"


def test_twenty_seconds_under_faults(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLOISTER_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cloister", "soak", "--minutes", "0.33", "--every", "5"),
            *("--seed", "1", "--devices", "3", "--keep", str(tmp_path / "soak"), "--json"),
        ],
        env={**kept, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["ok"]
    assert summary["violations"] == []
    assert summary["texts"] > 20
    assert sum(summary["faults"].values()) >= 1
    assert {one["name"] for one in summary["processes"]} >= {"home", "entry", "device-0"}
    assert list((tmp_path / "soak" / "pids").iterdir()) == [], "every process has ended"
