"""Parent hashes and what a joiner checks about a whole tree (RFC 9420 sections 7.9, 12.4.3.1)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from cloister.codec import encode_opaque
from cloister.ids import NodeIndex
from cloister.mls import tree_math
from cloister.mls.errors import RuleViolation
from cloister.mls.leaf_node import LeafNode
from cloister.mls.ratchet_tree import (
    ParentNode,
    RatchetTree,
    leaf_hash_input,
    parent_hash_input,
)
from cloister.mls.registry import LeafNodeSource
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite


def parent_hash(suite: Suite, parent: ParentNode, original_sibling_tree_hash: bytes) -> bytes:
    """Hash(ParentHashInput): what the next node below on the path carries (7.9)."""
    return suite.hash(
        encode_opaque(parent.encryption_key)
        + encode_opaque(parent.parent_hash)
        + encode_opaque(original_sibling_tree_hash)
    )


def make_path_hashes(
    tree: RatchetTree,
    path: Sequence[tuple[NodeIndex, NodeIndex]],
    public_keys: Sequence[bytes],
) -> tuple[list[tuple[NodeIndex, ParentNode]], bytes]:
    """Parent nodes for a filtered direct path, and the parent hash for its leaf (7.9).

    ``path`` and ``public_keys`` go from the leaf to the root. The hashes of the copath are those
    of ``tree``: the new parents have no unmerged leaves, so nothing is left out of them.
    """
    parents: list[tuple[NodeIndex, ParentNode]] = []
    above = b""
    for (node, copath_child), key in zip(reversed(path), reversed(public_keys), strict=True):
        parent = ParentNode(encryption_key=key, parent_hash=above, unmerged_leaves=())
        parents.append((node, parent))
        above = parent_hash(tree.suite, parent, tree.node_hash(copath_child))
    parents.reverse()
    return parents, above


def original_tree_hash(tree: RatchetTree, index: int, without: Sequence[int]) -> bytes:
    """The hash of a subtree as it was before the leaves ``without`` were added (7.9).

    ``without`` are leaves below the node, in order.
    """
    if not without:
        return tree.node_hash(index)
    node = tree.nodes[index]
    if tree_math.is_leaf(index):
        return tree.suite.hash(leaf_hash_input(index // 2, None))
    parent: ParentNode | None = None
    if isinstance(node, ParentNode):
        left_out = set(without)
        parent = ParentNode(
            encryption_key=node.encryption_key,
            parent_hash=node.parent_hash,
            unmerged_leaves=tuple(one for one in node.unmerged_leaves if one not in left_out),
        )
    left, right = tree_math.left(index), tree_math.right(index)
    middle = bisect_left(without, tree_math.leaves_below(right).start)
    return tree.suite.hash(
        parent_hash_input(
            parent,
            original_tree_hash(tree, left, without[:middle]),
            original_tree_hash(tree, right, without[middle:]),
        )
    )


def check_parent_hashes(tree: RatchetTree) -> None:
    """Demand that every parent node is parent-hash valid (7.9.2). Raises RuleViolation.

    Each parent needs a descendant that carries its hash; as descendants are checked in turn,
    every chain ends at a leaf that its member signed.
    """
    for index in range(1, len(tree.nodes), 2):
        node = tree.nodes[index]
        if isinstance(node, ParentNode) and not _is_covered(tree, index, node):
            raise RuleViolation(Rule.PARENT_HASH)


def _is_covered(tree: RatchetTree, index: int, parent: ParentNode) -> bool:
    left, right = tree_math.left(index), tree_math.right(index)
    for child, other in ((left, right), (right, left)):
        resolution = set(tree.resolution(child))
        added = {tree_math.node_of(leaf) for leaf in _those_below(parent.unmerged_leaves, child)}
        candidates = list(resolution - added)
        # The unmerged leaves on this side are the resolution without the one carrier (7.9.2).
        if len(candidates) != 1 or not added <= resolution:
            continue
        carrier = tree.nodes[candidates[0]]
        if carrier is None or not carrier.parent_hash:
            continue
        if isinstance(carrier, LeafNode) and carrier.source != LeafNodeSource.COMMIT:
            continue
        unmerged = _those_below(parent.unmerged_leaves, other)
        expected = parent_hash(tree.suite, parent, original_tree_hash(tree, other, unmerged))
        if carrier.parent_hash == expected:
            return True
    return False


def _those_below(leaves: Sequence[int], node: int) -> Sequence[int]:
    """Those of the leaves, which are in order, that are below a node."""
    below = tree_math.leaves_below(node)
    return leaves[bisect_left(leaves, below.start) : bisect_left(leaves, below.stop)]


def check_unmerged_leaves(tree: RatchetTree) -> None:
    """Demand that unmerged_leaves are sorted, below their node, occupied, and known in between."""
    unmerged = {
        index: frozenset(node.unmerged_leaves)
        for index, node in enumerate(tree.nodes)
        if isinstance(node, ParentNode)
    }
    for index in range(1, len(tree.nodes), 2):
        node = tree.nodes[index]
        if not isinstance(node, ParentNode) or not node.unmerged_leaves:
            continue
        leaves = node.unmerged_leaves
        if any(one >= other for one, other in pairwise(leaves)):
            raise RuleViolation(Rule.UNMERGED_LEAVES)
        below = tree_math.leaves_below(index)
        for leaf in leaves:
            if leaf not in below or tree.leaf(leaf) is None:
                raise RuleViolation(Rule.UNMERGED_LEAVES)
            between = tree_math.parent(2 * leaf)
            while between != index:
                if between in unmerged and leaf not in unmerged[between]:
                    raise RuleViolation(Rule.UNMERGED_LEAVES)
                between = tree_math.parent(between)
