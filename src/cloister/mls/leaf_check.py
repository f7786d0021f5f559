"""What a leaf must fulfil to stand in a group (RFC 9420 sections 7.2, 7.3, 11.1, 13.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloister.mls.errors import RuleViolation
from cloister.mls.extension import Extension, required_capabilities
from cloister.mls.leaf_node import Capabilities, LeafNode, Lifetime
from cloister.mls.limits import LIFETIME_SLACK_S, MAX_LIFETIME_S
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import (
    DEFAULT_EXTENSION_TYPES,
    DEFAULT_PROPOSAL_TYPES,
    LeafNodeSource,
)
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite


@dataclass(frozen=True, slots=True)
class Moment:
    """When a lifetime is judged, in seconds since the epoch, and how strictly.

    Who sends a KeyPackage on is strict. Who receives it may have been offline while it ran out,
    and must not refuse for that what all others have accepted (7.3): he allows ``slack_s``.
    """

    now: int
    slack_s: int = 0

    @classmethod
    def of_receipt(cls, now: int | None) -> Moment | None:
        """For messages from others; None where no lifetime is to be checked."""
        return None if now is None else cls(now, LIFETIME_SLACK_S)


def check_lifetime(lifetime: Lifetime, moment: Moment) -> None:
    """Demand a lifetime of acceptable length that includes the moment (7.2, 7.3)."""
    if lifetime.not_after - lifetime.not_before > MAX_LIFETIME_S:
        raise RuleViolation(Rule.LIFETIME_LENGTH)
    if not (
        lifetime.not_before - moment.slack_s <= moment.now <= lifetime.not_after + moment.slack_s
    ):
        raise RuleViolation(Rule.LIFETIME)


def check_leaf(suite: Suite, leaf: LeafNode, source: LeafNodeSource, moment: Moment | None) -> None:
    """The rules that do not depend on the group, except the signature.

    Args:
        source: the leaf_node_source this place demands.
        moment: when to judge the lifetime, or None where it is not to be checked.

    Raises RuleViolation, BadPublicKey.
    """
    if leaf.source is not source:
        raise RuleViolation(Rule.LEAF_SOURCE)
    check_leaf_keys(suite, leaf)
    if moment is not None and leaf.lifetime is not None:
        check_lifetime(leaf.lifetime, moment)


def check_leaf_keys(suite: Suite, leaf: LeafNode) -> None:
    """A usable encryption key, and capabilities that include the leaf's own extensions.

    The signature key is checked where the leaf's signature is verified.
    """
    suite.kem.parse_public(leaf.encryption_key)
    for extension in leaf.extensions:
        kind = extension.extension_type
        if kind not in DEFAULT_EXTENSION_TYPES and kind not in leaf.capabilities.extensions:
            raise RuleViolation(Rule.LEAF_EXTENSIONS)


def check_supports(leaf: LeafNode, extensions: Sequence[Extension]) -> None:
    """Demand that a leaf supports the group's extensions and required capabilities."""
    capabilities = leaf.capabilities
    for extension in extensions:
        kind = extension.extension_type
        if kind not in DEFAULT_EXTENSION_TYPES and kind not in capabilities.extensions:
            raise RuleViolation(Rule.CONTEXT_EXTENSIONS)
    required = required_capabilities(extensions)
    if required is None:
        return
    if not (
        set(required.extension_types) <= DEFAULT_EXTENSION_TYPES | set(capabilities.extensions)
        and set(required.proposal_types) <= DEFAULT_PROPOSAL_TYPES | set(capabilities.proposals)
        and set(required.credential_types) <= set(capabilities.credentials)
    ):
        raise RuleViolation(Rule.REQUIRED_CAPABILITIES)


def check_all_support(leaves: Iterable[LeafNode], extensions: Sequence[Extension]) -> None:
    """check_supports for many leaves; each distinct set of capabilities is judged once."""
    judged: set[Capabilities] = set()
    for leaf in leaves:
        if leaf.capabilities not in judged:
            check_supports(leaf, extensions)
            judged.add(leaf.capabilities)


def check_credential_types(leaves: Iterable[LeafNode]) -> None:
    """Demand that every member supports every credential type in use (7.3)."""
    in_use: set[int] = set()
    supported: set[tuple[int, ...]] = set()
    for leaf in leaves:
        in_use.add(leaf.credential.credential_type)
        supported.add(leaf.capabilities.credentials)
    for types in supported:
        if not in_use <= set(types):
            raise RuleViolation(Rule.LEAF_CREDENTIAL)


def check_unique_keys(tree: RatchetTree) -> None:
    """Demand that no encryption key and no signature key occurs twice (7.3)."""
    leaves = tree.leaves()
    if len({leaf.signature_key for _, leaf in leaves}) != len(leaves):
        raise RuleViolation(Rule.UNIQUE_SIGNATURE_KEY)
    occupied = sum(node is not None for node in tree.nodes)
    if len(tree.encryption_keys()) != occupied:
        raise RuleViolation(Rule.UNIQUE_ENCRYPTION_KEY)
