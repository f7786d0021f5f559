"""From a received MLSMessage to what it means (RFC 9420 sections 6, 12.1, 12.4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex
from cloister.mls.commit import Commit
from cloister.mls.errors import (
    Malformed,
    OwnMessage,
    RuleViolation,
    Undecryptable,
    Unsupported,
    WrongEpoch,
    WrongGroup,
)
from cloister.mls.extension import external_senders
from cloister.mls.framing import AuthenticatedContent
from cloister.mls.leaf_check import Moment
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import PrivateMessage, open_content, open_sender_data
from cloister.mls.proposal import Add, Proposal
from cloister.mls.proposal_list import SentProposal, check_proposal
from cloister.mls.public_message import PublicMessage
from cloister.mls.received import (
    ApplicationReceived,
    CommitReceived,
    Member,
    ProposalReceived,
    Received,
)
from cloister.mls.registry import ContentType, SenderType
from cloister.mls.rules import Rule
from cloister.mls.stage import receive_commit

if TYPE_CHECKING:
    from cloister.mls.group import Group


def process_message(
    group: Group, message: bytes, *, now: int | None, psks: Mapping[bytes, Secret]
) -> Received:
    """Process a message; see Group.process."""
    body = MLSMessage.decode(message).body
    match body:
        case PrivateMessage():
            authenticated, group = _unprotect_private(group, body, now)
        case PublicMessage():
            authenticated = _unprotect_public(group, body)
        case _:
            raise Malformed("not a message within a group")
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
            return _receive_commit(group, authenticated, content.body, now=now, psks=psks)


def _check_place(group: Group, group_id: bytes, epoch: int) -> None:
    if group_id != group.group_id:
        raise WrongGroup("message of another group")
    if epoch != group.epoch:
        raise WrongEpoch(epoch, group.epoch)


def _unprotect_private(
    group: Group, message: PrivateMessage, now: int | None
) -> tuple[AuthenticatedContent, Group]:
    """Decrypt and verify; the returned group lacks the key that was used (6.3)."""
    _check_place(group, message.group_id, message.epoch)
    state = group.state
    sender_data = open_sender_data(state.suite, state.secrets.sender_data, message)
    leaf = state.tree.leaf(sender_data.leaf_index)
    if leaf is None:
        raise RuleViolation(Rule.SENDER)
    if sender_data.leaf_index == group.own_leaf:
        raise OwnMessage
    key, secret_tree = group.secret_tree.take(
        sender_data.leaf_index,
        sender_data.generation,
        is_application=message.content_type is ContentType.APPLICATION,
        now=now or 0,
    )
    authenticated = open_content(state.suite, message, sender_data, key)
    authenticated.verify(state.suite, leaf.signature_key, state.context.encode())
    return authenticated, replace(group, secret_tree=secret_tree)


def _unprotect_public(group: Group, message: PublicMessage) -> AuthenticatedContent:
    """Verify tag and signature with the sender's key (6.1, 6.2)."""
    content = message.content
    _check_place(group, content.group_id, content.epoch)
    state = group.state
    context = state.context.encode()
    sender = content.sender
    if sender.sender_type is SenderType.NEW_MEMBER_COMMIT:
        raise Unsupported("external commits are not supported")
    if sender.sender_type is not SenderType.MEMBER and not isinstance(content.body, Proposal):
        raise RuleViolation(Rule.SENDER_TYPE)
    message.check(state.suite, state.secrets.membership, context)
    authenticated = message.authenticated()
    authenticated.verify(state.suite, _public_key_of_sender(group, message), context)
    if sender.sender_type is SenderType.MEMBER and sender.index == group.own_leaf:
        # Only now is it known that nobody else could have written it.
        raise OwnMessage
    return authenticated


def _public_key_of_sender(group: Group, message: PublicMessage) -> bytes:
    state = group.state
    sender = message.content.sender
    body = message.content.body
    match sender.sender_type:
        case SenderType.MEMBER:
            leaf = state.tree.leaf(sender.index)
            if leaf is None:
                raise RuleViolation(Rule.SENDER)
            return leaf.signature_key
        case SenderType.EXTERNAL:
            senders = external_senders(state.context.extensions)
            if sender.index >= len(senders):
                raise RuleViolation(Rule.SENDER)
            return senders[sender.index].signature_key
        case SenderType.NEW_MEMBER_PROPOSAL:
            if isinstance(body, Proposal) and isinstance(body.body, Add):
                return body.body.key_package.leaf_node.signature_key
            raise RuleViolation(Rule.SENDER_TYPE)
        case SenderType.NEW_MEMBER_COMMIT:
            raise Unsupported("external commits are not supported")


def _receive_proposal(
    group: Group, authenticated: AuthenticatedContent, proposal: Proposal, now: int | None
) -> ProposalReceived:
    content = authenticated.content
    check_proposal(
        group.suite,
        group.state.tree,
        group.group_id,
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
) -> CommitReceived:
    content = authenticated.content
    if content.sender.sender_type is not SenderType.MEMBER:
        raise RuleViolation(Rule.SENDER_TYPE)
    received = receive_commit(
        group.state,
        authenticated,
        commit,
        pending=group.pending.by_reference,
        external_psks=psks,
        now=now,
    )
    removes = []
    for index in received.proposals.removes:
        leaf = group.state.tree.leaf(index)
        if leaf is None:
            raise Undecryptable
        removes.append(Member(index, leaf))
    following: Group | None = None
    if received.next is not None:
        state, secret_tree = received.next
        following = type(group)(state=state, secret_tree=secret_tree)
    return CommitReceived(
        committer=LeafIndex(content.sender.index),
        adds=received.added,
        removes=tuple(removes),
        updates=tuple(index for index, _ in received.proposals.updates),
        authenticated_data=content.authenticated_data,
        removed_self=following is None,
        next=following,
    )
