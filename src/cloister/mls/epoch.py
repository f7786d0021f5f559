"""The state of a member in one epoch: what changes with a commit and not with a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from cloister.codec import (
    Struct,
    layout,
    nested,
    opaque,
    optional,
    uint8,
    uint16,
    uint32,
    uint64,
    vector,
)
from cloister.crypto.errors import MisusedKey
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls.errors import Malformed
from cloister.mls.group_context import GroupContext
from cloister.mls.key_schedule import EpochSecrets
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import ReInit
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.secret_field import secret
from cloister.mls.suite import Suite, suite_of

EPOCH_STATE_VERSION: Final = 2


class EpochState(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Everything a member knows in an epoch, but the secret tree.

    Attributes:
        private_keys: the private keys of our leaf and of the nodes above it, by node index.
        resumption: resumption_psk of past epochs of this group, oldest first.
        reinit: the ReInit that ended the group with the last commit; it is of no more use then
            but to be continued.
    """

    suite: Suite
    context: GroupContext
    tree: RatchetTree
    own_leaf: LeafIndex
    signature_key: SignatureKey
    private_keys: Mapping[NodeIndex, HpkePrivateKey]
    secrets: EpochSecrets
    interim_transcript_hash: bytes
    confirmation_tag: bytes
    resumption: tuple[tuple[int, Secret], ...] = ()
    reinit: ReInit | None = None

    @property
    def own_leaf_node(self) -> LeafNode:
        """Our leaf."""
        leaf = self.tree.leaf(self.own_leaf)
        if leaf is None:
            raise Malformed("our own leaf is blank")
        return leaf

    def encode(self) -> bytes:
        """The stored form, canonical. Secret."""
        return StoredEpoch(
            version=EPOCH_STATE_VERSION,
            cipher_suite=self.suite.code,
            context=self.context,
            ratchet_tree=self.tree.encode(),
            own_leaf=self.own_leaf,
            signature_seed=self.signature_key.seed,
            private_keys=tuple(
                StoredKey(node=node, seed=self.private_keys[node].seed)
                for node in sorted(self.private_keys)
            ),
            secrets=self.secrets,
            interim_transcript_hash=self.interim_transcript_hash,
            confirmation_tag=self.confirmation_tag,
            resumption=tuple(
                StoredResumption(epoch=epoch, psk=psk) for epoch, psk in self.resumption
            ),
            reinit=self.reinit,
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> EpochState:
        """Read the stored form. Raises DecodeError, Unsupported, RuleViolation."""
        stored = StoredEpoch.decode(data)
        if stored.version != EPOCH_STATE_VERSION:
            raise Malformed(f"epoch state of version {stored.version}")
        suite = suite_of(stored.cipher_suite)
        nodes = [one.node for one in stored.private_keys]
        if nodes != sorted(set(nodes)):
            raise Malformed("private keys are not in order")
        tree = RatchetTree.decode(suite, stored.ratchet_tree)
        if tree.leaf(stored.own_leaf) is None:
            raise Malformed("our own leaf is blank")
        if not all(suite.is_private_key(one.seed) for one in stored.private_keys):
            raise Malformed("a private key is none")
        try:
            signature_key = suite.signature_key(stored.signature_seed)
        except MisusedKey:
            raise Malformed("the signature key is none") from None
        return cls(
            suite=suite,
            context=stored.context,
            tree=tree,
            own_leaf=LeafIndex(stored.own_leaf),
            signature_key=signature_key,
            private_keys={
                NodeIndex(one.node): suite.private_key(one.seed) for one in stored.private_keys
            },
            secrets=stored.secrets,
            interim_transcript_hash=stored.interim_transcript_hash,
            confirmation_tag=stored.confirmation_tag,
            resumption=tuple((one.epoch, one.psk) for one in stored.resumption),
            reinit=stored.reinit,
        )


@layout
class StoredKey(Struct):
    """A private key of the tree, by its node."""

    node: int = uint32()
    seed: Secret = secret()


@layout
class StoredResumption(Struct):
    """resumption_psk of a past epoch."""

    epoch: int = uint64()
    psk: Secret = secret()


@layout
class StoredEpoch(Struct):
    """The stored form of an EpochState."""

    version: int = uint8()
    cipher_suite: int = uint16()
    context: GroupContext = nested(GroupContext)
    ratchet_tree: bytes = opaque()
    own_leaf: int = uint32()
    signature_seed: Secret = secret()
    private_keys: tuple[StoredKey, ...] = vector(StoredKey)
    secrets: EpochSecrets = nested(EpochSecrets)
    interim_transcript_hash: bytes = opaque()
    confirmation_tag: bytes = opaque()
    resumption: tuple[StoredResumption, ...] = vector(StoredResumption)
    reinit: ReInit | None = optional(ReInit)
