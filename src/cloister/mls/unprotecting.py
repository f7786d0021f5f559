"""From a received message to content whose sender is known (RFC 9420 sections 6.1 to 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloister.mls.commit import Commit
from cloister.mls.errors import (
    Malformed,
    OwnMessage,
    RuleViolation,
    Unsupported,
    WrongEpoch,
    WrongGroup,
)
from cloister.mls.extension import external_senders
from cloister.mls.framing import AuthenticatedContent, FramedContent
from cloister.mls.message import MLSMessage
from cloister.mls.operations import Operations
from cloister.mls.private_message import PrivateMessage, open_content, open_sender_data
from cloister.mls.proposal import Add, Proposal
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import ContentType, SenderType
from cloister.mls.rules import Rule
from cloister.values import replace

if TYPE_CHECKING:
    from cloister.mls.group import Group


def unprotect(
    group: Group, message: bytes, *, now: int | None, allow: Operations
) -> tuple[AuthenticatedContent, Group]:
    """Decode, decrypt where it is encrypted, and verify that its sender sent it.

    The returned group lacks the key that was used.

    Raises MLSError, DecodeError, DecryptError; OwnMessage for an echo.
    """
    body = MLSMessage.decode(message).body
    match body:
        case PrivateMessage():
            check_place(group, body.group_id, body.epoch)
            return _unprotect_private(group, body, now)
        case PublicMessage():
            check_place(group, body.content.group_id, body.content.epoch)
            return _unprotect_public(group, body, allow), group
        case _:
            raise Malformed("not a message within a group")


def check_place(group: Group, group_id: bytes, epoch: int) -> None:
    """Demand a message of this group and epoch, and a group that goes on.

    Nothing here is authenticated yet, and nothing follows from it but a refusal.
    """
    if group_id != group.group_id:
        raise WrongGroup("message of another group")
    if epoch != group.epoch:
        raise WrongEpoch(epoch, group.epoch)
    if group.state.reinit is not None:
        raise RuleViolation(Rule.GROUP_ENDED)


def _unprotect_private(
    group: Group, message: PrivateMessage, now: int | None
) -> tuple[AuthenticatedContent, Group]:
    state = group.state
    sender_data = open_sender_data(state.suite, state.secrets.sender_data, message)
    leaf = state.tree.leaf(sender_data.leaf_index)
    if leaf is None:
        raise RuleViolation(Rule.SENDER_DATA_LEAF)
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


def _unprotect_public(
    group: Group, message: PublicMessage, allow: Operations
) -> AuthenticatedContent:
    content = message.content
    state = group.state
    context = state.context.encode()
    public = _signature_key_of(group, content, allow)
    message.check(state.suite, state.secrets.membership, context)
    authenticated = message.authenticated()
    authenticated.verify(state.suite, public, context)
    sender = content.sender
    if sender.sender_type is SenderType.MEMBER and sender.index == group.own_leaf:
        # Only now is it known that nobody else could have written it.
        raise OwnMessage
    return authenticated


def _signature_key_of(group: Group, content: FramedContent, allow: Operations) -> bytes:
    """The key to verify with, by who may send what (6.1). Raises RuleViolation, Unsupported."""
    state = group.state
    sender, body = content.sender, content.body
    match sender.sender_type:
        case SenderType.MEMBER:
            leaf = state.tree.leaf(sender.index)
            if leaf is None:
                raise RuleViolation(Rule.SENDER)
            return leaf.signature_key
        case SenderType.EXTERNAL:
            _demand(Operations.EXTERNAL_PROPOSAL, allow)
            if not isinstance(body, Proposal):
                raise RuleViolation(Rule.EXTERNAL_CONTENT)
            senders = external_senders(state.context.extensions)
            if sender.index >= len(senders):
                raise RuleViolation(Rule.EXTERNAL_SENDER)
            return senders[sender.index].signature_key
        case SenderType.NEW_MEMBER_PROPOSAL:
            _demand(Operations.EXTERNAL_PROPOSAL, allow)
            if not (isinstance(body, Proposal) and isinstance(body.body, Add)):
                raise RuleViolation(Rule.NEW_MEMBER_PROPOSAL)
            return body.body.key_package.leaf_node.signature_key
        case SenderType.NEW_MEMBER_COMMIT:
            _demand(Operations.EXTERNAL_COMMIT, allow)
            if not isinstance(body, Commit):
                raise RuleViolation(Rule.NEW_MEMBER_COMMIT)
            if body.path is None:
                raise RuleViolation(Rule.EXTERNAL_PATH)
            return body.path.leaf_node.signature_key


def _demand(operation: Operations, allow: Operations) -> None:
    if operation not in allow:
        raise Unsupported(f"{operation.name} is not allowed here")
