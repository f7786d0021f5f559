"""tree-math: the relations of nodes in a tree kept as an array."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier import tree_math
from vectors.known_answers.verifier.failure import equal


def check(case: dict[str, Any]) -> None:
    leaves = case["n_leaves"]
    width = 2 * leaves - 1
    equal(width, case["n_nodes"], "n_nodes")
    root = tree_math.root(leaves)
    equal(root, case["root"], "root")
    inner = [node if node % 2 else None for node in range(width)]
    lower = [None if node == root else node for node in range(width)]
    for name, function, nodes in (
        ("left", tree_math.left, inner),
        ("right", tree_math.right, inner),
        ("parent", tree_math.parent, lower),
        ("sibling", tree_math.sibling, lower),
    ):
        computed = [None if node is None else function(node) for node in nodes]
        equal(computed, case[name], name)
