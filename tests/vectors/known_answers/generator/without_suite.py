"""tree-math and deserialization: what is the same for all suites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloister.codec import encode_varint
from cloister.mls import tree_math

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloister.ids import NodeIndex


def tree_math_cases() -> Iterator[dict[str, Any]]:
    """Trees of 1 to 64 leaves."""
    for exponent in range(7):
        leaves = 1 << exponent
        width = tree_math.node_width(leaves)
        root = tree_math.root(leaves)

        def inner(function: Any, width: int = width) -> list[NodeIndex | None]:
            nodes = range(width)
            return [None if tree_math.is_leaf(node) else function(node) for node in nodes]

        def lower(function: Any, width: int = width, root: int = root) -> list[NodeIndex | None]:
            return [None if node == root else function(node) for node in range(width)]

        yield {
            "n_leaves": leaves,
            "n_nodes": width,
            "root": root,
            "left": inner(tree_math.left),
            "right": inner(tree_math.right),
            "parent": lower(tree_math.parent),
            "sibling": lower(tree_math.sibling),
        }


def deserialization_cases() -> Iterator[dict[str, Any]]:
    """Lengths on both sides of each border between the three forms of a header."""
    for length in (0, 1, 62, 63, 64, 65, 255, 256, 16382, 16383, 16384, 16385, 2**30 - 1):
        yield {"vlbytes_header": encode_varint(length).hex(), "length": length}
