"""Would the simulation notice?  Bugs planted into the real code are found, each by few seeds.

The plain run begins where the bug was found when it was planted; the long one searches from 0.
"""

from __future__ import annotations

from typing import Final

import pytest

from cloister.testing.simulation.run import run
from counts import is_long
from simulation.planted import BUGS
from simulation.test_seeds import PLAIN

FOUND_AT: Final = {
    "lost ack": 2,
    "double show": 0,
    "reordered delivery": 0,
    "early delete": 0,
    "re-encrypted retry": 2,
    "retry under another id": 0,
    "merged lost commit": 10,
    "sent before stored": 5,
    "overtaken in doubt": 33,
    "forgotten ids": 7,
    "unfollowed log": 107,
}
"""The first seed that found it, of 2,000 that were allowed."""
KIND: Final = {
    "lost ack": "lost",
    "double show": "doubled",
    "reordered delivery": "lost",
    "early delete": "lost",
    "re-encrypted retry": "encrypted again",
    "retry under another id": "doubled",
    "merged lost commit": "forked",
    "sent before stored": "lost",
    "overtaken in doubt": "reordered",
    "forgotten ids": "alarmed",
    "unfollowed log": "unsettled",
}
"""What the checker calls it."""
TRIES: Final = 40


IN_THE_LONG_RUN: Final = {"overtaken in doubt", "retry under another id", "forgotten ids"}
"""Beyond the six that every run must find, and `Send` before `Persist`."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.nightly] if name in IN_THE_LONG_RUN else [])
        for name in BUGS
    ],
)
def test_a_planted_bug_is_found(name: str) -> None:
    seeds = range(2000) if is_long() else range(FOUND_AT[name], FOUND_AT[name] + TRIES)
    with BUGS[name]() as world_class:
        for seed in seeds:
            outcome = run(seed, world_class)
            if KIND[name] in {one.verdict.value for one in outcome.violations}:
                assert f"simulation {seed}" in outcome.report()
                return
    raise AssertionError(f"{name} was not {KIND[name]} in {len(seeds)} seeds")


def test_without_a_bug_the_same_seeds_find_nothing() -> None:
    """``test_seeds`` plays them, in every run."""
    assert max(FOUND_AT.values()) < PLAIN
