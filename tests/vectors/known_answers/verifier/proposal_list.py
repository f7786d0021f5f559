"""The proposals of a commit: whether the list is valid, and what it does (section 12.2, 12.3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vectors.known_answers.verifier.failure import require
from vectors.known_answers.verifier.leaf import MLS10, UPDATE, Extension
from vectors.known_answers.verifier.proposals import (
    RESUMPTION,
    USAGE_APPLICATION,
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    Update,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectors.known_answers.verifier.tree import Tree

PATH_REQUIRED = (Update, Remove, ExternalInit, GroupContextExtensions)


@dataclass(frozen=True)
class Sent:
    """A proposal and the member that sent it, or nobody if it came from outside."""

    proposal: Proposal
    member: int | None


@dataclass
class Effect:
    """What a list of proposals leaves behind besides the changed tree."""

    extensions: tuple[Extension, ...]
    new_leaves: list[int] = field(default_factory=list)
    psks: list[PreSharedKeyID] = field(default_factory=list)
    external_init: bytes | None = None
    reinit: ReInit | None = None


def is_path_required(proposals: Sequence[Sent]) -> bool:
    """Whether a commit of these proposals must have a path (section 12.4)."""
    return not proposals or any(isinstance(one.proposal.body, PATH_REQUIRED) for one in proposals)


def check_list(tree: Tree, group_id: bytes, proposals: Sequence[Sent], committer: int) -> None:
    """Stop if the list of a regular commit is invalid; what the tree shows comes later."""
    touched: list[int] = []
    psks: list[PreSharedKeyID] = []
    kinds = Counter(type(one.proposal.body) for one in proposals)
    require(kinds[GroupContextExtensions] <= 1, "two GroupContextExtensions are in one commit")
    require(kinds[ReInit] == 0 or len(proposals) == 1, "ReInit is not the only proposal")
    require(kinds[ExternalInit] == 0, "ExternalInit is in a regular commit")
    for one in proposals:
        body = one.proposal.body
        if isinstance(body, Add):
            body.key_package.verify(tree.suite)
        elif isinstance(body, Update):
            require(one.member is not None, "somebody outside sent an Update")
            assert one.member is not None
            require(one.member != committer, "a committer commits its own Update")
            _check_update(tree, group_id, body, one.member)
            touched.append(one.member)
        elif isinstance(body, Remove):
            tree.leaf(body.removed)
            require(body.removed != committer, "a committer removes itself")
            touched.append(body.removed)
        elif isinstance(body, PreSharedKey):
            check_psk(tree, body.psk)
            psks.append(body.psk)
        elif isinstance(body, ReInit):
            require(body.version >= MLS10, "ReInit goes back to an older version")
    require(len(touched) == len(set(touched)), "two proposals change one leaf")
    require(len(psks) == len(set(psks)), "a PSK is in a commit twice")


def _check_update(tree: Tree, group_id: bytes, update: Update, member: int) -> None:
    leaf = update.leaf_node
    require(leaf.source == UPDATE, "an Update's leaf has another source")
    changed = leaf.encryption_key != tree.leaf(member).encryption_key
    require(changed, "an Update keeps the encryption_key")
    leaf.verify(tree.suite, group_id, member)


def check_psk(tree: Tree, psk: PreSharedKeyID) -> None:
    """Stop if a PreSharedKey proposal is invalid (section 12.1.4)."""
    require(len(psk.psk_nonce) == tree.suite.nh, "a psk_nonce has not Nh bytes")
    usable = psk.psk_type != RESUMPTION or psk.usage == USAGE_APPLICATION
    require(usable, "a PSK of a reinitialisation or a branch is proposed")


def check_external_list(tree: Tree, proposals: Sequence[Sent]) -> None:
    """Stop if the list of an external commit is invalid."""
    kinds = Counter(type(one.proposal.body) for one in proposals)
    require(kinds[ExternalInit] == 1, "an external commit has not one ExternalInit")
    require(kinds[Remove] <= 1, "an external commit removes more than one member")
    known = kinds[ExternalInit] + kinds[Remove] + kinds[PreSharedKey]
    require(known == len(proposals), "an external commit has other proposals")
    for one in proposals:
        body = one.proposal.body
        if isinstance(body, Remove):
            tree.leaf(body.removed)
        elif isinstance(body, PreSharedKey):
            check_psk(tree, body.psk)


def apply_list(tree: Tree, extensions: tuple[Extension, ...], proposals: Sequence[Sent]) -> Effect:
    """Apply a valid list to the tree, in the order of section 12.3."""
    effect = Effect(extensions)
    bodies = [(one.proposal.body, one.member) for one in proposals]
    for body, _ in bodies:
        if isinstance(body, GroupContextExtensions):
            effect.extensions = body.extensions
    for body, member in bodies:
        if isinstance(body, Update):
            assert member is not None
            tree.update(member, body.leaf_node)
    for body, _ in bodies:
        if isinstance(body, Remove):
            tree.remove(body.removed)
    for body, _ in bodies:
        if isinstance(body, Add):
            effect.new_leaves.append(tree.add(body.key_package.leaf_node))
        elif isinstance(body, PreSharedKey):
            effect.psks.append(body.psk)
        elif isinstance(body, ExternalInit):
            effect.external_init = body.kem_output
        elif isinstance(body, ReInit):
            effect.reinit = body
    return effect
