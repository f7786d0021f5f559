"""Making a commit (RFC 9420 section 12.4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.mls.commit import Commit
from cloister.mls.epoch import EpochState
from cloister.mls.extension import Extension
from cloister.mls.framing import Sender
from cloister.mls.key_package import KeyPackage
from cloister.mls.leaf_check import Moment
from cloister.mls.next_epoch import Before, derive_epoch, kept_keys, provisional_context
from cloister.mls.own_path import draw_path, own_keys
from cloister.mls.pending import PendingProposals
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalBody,
    ProposalOrRef,
    ReInit,
    Remove,
)
from cloister.mls.proposal_list import collect, resolve
from cloister.mls.protecting import Envelope, protect, sign_content, with_confirmation_tag
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import ResumptionPskUsage, SenderType
from cloister.mls.secret_tree import SecretTree
from cloister.mls.stage import apply_proposals, gather_psks
from cloister.mls.update_path import UpdatePath, encrypt_path
from cloister.mls.welcoming import welcome_joiners


class CommitPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit is to do; see Group.commit for the meaning of most fields.

    Attributes:
        psks: pre-shared keys to propose, with their names.
        known_psks: external keys that proposals by reference may name.
        founding: reinit or branch in the first commit of a group that continues another.
    """

    adds: Sequence[bytes] = ()
    removes: Sequence[int] = ()
    extensions: Sequence[Extension] | None = None
    psks: Sequence[tuple[PreSharedKeyId, Secret]] = ()
    references: Sequence[bytes] = ()
    reinit: ReInit | None = None
    known_psks: Mapping[bytes, Secret]
    founding: ResumptionPskUsage | None = None
    envelope: Envelope
    group_info_extensions: Sequence[Extension] = ()
    tree_in_welcome: bool = True
    now: int


class MadeCommit(msgspec.Struct, frozen=True):
    """The messages of a commit, our old state after sending it, and the new epoch."""

    message: bytes
    welcome: bytes | None
    sent: SecretTree
    next: EpochState
    next_secret_tree: SecretTree


def plan_proposals(plan: CommitPlan) -> list[ProposalOrRef]:
    """The plan as proposals. Raises DecodeError for a KeyPackage that is none."""
    bodies: list[ProposalBody] = []
    if plan.extensions is not None:
        bodies.append(GroupContextExtensions(extensions=tuple(plan.extensions)))
    bodies += [Remove(removed=index) for index in plan.removes]
    bodies += [Add(key_package=KeyPackage.decode(package)) for package in plan.adds]
    bodies += [PreSharedKey(psk=name) for name, _ in plan.psks]
    if plan.reinit is not None:
        bodies.append(plan.reinit)
    return [
        *(ProposalOrRef(reference=reference) for reference in plan.references),
        *(ProposalOrRef(proposal=Proposal(body=body)) for body in bodies),
    ]


def make_commit(
    state: EpochState,
    secret_tree: SecretTree,
    pending: PendingProposals,
    plan: CommitPlan,
    entropy: Entropy,
) -> MadeCommit:
    """Make a commit with a path, whatever it contains.

    A path is always there: each commit of Cloister renews the committer's keys. The new epoch
    is computed with the functions a receiver uses, after the checks a receiver makes.
    Raises MLSError when the plan breaks a rule (for instance with a foreign KeyPackage).
    """
    entries = plan_proposals(plan)
    sender = Sender(sender_type=SenderType.MEMBER, index=state.own_leaf)
    proposals = collect(
        state.suite,
        state.tree,
        state.context,
        state.own_leaf,
        resolve(entries, pending.by_reference, sender),
        Moment(plan.now),
        plan.founding,
    )
    applied = apply_proposals(state.tree, state.context.extensions, proposals)
    drawn, leaf, tree = draw_path(
        applied.tree,
        state.context.group_id,
        state.own_leaf,
        state.own_leaf_node,
        state.signature_key,
        entropy,
    )
    context = provisional_context(state.context, tree.tree_hash(), applied.extensions)
    nodes = encrypt_path(applied.tree, drawn, context.encode(), applied.new_leaves)
    commit = Commit(proposals=tuple(entries), path=UpdatePath(leaf_node=leaf, nodes=nodes))
    signed = sign_content(state, commit, plan.envelope)
    proposed = dict(plan.psks)
    known = gather_psks(
        state, [name for name in proposals.psks if name not in proposed], plan.known_psks
    )
    keys = proposed | dict(known)
    derived = derive_epoch(
        Before.of(state),
        context=context,
        tree=tree,
        own_leaf=state.own_leaf,
        signature_key=state.signature_key,
        private_keys=kept_keys(tree, state.own_leaf, {}, own_keys(drawn, state.own_leaf)),
        commit_secret=drawn.commit_secret,
        psks=[(name, keys[name]) for name in proposals.psks],
        commit_input=signed.confirmed_transcript_input(),
        reinit=proposals.reinit,
    )
    complete = with_confirmation_tag(signed, derived.state.confirmation_tag)
    message, sent = protect(state, secret_tree, complete, plan.envelope, entropy)
    welcome = None
    if proposals.adds:
        welcome = welcome_joiners(
            derived,
            list(zip(proposals.adds, applied.added, strict=True)),
            drawn,
            proposals.psks,
            group_info_extensions=plan.group_info_extensions,
            with_tree=plan.tree_in_welcome,
        )
    return MadeCommit(message, welcome, sent, derived.state, derived.secret_tree)
