"""A commit received: validated, and followed into the next epoch (RFC 9420 section 12.4.2).

Pure: an EpochState and a commit in, a new EpochState out, or an error and nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import tree_math
from cloister.mls.commit import Commit
from cloister.mls.epoch import EpochState
from cloister.mls.errors import RuleViolation, Undecryptable
from cloister.mls.external_commit import (
    apply_external,
    check_resync,
    collect_external,
    init_secret_of,
)
from cloister.mls.framing import AuthenticatedContent, ContentAuth
from cloister.mls.leaf_check import Moment
from cloister.mls.next_epoch import Before, derive_epoch, kept_keys, provisional_context
from cloister.mls.path_check import merge_path
from cloister.mls.pending import PendingProposals
from cloister.mls.proposal_list import ProposalList, collect, resolve
from cloister.mls.registry import SenderType
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import SecretTree
from cloister.mls.stage import Applied, apply_proposals, gather_psks
from cloister.mls.update_path import decrypt_path
from cloister.values import replace


class ReceivedCommit(msgspec.Struct, frozen=True):
    """A commit that was found valid. ``next`` is None when it removes us."""

    committer: LeafIndex
    proposals: ProposalList
    added: tuple[LeafIndex, ...]
    next: tuple[EpochState, SecretTree] | None


class _Judged(msgspec.Struct, frozen=True):
    """The proposals of a commit, checked and applied, and what they lead on from."""

    committer: LeafIndex
    proposals: ProposalList
    applied: Applied
    before: Before


def receive_commit(
    state: EpochState,
    authenticated: AuthenticatedContent,
    commit: Commit,
    *,
    pending: PendingProposals,
    external_psks: Mapping[bytes, Secret],
    now: int | None,
) -> ReceivedCommit:
    """Validate a commit whose signature has been verified, and move on.

    Raises MLSError or what the layers below refuse; the state is a value and stays as it is.
    """
    is_external = authenticated.content.sender.sender_type is SenderType.NEW_MEMBER_COMMIT
    if is_external:
        judged = _judge_external(state, commit)
    else:
        judged = _judge(state, authenticated, commit, pending, now)
    proposals, applied, committer = judged.proposals, judged.applied, judged.committer
    if commit.path is None and proposals.path_is_required:
        raise RuleViolation(Rule.PATH_REQUIRED)
    own_keys = _with_own_update(state, proposals, pending)
    tree = applied.tree
    path: list[tuple[NodeIndex, NodeIndex]] = []
    if commit.path is not None:
        if is_external:
            check_resync(state.tree, proposals, commit.path)
        path = tree.filtered_direct_path(committer)
        tree = merge_path(applied, state.context.group_id, committer, commit.path, path)
    if state.own_leaf in proposals.removes:
        return ReceivedCommit(committer, proposals, applied.added, None)
    context = provisional_context(state.context, tree.tree_hash(), applied.extensions)
    fresh: dict[NodeIndex, HpkePrivateKey] = {}
    commit_secret = Secret(bytes(state.suite.nh))
    if commit.path is not None:
        fresh, commit_secret = decrypt_path(
            applied.tree,
            path,
            commit.path.nodes,
            state.own_leaf,
            # Keys of nodes that the proposals blanked are not in any resolution any more.
            own_keys,
            context.encode(),
            applied.new_leaves,
        )
    derived = derive_epoch(
        judged.before,
        context=context,
        tree=tree,
        own_leaf=state.own_leaf,
        signature_key=state.signature_key,
        private_keys=kept_keys(tree, state.own_leaf, own_keys, fresh),
        commit_secret=commit_secret,
        psks=gather_psks(state, proposals.psks, external_psks),
        commit_input=authenticated.confirmed_transcript_input(),
        reinit=proposals.reinit,
    )
    check_confirmation_tag(derived.state, authenticated.auth)
    return ReceivedCommit(committer, proposals, applied.added, (derived.state, derived.secret_tree))


def _judge(
    state: EpochState,
    authenticated: AuthenticatedContent,
    commit: Commit,
    pending: PendingProposals,
    now: int | None,
) -> _Judged:
    sender = authenticated.content.sender
    committer = LeafIndex(sender.index)
    proposals = collect(
        state.suite,
        state.tree,
        state.context,
        committer,
        resolve(commit.proposals, pending.by_reference, sender),
        Moment.of_receipt(now),
    )
    applied = apply_proposals(state.tree, state.context.extensions, proposals)
    return _Judged(committer, proposals, applied, Before.of(state))


def _judge_external(state: EpochState, commit: Commit) -> _Judged:
    proposals, external_init = collect_external(state.suite, state.tree, commit.proposals)
    applied, place = apply_external(state.tree, state.context, proposals)
    init_secret = init_secret_of(state.suite, state.secrets.external, external_init)
    before = replace(Before.of(state), init_secret=init_secret)
    return _Judged(place, proposals, applied, before)


def _with_own_update(
    state: EpochState, proposals: ProposalList, pending: PendingProposals
) -> Mapping[NodeIndex, HpkePrivateKey]:
    """Our private keys, the leaf's replaced when the commit takes up an Update of ours.

    Raises Undecryptable when the key of that Update is not ours to use.
    """
    for index, leaf in proposals.updates:
        if index == state.own_leaf:
            for seed in pending.update_keys:
                key = state.suite.private_key(seed)
                if key.public == leaf.encryption_key:
                    return {**state.private_keys, tree_math.node_of(index): key}
            raise Undecryptable
    return state.private_keys


def check_confirmation_tag(state: EpochState, auth: ContentAuth) -> None:
    """Demand the confirmation tag of the new epoch (8.1). Raises RuleViolation."""
    state.suite.check_mac(
        state.secrets.confirmation,
        state.context.confirmed_transcript_hash,
        auth.confirmation_tag or b"",
        Rule.CONFIRMATION_TAG,
    )
