"""The stored form of what changes with each message, in records of which a text changes a few.

The secret tree grows with every sender: whoever stored it as one value would write all of it for
each text. Here a chain, a node secret and a skipped key each have a record, so what a text writes
does not depend on who else has sent, and what RFC 9420 section 9.2 wants deleted is a record that
goes.

Every key begins with the mark of its epoch, and the head counts the leaves, a sender his skipped
keys: records of different epochs, or of different states of one epoch, are not put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, assert_never

import msgspec

from cloister.codec import (
    OPAQUE,
    Struct,
    enum8,
    fixed,
    layout,
    nested,
    opaque,
    uint8,
    uint32,
    uint64,
    vector,
)
from cloister.crypto.secret import Secret
from cloister.mls import tree_math
from cloister.mls.errors import Malformed
from cloister.mls.limits import MAX_LEAVES
from cloister.mls.pending import PendingProposals
from cloister.mls.secret_field import secret
from cloister.mls.secret_tree import (
    LeafRatchets,
    MessageKey,
    Ratchet,
    RetainedKey,
    SecretTree,
    oldest_skipped,
)
from cloister.mls.suite import Suite

RATCHET_RECORDS_VERSION: Final = 3
MARK_LENGTH: Final = 8
"""Bytes of the confirmation tag in each key. Enough to tell epochs of one vault apart."""


class RecordKind(IntEnum):
    """What a record holds."""

    HEAD = 0
    NODE = 1
    SENDER = 2
    SKIPPED = 3


@layout
class RecordKey(Struct):
    """The key of a record, 18 bytes; what a kind does not use is zero.

    ``index`` is a node's or a leaf's; ``chain`` 0 the handshake chain, 1 the application chain.
    """

    mark: bytes = fixed(MARK_LENGTH)
    kind: RecordKind = enum8(RecordKind)
    index: int = uint32()
    chain: int = uint8()
    generation: int = uint32()

    def __post_init__(self) -> None:
        is_skipped = self.kind is RecordKind.SKIPPED
        if (
            self.chain > 1
            or (not is_skipped and (self.chain or self.generation))
            or (self.kind is RecordKind.HEAD and self.index)
        ):
            raise ValueError("key of a ratchet record with something unused in it")


@layout
class StoredHead(Struct):
    """Once for each epoch; written anew when a proposal comes. ``update_keys``: of our Updates."""

    version: int = uint8()
    confirmation_tag: bytes = opaque()
    leaf_count: int = uint32()
    pending: tuple[bytes, ...] = vector(OPAQUE)
    update_keys: tuple[Secret, ...] = vector(secret())


@layout
class StoredChain(Struct):
    """The secret of ``generation``, the next to be used; how many skipped keys are stored."""

    generation: int = uint32()
    secret: Secret = secret()
    skipped: int = uint8()


@layout
class StoredSender(Struct):
    """The two chains of one sender."""

    handshake: StoredChain = nested(StoredChain)
    application: StoredChain = nested(StoredChain)


@layout
class StoredSkippedKey(Struct):
    """A key skipped over, since when in seconds."""

    since: int = uint64()
    key: Secret = secret()
    nonce: Secret = secret()


class Ratchets(msgspec.Struct, frozen=True, eq=False):
    """What of a group changes with each message, and the epoch it belongs to."""

    confirmation_tag: bytes
    secret_tree: SecretTree
    pending: PendingProposals

    def records(self) -> dict[bytes, bytes]:
        """All records by key."""
        return {key: value for key, value in self._all() if value is not None}

    def changes_since(self, before: Ratchets | None) -> dict[bytes, bytes | None]:
        """What turns the records of ``before`` into these: a value to put, None to delete.

        Found by identity, not by comparing secrets: what was not replaced was not changed.
        """
        if before is None:
            return dict(self._all())
        if before.confirmation_tag != self.confirmation_tag:
            gone: dict[bytes, bytes | None] = dict.fromkeys(before.records())
            return gone | dict(self._all())
        return dict(self._within_epoch(before))

    def _all(self) -> Iterator[tuple[bytes, bytes | None]]:
        yield self._head()
        yield from self._nodes({})
        yield from self._senders({})

    def _within_epoch(self, before: Ratchets) -> Iterator[tuple[bytes, bytes | None]]:
        if self.pending is not before.pending:
            yield self._head()
        if self.secret_tree.nodes is not before.secret_tree.nodes:
            yield from self._nodes(before.secret_tree.nodes)
        if self.secret_tree.senders is not before.secret_tree.senders:
            yield from self._senders(before.secret_tree.senders)

    def _head(self) -> tuple[bytes, bytes]:
        head = StoredHead(
            version=RATCHET_RECORDS_VERSION,
            confirmation_tag=self.confirmation_tag,
            leaf_count=self.secret_tree.leaf_count,
            pending=self.pending.messages,
            update_keys=self.pending.update_keys,
        )
        return self._key(RecordKind.HEAD, 0), head.encode()

    def _nodes(self, before: Mapping[int, Secret]) -> Iterator[tuple[bytes, bytes | None]]:
        nodes = self.secret_tree.nodes
        for node in before:
            if node not in nodes:
                yield self._key(RecordKind.NODE, node), None
        for node, node_secret in nodes.items():
            if before.get(node) is not node_secret:
                yield self._key(RecordKind.NODE, node), node_secret.expose()

    def _senders(self, before: Mapping[int, LeafRatchets]) -> Iterator[tuple[bytes, bytes | None]]:
        senders = self.secret_tree.senders
        for leaf, ratchets in before.items():
            if leaf not in senders:
                yield self._key(RecordKind.SENDER, leaf), None
                yield from self._skipped(leaf, ratchets, None)
        for leaf, ratchets in senders.items():
            known = before.get(leaf)
            if known is not ratchets:
                stored = StoredSender(
                    handshake=_stored_chain(ratchets.handshake),
                    application=_stored_chain(ratchets.application),
                )
                yield self._key(RecordKind.SENDER, leaf), stored.encode()
                yield from self._skipped(leaf, known, ratchets)

    def _skipped(
        self, leaf: int, before: LeafRatchets | None, after: LeafRatchets | None
    ) -> Iterator[tuple[bytes, bytes | None]]:
        for chain in (0, 1):
            old = _skipped_of(before, chain)
            new = _skipped_of(after, chain)
            for generation in old:
                if generation not in new:
                    yield self._key(RecordKind.SKIPPED, leaf, chain, generation), None
            for generation, one in new.items():
                if old.get(generation) is not one:
                    stored = StoredSkippedKey(
                        since=one.since, key=one.message_key.key, nonce=one.message_key.nonce
                    )
                    yield (
                        self._key(RecordKind.SKIPPED, leaf, chain, generation),
                        stored.encode(),
                    )

    def _key(self, kind: RecordKind, index: int, chain: int = 0, generation: int = 0) -> bytes:
        return RecordKey(
            mark=self.confirmation_tag[:MARK_LENGTH],
            kind=kind,
            index=index,
            chain=chain,
            generation=generation,
        ).encode()

    @classmethod
    def restore(
        cls, suite: Suite, confirmation_tag: bytes, records: Mapping[bytes, bytes]
    ) -> Ratchets:
        """From the records of one epoch. Raises DecodeError, MLSError when they are not whole."""
        read = _Reading(suite, confirmation_tag[:MARK_LENGTH])
        for key, value in records.items():
            read.take(RecordKey.decode(key), value)
        head = read.head
        if head is None:
            raise Malformed("ratchet records without their head")
        if head.version != RATCHET_RECORDS_VERSION:
            raise Malformed(f"ratchet records of version {head.version}")
        if head.confirmation_tag != confirmation_tag:
            raise Malformed("ratchet records of another epoch")
        senders = read.complete_senders(head.leaf_count)
        return cls(
            confirmation_tag,
            SecretTree(suite, head.leaf_count, read.nodes, senders, oldest_skipped(senders)),
            PendingProposals.restore(suite, head.pending, head.update_keys),
        )


def _stored_chain(ratchet: Ratchet) -> StoredChain:
    return StoredChain(
        generation=ratchet.generation, secret=ratchet.secret, skipped=len(ratchet.retained)
    )


def _skipped_of(ratchets: LeafRatchets | None, chain: int) -> dict[int, RetainedKey]:
    if ratchets is None:
        return {}
    ratchet = ratchets.application if chain else ratchets.handshake
    return {one.message_key.generation: one for one in ratchet.retained}


@dataclass(slots=True)
class _Reading:
    """Records sorted by what they are, before they are known to belong together."""

    suite: Suite
    mark: bytes
    head: StoredHead | None = None
    nodes: dict[int, Secret] = field(default_factory=dict)
    senders: dict[int, StoredSender] = field(default_factory=dict)
    skipped: dict[tuple[int, int], list[RetainedKey]] = field(default_factory=dict)

    def take(self, key: RecordKey, value: bytes) -> None:
        """Take one record. Raises DecodeError, Malformed."""
        if key.mark != self.mark:
            raise Malformed("ratchet record of another epoch")
        match key.kind:
            case RecordKind.HEAD:
                self.head = StoredHead.decode(value)
            case RecordKind.NODE:
                self.nodes[key.index] = _checked(Secret(value), self.suite.nh)
            case RecordKind.SENDER:
                self.senders[key.index] = StoredSender.decode(value)
            case RecordKind.SKIPPED:
                stored = StoredSkippedKey.decode(value)
                message_key = MessageKey(
                    key.generation,
                    _checked(stored.key, self.suite.nk),
                    _checked(stored.nonce, self.suite.nn),
                )
                kept = self.skipped.setdefault((key.index, key.chain), [])
                kept.append(RetainedKey(message_key, stored.since))
            case _:
                assert_never(key.kind)

    def complete_senders(self, leaf_count: int) -> dict[int, LeafRatchets]:
        """The senders with their skipped keys. Raises Malformed unless all fits together."""
        _check_cover(leaf_count, self.nodes, self.senders)
        senders = {
            leaf: LeafRatchets(
                self._chain(leaf, 0, stored.handshake), self._chain(leaf, 1, stored.application)
            )
            for leaf, stored in self.senders.items()
        }
        if self.skipped:
            raise Malformed("skipped keys of a chain that is not there")
        return senders

    def _chain(self, leaf: int, chain: int, stored: StoredChain) -> Ratchet:
        kept = self.skipped.pop((leaf, chain), [])
        kept.sort(key=lambda one: one.message_key.generation)
        if len(kept) != stored.skipped:
            raise Malformed("skipped keys of another state of their chain")
        if kept and kept[-1].message_key.generation >= stored.generation:
            raise Malformed("a skipped key that was not skipped")
        chain_secret = _checked(stored.secret, self.suite.nh)
        return Ratchet(chain_secret, stored.generation, tuple(kept))


def _checked(value: Secret, length: int) -> Secret:
    if len(value) != length:
        raise Malformed("a secret of a ratchet record has a wrong length")
    return value


def _check_cover(
    leaf_count: int, nodes: Mapping[int, Secret], senders: Mapping[int, StoredSender]
) -> None:
    """Demand that each leaf has its chains or one secret above it, and not both."""
    if not 0 < leaf_count <= MAX_LEAVES or leaf_count != tree_math.leaf_capacity(leaf_count):
        raise Malformed("secret tree of an impossible size")
    covered = list(senders)
    for node in nodes:
        if node >= tree_math.node_width(leaf_count):
            raise Malformed("secret tree with a node outside")
        covered += tree_math.leaves_below(node)
    if sorted(covered) != list(range(leaf_count)):
        raise Malformed("secret tree with leaves left out or covered twice")
