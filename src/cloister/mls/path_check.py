"""An UpdatePath checked against the tree it changes, and merged (RFC 9420 sections 7.5, 12.4.2)."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.ids import LeafIndex, NodeIndex
from cloister.mls.errors import RuleViolation
from cloister.mls.leaf_check import check_all_support, check_credential_types, check_leaf_content
from cloister.mls.leaf_node import LeafNode
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource
from cloister.mls.rules import Rule
from cloister.mls.stage import Applied
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import UpdatePath, check_path_shape


def merge_path(
    applied: Applied,
    group_id: bytes,
    committer: LeafIndex,
    update_path: UpdatePath,
    path: Sequence[tuple[NodeIndex, NodeIndex]],
) -> RatchetTree:
    """Check an UpdatePath against the tree after the proposals and merge it.

    Args:
        committer: its leaf, blank for the newcomer of an external commit.
        path: the filtered direct path of the committer.

    Raises RuleViolation, DecodeError.
    """
    tree = applied.tree
    suite = tree.suite
    leaf = update_path.leaf_node
    old = tree.leaf(committer)
    check_path_shape(tree, path, update_path.nodes, applied.new_leaves)
    if leaf.source is not LeafNodeSource.COMMIT:
        raise RuleViolation(Rule.SOURCE_COMMIT)
    check_leaf_content(suite, leaf)
    _check_path_keys(tree, old, update_path)
    for node in update_path.nodes:
        suite.check_public_key(node.encryption_key)
    parents, leaf_parent_hash = make_path_hashes(
        tree, path, [node.encryption_key for node in update_path.nodes]
    )
    if leaf.parent_hash != leaf_parent_hash:
        raise RuleViolation(Rule.PATH_PARENT_HASH)
    leaf.verify(suite, group_id, committer)
    draft = tree.edit()
    draft.set_path(committer, leaf, parents)
    merged = draft.done()
    # A leaf that promises what the old one did has been judged with it.
    if old is None or (leaf.capabilities, leaf.credential.credential_type) != (
        old.capabilities,
        old.credential.credential_type,
    ):
        check_all_support([leaf], applied.extensions)
        check_credential_types(one for _, one in merged.leaves())
    return merged


def _check_path_keys(tree: RatchetTree, old: LeafNode | None, update_path: UpdatePath) -> None:
    """Demand that all keys of the path are new to the tree, and distinct."""
    leaf = update_path.leaf_node
    if old is not None and leaf.encryption_key == old.encryption_key:
        raise RuleViolation(Rule.PATH_LEAF_KEY)
    keys = {leaf.encryption_key, *(node.encryption_key for node in update_path.nodes)}
    if len(keys) != len(update_path.nodes) + 1 or not keys.isdisjoint(tree.encryption_keys()):
        raise RuleViolation(Rule.PATH_KEYS_NEW)
    if (old is None or leaf.signature_key != old.signature_key) and any(
        other.signature_key == leaf.signature_key for _, other in tree.leaves()
    ):
        raise RuleViolation(Rule.UNIQUE_SIGNATURE_KEY)
