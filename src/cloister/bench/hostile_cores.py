"""Which processors attack, and which serve: an attacker brings his own.

The last one is the attacker's, also while nobody attacks; relays and honest devices have the rest.
On the attacker's an honest device would wait for what the attacker computes, which says nothing of
the relay; on the relay's it waits for a relay that is busy, twice at worst, so that what is wrong
about its time is to the relay's disadvantage.  What the kernel does with what an attacker sends
over loopback it does on the attacker's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """How a run is spread; both empty: it is not, all share what there is."""

    attack: frozenset[int] = frozenset()
    honest: frozenset[int] = frozenset()

    def __str__(self) -> str:
        if not self.attack:
            return (
                "not pinned: attackers share the processors of the relays, "
                "and their own work is in every figure"
            )
        return (
            f"attackers on processor {_listed(self.attack)}, "
            f"relays and honest devices on {_listed(self.honest)}"
        )


def _listed(numbers: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


@contextmanager
def apart() -> Iterator[Cores]:
    """Keep this process, and what it starts, off the attacker's processor; where there is but one,
    or the system cannot, nothing is kept off anything."""
    if sys.platform != "linux":
        yield Cores()
        return
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        yield Cores()
        return
    attack = frozenset({max(before)})
    honest = frozenset(before) - attack
    try:
        os.sched_setaffinity(0, honest)
    except OSError:
        yield Cores()
        return
    try:
        yield Cores(attack, honest)
    finally:
        os.sched_setaffinity(0, before)


def stay_on(numbers: frozenset[int]) -> None:
    """Run this thread, and what it starts, there from now on; empty: wherever it may."""
    if sys.platform == "linux" and numbers:
        os.sched_setaffinity(0, numbers)
