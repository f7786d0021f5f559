"""The lease: by whichever clock ends it first, and by five wrong PINs."""

from __future__ import annotations

import pytest

from cloister.device.unlock.lease import MOST_MISSES, Lease, LeasedShare

HOUR_S = 3600
SHARES = tuple(
    LeasedShare(relay_id=bytes([n] * 32), handle=bytes(16), generation=1, y=bytes([n] * 64))
    for n in range(2)
)
OTHERS = tuple(
    LeasedShare(relay_id=one.relay_id, handle=one.handle, generation=2, y=one.y) for one in SHARES
)


class Clocks:
    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.up = 100.0

    def lease(self, lifetime_s: int = 8 * HOUR_S) -> Lease:
        return Lease(lifetime_s, wall=lambda: self.wall, elapsed=lambda: self.up)


@pytest.mark.parametrize(("wall_s", "up_s"), [(8 * HOUR_S, 8 * HOUR_S), (0, 8 * HOUR_S),
                                              (8 * HOUR_S, 0), (-86_400, 8 * HOUR_S)])  # fmt: skip
def test_it_ends_when_either_clock_says_so(wall_s: int, up_s: int) -> None:
    """Nobody prolongs it by setting the clock back; a machine that slept has used it up."""
    clocks = Clocks()
    lease = clocks.lease()
    lease.begin(SHARES)
    assert lease.shares == SHARES
    clocks.wall += wall_s
    clocks.up += up_s
    assert lease.shares == ()
    assert lease.seconds_left == 0


def test_unlocking_with_it_does_not_prolong_it() -> None:
    clocks = Clocks()
    lease = clocks.lease()
    lease.begin(SHARES)
    clocks.wall += 5 * HOUR_S
    clocks.up += 5 * HOUR_S
    lease.begin(SHARES)
    assert lease.seconds_left == 3 * HOUR_S
    lease.begin(OTHERS)
    assert lease.seconds_left == 8 * HOUR_S


def test_five_wrong_pins_end_it_and_a_right_one_between_begins_the_count_anew() -> None:
    lease = Clocks().lease()
    lease.begin(SHARES)
    for _ in range(MOST_MISSES - 1):
        lease.missed()
    lease.hit()
    for _ in range(MOST_MISSES - 1):
        lease.missed()
    assert lease.shares == SHARES
    lease.missed()
    assert lease.shares == ()


def test_a_lease_of_no_time_keeps_nothing() -> None:
    lease = Clocks().lease(0)
    lease.begin(SHARES)
    assert lease.shares == ()


def test_its_answers_are_not_shown() -> None:
    assert "0101" not in repr(SHARES)
    assert "x01" not in repr(SHARES)
