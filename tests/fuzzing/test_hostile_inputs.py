"""A mebibyte of malice is decoded or refused within little memory. (How soon: the bench says.)"""

from __future__ import annotations

import tracemalloc

import pytest

from cloister.bench.codec import is_accepted
from cloister.bench.codec_hostile import SIZE, Hostile, hostile_inputs

MOST_MEMORY = 16 << 20
INPUTS = list(hostile_inputs())
# Those that take the most; tracing memory is slow.
LARGEST = {
    "Commit, Add, KeyPackage, leaf, extension",
    "a Commit full in every list",
    "leaves with all lists full",
    "full lists",
}


@pytest.mark.parametrize(
    "hostile", [one for one in INPUTS if one.name in LARGEST], ids=lambda one: one.name
)
def test_hostile_input_costs_little_memory(hostile: Hostile) -> None:
    assert len(hostile.data) <= SIZE + 64
    tracemalloc.start()
    try:
        is_accepted(hostile.decode, hostile.data)  # raises what is not the sender's fault
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY


def test_what_is_as_large_as_allowed_is_not_refused() -> None:
    accepted = {one.name for one in INPUTS if is_accepted(one.decode, one.data)}
    assert accepted == {
        "Commit, Add, KeyPackage, leaf, extension",
        "one opaque of a mebibyte",
        "a Commit full in every list",
        "as many leaves as may be, with keys",
    }
