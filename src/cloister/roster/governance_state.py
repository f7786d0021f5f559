"""What readable entries have established: the records, and the frozen value that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final, Self

import msgspec

from cloister.codec import (
    CachedStruct,
    enum8,
    fixed,
    flag,
    layout,
    nested,
    opaque,
    optional,
    uint32,
    uint64,
    vector,
)
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.ids import ChannelId, CircleId, Handle, RelayId
from cloister.limits import MAX_ENTRY_BYTES
from cloister.roster.fields import CHANNEL_ID, CIRCLE_ID, HANDLE, HASH_BYTES, RELAY_ID
from cloister.roster.orders import EraseReason, HoldScope, Target
from cloister.roster.policy import PROPOSAL_LIFETIME_S, Policy
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.relay_card import RelayCard, RelaySet

NEVER: Final = 2**63 - 1
"""A time that does not come."""

Place = tuple[RelayId, Handle]
"""Where a share is: the relay, and the device's handle there."""
KEY_ID: Final = fixed(HASH_BYTES)
ENTRY_HASH: Final = fixed(HASH_BYTES)


class ErasureState(IntEnum):
    """Where an erase stands. From DUE on relays carry it out, and nothing stops it."""

    PROPOSED = 1
    APPROVED = 2
    DUE = 3
    STOPPED = 4
    HELD = 5
    LAPSED = 6


@layout
class SuspendedKey(CachedStruct):
    """A key that is not obeyed. ``until`` is log time, 0 when a second steward has approved."""

    key_id: bytes = KEY_ID
    until: int = uint64()
    entry_hash: bytes = ENTRY_HASH
    author: bytes = KEY_ID


@layout
class ReadableProposal(CachedStruct):
    """What waits for approvals (``due`` 0) or for its delay (``due`` is log time).

    ``content`` is that of the entry. ``approvals`` are key ids, the author's first.
    """

    entry_hash: bytes = ENTRY_HASH
    kind: ReadableType = enum8(ReadableType)
    seq: int = uint64()
    ts: int = uint64()
    content: bytes = opaque(max_bytes=MAX_ENTRY_BYTES)
    author: bytes = KEY_ID
    approvals: tuple[bytes, ...] = vector(KEY_ID)
    due: int = uint64()
    is_recovery: bool = flag()


@layout
class LockedHandle(CachedStruct):
    """A locked share: the position of the entry that locked it, and the order's name."""

    relay_id: RelayId = RELAY_ID
    handle: Handle = HANDLE
    seq: int = uint64()
    order_hash: bytes = ENTRY_HASH


@layout
class UnlockedHandle(CachedStruct):
    """The position of the last entry that unlocked a share."""

    relay_id: RelayId = RELAY_ID
    handle: Handle = HANDLE
    seq: int = uint64()


@layout
class Erasure(CachedStruct):
    """An erase. ``due`` and ``paused_until`` are log time; 0 before the approval, or no pause."""

    entry_hash: bytes = ENTRY_HASH
    seq: int = uint64()
    proposed_ts: int = uint64()
    targets: tuple[Target, ...] = vector(Target)
    reason: EraseReason = enum8(EraseReason)
    sealed_note: bytes = opaque(max_bytes=MAX_ENTRY_BYTES)
    author: bytes = KEY_ID
    approver: bytes | None = optional(KEY_ID)
    approved_ts: int = uint64()
    due: int = uint64()
    paused_until: int = uint64()
    state: ErasureState = enum8(ErasureState)

    @property
    def is_open(self) -> bool:
        """Whether it may still happen and may still be stopped."""
        return self.state in {ErasureState.PROPOSED, ErasureState.APPROVED}

    @property
    def executes_at(self) -> int:
        """When relays may begin, by log time; NEVER before the approval."""
        return max(self.due, self.paused_until) if self.due else NEVER


@layout
class HoldRecord(CachedStruct):
    """A legal hold in force."""

    entry_hash: bytes = ENTRY_HASH
    seq: int = uint64()
    ts: int = uint64()
    scope: HoldScope = enum8(HoldScope)
    targets: tuple[Target, ...] = vector(Target)
    channel: ChannelId | None = optional(CHANNEL_ID)
    authority_hash: bytes = fixed(HASH_BYTES)
    placer: bytes = KEY_ID
    sealed_note: bytes = opaque(max_bytes=MAX_ENTRY_BYTES)


