"""How often a search is repeated: in the plain run, and in the long one (`cloister test --all`).

A plain count is what has found the faults that were planted; the long run only repeats the same
test with more seeds or examples.  What is the only test of a behaviour is never left to it.
"""

from __future__ import annotations

import os
from typing import Any, Final

import pytest

ALL_VARIABLE: Final = "CLOISTER_TEST_ALL"
"""Set by ``--all`` before the tests are collected."""
LONGER: Final = 25
"""The long run draws this many times the examples of the plain one."""


def is_long() -> bool:
    """Tell whether this is the long run."""
    return os.environ.get(ALL_VARIABLE) == "1"


def examples(plain: int) -> int:
    """Return how many examples a property is tried on."""
    return plain * LONGER if is_long() else plain


def seeds(plain: int, nightly: int) -> list[Any]:
    """Return the seeds 0 to ``nightly`` - 1; those from ``plain`` on are marked nightly.

    The plain run is not even told of those: each worker would make thousands of tests of them.
    """
    return [
        pytest.param(seed, marks=[pytest.mark.nightly] if seed >= plain else [])
        for seed in range(nightly if is_long() else plain)
    ]
