"""From one epoch to the next: what committer and receivers compute alike (RFC 9420 section 12.4).

Pure functions: an EpochState and a commit in, a new EpochState out, or an error and nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cloister.crypto.errors import BadMac
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import key_schedule, tree_math
from cloister.mls.commit import Commit
from cloister.mls.epoch import EpochState
from cloister.mls.errors import RuleViolation
from cloister.mls.extension import Extension, find
from cloister.mls.framing import AuthenticatedContent, ContentAuth
from cloister.mls.group_context import GroupContext
from cloister.mls.leaf_check import (
    Moment,
    check_all_support,
    check_credential_types,
    check_leaf,
    check_unique_keys,
)
from cloister.mls.leaf_node import LeafNode
from cloister.mls.limits import MAX_LEAVES, MAX_RESUMPTION_PSKS
from cloister.mls.proposal_list import ProposalList, SentProposal, collect, resolve
from cloister.mls.psk import PreSharedKeyId, find_psk, psk_secret
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ExtensionType, LeafNodeSource
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import SecretTree
from cloister.mls.suite import Suite
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import UpdatePath, check_path_shape, decrypt_path


@dataclass(frozen=True, slots=True)
class Applied:
    """The tree after the proposals and before the path."""

    tree: RatchetTree
    added: tuple[LeafIndex, ...]
    extensions: tuple[Extension, ...]

    @property
    def new_leaves(self) -> frozenset[LeafIndex]:
        """The leaves that are not among the receivers of the path."""
        return frozenset(self.added)


@dataclass(frozen=True, slots=True)
class Derived:
    """A new epoch with the secrets a Welcome needs."""

    state: EpochState
    secret_tree: SecretTree
    joiner_secret: Secret
    welcome_secret: Secret


def apply_proposals(state: EpochState, proposals: ProposalList) -> Applied:
    """Apply a checked list in the order of 12.3 and check the members that result.

    Raises RuleViolation.
    """
    extensions = state.context.extensions
    if proposals.extensions is not None:
        extensions = proposals.extensions
    if not (proposals.updates or proposals.removes or proposals.adds):
        tree, added = state.tree, []
    else:
        draft = state.tree.edit()
        for index, leaf in proposals.updates:
            draft.update_leaf(index, leaf)
        if proposals.removes:
            draft.remove_leaves(proposals.removes)
        added = [draft.add_leaf(package.leaf_node) for package in proposals.adds]
        tree = draft.done()
    if tree.leaf_count > MAX_LEAVES:
        raise RuleViolation(Rule.TREE_SHAPE)
    _check_members(state, proposals, tree, extensions)
    return Applied(tree, tuple(added), extensions)


def _check_members(
    state: EpochState,
    proposals: ProposalList,
    tree: RatchetTree,
    extensions: Sequence[Extension],
) -> None:
    newcomers = [leaf for _, leaf in proposals.updates]
    newcomers += [package.leaf_node for package in proposals.adds]
    if newcomers:
        check_unique_keys(tree)
        check_all_support(newcomers, extensions)
        check_credential_types(leaf for _, leaf in tree.leaves())
    if proposals.extensions is not None and _demands(extensions) != _demands(
        state.context.extensions
    ):
        check_all_support((leaf for _, leaf in tree.leaves()), extensions)


def _demands(extensions: Sequence[Extension]) -> tuple[list[int], bytes | None]:
    """What of the group's extensions asks something of its members."""
    types = sorted(one.extension_type for one in extensions)
    return types, find(extensions, ExtensionType.REQUIRED_CAPABILITIES)


def gather_psks(
    state: EpochState, names: Sequence[PreSharedKeyId], external: Mapping[bytes, Secret]
) -> list[tuple[PreSharedKeyId, Secret]]:
    """The keys of these names. Raises UnknownPsk."""
    if not names:
        return []
    group_id = state.context.group_id
    resumption = {(group_id, epoch): psk for epoch, psk in state.resumption}
    resumption[group_id, state.context.epoch] = state.secrets.resumption
    return [(name, find_psk(name, external, resumption)) for name in names]


