"""Indices of nodes in a perfect binary tree kept as an array (RFC 9420, appendix C).

Leaf i is node 2 i; the nodes of a subtree of height k lie together, its root in the middle.
"""

from __future__ import annotations

from vectors.known_answers.verifier.failure import require


def height(node: int) -> int:
    """0 for a leaf, else one more than its children's."""
    return (~node & (node + 1)).bit_length() - 1


def root(leaves: int) -> int:
    """The root of a tree with 2^d leaves."""
    require(leaves > 0 and leaves & (leaves - 1) == 0, "a tree has not 2^d leaves")
    return leaves - 1


def left(node: int) -> int:
    return node - (1 << (height(node) - 1))


def right(node: int) -> int:
    return node + (1 << (height(node) - 1))


def parent(node: int) -> int:
    """The parent, provided that the node is not the root."""
    step = 1 << height(node)
    # The parent is that neighbour, to the right or to the left, which is one level up.
    return node + step if height(node + step) == height(node) + 1 else node - step


def sibling(node: int) -> int:
    above = parent(node)
    return right(above) if node < above else left(above)


def direct_path(node: int, leaves: int) -> list[int]:
    """The nodes above a node, the root last."""
    path = []
    while node != root(leaves):
        node = parent(node)
        path.append(node)
    return path


def first_and_last_leaf(node: int) -> tuple[int, int]:
    """Indices of the outermost leaves below a node."""
    reach = (1 << height(node)) - 1
    return (node - reach) // 2, (node + reach) // 2


def covers(node: int, leaf: int) -> bool:
    """Whether a leaf, given by its index, is the node or below it."""
    first, last = first_and_last_leaf(node)
    return first <= leaf <= last


def common_ancestor(leaf: int, other: int, leaves: int) -> int:
    """The lowest node above two different leaves, given by their indices."""
    return next(node for node in direct_path(2 * leaf, leaves) if covers(node, other))
