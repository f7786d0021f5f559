"""The key schedule of a commit: from the secrets of one epoch to the next (RFC 9420 section 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import key_schedule, tree_math
from cloister.mls.epoch import EpochState
from cloister.mls.errors import RuleViolation
from cloister.mls.extension import Extension
from cloister.mls.group_context import GroupContext
from cloister.mls.limits import MAX_RESUMPTION_PSKS
from cloister.mls.proposal import ReInit
from cloister.mls.psk import PreSharedKeyId, psk_secret
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import SecretTree
from cloister.values import replace

LAST_EPOCH: Final = 2**64 - 1


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What the new epoch takes from the old one.

    Attributes:
        init_secret: of the old epoch, or for an external commit the one that ExternalInit gives.
        resumption: resumption_psk of the old epoch and of those before, oldest first; empty for
            who was not there.
    """

    init_secret: Secret
    interim_transcript_hash: bytes
    resumption: tuple[tuple[int, Secret], ...] = ()

    @classmethod
    def of(cls, state: EpochState) -> Before:
        """What a member takes over."""
        return cls(
            init_secret=state.secrets.init,
            interim_transcript_hash=state.interim_transcript_hash,
            resumption=(*state.resumption, (state.context.epoch, state.secrets.resumption)),
        )


class Derived(msgspec.Struct, frozen=True):
    """A new epoch with the secrets a Welcome needs."""

    state: EpochState
    secret_tree: SecretTree
    joiner_secret: Secret
    psk_secret: Secret

    @property
    def welcome_secret(self) -> Secret:
        """Only whoever adds somebody needs it."""
        return key_schedule.welcome_secret(self.state.suite, self.joiner_secret, self.psk_secret)


def derive_epoch(
    before: Before,
    *,
    context: GroupContext,
    tree: RatchetTree,
    own_leaf: LeafIndex,
    signature_key: SignatureKey,
    private_keys: Mapping[NodeIndex, HpkePrivateKey],
    commit_secret: Secret,
    psks: Sequence[tuple[PreSharedKeyId, Secret]],
    commit_input: bytes,
    reinit: ReInit | None = None,
) -> Derived:
    """Run the key schedule into the next epoch.

    Args:
        context: the provisional context; its transcript hash is replaced here.
        commit_secret: Nh bytes, zeros where the commit has no path.
        psks: in the order of their proposals.
        commit_input: ConfirmedTranscriptHashInput of the commit.
    """
    suite = tree.suite
    confirmed = key_schedule.confirmed_transcript_hash(
        suite, before.interim_transcript_hash, commit_input
    )
    context = replace(context, confirmed_transcript_hash=confirmed)
    encoded = context.encode()
    joiner = key_schedule.joiner_secret(suite, before.init_secret, commit_secret, encoded)
    mixed = psk_secret(suite, psks)
    secrets, encryption_secret = key_schedule.epoch_secrets(suite, joiner, mixed, encoded)
    tag = suite.mac(secrets.confirmation, confirmed)
    return Derived(
        EpochState(
            suite=suite,
            context=context,
            tree=tree,
            own_leaf=own_leaf,
            signature_key=signature_key,
            private_keys=private_keys,
            secrets=secrets,
            interim_transcript_hash=key_schedule.interim_transcript_hash(suite, confirmed, tag),
            confirmation_tag=tag,
            resumption=before.resumption[-MAX_RESUMPTION_PSKS:],
            reinit=reinit,
        ),
        SecretTree.new(suite, tree.leaf_count, encryption_secret),
        joiner,
        mixed,
    )


def provisional_context(
    before: GroupContext, tree_hash: bytes, extensions: tuple[Extension, ...]
) -> GroupContext:
    """The context the path is encrypted under: new epoch, tree and extensions, old transcript.

    Raises RuleViolation where the number of the epoch is the last there is. Nobody counts so far,
    but whoever welcomes somebody says in which epoch.
    """
    if before.epoch == LAST_EPOCH:
        raise RuleViolation(Rule.LAST_EPOCH)
    return GroupContext(
        version=before.version,
        cipher_suite=before.cipher_suite,
        group_id=before.group_id,
        epoch=before.epoch + 1,
        tree_hash=tree_hash,
        confirmed_transcript_hash=before.confirmed_transcript_hash,
        extensions=extensions,
    )


def kept_keys(
    tree: RatchetTree,
    own_leaf: LeafIndex,
    old: Mapping[NodeIndex, HpkePrivateKey],
    fresh: Mapping[NodeIndex, HpkePrivateKey],
) -> dict[NodeIndex, HpkePrivateKey]:
    """The private keys that still belong to nodes of the new tree; the others are forgotten."""
    keys: dict[NodeIndex, HpkePrivateKey] = {}
    own_node = tree_math.node_of(own_leaf)
    for node in (own_node, *tree_math.direct_path(own_node, tree.leaf_count)):
        public = tree.nodes[node]
        key = fresh.get(node) or old.get(node)
        if public is not None and key is not None and key.public == public.encryption_key:
            keys[node] = key
    return keys
