"""Array indices of a complete binary tree (RFC 9420 appendix C).

Leaves are the even nodes, parents the odd ones. ``leaf_count`` is a power of two throughout.
"""

from __future__ import annotations

from cloister.ids import LeafIndex, NodeIndex


def node_of(leaf: int) -> NodeIndex:
    """The node index of a leaf."""
    return NodeIndex(2 * leaf)


def leaf_of(node: int) -> LeafIndex:
    """The leaf index of an even node."""
    return LeafIndex(node // 2)


def is_leaf(node: int) -> bool:
    """Whether the node is a leaf."""
    return node & 1 == 0


def level(node: int) -> int:
    """The height above the leaves: the number of trailing one bits."""
    return (~node & (node + 1)).bit_length() - 1


def node_width(leaf_count: int) -> int:
    """The number of nodes over ``leaf_count`` leaves."""
    return 2 * leaf_count - 1 if leaf_count else 0


def leaf_capacity(leaf_count: int) -> int:
    """The smallest power of two that is at least ``leaf_count``."""
    return 1 << (leaf_count - 1).bit_length() if leaf_count else 0


def root(leaf_count: int) -> NodeIndex:
    """The root's index."""
    return NodeIndex(leaf_count - 1)


def left(node: int) -> NodeIndex:
    """The left child of a parent node."""
    return NodeIndex(node ^ (1 << (level(node) - 1)))


def right(node: int) -> NodeIndex:
    """The right child of a parent node."""
    return NodeIndex(node ^ (3 << (level(node) - 1)))


def parent(node: int) -> NodeIndex:
    """The parent, in a tree large enough to have one."""
    k = level(node)
    return NodeIndex((node | (1 << k)) & ~(1 << (k + 1)))


def sibling(node: int) -> NodeIndex:
    """The other child of the parent."""
    above = parent(node)
    return right(above) if node < above else left(above)


def direct_path(node: int, leaf_count: int) -> list[NodeIndex]:
    """The ancestors of ``node`` from its parent to the root."""
    path = []
    # Counting levels ends for any index; climbing until the root is met would not.
    for _ in range(level(node), level(leaf_count - 1)):
        node = parent(node)
        path.append(NodeIndex(node))
    return path


def is_below(node: int, ancestor: int) -> bool:
    """Whether ``node`` is ``ancestor`` or in its subtree."""
    half = (1 << level(ancestor)) - 1
    return ancestor - half <= node <= ancestor + half


def leaves_below(node: int) -> range:
    """The leaf indices in the subtree of ``node``."""
    half = (1 << level(node)) - 1
    return range((node - half) // 2, (node + half) // 2 + 1)


def common_ancestor(one: int, other: int) -> NodeIndex:
    """The lowest node that has both below it."""
    node = one
    while not is_below(other, node):
        node = parent(node)
    return NodeIndex(node)