@layout
class Reset(CachedStruct):
    """The newest reset of the commons that took effect, at entry ``seq``."""

    old_id: ChannelId = CHANNEL_ID
    new_id: ChannelId = CHANNEL_ID
    key: bytes = fixed(32)
    generation: int = uint32()
    seq: int = uint64()


@layout
class Move(CachedStruct):
    """A change of the home relay, carried out by entry ``seq``: who served the circle before."""

    before: RelaySet = nested(RelaySet)
    seq: int = uint64()


@layout
class GovernanceRecord(CachedStruct):
    """The stored form of a Governance."""

    circle_id: CircleId = CIRCLE_ID
    policy: Policy = nested(Policy)
    commons_commitment: bytes = fixed(HASH_BYTES)
    steward_keys: tuple[HybridPublic, ...] = vector(HybridPublic)
    officer_keys: tuple[HybridPublic, ...] = vector(HybridPublic)
    suspended: tuple[SuspendedKey, ...] = vector(SuspendedKey)
    relay_set: RelaySet = nested(RelaySet)
    proposals: tuple[ReadableProposal, ...] = vector(ReadableProposal)
    locked: tuple[LockedHandle, ...] = vector(LockedHandle)
    unlocked: tuple[UnlockedHandle, ...] = vector(UnlockedHandle)
    erasures: tuple[Erasure, ...] = vector(Erasure)
    holds: tuple[HoldRecord, ...] = vector(HoldRecord)
    reset: Reset | None = optional(Reset)
    moves: tuple[Move, ...] = vector(Move)


