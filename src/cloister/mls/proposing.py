"""Making a proposal that somebody else may commit to (RFC 9420 section 12.1)."""

from __future__ import annotations

import msgspec

from cloister.crypto.entropy import Entropy
from cloister.mls.epoch import EpochState
from cloister.mls.framing import Sender
from cloister.mls.leaf_check import Moment
from cloister.mls.leaf_node import LeafNode
from cloister.mls.pending import PendingProposals
from cloister.mls.proposal import Proposal, ProposalBody, Update
from cloister.mls.proposal_list import SentProposal, check_proposal
from cloister.mls.protecting import Envelope, protect, sign_content
from cloister.mls.registry import LeafNodeSource, SenderType
from cloister.mls.secret_tree import SecretTree
from cloister.values import replace


class MadeProposal(msgspec.Struct, frozen=True):
    """The message of a proposal, the reference a commit names it by, and what we keep."""

    message: bytes
    reference: bytes
    sent: SecretTree
    pending: PendingProposals


def make_proposal(
    state: EpochState,
    secret_tree: SecretTree,
    pending: PendingProposals,
    body: ProposalBody,
    envelope: Envelope,
    now: int,
    entropy: Entropy,
) -> MadeProposal:
    """Propose, after the checks a receiver makes. Raises MLSError, Misuse when no size fits."""
    proposal = Proposal(body=body)
    check_proposal(
        state.suite,
        state.tree,
        state.context,
        SentProposal(proposal, Sender(sender_type=SenderType.MEMBER, index=state.own_leaf)),
        Moment(now),
    )
    signed = sign_content(state, proposal, envelope)
    message, sent = protect(state, secret_tree, signed, envelope, entropy)
    reference, kept = pending.with_proposal(state.suite, signed)
    return MadeProposal(message, reference, sent, kept)


def make_update(
    state: EpochState,
    secret_tree: SecretTree,
    pending: PendingProposals,
    envelope: Envelope,
    now: int,
    entropy: Entropy,
) -> MadeProposal:
    """Propose a fresh key for our leaf. Its private key is kept for the commit that takes it up."""
    old = state.own_leaf_node
    key = state.suite.generate_key_pair(entropy)
    leaf = LeafNode(
        encryption_key=key.public,
        signature_key=old.signature_key,
        credential=old.credential,
        capabilities=old.capabilities,
        source=LeafNodeSource.UPDATE,
        extensions=old.extensions,
    ).signed(state.suite, state.signature_key, state.context.group_id, state.own_leaf)
    made = make_proposal(
        state, secret_tree, pending, Update(leaf_node=leaf), envelope, now, entropy
    )
    kept = replace(made.pending, update_keys=(*made.pending.update_keys, key.seed))
    return replace(made, pending=kept)
