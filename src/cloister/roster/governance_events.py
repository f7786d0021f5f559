"""What a readable entry changed. Devices are handles here and people are keys.

The member fold puts names to both: see Roster.member_of_key and Roster.device_of_handle.
"""

from __future__ import annotations

from cloister.ids import ChannelId
from cloister.roster.events import Event
from cloister.roster.orders import EraseReason, HoldScope, Target


class ReadableEvent(Event, frozen=True, kw_only=True):
    """Base of all that readable entries bring about. ``key_id`` is whose act it was, and empty
    for what follows from log time alone."""

    entry_hash: bytes
    key_id: bytes


class Approved(ReadableEvent, frozen=True, kw_only=True):
    """One more key stands behind a proposal, which is not in force yet."""


class ProposalRefused(ReadableEvent, frozen=True, kw_only=True):
    """A proposal was withdrawn, or a steward refused it."""


class ProposalLapsed(ReadableEvent, frozen=True, kw_only=True):
    """A proposal found too few approvals in its time."""


class StewardSetProposed(ReadableEvent, frozen=True, kw_only=True):
    """Another set of stewards and officers is proposed; ``is_recovery``: by an officer."""

    is_recovery: bool


class StewardSetChanged(ReadableEvent, frozen=True, kw_only=True):
    """From here relays and members obey this set."""

    stewards: tuple[bytes, ...]
    officers: tuple[bytes, ...]


class KeySuspended(ReadableEvent, frozen=True, kw_only=True):
    """A steward's key is not obeyed until ``until``; 0: until it is lifted."""

    suspended: bytes
    until: int


class KeyReinstated(ReadableEvent, frozen=True, kw_only=True):
    """The suspension of a key is over: lifted, or lapsed by log time."""

    suspended: bytes


class LiftProposed(ReadableEvent, frozen=True, kw_only=True):
    """A lasting suspension is to be lifted; a second steward must approve."""

    suspended: bytes


class RelaySetProposed(ReadableEvent, frozen=True, kw_only=True):
    """Other entry relays are proposed."""


class RelaySetChanged(ReadableEvent, frozen=True, kw_only=True):
    """The circle has other entry relays from here."""


class Locked(ReadableEvent, frozen=True, kw_only=True):
    """Shares are locked; ``order_hash`` names the order."""

    targets: tuple[Target, ...]
    order_hash: bytes


class UnlockProposed(ReadableEvent, frozen=True, kw_only=True):
    """Shares are to be served again; a second steward must approve."""

    targets: tuple[Target, ...]


class Unlocked(ReadableEvent, frozen=True, kw_only=True):
    """Shares are served again, with all their tries. ``consents`` are the owner's, encoded."""

    targets: tuple[Target, ...]
    consents: tuple[bytes, ...]


class EraseProposed(ReadableEvent, frozen=True, kw_only=True):
    """Shares are locked from here, and are to be destroyed."""

    targets: tuple[Target, ...]
    reason: EraseReason


class EraseApproved(ReadableEvent, frozen=True, kw_only=True):
    """Two stewards want it; relays do it when log time and their own clock have passed ``due``."""

    due: int


class ErasePaused(ReadableEvent, frozen=True, kw_only=True):
    """Members objected: nothing is destroyed before ``until``."""

    until: int


class EraseStopped(ReadableEvent, frozen=True, kw_only=True):
    """It will not happen: refused, overtaken by a hold, or its authors are suspended."""

    by_hold: bool


class EraseDue(ReadableEvent, frozen=True, kw_only=True):
    """From here relays destroy the shares."""

    targets: tuple[Target, ...]


class HoldPlaced(ReadableEvent, frozen=True, kw_only=True):
    """A legal hold is in force."""

    scope: HoldScope
    targets: tuple[Target, ...]
    channel: ChannelId | None


class HoldReleaseProposed(ReadableEvent, frozen=True, kw_only=True):
    """A hold is to be released; a second steward must approve."""

    hold: bytes


class HoldReleased(ReadableEvent, frozen=True, kw_only=True):
    """A hold is over."""

    hold: bytes


class ResetProposed(ReadableEvent, frozen=True, kw_only=True):
    """The commons is to move to a new group."""

    new_id: ChannelId


class ResetDone(ReadableEvent, frozen=True, kw_only=True):
    """The commons is another channel from here."""

    old_id: ChannelId
    new_id: ChannelId
    generation: int
