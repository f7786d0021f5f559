"""What a circle's founder fixed in the genesis: thresholds, times and what the relays must be."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

from cloister.codec import Struct, layout, uint8, uint32
from cloister.values import replace

DAY_S: Final = 86_400

LARGE_CIRCLE: Final = 11
"""Active members from which ``vouches_large`` applies."""
FORMING_MEMBERS: Final = 3
"""Active members at which a circle stops forming, for ever."""
MAX_COVER_PER_DAY: Final = 240
"""Cover messages of one device.  32 devices that send all of it into one channel fill 225 of its
256 MiB in the 30 days that a relay keeps messages; more would take the room of texts."""
PROPOSAL_LIFETIME_S: Final = 7 * 86_400
"""A proposed removal lapses after this, by log time."""
_MAX_DURATION_S: Final = 366 * 86_400
_MIN_VOUCH_LIFETIME_S: Final = 60


class PolicyFlag(IntFlag):
    """Declarations that every device shows on screen."""

    TEST_CIRCLE = 1
    SINGLE_OPERATOR = 2
    EXPORT_LOGGED = 4
    EXPORT_REFUSED = 8
    COVER_SOME = 16
    COVER_MORE = 32


EXPORT_FLAGS: Final = PolicyFlag.EXPORT_LOGGED | PolicyFlag.EXPORT_REFUSED
COVER_FLAGS: Final = PolicyFlag.COVER_SOME | PolicyFlag.COVER_MORE
MEMBERS_FLAGS: Final = EXPORT_FLAGS | COVER_FLAGS
"""What is between members only: two stewards may change it, and no relay acts on it."""
COVER_RATES: Final = (0, 12, 48, MAX_COVER_PER_DAY)
"""What a circle may ask of its devices, messages a day; by the value of the two flags."""


class ExportRule(IntEnum):
    """What members' programs do when somebody wants the own history out of the vault."""

    FREE = 0
    """They write it."""
    LOGGED = 1
    """They write it after an entry that every member can read."""
    REFUSED = 2
    """They do not write it where others could read it."""


@layout
class Policy(Struct):
    """struct { uint8 vouches; uint8 vouches_large; uint32 probation_s; uint32 vouch_lifetime_s;
    uint32 veto_s; uint8 max_open_invites; uint8 flags; uint8 unlock_shares; uint8 seats;
    uint32 cool_off_s; uint32 change_delay_s; } Policy

    ``unlock_shares`` is 1 where every device has shares at the circle's relays, ``seats`` is 1
    where the home relay sells seats, which belong to the handles of shares. ``cool_off_s`` passes
    between the approval of an erase and its execution, ``change_delay_s`` between that of a change
    of stewards, relays or policy and its effect. All durations are in seconds of log time.
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
    cool_off_s: int = uint32()
    change_delay_s: int = uint32()

    @property
    def is_test_circle(self) -> bool:
        """Whether the circle says that it is not for real use."""
        return bool(self.flags & PolicyFlag.TEST_CIRCLE)

    @property
    def is_single_operator(self) -> bool:
        """Whether the circle knows that one operator runs both its relays."""
        return bool(self.flags & PolicyFlag.SINGLE_OPERATOR)

    @property
    def export(self) -> ExportRule:
        """What becomes of a wish to export; refused where a policy says both."""
        if self.flags & PolicyFlag.EXPORT_REFUSED:
            return ExportRule.REFUSED
        return ExportRule(bool(self.flags & PolicyFlag.EXPORT_LOGGED))

    @property
    def cover_per_day(self) -> int:
        """How many messages that say nothing each device sends a day, at the least."""
        return COVER_RATES[(self.flags & COVER_FLAGS) // PolicyFlag.COVER_SOME]

    @property
    def fixed_flags(self) -> int:
        """The flags that the genesis fixes."""
        return self.flags & ~int(MEMBERS_FLAGS)


def default_policy(
    *,
    test_circle: bool = False,
    single_operator: bool = False,
    unlock_shares: int = 0,
    seats: int = 0,
    cool_off_s: int = DAY_S,
    change_delay_s: int = DAY_S,
) -> Policy:
    """The policy a circle gets when its founder asks for nothing else.

    ``cool_off_s`` and ``change_delay_s`` are shorter than a day in test circles only.
    """
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
        unlock_shares=unlock_shares,
        seats=seats,
        cool_off_s=cool_off_s,
        change_delay_s=change_delay_s,
    )


def with_export(policy: Policy, rule: ExportRule) -> Policy:
    """The same policy with another rule for exports."""
    said = {
        ExportRule.FREE: PolicyFlag(0),
        ExportRule.LOGGED: PolicyFlag.EXPORT_LOGGED,
        ExportRule.REFUSED: PolicyFlag.EXPORT_REFUSED,
    }
    return replace(policy, flags=policy.flags & ~int(EXPORT_FLAGS) | int(said[rule]))


def with_cover(policy: Policy, per_day: int) -> Policy:
    """The same policy with another least rate of cover.  Raises ``ValueError`` if it is none of
    ``COVER_RATES``."""
    said = COVER_RATES.index(per_day) * int(PolicyFlag.COVER_SOME)
    return replace(policy, flags=policy.flags & ~int(COVER_FLAGS) | said)


def unknown_in_policy(policy: Policy) -> str | None:
    """What this program cannot apply in ``policy`` (ROS-013), or None when it knows all of it.

    A single vouch would make every member a gatekeeper alone, and without a day's delay nobody
    could object in time; both are left to test circles.
    """
    known_flags = int(PolicyFlag.TEST_CIRCLE | PolicyFlag.SINGLE_OPERATOR | MEMBERS_FLAGS)
    least = 1 if policy.is_test_circle else 2
    least_delay = 0 if policy.is_test_circle else DAY_S
    checks: tuple[tuple[str, bool], ...] = (
        ("flags", policy.flags & ~known_flags == 0),
        ("flags", policy.flags & EXPORT_FLAGS != EXPORT_FLAGS),
        ("unlock_shares", policy.unlock_shares <= 1),
        ("seats", policy.seats <= policy.unlock_shares),
        ("vouches", least <= policy.vouches <= policy.vouches_large),
        ("probation_s", policy.probation_s <= _MAX_DURATION_S),
        ("vouch_lifetime_s", _MIN_VOUCH_LIFETIME_S <= policy.vouch_lifetime_s <= _MAX_DURATION_S),
        ("veto_s", policy.veto_s <= _MAX_DURATION_S),
        ("max_open_invites", policy.max_open_invites >= 1),
        ("cool_off_s", least_delay <= policy.cool_off_s <= _MAX_DURATION_S),
        ("change_delay_s", least_delay <= policy.change_delay_s <= _MAX_DURATION_S),
    )
    return next((name for name, holds in checks if not holds), None)


def vouches_needed(policy: Policy, *, forming: bool, active_members: int) -> int:
    """How many members must vouch for a newcomer (ROS-077)."""
    if forming:
        return 1
    wanted = policy.vouches_large if active_members >= LARGE_CIRCLE else policy.vouches
    return min(wanted, active_members)