class GovernanceState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that readable entries say, at one size of the log. Mappings are not changed.

    ``policy`` is the genesis's: what relays apply of it never changes. ``next_due`` is the earliest
    log time at which something happens by itself, NEVER if nothing waits.
    """

    circle_id: CircleId
    policy: Policy
    commons_commitment: bytes
    steward_keys: Mapping[bytes, HybridPublic]
    officer_keys: Mapping[bytes, HybridPublic]
    suspended: Mapping[bytes, SuspendedKey]
    relay_set: RelaySet
    proposals: Mapping[bytes, ReadableProposal]
    locked: Mapping[Place, LockedHandle]
    unlocked_at: Mapping[Place, int]
    erasures: Mapping[bytes, Erasure]
    holds: Mapping[bytes, HoldRecord]
    reset: Reset | None
    moves: tuple[Move, ...] = ()
    """Changes of the home relay, the newest last."""
    next_due: int = NEVER

    def record(self) -> GovernanceRecord:
        """The stored form; equal states have equal bytes."""
        return GovernanceRecord(
            circle_id=self.circle_id,
            policy=self.policy,
            commons_commitment=self.commons_commitment,
            steward_keys=tuple(self.steward_keys.values()),
            officer_keys=tuple(self.officer_keys.values()),
            suspended=tuple(self.suspended.values()),
            relay_set=self.relay_set,
            proposals=tuple(self.proposals.values()),
            locked=tuple(self.locked.values()),
            unlocked=tuple(
                UnlockedHandle(relay_id=relay_id, handle=handle, seq=seq)
                for (relay_id, handle), seq in self.unlocked_at.items()
            ),
            erasures=tuple(self.erasures.values()),
            holds=tuple(self.holds.values()),
            reset=self.reset,
            moves=self.moves,
        )

    @classmethod
    def from_record(cls, record: GovernanceRecord) -> Self:
        """Put a state together from its stored form."""
        proposals = {one.entry_hash: one for one in record.proposals}
        suspended = {one.key_id: one for one in record.suspended}
        erasures = {one.entry_hash: one for one in record.erasures}
        return cls(
            circle_id=record.circle_id,
            policy=record.policy,
            commons_commitment=record.commons_commitment,
            steward_keys=keys_by_id(record.steward_keys),
            officer_keys=keys_by_id(record.officer_keys),
            suspended=suspended,
            relay_set=record.relay_set,
            proposals=proposals,
            locked={(one.relay_id, one.handle): one for one in record.locked},
            unlocked_at={(one.relay_id, one.handle): one.seq for one in record.unlocked},
            erasures=erasures,
            holds={one.entry_hash: one for one in record.holds},
            reset=record.reset,
            moves=record.moves,
            next_due=min(deadlines(proposals, suspended, erasures), default=NEVER),
        )

    # --- questions ---------------------------------------------------------------------------

    def obeys(self, key_id: bytes) -> bool:
        """Whether this is the key of a steward who is not suspended."""
        return key_id in self.steward_keys and key_id not in self.suspended

    @property
    def obeyed(self) -> tuple[bytes, ...]:
        """The key ids of all stewards who are not suspended."""
        return tuple(key_id for key_id in self.steward_keys if key_id not in self.suspended)

    def is_locked(self, relay_id: RelayId, handle: Handle) -> bool:
        """Whether the log has this share locked."""
        return (relay_id, handle) in self.locked

    def had_home(self, relay_id: RelayId) -> bool:
        """Whether this relay was the home, and another one is it now: its log has ended."""
        return any(move.before.home.relay_id == relay_id for move in self.moves)

    def known_relays(self) -> tuple[RelayCard, ...]:
        """The relays of the set in force, then those from before a change of home, each once."""
        sets = (self.relay_set, *(move.before for move in reversed(self.moves)))
        found: dict[RelayId, RelayCard] = {}
        for one in sets:
            for card in (one.home, *one.entries):
                found.setdefault(card.relay_id, card)
        return tuple(found.values())

    def holds_circle(self) -> bool:
        """Whether everything is under a legal hold."""
        return any(hold.scope is HoldScope.CIRCLE for hold in self.holds.values())

    def is_held(self, relay_id: RelayId, handle: Handle) -> bool:
        """Whether this share is under a legal hold."""
        return any(
            hold.scope is HoldScope.CIRCLE
            or any(place_of(target) == (relay_id, handle) for target in hold.targets)
            for hold in self.holds.values()
        )

    def holds_channel(self, channel_id: bytes) -> bool:
        """Whether nothing of this channel may be deleted."""
        return any(
            hold.scope is HoldScope.CIRCLE or hold.channel == channel_id
            for hold in self.holds.values()
        )

    def due_erasures(self) -> tuple[Erasure, ...]:
        """What relays are to carry out, as far as the log goes; their own clocks must agree."""
        return tuple(one for one in self.erasures.values() if one.state is ErasureState.DUE)


# Times after which things end by themselves, by log time.
SUSPENSION_S: Final = 7 * 86_400
"""A suspension that nobody confirmed is over."""
RECOVERY_S: Final = 14 * 86_400
"""Silence of all stewards after which two officers' proposal takes effect."""
RECOVERY_LIFETIME_S: Final = 30 * 86_400
RESET_DELAY_S: Final = 86_400
"""A reset that nobody refused takes effect without a second steward."""
RESET_LIFETIME_S: Final = 2 * 86_400
"""A reset of which the log heard nothing for so long takes no effect any more."""
MAX_OPEN_PROPOSALS: Final = 16
"""Proposals of one key that wait: each may have 64 KiB, which every relay keeps."""
PAUSE_S: Final = 72 * 3600
"""How long two members' objections keep an erase off; once."""


def keys_by_id(keys: tuple[HybridPublic, ...]) -> dict[bytes, HybridPublic]:
    """Name keys."""
    return {steward_key_id(key): key for key in keys}


def place_of(target: Target) -> Place:
    """Where the share of a target is."""
    return target.relay_id, target.handle


def lifetime_of(proposal: ReadableProposal, ordinary_s: int) -> int:
    """Log time after which a proposal without enough approvals lapses."""
    return proposal.ts + (RECOVERY_LIFETIME_S if proposal.is_recovery else ordinary_s)


def deadlines(
    proposals: Mapping[bytes, ReadableProposal],
    suspended: Mapping[bytes, SuspendedKey],
    erasures: Mapping[bytes, Erasure],
) -> Iterator[int]:
    """Every log time at which something happens by itself."""
    for proposal in proposals.values():
        yield proposal.due or lifetime_of(proposal, PROPOSAL_LIFETIME_S) + 1
    for key in suspended.values():
        if key.until:
            yield key.until
    for erasure in erasures.values():
        if erasure.state is ErasureState.APPROVED:
            yield erasure.executes_at
        elif erasure.state is ErasureState.PROPOSED:
            yield erasure.proposed_ts + PROPOSAL_LIFETIME_S + 1
