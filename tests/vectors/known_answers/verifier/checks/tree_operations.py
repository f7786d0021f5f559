"""tree-operations: one proposal applied to a tree."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.codec import decode
from vectors.known_answers.verifier.failure import Failure, equal
from vectors.known_answers.verifier.proposals import Add, Proposal, Remove, Update
from vectors.known_answers.verifier.suites import suite_of
from vectors.known_answers.verifier.tree import Tree


def check(case: dict[str, Any]) -> None:
    before = bytes.fromhex(case["tree_before"])
    tree = Tree.decode(suite_of(case["cipher_suite"]), before)
    equal(tree.encode(), before, "tree_before")
    equal(tree.root_hash(), bytes.fromhex(case["tree_hash_before"]), "tree_hash_before")
    tree.leaf(case["proposal_sender"])
    body = decode(Proposal.read, bytes.fromhex(case["proposal"])).body
    if isinstance(body, Add):
        tree.add(body.key_package.leaf_node)
    elif isinstance(body, Update):
        tree.update(case["proposal_sender"], body.leaf_node)
    elif isinstance(body, Remove):
        tree.remove(body.removed)
    else:
        raise Failure("the proposal does not change the tree")
    equal(tree.encode(), bytes.fromhex(case["tree_after"]), "tree_after")
    equal(tree.root_hash(), bytes.fromhex(case["tree_hash_after"]), "tree_hash_after")
