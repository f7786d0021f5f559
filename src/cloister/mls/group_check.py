"""What a newcomer checks of a group before anything is computed for it (RFC 9420 12.4.3.1).

The same for who was sent a Welcome and for who joins by an external commit.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from cloister.mls.errors import RuleViolation
from cloister.mls.extension import Extension, check_distinct, find
from cloister.mls.leaf_check import (
    check_all_support,
    check_credential_types,
    check_leaf_content,
    check_size,
    check_unique_keys,
)
from cloister.mls.proposal_list import check_group_extensions
from cloister.mls.ratchet_tree import ParentNode, RatchetTree
from cloister.mls.registry import ExtensionType, ProtocolVersion
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite
from cloister.mls.tree_hash import check_parent_hashes, check_unmerged_leaves
from cloister.mls.welcome import GroupInfo


def check_context(suite: Suite, group_info: GroupInfo) -> None:
    """Version, suite and form of what a GroupInfo says. Raises RuleViolation, DecodeError."""
    context = group_info.group_context
    if context.version != ProtocolVersion.MLS10:
        raise RuleViolation(Rule.GROUP_INFO_VERSION)
    if context.cipher_suite != suite.code:
        raise RuleViolation(Rule.GROUP_INFO_SUITE)
    check_distinct(group_info.extensions)
    check_group_extensions(context.extensions)


def check_group_info(
    suite: Suite,
    group_info: GroupInfo,
    ratchet_tree: bytes | None,
    participating: Container[bytes],
) -> RatchetTree:
    """Everything about the group that its GroupInfo and tree must fulfil; returns the tree.

    Args:
        ratchet_tree: the tree that came beside the GroupInfo; one inside takes precedence.
        participating: the ids of the groups that the client is in.

    Raises RuleViolation, DecodeError.
    """
    context = group_info.group_context
    if context.group_id in participating:
        raise RuleViolation(Rule.GROUP_ID_UNIQUE)
    data = find(group_info.extensions, ExtensionType.RATCHET_TREE)
    if data is None:
        data = ratchet_tree
    if data is None:
        raise RuleViolation(Rule.MISSING_TREE)
    tree = RatchetTree.decode(suite, data)
    check_size(tree)
    if tree.tree_hash() != context.tree_hash:
        raise RuleViolation(Rule.TREE_HASH)
    signer = tree.leaf(group_info.signer)
    if signer is None:
        raise RuleViolation(Rule.GROUP_INFO_SIGNER)
    group_info.verify(suite, signer.signature_key)
    check_tree(tree, context.group_id, context.extensions)
    return tree


def check_tree(tree: RatchetTree, group_id: bytes, extensions: Sequence[Extension]) -> None:
    """Every check a joiner makes on a tree: keys, signatures, hashes, capabilities.

    Lifetimes of other members' leaves are not checked: they may have run out since the members
    joined (7.3).
    """
    suite = tree.suite
    leaves = tree.leaves()
    check_unique_keys(tree)
    check_unmerged_leaves(tree)
    check_parent_hashes(tree)
    check_all_support((leaf for _, leaf in leaves), extensions)
    check_credential_types(leaf for _, leaf in leaves)
    for node in tree.nodes[1::2]:
        if isinstance(node, ParentNode):
            suite.check_public_key(node.encryption_key)
    for index, leaf in leaves:
        check_leaf_content(suite, leaf)
        leaf.verify(suite, group_id, index)
