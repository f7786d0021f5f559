"""The relay fold: what a relay takes from the log it keeps. It reads readable entries only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from cloister.codec import CachedStruct, fixed, layout, nested, text, uint16, uint64, vector
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.errors import CloisterError
from cloister.ids import CircleId
from cloister.roster.entry import EntryKind
from cloister.roster.errors import SnapshotError
from cloister.roster.fields import CIRCLE_ID, HASH_BYTES
from cloister.roster.form import check_form
from cloister.roster.genesis import MAX_ORIGIN_BYTES, read_genesis
from cloister.roster.policy import Policy
from cloister.roster.readable import judge_readable, steward_key_id
from cloister.roster.relay_card import RelaySet
from cloister.transparency.merkle import Frontier, leaf_hash

_SNAPSHOT_VERSION: Final = 1


@layout
class _Stored(CachedStruct):
    """The stored form of a RelayFold."""

    version: int = uint16()
    circle_id: CircleId = CIRCLE_ID
    origin: str = text(MAX_ORIGIN_BYTES)
    commons_commitment: bytes = fixed(HASH_BYTES)
    relay_set: RelaySet = nested(RelaySet)
    policy: Policy = nested(Policy)
    steward_keys: tuple[HybridPublic, ...] = vector(HybridPublic)
    frontier: Frontier = nested(Frontier)
    ts: int = uint64()


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFold:
    """A circle as its relays see it: no members, no devices, no channels."""

    circle_id: CircleId
    origin: str
    commons_commitment: bytes
    relay_set: RelaySet
    policy: Policy
    steward_keys: Mapping[bytes, HybridPublic]
    frontier: Frontier
    ts: int

    @classmethod
    def found(cls, genesis: bytes) -> Self:
        """The fold after entry 0. Raises LogBroken, UpdateNeeded."""
        read = read_genesis(genesis)
        terms = read.terms
        return cls(
            circle_id=read.circle_id,
            origin=terms.origin,
            commons_commitment=terms.commons_commitment,
            relay_set=terms.relay_set,
            policy=terms.policy,
            steward_keys={steward_key_id(terms.steward_key): terms.steward_key},
            frontier=Frontier.empty().append(leaf_hash(genesis)),
            ts=read.ts,
        )

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.frontier.size

    @property
    def root(self) -> bytes:
        """The tree's root at this size, 32 bytes."""
        return self.frontier.root

    def append(self, entry: bytes) -> Self:
        """Take the next entry.

        A sealed entry counts by its outside alone. A readable entry that members would ignore is
        refused here, so a relay does not store it: it costs no key of a circle to make one.

        Raises: LogBroken for an outside that does not fit; RuleViolation for a readable entry
        without a steward's signatures; UpdateNeeded for a readable type this program does not
        apply, which only a steward can cause.
        """
        read = check_form(
            entry, circle_id=self.circle_id, seq=self.size, root=self.root, last_ts=self.ts
        )
        if read.header.kind is EntryKind.READABLE:
            judge_readable(read, self.steward_keys)
        return replace(self, frontier=self.frontier.append(leaf_hash(entry)), ts=read.header.ts)

    def encode(self) -> bytes:
        """The stored form; equal folds have equal bytes."""
        return _Stored(
            version=_SNAPSHOT_VERSION,
            circle_id=self.circle_id,
            origin=self.origin,
            commons_commitment=self.commons_commitment,
            relay_set=self.relay_set,
            policy=self.policy,
            steward_keys=tuple(self.steward_keys.values()),
            frontier=self.frontier,
            ts=self.ts,
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a fold back. Raises SnapshotError."""
        try:
            stored = _Stored.decode(data)
        except CloisterError as error:
            raise SnapshotError(f"the stored fold is damaged: {error}") from error
        if stored.version != _SNAPSHOT_VERSION:
            raise SnapshotError("the stored fold is of another version")
        return cls(
            circle_id=stored.circle_id,
            origin=stored.origin,
            commons_commitment=stored.commons_commitment,
            relay_set=stored.relay_set,
            policy=stored.policy,
            steward_keys={steward_key_id(key): key for key in stored.steward_keys},
            frontier=stored.frontier,
            ts=stored.ts,
        )
