"""The proposals of one commit, resolved and checked (RFC 9420 sections 12.1, 12.2, 12.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cloister.ids import LeafIndex
from cloister.mls.errors import RuleViolation, UnknownProposal
from cloister.mls.extension import (
    Extension,
    check_distinct,
    external_senders,
    required_capabilities,
)
from cloister.mls.framing import Sender
from cloister.mls.group_context import GroupContext
from cloister.mls.key_package import KeyPackage
from cloister.mls.leaf_check import Moment, check_leaf_content, check_lifetime
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
from cloister.mls.psk import PreSharedKeyId, check_distinct_psks, check_proposed_psk
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource, ResumptionPskUsage, SenderType
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite


class SentProposal(msgspec.Struct, frozen=True):
    """A proposal with its sender: the committer's for one by value."""

    proposal: Proposal
    sender: Sender


class ProposalList(msgspec.Struct, frozen=True):
    """The proposals of a commit by kind, in the order the commit lists them within each kind."""

    updates: tuple[tuple[LeafIndex, LeafNode], ...] = ()
    removes: tuple[LeafIndex, ...] = ()
    adds: tuple[KeyPackage, ...] = ()
    psks: tuple[PreSharedKeyId, ...] = ()
    extensions: tuple[Extension, ...] | None = None
    reinit: ReInit | None = None

    @property
    def path_is_required(self) -> bool:
        """Section 12.4: a commit of Adds, pre-shared keys or a ReInit may go without."""
        is_empty = not (self.adds or self.psks or self.reinit)
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
            raise RuleViolation(Rule.PROPOSAL_TWICE)
        references.add(entry.reference)
        found.append(pending[entry.reference])
    return found


def check_sender_may_propose(sender: Sender, proposal: Proposal) -> None:
    """Which proposals each type of sender may make (12.1.6, 12.1.8). Raises RuleViolation.

    What a newcomer proposes in an external commit is for collect_external to judge.
    """
    body = proposal.body
    match sender.sender_type:
        case SenderType.EXTERNAL:
            if not isinstance(body, (Add, Remove, PreSharedKey, ReInit, GroupContextExtensions)):
                raise RuleViolation(Rule.EXTERNAL_PROPOSAL)
        case SenderType.NEW_MEMBER_PROPOSAL:
            pass  # an Add: only from one could the key that signed it be taken
        case SenderType.MEMBER | SenderType.NEW_MEMBER_COMMIT:
            if isinstance(body, ExternalInit):
                raise RuleViolation(Rule.EXTERNAL_INIT)


def check_proposal(
    suite: Suite,
    tree: RatchetTree,
    context: GroupContext,
    sent: SentProposal,
    moment: Moment | None,
    founding: ResumptionPskUsage | None = None,
) -> None:
    """What a proposal must fulfil by itself (12.1), when it arrives and when it is committed.

    ``founding`` is as for check_proposed_psk. Raises RuleViolation, DecodeError.
    """
    check_sender_may_propose(sent.sender, sent.proposal)
    body = sent.proposal.body
    match body:
        case Add():
            check_add(suite, body.key_package, moment)
        case Update():
            check_update(
                suite, tree, context.group_id, LeafIndex(sent.sender.index), body.leaf_node
            )
        case Remove():
            if tree.leaf(body.removed) is None:
                raise RuleViolation(Rule.REMOVED_LEAF)
        case PreSharedKey():
            check_proposed_psk(suite, body.psk, founding)
        case GroupContextExtensions():
            check_group_extensions(body.extensions)
        case ReInit():
            if body.version < context.version:
                raise RuleViolation(Rule.REINIT_VERSION)
            check_group_extensions(body.extensions)
        case ExternalInit():
            pass  # who sent it has been judged; its content is opened with the commit


def collect(
    suite: Suite,
    tree: RatchetTree,
    context: GroupContext,
    committer: LeafIndex,
    proposals: Sequence[SentProposal],
    moment: Moment | None,
    founding: ResumptionPskUsage | None = None,
) -> ProposalList:
    """Check each proposal by itself and all together, for a commit by a member (12.2).

    Keys are compared across the tree after the proposals have been applied, elsewhere.
    Raises RuleViolation, DecodeError.
    """
    updates: dict[LeafIndex, LeafNode] = {}
    removes: dict[LeafIndex, None] = {}
    adds: list[KeyPackage] = []
    psks: list[PreSharedKeyId] = []
    extensions: tuple[Extension, ...] | None = None
    reinit: ReInit | None = None
    for sent in proposals:
        check_proposal(suite, tree, context, sent, moment, founding)
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
                psks.append(body.psk)
            case GroupContextExtensions():
                if extensions is not None:
                    raise RuleViolation(Rule.ONE_CONTEXT_EXTENSIONS)
                extensions = body.extensions
            case ReInit():
                if len(proposals) > 1:
                    raise RuleViolation(Rule.REINIT_ALONE)
                reinit = body
            case ExternalInit():
                pass  # no member's: check_sender_may_propose has refused it
    if len({package.leaf_node.signature_key for package in adds}) != len(adds):
        raise RuleViolation(Rule.DUPLICATE_ADD)
    if len({package.init_key for package in adds}) != len(adds):
        raise RuleViolation(Rule.UNIQUE_INIT_KEY)
    check_distinct_psks(psks)
    return ProposalList(
        updates=tuple(updates.items()),
        removes=tuple(removes),
        adds=tuple(adds),
        psks=tuple(psks),
        extensions=extensions,
        reinit=reinit,
    )


def _check_untouched(
    leaf: LeafIndex, updates: Mapping[LeafIndex, LeafNode], removes: Mapping[LeafIndex, None]
) -> None:
    if leaf in updates or leaf in removes:
        raise RuleViolation(Rule.ONE_CHANGE_PER_LEAF)


def check_add(suite: Suite, package: KeyPackage, moment: Moment | None) -> None:
    """Section 12.1.1: the KeyPackage and its leaf are valid.

    ``moment`` is when to judge the lifetime, or None where it is not to be checked.
    Raises RuleViolation.
    """
    package.check(suite)
    leaf = package.leaf_node
    if leaf.source is not LeafNodeSource.KEY_PACKAGE:
        raise RuleViolation(Rule.SOURCE_KEY_PACKAGE)
    check_leaf_content(suite, leaf)
    if moment is not None and leaf.lifetime is not None:
        check_lifetime(leaf.lifetime, moment)
    leaf.verify(suite, b"", 0)


def check_update(
    suite: Suite, tree: RatchetTree, group_id: bytes, leaf_index: LeafIndex, leaf: LeafNode
) -> None:
    """Section 12.1.2: the new leaf is valid, for this place, and has a new key."""
    if leaf.source is not LeafNodeSource.UPDATE:
        raise RuleViolation(Rule.SOURCE_UPDATE)
    check_leaf_content(suite, leaf)
    old = tree.leaf(leaf_index)
    if old is None or leaf.encryption_key == old.encryption_key:
        raise RuleViolation(Rule.UPDATE_KEY)
    leaf.verify(suite, group_id, leaf_index)


def check_group_extensions(extensions: Sequence[Extension]) -> None:
    """Extensions for a group context: no type twice, and those of the RFC decode exactly.

    Raises RuleViolation, DecodeError.
    """
    check_distinct(extensions)
    required_capabilities(extensions)
    external_senders(extensions)
