"""The proposals of one commit, resolved and checked (RFC 9420 sections 12.1, 12.2, 12.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloister.ids import LeafIndex
from cloister.mls.errors import RuleViolation, UnknownProposal, Unsupported
from cloister.mls.extension import (
    Extension,
    check_distinct,
    external_senders,
    required_capabilities,
)
from cloister.mls.framing import Sender
from cloister.mls.group_context import GroupContext
from cloister.mls.key_package import KeyPackage
from cloister.mls.leaf_check import Moment, check_leaf
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalOrRef,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.psk import PreSharedKeyId, check_proposed_psk
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource, SenderType
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite


@dataclass(frozen=True, slots=True)
class SentProposal:
    """A proposal with its sender: the committer's for one by value."""

    proposal: Proposal
    sender: Sender


@dataclass(frozen=True, slots=True)
class ProposalList:
    """The proposals of a commit by kind, in the order the commit lists them within each kind."""

    updates: tuple[tuple[LeafIndex, LeafNode], ...] = ()
    removes: tuple[LeafIndex, ...] = ()
    adds: tuple[KeyPackage, ...] = ()
    psks: tuple[PreSharedKeyId, ...] = ()
    extensions: tuple[Extension, ...] | None = None

    @property
    def path_is_required(self) -> bool:
        """Section 12.4: only a commit of nothing but Adds and pre-shared keys may go without."""
        is_empty = not (self.adds or self.psks)
        return bool(self.updates or self.removes or self.extensions is not None or is_empty)


def resolve(
    entries: Sequence[ProposalOrRef], pending: Mapping[bytes, SentProposal], committer: Sender
) -> list[SentProposal]:
    """The proposals a commit names. Raises UnknownProposal, RuleViolation (one named twice)."""
    found: list[SentProposal] = []
    references: set[bytes] = set()
    for entry in entries:
        if entry.proposal is not None:
            found.append(SentProposal(entry.proposal, committer))
            continue
        if entry.reference not in pending:
            raise UnknownProposal("a commit refers to a proposal that is not known")
        if entry.reference in references:
            raise RuleViolation(Rule.PROPOSAL_TYPE, "one proposal is named twice")
        references.add(entry.reference)
        found.append(pending[entry.reference])
    return found


def check_sender_may_propose(sender: Sender, proposal: Proposal) -> None:
    """Which proposals each type of sender may make (12.1.8)."""
    body = proposal.body
    match sender.sender_type:
        case SenderType.MEMBER:
            allowed = not isinstance(body, ExternalInit)
        case SenderType.EXTERNAL:
            allowed = isinstance(body, (Add, Remove, PreSharedKey, ReInit, GroupContextExtensions))
        case SenderType.NEW_MEMBER_PROPOSAL:
            allowed = isinstance(body, Add)
        case SenderType.NEW_MEMBER_COMMIT:
            allowed = False
    if not allowed:
        raise RuleViolation(Rule.PROPOSAL_SENDER)


def check_proposal(
    suite: Suite,
    tree: RatchetTree,
    group_id: bytes,
    sent: SentProposal,
    moment: Moment | None,
) -> None:
    """What a proposal must fulfil by itself (12.1), when it arrives and when it is committed.

    Raises RuleViolation, BadPublicKey, BadSignature, DecodeError.
    """
    check_sender_may_propose(sent.sender, sent.proposal)
    body = sent.proposal.body
    match body:
        case Add():
            check_add(suite, body.key_package, moment)
        case Update():
            check_update(suite, tree, group_id, LeafIndex(sent.sender.index), body.leaf_node)
        case Remove():
            if tree.leaf(body.removed) is None:
                raise RuleViolation(Rule.REMOVED_LEAF)
        case PreSharedKey():
            check_proposed_psk(suite, body.psk)
        case GroupContextExtensions():
            check_extensions_well_formed(body.extensions)
        case ReInit() | ExternalInit():
            pass  # refused as part of a commit, whoever sent them


