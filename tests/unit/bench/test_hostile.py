"""How a run of hostile load is spread over processors, and what is said of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from cloister.bench.hostile import Phase, Report
from cloister.bench.hostile_cores import Cores, apart, stay_on

many = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs two processors"
)


def cores_of_a_child() -> set[int]:
    """Where a process that is started now may run."""
    show = "import os; print(*os.sched_getaffinity(0))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, check=True)
    return set(map(int, done.stdout.split()))


@many
def test_what_is_started_keeps_off_the_attackers_processor() -> None:
    before = os.sched_getaffinity(0)
    with apart() as cores:
        assert cores.attack
        assert cores.attack | cores.honest == before
        assert os.sched_getaffinity(0) == cores.honest == before - cores.attack
        assert cores_of_a_child() == cores.honest
        # The attacker is started by the same process, and goes where he belongs.
        stay_on(cores.attack)
        assert os.sched_getaffinity(0) == cores.attack
    assert os.sched_getaffinity(0) == before
    assert "attackers on processor" in str(cores)


@many
def test_where_there_is_one_processor_it_is_said_that_all_share_it() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        with apart() as cores:
            assert cores == Cores()
            assert "not pinned" in str(cores)
            stay_on(cores.attack)
            assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


def phase(attack: str, p99_ms: float, **outcome: Any) -> Phase:
    return Phase(
        attack=attack,
        messages=3000,
        p50_ms=1.0,
        p99_ms=p99_ms,
        worst_ms=20.0,
        newcomer_ms=10.0,
        newcomer_worst_ms=20.0,
        home_cores=0.1,
        entry_cores=0.1,
        home_mib=1.0,
        entry_mib=1.0,
        held_home=32,
        held_entry=32,
        outcome=outcome,
    )


def test_an_attack_is_compared_with_quiet_before_and_after_it() -> None:
    quiet = "none"
    report = Report(
        Cores(frozenset({1}), frozenset({0})),
        0.5,
        200.0,
        0,
        (
            phase(quiet, 3.0),
            phase("floods", 7.0),
            phase(quiet, 5.0),
            phase("readers", 90.0),
            phase(quiet, 4.0),
            phase("stalled", 9.5, faults=["something was lost (1)"]),
            phase(quiet, 5.0),
        ),
    )
    assert [(one.attack, ratio) for one, ratio in report.attacks] == [
        ("floods", 1.75),
        ("readers", 20.0),
        ("stalled", 2.11),
    ]
    # Who reads is no attack.
    assert report.missed == [
        "stalled: something was lost (1)",
        "stalled: p99 is 2.11 times the quiet one",
    ]
    told = json.loads(report.json())
    assert [one["p99_ratio"] for one in told["phases"]] == [
        None,
        1.75,
        None,
        20.0,
        None,
        2.11,
        None,
    ]
    table = report.table()
    assert "attackers on processor 1, relays and honest devices on 0" in table
    assert "1.75" in table
