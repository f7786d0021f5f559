"""What a circle's founder fixed in the genesis: thresholds, times and what the relays must be."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from cloister.codec import Struct, layout, uint8, uint32

LARGE_CIRCLE: Final = 11
"""Active members from which ``vouches_large`` applies."""
FORMING_MEMBERS: Final = 3
"""Active members at which a circle stops forming, for ever."""
PROPOSAL_LIFETIME_S: Final = 7 * 86_400
"""A proposed removal lapses after this, by log time."""
_MAX_DURATION_S: Final = 366 * 86_400
_MIN_VOUCH_LIFETIME_S: Final = 60


class PolicyFlag(IntFlag):
    """Declarations that every device shows on screen."""

    TEST_CIRCLE = 1
    SINGLE_OPERATOR = 2


@layout
class Policy(Struct):
    """struct { uint8 vouches; uint8 vouches_large; uint32 probation_s; uint32 vouch_lifetime_s;
    uint32 veto_s; uint8 max_open_invites; uint8 flags; uint8 unlock_shares; uint8 seats; } Policy

    ``unlock_shares`` and ``seats`` are 0 until later versions give the other values a meaning.
    """

    vouches: int = uint8()
    vouches_large: int = uint8()
    probation_s: int = uint32()
    vouch_lifetime_s: int = uint32()
    veto_s: int = uint32()
    max_open_invites: int = uint8()
    flags: int = uint8()
    unlock_shares: int = uint8()
    seats: int = uint8()

    @property
    def is_test_circle(self) -> bool:
        """Whether the circle says that it is not for real use."""
        return bool(self.flags & PolicyFlag.TEST_CIRCLE)

    @property
    def is_single_operator(self) -> bool:
        """Whether the circle knows that one operator runs both its relays."""
        return bool(self.flags & PolicyFlag.SINGLE_OPERATOR)


def default_policy(*, test_circle: bool = False, single_operator: bool = False) -> Policy:
    """The policy a circle gets when its founder asks for nothing else."""
    flags = PolicyFlag.TEST_CIRCLE if test_circle else PolicyFlag(0)
    if single_operator:
        flags |= PolicyFlag.SINGLE_OPERATOR
    return Policy(
        vouches=2,
        vouches_large=3,
        probation_s=14 * 86_400,
        vouch_lifetime_s=7 * 86_400,
        veto_s=0,
        max_open_invites=3,
        flags=int(flags),
        unlock_shares=0,
        seats=0,
    )


def unknown_in_policy(policy: Policy) -> str | None:
    """What this program cannot apply in ``policy`` (ROS-013), or None when it knows all of it.

    A single vouch would make every member a gatekeeper alone, so it is left to test circles.
    """
    known_flags = int(PolicyFlag.TEST_CIRCLE | PolicyFlag.SINGLE_OPERATOR)
    least = 1 if policy.is_test_circle else 2
    checks: tuple[tuple[str, bool], ...] = (
        ("flags", policy.flags & ~known_flags == 0),
        ("unlock_shares", policy.unlock_shares == 0),
        ("seats", policy.seats == 0),
        ("vouches", least <= policy.vouches <= policy.vouches_large),
        ("probation_s", policy.probation_s <= _MAX_DURATION_S),
        ("vouch_lifetime_s", _MIN_VOUCH_LIFETIME_S <= policy.vouch_lifetime_s <= _MAX_DURATION_S),
        ("veto_s", policy.veto_s <= _MAX_DURATION_S),
        ("max_open_invites", policy.max_open_invites >= 1),
    )
    return next((name for name, holds in checks if not holds), None)


def vouches_needed(policy: Policy, *, forming: bool, active_members: int) -> int:
    """How many members must vouch for a newcomer (ROS-077)."""
    if forming:
        return 1
    wanted = policy.vouches_large if active_members >= LARGE_CIRCLE else policy.vouches
    return min(wanted, active_members)
