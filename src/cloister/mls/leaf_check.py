"""What a leaf must fulfil to stand in a group (RFC 9420 sections 7.2, 7.3, 11.1, 13.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloister.mls.errors import RuleViolation
from cloister.mls.extension import Extension, required_capabilities
from cloister.mls.leaf_node import Capabilities, LeafNode
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import (
    DEFAULT_EXTENSION_TYPES,
    DEFAULT_PROPOSAL_TYPES,
    LeafNodeSource,
)
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite


def check_leaf(suite: Suite, leaf: LeafNode, source: LeafNodeSource, now: int | None) -> None:
    """The rules that do not depend on the group, except the signature.

    Args:
        source: the leaf_node_source this place demands.
        now: seconds since the epoch for the lifetime, or None where it is not to be checked.

    Raises RuleViolation, BadPublicKey.
    """
    if leaf.source is not source:
        raise RuleViolation(Rule.LEAF_SOURCE)
    check_leaf_keys(suite, leaf)
    if now is not None and leaf.lifetime is not None and not leaf.lifetime.includes(now):
        raise RuleViolation(Rule.LIFETIME)


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
