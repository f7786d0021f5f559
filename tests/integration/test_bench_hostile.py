"""The bench of hostile load, too short to measure: it attacks, and says what became of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloister.bench.hostile import HostileBench
from cloister.bench.hostile_cores import apart

pytestmark = pytest.mark.process


@pytest.mark.nightly
def test_an_attack_stands_beside_honest_devices_and_is_told_of(tmp_path: Path) -> None:
    with apart() as cores:
        phase = HostileBench(tmp_path, 0.3, 100.0, 1.0, cores=cores).phase("floods")
    assert phase.attack == "floods"
    assert phase.p99_ms > 0
    assert phase.messages > 0
    # 32 honest devices by the entry relay; floods come from past it.
    assert phase.held_entry >= 32
    assert phase.outcome["counts"]["pings: cut"] > 0
    assert phase.outcome["counts"]["nearly: cut"] > 0
    assert json.dumps(phase.outcome)