def collect(
    suite: Suite,
    tree: RatchetTree,
    context: GroupContext,
    committer: LeafIndex,
    proposals: Sequence[SentProposal],
    moment: Moment | None,
) -> ProposalList:
    """Check each proposal by itself and all together, for a commit by a member (12.2).

    Keys are compared across the tree after the proposals have been applied, elsewhere.
    Raises RuleViolation, BadPublicKey, BadSignature, DecodeError, Unsupported.
    """
    updates: dict[LeafIndex, LeafNode] = {}
    removes: dict[LeafIndex, None] = {}
    adds: list[KeyPackage] = []
    psks: dict[PreSharedKeyId, None] = {}
    extensions: tuple[Extension, ...] | None = None
    for sent in proposals:
        check_proposal(suite, tree, context.group_id, sent, moment)
        body = sent.proposal.body
        match body:
            case Update():
                leaf_index = LeafIndex(sent.sender.index)
                if leaf_index == committer:
                    raise RuleViolation(Rule.COMMITTER_UPDATE)
                _check_untouched(leaf_index, updates, removes)
                updates[leaf_index] = body.leaf_node
            case Remove():
                leaf_index = LeafIndex(body.removed)
                if leaf_index == committer:
                    raise RuleViolation(Rule.COMMITTER_REMOVE)
                _check_untouched(leaf_index, updates, removes)
                removes[leaf_index] = None
            case Add():
                adds.append(body.key_package)
            case PreSharedKey():
                if body.psk in psks:
                    raise RuleViolation(Rule.DUPLICATE_PSK)
                psks[body.psk] = None
            case GroupContextExtensions():
                if extensions is not None:
                    raise RuleViolation(Rule.ONE_CONTEXT_EXTENSIONS)
                extensions = body.extensions
            case ReInit():
                if len(proposals) > 1:
                    raise RuleViolation(Rule.REINIT_ALONE)
                raise Unsupported("ReInit is not supported")
            case ExternalInit():
                raise RuleViolation(Rule.PROPOSAL_TYPE)
    if len({package.leaf_node.signature_key for package in adds}) != len(adds):
        raise RuleViolation(Rule.DUPLICATE_ADD)
    return ProposalList(
        updates=tuple(updates.items()),
        removes=tuple(removes),
        adds=tuple(adds),
        psks=tuple(psks),
        extensions=extensions,
    )


def _check_untouched(
    leaf: LeafIndex, updates: Mapping[LeafIndex, LeafNode], removes: Mapping[LeafIndex, None]
) -> None:
    if leaf in updates or leaf in removes:
        raise RuleViolation(Rule.ONE_CHANGE_PER_LEAF)


def check_add(suite: Suite, package: KeyPackage, moment: Moment | None) -> None:
    """Section 12.1.1: the KeyPackage and its leaf are valid."""
    package.check(suite)
    check_leaf(suite, package.leaf_node, LeafNodeSource.KEY_PACKAGE, moment)
    package.leaf_node.verify(suite, b"", 0)


def check_update(
    suite: Suite, tree: RatchetTree, group_id: bytes, leaf_index: LeafIndex, leaf: LeafNode
) -> None:
    """Section 12.1.2: the new leaf is valid, for this place, and has a new key."""
    old = tree.leaf(leaf_index)
    if old is None:
        raise RuleViolation(Rule.SENDER)
    check_leaf(suite, leaf, LeafNodeSource.UPDATE, None)
    if leaf.encryption_key == old.encryption_key:
        raise RuleViolation(Rule.SAME_ENCRYPTION_KEY)
    leaf.verify(suite, group_id, leaf_index)


def check_extensions_well_formed(extensions: Sequence[Extension]) -> None:
    """No type twice, and those of the RFC decode without trailing bytes."""
    check_distinct(extensions)
    required_capabilities(extensions)
    external_senders(extensions)
