"""What a leaf must fulfil to stand in a group (RFC 9420 sections 7.2, 7.3, 11.1, 13.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from cloister.mls.errors import RuleViolation
from cloister.mls.extension import Extension, RequiredCapabilities, required_capabilities
from cloister.mls.leaf_node import Capabilities, LeafNode, Lifetime
from cloister.mls.limits import LIFETIME_SLACK_S, MAX_LEAVES, MAX_LIFETIME_S
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import DEFAULT_EXTENSION_TYPES, DEFAULT_PROPOSAL_TYPES
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite

NOTHING_REQUIRED: Final = RequiredCapabilities(
    extension_types=(), proposal_types=(), credential_types=()
)


class Moment(msgspec.Struct, frozen=True):
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
    # Slack is for a lifetime that is over: one that ends before it begins has never been.
    first, last = lifetime.not_before - moment.slack_s, lifetime.not_after + moment.slack_s
    if lifetime.not_after < lifetime.not_before or not first <= moment.now <= last:
        raise RuleViolation(Rule.LIFETIME)


def check_leaf_content(suite: Suite, leaf: LeafNode) -> None:
    """The rules that depend neither on place nor group: a usable key, supported extensions.

    The signature key is checked where the leaf's signature is verified. Raises RuleViolation.
    """
    suite.check_public_key(leaf.encryption_key)
    if not leaf.capabilities.include(leaf.extensions):
        raise RuleViolation(Rule.LEAF_EXTENSIONS)


class Demands(msgspec.Struct, frozen=True):
    """What a group asks of its members, read once for all of them: lists may be long."""

    context_extensions: frozenset[int]
    extensions: frozenset[int]
    proposals: frozenset[int]
    credentials: frozenset[int]

    @classmethod
    def of(cls, extensions: Sequence[Extension]) -> Demands:
        """The demands of these extensions of a group context, the RFC's own types left out.

        Raises DecodeError.
        """
        required = required_capabilities(extensions) or NOTHING_REQUIRED
        return cls(
            frozenset(one.extension_type for one in extensions) - DEFAULT_EXTENSION_TYPES,
            frozenset(required.extension_types) - DEFAULT_EXTENSION_TYPES,
            frozenset(required.proposal_types) - DEFAULT_PROPOSAL_TYPES,
            frozenset(required.credential_types),
        )


def check_supports(capabilities: Capabilities, demands: Demands) -> None:
    """Demand that a leaf supports what its group demands. Raises RuleViolation."""
    supported = frozenset(capabilities.extensions)
    if not demands.context_extensions <= supported:
        raise RuleViolation(Rule.CONTEXT_EXTENSIONS)
    if not demands.extensions <= supported:
        raise RuleViolation(Rule.REQUIRED_EXTENSIONS)
    if not demands.proposals <= frozenset(capabilities.proposals):
        raise RuleViolation(Rule.REQUIRED_PROPOSALS)
    if not demands.credentials <= frozenset(capabilities.credentials):
        raise RuleViolation(Rule.REQUIRED_CREDENTIALS)


def check_all_support(leaves: Iterable[LeafNode], extensions: Sequence[Extension]) -> None:
    """Demand that leaves support the extensions of a group context and what it requires.

    Each distinct set of capabilities is judged once. Raises RuleViolation, DecodeError.
    """
    demands = Demands.of(extensions)
    judged: set[Capabilities] = set()
    for leaf in leaves:
        if leaf.capabilities not in judged:
            check_supports(leaf.capabilities, demands)
            judged.add(leaf.capabilities)


def check_credential_types(leaves: Iterable[LeafNode]) -> None:
    """Demand that every member supports every credential type in use (7.3)."""
    in_use: set[int] = set()
    supported: set[Sequence[int]] = set()
    for leaf in leaves:
        in_use.add(leaf.credential.credential_type)
        supported.add(leaf.capabilities.credentials)
    for types in supported:
        if not in_use <= set(types):
            raise RuleViolation(Rule.CREDENTIAL_TYPES)


def check_unique_keys(tree: RatchetTree) -> None:
    """Demand that no key occurs twice in the tree (7.3, 12.4.3.1). Raises RuleViolation."""
    leaves = tree.leaves()
    if len({leaf.signature_key for _, leaf in leaves}) != len(leaves):
        raise RuleViolation(Rule.UNIQUE_SIGNATURE_KEY)
    if len({leaf.encryption_key for _, leaf in leaves}) != len(leaves):
        raise RuleViolation(Rule.UNIQUE_ENCRYPTION_KEY)
    if len(tree.encryption_keys()) != tree.occupied_count:
        raise RuleViolation(Rule.UNIQUE_PARENT_KEY)


def check_size(tree: RatchetTree) -> None:
    """Demand a tree of no more leaves than the limit. Raises RuleViolation."""
    if tree.leaf_count > MAX_LEAVES:
        raise RuleViolation(Rule.TREE_SIZE)
