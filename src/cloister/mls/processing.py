"""From a received MLSMessage to what it means for the group (RFC 9420 sections 12.1, 12.4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex
from cloister.mls.commit import Commit
from cloister.mls.errors import Unsupported
from cloister.mls.framing import AuthenticatedContent
from cloister.mls.leaf_check import Moment
from cloister.mls.operations import Operations
from cloister.mls.proposal import Proposal
from cloister.mls.proposal_list import SentProposal, check_proposal
from cloister.mls.received import (
    ApplicationReceived,
    CommitReceived,
    Member,
    ProposalReceived,
    Received,
)
from cloister.mls.receiving import receive_commit
from cloister.mls.registry import SenderType
from cloister.mls.unprotecting import unprotect
from cloister.values import replace

if TYPE_CHECKING:
    from cloister.mls.group import Group


def process_message(
    group: Group,
    message: bytes,
    *,
    now: int | None,
    psks: Mapping[bytes, Secret],
    allow: Operations,
) -> Received:
    """Process a message; see Group.process."""
    authenticated, group = unprotect(group, message, now=now, allow=allow)
    content = authenticated.content
    match content.body:
        case bytes():
            return ApplicationReceived(
                sender=LeafIndex(content.sender.index),
                plaintext=content.body,
                authenticated_data=content.authenticated_data,
                next=group,
            )
        case Proposal():
            return _receive_proposal(group, authenticated, content.body, now)
        case Commit():
            return _receive_commit(
                group, authenticated, content.body, now=now, psks=psks, allow=allow
            )


def _receive_proposal(
    group: Group, authenticated: AuthenticatedContent, proposal: Proposal, now: int | None
) -> ProposalReceived:
    content = authenticated.content
    check_proposal(
        group.suite,
        group.state.tree,
        group.state.context,
        SentProposal(proposal, content.sender),
        Moment.of_receipt(now),
    )
    reference, pending = group.pending.with_proposal(group.suite, authenticated)
    is_member = content.sender.sender_type is SenderType.MEMBER
    return ProposalReceived(
        sender=LeafIndex(content.sender.index) if is_member else None,
        proposal=proposal,
        reference=reference,
        authenticated_data=content.authenticated_data,
        next=replace(group, pending=pending),
    )


def _receive_commit(
    group: Group,
    authenticated: AuthenticatedContent,
    commit: Commit,
    *,
    now: int | None,
    psks: Mapping[bytes, Secret],
    allow: Operations,
) -> CommitReceived:
    received = receive_commit(
        group.state,
        authenticated,
        commit,
        pending=group.pending,
        external_psks=psks,
        now=now,
    )
    if received.proposals.reinit is not None and Operations.REINIT not in allow:
        raise Unsupported("REINIT is not allowed here")
    following: Group | None = None
    if received.next is not None:
        state, secret_tree = received.next
        following = type(group)(state=state, secret_tree=secret_tree)
    content = authenticated.content
    old = group.state.tree
    return CommitReceived(
        committer=received.committer,
        adds=received.added,
        removes=tuple(
            Member(index, leaf)
            for index in received.proposals.removes
            if (leaf := old.leaf(index)) is not None
        ),
        updates=tuple(index for index, _ in received.proposals.updates),
        is_external=content.sender.sender_type is SenderType.NEW_MEMBER_COMMIT,
        reinit=received.proposals.reinit,
        authenticated_data=content.authenticated_data,
        removed_self=following is None,
        next=following,
    )
