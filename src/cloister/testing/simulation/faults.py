"""How bad a run's world is.  Each seed draws its own mixture: a world in which everything fails at
once hides what fails only in quiet."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from cloister.relay.delivery import Bounds

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances and durations of one run, times in seconds."""

    drop: float
    """Chance of each frame to be lost, and the connection with it."""
    lingering: float
    """Chance that a lost connection's other end does not hear of it: a half-open link."""
    straggler: float
    """Chance of each frame to be held up for up to ``straggler_s``."""
    straggler_s: float
    late: float
    """Chance that what a closed connection still had under way arrives all the same."""
    crash_at_commit: float
    """Chance of each transaction of a device to meet the end of its process."""
    relay_crash_at_commit: float
    crash_every_s: float
    """Mean time between crashes at any moment, over all devices."""
    relay_crash_every_s: float
    partition_every_s: float
    clock_off_s: float
    """How far the clocks of devices may be off, to both sides."""
    jump_every_s: float
    """Mean time between a device's clock being set."""
    disk_s: float
    """How long a transaction takes at most."""


QUIET = Faults(
    drop=0.0,
    lingering=0.0,
    straggler=0.0,
    straggler_s=0.0,
    late=0.0,
    crash_at_commit=0.0,
    relay_crash_at_commit=0.0,
    crash_every_s=1e9,
    relay_crash_every_s=1e9,
    partition_every_s=1e9,
    clock_off_s=0.0,
    jump_every_s=1e9,
    disk_s=0.01,
)
"""A world in which nothing fails: what a run comes to rest in."""


SLEEP_S = 60.0
"""How long frames are held up at most by somebody who sleeps: longer than a proof lasts."""


def draw_faults(rng: random.Random, sleep: random.Random) -> Faults:
    """Draw the mixture of one run; ``sleep``: whether devices of it sleep with their connections
    open, as laptops do."""
    drawn = Faults(
        drop=rng.choice((0.0, 0.002, 0.01, 0.02, 0.02, 0.1)),
        lingering=rng.choice((0.0, 0.2, 0.5)),
        straggler=rng.choice((0.0, 0.05, 0.2)),
        straggler_s=rng.choice((1.0, 5.0, 20.0)),
        late=rng.choice((0.0, 0.5, 1.0)),
        crash_at_commit=rng.choice((0.0, 0.01, 0.04)),
        relay_crash_at_commit=rng.choice((0.0, 0.005, 0.02)),
        crash_every_s=rng.choice((20.0, 60.0, 1e9)),
        relay_crash_every_s=rng.choice((60.0, 200.0, 1e9)),
        partition_every_s=rng.choice((40.0, 120.0, 1e9)),
        clock_off_s=rng.choice((0.0, 90.0, DAY_S)),
        jump_every_s=rng.choice((60.0, 1e9)),
        disk_s=rng.choice((0.005, 0.05, 0.5)),
    )
    if sleep.random() < 0.25:
        return replace(drawn, straggler=max(drawn.straggler, 0.05), straggler_s=SLEEP_S)
    return drawn


def draw_bounds(rng: random.Random) -> Bounds:
    """Draw what the home relay has in a turn of its loop: what it has, or next to nothing, as with
    a thousand others, so that everybody waits for what comes at once in a quiet world."""
    if rng.random() < 0.5:
        return Bounds()
    turn_bytes = rng.choice((1, Bounds().turn_bytes))
    read_bytes = rng.choice((1, Bounds().read_bytes))
    flush_bytes = rng.choice((1, Bounds().flush_bytes))
    rest_s = rng.choice((Bounds().rest_s, 0.1, 1.0))
    return Bounds(turn_bytes, read_bytes, flush_bytes, rest_s, rest_alone_s=rest_s)
