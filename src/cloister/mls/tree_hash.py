"""Parent hashes and what a joiner checks about a whole tree (RFC 9420 sections 7.9, 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cloister.codec import encode_opaque
from cloister.ids import NodeIndex
from cloister.mls import tree_math
from cloister.mls.errors import RuleViolation
from cloister.mls.ratchet_tree import (
    ParentNode,
    RatchetTree,
    leaf_hash_input,
    parent_hash_input,
)
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


def original_tree_hash(tree: RatchetTree, index: int, without: frozenset[int]) -> bytes:
    """The hash of a subtree as it was before the leaves ``without`` were added (7.9)."""
    below = tree_math.leaves_below(index)
    # Only these matter further down: who builds a tree must not make others search many for each.
    without = frozenset(leaf for leaf in without if leaf in below)
    if not without:
        return tree.node_hash(index)
    node = tree.nodes[index]
    if tree_math.is_leaf(index):
        return tree.suite.hash(leaf_hash_input(index // 2, None))
    parent: ParentNode | None = None
    if isinstance(node, ParentNode):
        parent = ParentNode(
            encryption_key=node.encryption_key,
            parent_hash=node.parent_hash,
            unmerged_leaves=tuple(one for one in node.unmerged_leaves if one not in without),
        )
    return tree.suite.hash(
        parent_hash_input(
            parent,
            original_tree_hash(tree, tree_math.left(index), without),
            original_tree_hash(tree, tree_math.right(index), without),
        )
    )


def check_parent_hashes(tree: RatchetTree) -> None:
    """Demand that every parent node is parent-hash valid (7.9.2). Raises RuleViolation.

    Each parent needs a descendant that carries its hash; as descendants are checked in turn,
    every chain ends at a leaf that its member signed. The tree has been through
    check_unmerged_leaves.
    """
    for index in range(1, len(tree.nodes), 2):
        node = tree.nodes[index]
        if isinstance(node, ParentNode) and not _is_covered(tree, index, node):
            raise RuleViolation(Rule.PARENT_HASH)


def _is_covered(tree: RatchetTree, index: int, parent: ParentNode) -> bool:
    unmerged = frozenset(parent.unmerged_leaves)
    left, right = tree_math.left(index), tree_math.right(index)
    for child, other in ((left, right), (right, left)):
        resolution = set(tree.resolution(child))
        below = tree_math.leaves_below(child)
        added = {tree_math.node_of(leaf) for leaf in unmerged if leaf in below}
        candidates = list(resolution - added)
        # The resolution is the one carrier and the unmerged leaves of this side (7.9.2): all of
        # these are in it, as check_unmerged_leaves has found.
        if len(candidates) != 1:
            continue
        carrier = tree.nodes[candidates[0]]
        expected = parent_hash(tree.suite, parent, original_tree_hash(tree, other, unmerged))
        # A leaf that came in without a path carries an empty hash, which is none.
        if carrier is not None and carrier.parent_hash == expected:
            return True
    return False


def check_unmerged_leaves(tree: RatchetTree) -> None:
    """Demand that unmerged_leaves are sorted, below their node, occupied, and known in between."""
    listed = {
        index: node.unmerged_leaves
        for index, node in enumerate(tree.nodes)
        if isinstance(node, ParentNode)
    }
    known = {index: frozenset(leaves) for index, leaves in listed.items()}
    for index, leaves in listed.items():
        if any(one >= other for one, other in pairwise(leaves)):
            raise RuleViolation(Rule.UNMERGED_SORTED)
        below = tree_math.leaves_below(index)
        for leaf in leaves:
            if leaf not in below or tree.leaf(leaf) is None:
                raise RuleViolation(Rule.UNMERGED_DESCENDANT)
            between = tree_math.parent(2 * leaf)
            while between != index:
                inner = known.get(between)
                if inner is not None and leaf not in inner:
                    raise RuleViolation(Rule.UNMERGED_BETWEEN)
                between = tree_math.parent(between)
