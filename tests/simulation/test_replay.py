"""A seed plays the same again, here and in another process."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from cloister.testing.simulation.circle import unrecorded
from cloister.testing.simulation.run import run


@pytest.mark.parametrize("seed", [4, pytest.param(0, marks=pytest.mark.nightly)])
def test_a_seed_plays_again_event_for_event(seed: int) -> None:
    first, second = run(seed, keeps_all=True), run(seed, keeps_all=True)
    assert first.lines == second.lines
    assert first.digest == second.digest


def test_the_signatures_of_founding_are_recorded() -> None:
    """Else a seed is another story in every process: ``--record`` makes the file again."""
    assert unrecorded() == 0


def test_two_seeds_are_two_stories() -> None:
    assert run(0).digest != run(1).digest


def test_another_process_with_another_order_of_sets_plays_the_same() -> None:
    # That of this process is drawn when Python starts, unless somebody has set it to 1.
    digests = {run(1).digest, _digest_in_a_process(seed=1, hash_seed="1")}
    assert len(digests) == 1


def _digest_in_a_process(seed: int, hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cloister.testing.simulation", str(seed)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"trace ([0-9a-f]{32})", done.stdout)
    assert found, done.stdout
    return found[1]