def provisional_context(
    state: EpochState, tree_hash: bytes, extensions: tuple[Extension, ...]
) -> GroupContext:
    """The context the path is encrypted under: new epoch, tree and extensions, old transcript."""
    return GroupContext(
        version=state.context.version,
        cipher_suite=state.context.cipher_suite,
        group_id=state.context.group_id,
        epoch=state.context.epoch + 1,
        tree_hash=tree_hash,
        confirmed_transcript_hash=state.context.confirmed_transcript_hash,
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


def derive_epoch(
    state: EpochState,
    *,
    context: GroupContext,
    tree: RatchetTree,
    private_keys: Mapping[NodeIndex, HpkePrivateKey],
    commit_secret: Secret,
    psks: Sequence[tuple[PreSharedKeyId, Secret]],
    commit_input: bytes,
) -> Derived:
    """Run the key schedule into the next epoch (section 8).

    Args:
        context: the provisional context; its transcript hash is replaced here.
        commit_input: ConfirmedTranscriptHashInput of the commit.
    """
    suite = state.suite
    confirmed = key_schedule.confirmed_transcript_hash(
        suite, state.interim_transcript_hash, commit_input
    )
    context = replace(context, confirmed_transcript_hash=confirmed)
    encoded = context.encode()
    joiner = key_schedule.joiner_secret(suite, state.secrets.init, commit_secret, encoded)
    mixed = psk_secret(suite, psks)
    secrets, encryption_secret = key_schedule.epoch_secrets(suite, joiner, mixed, encoded)
    tag = suite.mac(secrets.confirmation, confirmed)
    past = (*state.resumption, (state.context.epoch, state.secrets.resumption))
    return Derived(
        EpochState(
            suite=suite,
            context=context,
            tree=tree,
            own_leaf=state.own_leaf,
            signature_key=state.signature_key,
            private_keys=private_keys,
            secrets=secrets,
            interim_transcript_hash=key_schedule.interim_transcript_hash(suite, confirmed, tag),
            confirmation_tag=tag,
            resumption=past[-MAX_RESUMPTION_PSKS:],
        ),
        SecretTree.new(suite, tree.leaf_count, encryption_secret),
        joiner,
        key_schedule.welcome_secret(suite, joiner, mixed),
    )


@dataclass(frozen=True, slots=True)
class ReceivedCommit:
    """A commit that was found valid. ``next`` is None when it removes us."""

    proposals: ProposalList
    added: tuple[LeafIndex, ...]
    next: tuple[EpochState, SecretTree] | None


def receive_commit(
    state: EpochState,
    authenticated: AuthenticatedContent,
    commit: Commit,
    *,
    pending: Mapping[bytes, SentProposal],
    external_psks: Mapping[bytes, Secret],
    now: int | None,
) -> ReceivedCommit:
    """Validate a member's commit whose signature has been verified, and move on (12.4.2).

    Raises MLSError or what the layers below refuse; the state is a value and stays as it is.
    """
    suite = state.suite
    sender = authenticated.content.sender
    committer = LeafIndex(sender.index)
    proposals = collect(
        suite,
        state.tree,
        state.context,
        committer,
        resolve(commit.proposals, pending, sender),
        Moment.of_receipt(now),
    )
    if commit.path is None and proposals.path_is_required:
        raise RuleViolation(Rule.PATH_REQUIRED)
    applied = apply_proposals(state, proposals)
    tree = applied.tree
    path: list[tuple[NodeIndex, NodeIndex]] = []
    if commit.path is not None:
        path = tree.filtered_direct_path(committer)
        tree = merge_path(state, applied, committer, commit.path, path)
    if state.own_leaf in proposals.removes:
        return ReceivedCommit(proposals, applied.added, None)
    context = provisional_context(state, tree.tree_hash(), applied.extensions)
    fresh: dict[NodeIndex, HpkePrivateKey] = {}
    commit_secret = Secret(bytes(suite.nh))
    if commit.path is not None:
        fresh, commit_secret = decrypt_path(
            applied.tree,
            path,
            commit.path.nodes,
            state.own_leaf,
            # Keys of nodes that the proposals blanked are not in any resolution any more.
            state.private_keys,
            context.encode(),
            applied.new_leaves,
        )
    derived = derive_epoch(
        state,
        context=context,
        tree=tree,
        private_keys=kept_keys(tree, state.own_leaf, state.private_keys, fresh),
        commit_secret=commit_secret,
        psks=gather_psks(state, proposals.psks, external_psks),
        commit_input=authenticated.confirmed_transcript_input(),
    )
    check_confirmation_tag(suite, derived.state, authenticated.auth)
    return ReceivedCommit(proposals, applied.added, (derived.state, derived.secret_tree))


def check_confirmation_tag(suite: Suite, state: EpochState, auth: ContentAuth) -> None:
    """Demand the confirmation tag of the new epoch (8.1). Raises RuleViolation."""
    try:
        suite.check_mac(
            state.secrets.confirmation,
            state.context.confirmed_transcript_hash,
            auth.confirmation_tag or b"",
        )
    except BadMac:
        raise RuleViolation(Rule.CONFIRMATION_TAG) from None


def merge_path(
    state: EpochState,
    applied: Applied,
    committer: LeafIndex,
    update_path: UpdatePath,
    path: Sequence[tuple[NodeIndex, NodeIndex]],
) -> RatchetTree:
    """Check an UpdatePath against the tree after the proposals and merge it (7.5, 12.4.2).

    Raises RuleViolation, BadPublicKey, BadSignature.
    """
    suite = state.suite
    tree = applied.tree
    leaf = update_path.leaf_node
    old = tree.leaf(committer)
    if old is None:
        raise RuleViolation(Rule.SENDER)
    check_path_shape(tree, path, update_path.nodes, applied.new_leaves)
    check_leaf(suite, leaf, LeafNodeSource.COMMIT, None)
    _check_path_keys(tree, committer, old, update_path)
    for node in update_path.nodes:
        suite.kem.parse_public(node.encryption_key)
    parents, leaf_parent_hash = make_path_hashes(
        tree, path, [node.encryption_key for node in update_path.nodes]
    )
    if leaf.parent_hash != leaf_parent_hash:
        raise RuleViolation(Rule.PATH_PARENT_HASH)
    leaf.verify(suite, state.context.group_id, committer)
    draft = tree.edit()
    draft.set_path(committer, leaf, parents)
    merged = draft.done()
    if (leaf.capabilities, leaf.credential.credential_type) != (
        old.capabilities,
        old.credential.credential_type,
    ):
        check_all_support([leaf], applied.extensions)
        check_credential_types(one for _, one in merged.leaves())
    return merged


def _check_path_keys(
    tree: RatchetTree, committer: LeafIndex, old: LeafNode, update_path: UpdatePath
) -> None:
    """Demand that all keys of the path are new to the tree, and distinct."""
    leaf = update_path.leaf_node
    if leaf.encryption_key == old.encryption_key:
        raise RuleViolation(Rule.SAME_ENCRYPTION_KEY)
    keys = {leaf.encryption_key, *(node.encryption_key for node in update_path.nodes)}
    if len(keys) != len(update_path.nodes) + 1 or not keys.isdisjoint(tree.encryption_keys()):
        raise RuleViolation(Rule.UNIQUE_ENCRYPTION_KEY)
    if leaf.signature_key != old.signature_key and any(
        other.signature_key == leaf.signature_key
        for index, other in tree.leaves()
        if index != committer
    ):
        raise RuleViolation(Rule.UNIQUE_SIGNATURE_KEY)
