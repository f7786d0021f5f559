"""Proposals of whoever may or may not make them, and members who keep them all the same.

An honest member keeps a proposal only after it has judged it. A dishonest committer refers to what
it likes, so it has to keep what others refuse.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloister.crypto.scheme import SignatureKey
from cloister.mls import Group
from cloister.mls.framing import AuthenticatedContent, ContentAuth, FramedContent, Sender, sign
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import Proposal, ProposalBody, proposal_reference
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import SenderType, WireFormat
from cloister.testing.forge import seal
from cloister.values import replace


@dataclass(frozen=True)
class ForgedProposal:
    """A proposal that was never judged.

    Attributes:
        message: the MLSMessage.
        reference: what a commit names it by.
    """

    message: bytes
    reference: bytes
    authenticated: AuthenticatedContent


def forge_proposal(
    group: Group,
    body: ProposalBody,
    *,
    public: bool = True,
    sender: Sender | None = None,
    key: SignatureKey | None = None,
) -> ForgedProposal:
    """A proposal signed and protected, whatever it says.

    Args:
        group: whose view of the group it is made in, and its sender unless ``sender`` is another.
        key: the sender's key, where that is not the member's.
    """
    state = group.state
    content = FramedContent(
        group_id=group.group_id,
        epoch=group.epoch,
        sender=sender or Sender(sender_type=SenderType.MEMBER, index=group.own_leaf),
        authenticated_data=b"",
        body=Proposal(body=body),
    )
    wire_format = WireFormat.PUBLIC_MESSAGE if public else WireFormat.PRIVATE_MESSAGE
    context = state.context.encode()
    auth = ContentAuth(
        signature=sign(state.suite, key or state.signature_key, wire_format, content, context)
    )
    authenticated = AuthenticatedContent(wire_format=wire_format, content=content, auth=auth)
    if public:
        message = PublicMessage(content=content, auth=auth)
        if content.sender.sender_type is SenderType.MEMBER:
            message = message.tagged(state.suite, state.secrets.membership, context)
        sent = MLSMessage(body=message).encode()
    else:
        sent = seal(group, authenticated)
    reference = proposal_reference(state.suite, authenticated.encode())
    return ForgedProposal(sent, reference, authenticated)


def keeping(group: Group, *proposals: ForgedProposal) -> Group:
    """A member who keeps these proposals unjudged, and has used the keys of those it sent."""
    pending, secret_tree = group.pending, group.secret_tree
    for one in proposals:
        _, pending = pending.with_proposal(group.suite, one.authenticated)
        is_private = one.authenticated.wire_format is WireFormat.PRIVATE_MESSAGE
        if is_private and one.authenticated.content.sender.index == group.own_leaf:
            _, secret_tree = secret_tree.take_next(group.own_leaf, is_application=False)
    return replace(group, pending=pending, secret_tree=secret_tree)
