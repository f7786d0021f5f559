"""What a readable entry changed. Devices are handles here and people are keys.

The member fold puts names to both: see Roster.member_of_key and Roster.device_of_handle.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloister.ids import ChannelId
from cloister.roster.events import Event
from cloister.roster.orders import EraseReason, HoldScope, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableEvent(Event):
    """Base of all that readable entries bring about. ``key_id`` is whose act it was, and empty
    for what follows from log time alone."""

    entry_hash: bytes
    key_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved(ReadableEvent):
    """One more key stands behind a proposal, which is not in force yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRefused(ReadableEvent):
    """A proposal was withdrawn, or a steward refused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalLapsed(ReadableEvent):
    """A proposal found too few approvals in its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StewardSetProposed(ReadableEvent):
    """Another set of stewards and officers is proposed; ``is_recovery``: by an officer."""

    is_recovery: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StewardSetChanged(ReadableEvent):
    """From here relays and members obey this set."""

    stewards: tuple[bytes, ...]
    officers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySuspended(ReadableEvent):
    """A steward's key is not obeyed until ``until``; 0: until it is lifted."""

    suspended: bytes
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReinstated(ReadableEvent):
    """The suspension of a key is over: lifted, or lapsed by log time."""

    suspended: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftProposed(ReadableEvent):
    """A lasting suspension is to be lifted; a second steward must approve."""

    suspended: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySetProposed(ReadableEvent):
    """Other entry relays are proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySetChanged(ReadableEvent):
    """The circle has other entry relays from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked(ReadableEvent):
    """Shares are locked; ``order_hash`` names the order."""

    targets: tuple[Target, ...]
    order_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockProposed(ReadableEvent):
    """Shares are to be served again; a second steward must approve."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked(ReadableEvent):
    """Shares are served again, with all their tries. ``consents`` are the owner's, encoded."""

    targets: tuple[Target, ...]
    consents: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseProposed(ReadableEvent):
    """Shares are locked from here, and are to be destroyed."""

    targets: tuple[Target, ...]
    reason: EraseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseApproved(ReadableEvent):
    """Two stewards want it; relays do it when log time and their own clock have passed ``due``."""

    due: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasePaused(ReadableEvent):
    """Members objected: nothing is destroyed before ``until``."""

    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseStopped(ReadableEvent):
    """It will not happen: refused, overtaken by a hold, or its authors are suspended."""

    by_hold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseDue(ReadableEvent):
    """From here relays destroy the shares."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlaced(ReadableEvent):
    """A legal hold is in force."""

    scope: HoldScope
    targets: tuple[Target, ...]
    channel: ChannelId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleaseProposed(ReadableEvent):
    """A hold is to be released; a second steward must approve."""

    hold: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleased(ReadableEvent):
    """A hold is over."""

    hold: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetProposed(ReadableEvent):
    """The commons is to move to a new group."""

    new_id: ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetDone(ReadableEvent):
    """The commons is another channel from here."""

    old_id: ChannelId
    new_id: ChannelId
    generation: int
