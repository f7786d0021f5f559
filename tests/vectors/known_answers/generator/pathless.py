"""Commits without a path, which RFC 9420 allows for Adds and PSKs (section 12.4).

Cloister's own commits always have one; here the engine's steps are put together without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloister.crypto.secret import Secret
from cloister.mls import Envelope, Group, Proposal
from cloister.mls.commit import Commit
from cloister.mls.framing import Sender
from cloister.mls.message import MLSMessage
from cloister.mls.next_epoch import Before, derive_epoch, kept_keys, provisional_context
from cloister.mls.proposal import ProposalBody, ProposalOrRef
from cloister.mls.proposal_list import collect, resolve
from cloister.mls.protecting import protect, sign_content, with_confirmation_tag
from cloister.mls.registry import SenderType
from cloister.mls.stage import apply_proposals, gather_psks
from cloister.mls.welcome import make_welcome
from cloister.mls.welcoming import make_group_info

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vectors.known_answers.generator.draw import Draw


@dataclass(frozen=True)
class PathlessCommit:
    """The message, the Welcome for those it adds, and the committer's next epoch."""

    message: bytes
    welcome: bytes | None
    next: Group


def commit_without_path(
    group: Group,
    bodies: Sequence[ProposalBody],
    psks: Mapping[bytes, Secret],
    draw: Draw,
    *,
    public: bool,
) -> PathlessCommit:
    """Commit to the proposals of the epoch and to these."""
    state, suite = group.state, group.suite
    entries = [ProposalOrRef(reference=one) for one in group.proposals]
    entries += [ProposalOrRef(proposal=Proposal(body=body)) for body in bodies]
    sender = Sender(sender_type=SenderType.MEMBER, index=state.own_leaf)
    proposals = collect(
        suite,
        state.tree,
        state.context,
        state.own_leaf,
        resolve(entries, group.proposals, sender),
        None,
    )
    assert not proposals.path_is_required
    applied = apply_proposals(state.tree, state.context.extensions, proposals)
    tree = applied.tree
    envelope = Envelope(as_public=public)
    signed = sign_content(state, Commit(proposals=tuple(entries), path=None), envelope)
    derived = derive_epoch(
        Before.of(state),
        context=provisional_context(state.context, tree.tree_hash(), applied.extensions),
        tree=tree,
        own_leaf=state.own_leaf,
        signature_key=state.signature_key,
        private_keys=kept_keys(tree, state.own_leaf, state.private_keys, {}),
        commit_secret=Secret(bytes(suite.nh)),
        psks=gather_psks(state, proposals.psks, psks),
        commit_input=signed.confirmed_transcript_input(),
    )
    complete = with_confirmation_tag(signed, derived.state.confirmation_tag)
    message, _ = protect(state, group.secret_tree, complete, envelope, draw)
    welcome = None
    if proposals.adds:
        made = make_welcome(
            suite,
            group_info=make_group_info(derived.state, (), with_tree=True, with_external_pub=False),
            welcome_secret=derived.welcome_secret,
            joiner_secret=derived.joiner_secret,
            joiners=[(package, None) for package in proposals.adds],
            psks=proposals.psks,
        )
        welcome = MLSMessage(body=made).encode()
    following = Group(state=derived.state, secret_tree=derived.secret_tree)
    return PathlessCommit(message, welcome, following)
