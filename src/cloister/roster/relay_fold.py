"""The relay fold: what a relay takes from the log it keeps. It reads readable entries only."""

from __future__ import annotations

from typing import Final, Self

import msgspec

from cloister.codec import CachedStruct, layout, nested, text, uint16, uint64
from cloister.errors import CloisterError
from cloister.ids import CircleId
from cloister.roster.entry import EntryKind
from cloister.roster.errors import SnapshotError
from cloister.roster.form import check_form
from cloister.roster.genesis import MAX_ORIGIN_BYTES, read_genesis
from cloister.roster.governance import Governance, GovernanceRecord
from cloister.roster.policy import Policy
from cloister.roster.relay_card import RelaySet
from cloister.transparency.merkle import Frontier, leaf_hash
from cloister.values import replace

_SNAPSHOT_VERSION: Final = 3


@layout
class _Stored(CachedStruct):
    """The stored form of a RelayFold."""

    version: int = uint16()
    origin: str = text(MAX_ORIGIN_BYTES)
    governance: GovernanceRecord = nested(GovernanceRecord)
    frontier: Frontier = nested(Frontier)
    ts: int = uint64()


class RelayFold(msgspec.Struct, frozen=True, kw_only=True):
    """A circle as its relays see it: no members, no devices, no channels."""

    origin: str
    governance: Governance
    frontier: Frontier
    ts: int

    @classmethod
    def found(cls, genesis: bytes) -> Self:
        """The fold after entry 0. Raises LogBroken, UpdateNeeded."""
        read = read_genesis(genesis)
        return cls(
            origin=read.terms.origin,
            governance=Governance.found(read.terms, read.circle_id),
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

    @property
    def circle_id(self) -> CircleId:
        """The circle, 32 bytes."""
        return self.governance.circle_id

    @property
    def relay_set(self) -> RelaySet:
        """The circle's relays now."""
        return self.governance.relay_set

    @property
    def policy(self) -> Policy:
        """The genesis's policy; what relays apply of it never changes."""
        return self.governance.policy

    @property
    def commons_commitment(self) -> bytes:
        """What stands for the channel id of the commons, 32 bytes."""
        return self.governance.commons_commitment

    def append(self, entry: bytes) -> Self:
        """Take the next entry.

        A sealed entry counts by its outside alone. A readable entry that members would ignore is
        refused here, so a relay does not store it: it costs no key of a circle to make one.

        Raises: LogBroken for an outside that does not fit; RuleViolation for a readable entry
        that breaks a rule; UpdateNeeded for a readable type this program does not apply, which
        only a steward can cause.
        """
        read = check_form(
            entry, circle_id=self.circle_id, seq=self.size, root=self.root, last_ts=self.ts
        )
        seq, ts = read.header.seq, read.header.ts
        governance = self.governance
        if read.header.kind is EntryKind.READABLE:
            governance, _ = governance.apply(read)
        governance, _ = governance.mature(seq, ts)
        frontier = self.frontier.append(leaf_hash(entry))
        return replace(self, governance=governance, frontier=frontier, ts=ts)

    def encode(self) -> bytes:
        """The stored form; equal folds have equal bytes."""
        return _Stored(
            version=_SNAPSHOT_VERSION,
            origin=self.origin,
            governance=self.governance.record(),
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
            origin=stored.origin,
            governance=Governance.decode(stored.governance),
            frontier=stored.frontier,
            ts=stored.ts,
        )
