"""Where a device stands in the circle, by the settled log, and what that means for its owner.

Some things put a device out for a time: it keeps its inbox, and comes back into its groups when
the log lets it.  Others are for good.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from cloister.client.identity import did_of
from cloister.client.state import State
from cloister.errors import PolicyError
from cloister.ids import DeviceId
from cloister.roster.roster import Roster
from cloister.roster.state import MemberState


class Standing(Enum):
    """Why a device is in or out; the first that applies, what is for good before the rest."""

    ACTIVE = auto()
    REMOVED = auto()
    LEFT = auto()
    RETIRED = auto()
    ERASED = auto()
    SUSPENDED = auto()
    LOCKED = auto()
    LAPSED = auto()

    @property
    def is_final(self) -> bool:
        """Whether no entry of the log can bring this device back."""
        return self in _FINAL

    @property
    def is_out(self) -> bool:
        """Whether the device is out for a time."""
        return self is not Standing.ACTIVE and self not in _FINAL


_FINAL: Final = frozenset({Standing.REMOVED, Standing.LEFT, Standing.RETIRED, Standing.ERASED})

WORDS: Final = {
    Standing.ACTIVE: ("this device belongs to the circle", ""),
    Standing.REMOVED: ("this member was removed from the circle", ""),
    Standing.LEFT: ("this member has left the circle", ""),
    Standing.RETIRED: ("this device was retired: the member goes on with another one", ""),
    Standing.ERASED: ("the unlock shares of this device were destroyed", ""),
    Standing.SUSPENDED: (
        "this member is suspended",
        "Talk to a steward: two can make it last, else it ends after seven days.",
    ),
    Standing.LOCKED: (
        "this device is locked",
        "Its owner and one steward, or two stewards, unlock it: `cloister unlock-device`.",
    ),
    Standing.LAPSED: (
        "the seat of this device is not paid for any more",
        "A steward renews it; the device comes back by itself.",
    ),
}
"""The reason, and what to do, for people."""


def standing_of(roster: Roster, did: DeviceId) -> Standing:
    """Return where a device stands at the newest settled entry."""
    record = roster.devices.get(did)
    if record is None:
        return Standing.REMOVED
    member = roster.members[record.member_id]
    reasons = (
        (member.state is MemberState.REMOVED, Standing.REMOVED),
        (member.state is MemberState.LEFT, Standing.LEFT),
        (record.retired, Standing.RETIRED),
        (record.erased, Standing.ERASED),
        (record.locked, Standing.LOCKED),
        (record.lapsed, Standing.LAPSED),
        (not roster.is_active(did), Standing.SUSPENDED),
    )
    return next((standing for applies, standing in reasons if applies), Standing.ACTIVE)


def demand_standing(state: State) -> None:
    """Raise ``PolicyError`` with the reason while this device is out: nobody takes its messages."""
    if state.roster is None or state.identity is None:
        return
    standing = standing_of(state.roster, did_of(state))
    if standing is not Standing.ACTIVE:
        words, hint = WORDS[standing]
        raise PolicyError(f"nothing can be sent: {words}", hint=hint or None)
