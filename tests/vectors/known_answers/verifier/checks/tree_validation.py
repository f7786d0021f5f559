"""tree-validation: resolutions, tree hashes, parent hashes and signatures of a tree."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.failure import equal
from vectors.known_answers.verifier.suites import suite_of
from vectors.known_answers.verifier.tree import Tree
from vectors.known_answers.verifier.tree_check import check_tree


def check(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["tree"])
    tree = Tree.decode(suite_of(case["cipher_suite"]), data)
    equal(tree.encode(), data, "tree")
    nodes = range(len(tree.nodes))
    equal([tree.resolution(node) for node in nodes], case["resolutions"], "resolutions")
    equal([tree.hash(node).hex() for node in nodes], case["tree_hashes"], "tree_hashes")
    check_tree(tree, bytes.fromhex(case["group_id"]), ())
