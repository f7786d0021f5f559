"""tree-operations, tree-validation, treekem."""

from __future__ import annotations

from typing import Any

import pytest

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import tree_math
from cloister.mls.group_check import check_tree
from cloister.mls.group_context import GroupContext
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Add, Proposal, Remove, Update
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource, ProtocolVersion
from cloister.mls.suite import Suite, suite_of
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import (
    UpdatePath,
    check_path_shape,
    decrypt_path,
    draw_path_secrets,
    encrypt_path,
    next_path_secret,
    node_key,
)
from vectors.mls.material import Case, each, unhex

pytestmark = pytest.mark.vectors


@each("mls/tree-operations.json")
def test_tree_operations(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    before = RatchetTree.decode(suite, unhex(case["tree_before"]))
    assert before.encode() == unhex(case["tree_before"])
    assert before.tree_hash() == unhex(case["tree_hash_before"])
    draft = before.edit()
    body = Proposal.decode(unhex(case["proposal"])).body
    match body:
        case Add():
            draft.add_leaf(body.key_package.leaf_node)
        case Update():
            draft.update_leaf(case["proposal_sender"], body.leaf_node)
        case Remove():
            draft.remove_leaves([body.removed])
        case _:
            pytest.fail("a proposal that does not change the tree")
    after = draft.done()
    assert after.encode() == unhex(case["tree_after"])
    assert after.tree_hash() == unhex(case["tree_hash_after"])
    assert before.tree_hash() == unhex(case["tree_hash_before"])
    assert before.encode() == unhex(case["tree_before"])


@each("mls/tree-validation.json")
def test_tree_validation(case: Case) -> None:
    tree = RatchetTree.decode(suite_of(case["cipher_suite"]), unhex(case["tree"]))
    assert tree.encode() == unhex(case["tree"])
    assert len(tree.nodes) == len(case["tree_hashes"]) == len(case["resolutions"])
    for node, resolution in enumerate(case["resolutions"]):
        assert tree.resolution(node) == resolution
        assert tree.is_empty_below(node) == (not resolution)
        assert tree.node_hash(node) == unhex(case["tree_hashes"][node])
    check_tree(tree, unhex(case["group_id"]), ())


class Receiver:
    """One member's private view of a vector's tree."""

    def __init__(self, suite: Suite, tree: RatchetTree, private: dict[str, Any]) -> None:
        self.leaf = LeafIndex(private["index"])
        self.keys: dict[NodeIndex, HpkePrivateKey] = {
            tree_math.node_of(self.leaf): suite.private_key(
                Secret(unhex(private["encryption_priv"]))
            )
        }
        self.signature_key = suite.signature_key(
            suite.signature_seed(unhex(private["signature_priv"]))
        )
        for entry in private["path_secrets"]:
            key = node_key(suite, Secret(unhex(entry["path_secret"])))
            self.keys[NodeIndex(entry["node"])] = key
        for node, key in self.keys.items():
            held = tree.nodes[node]
            assert held is not None
            assert held.encryption_key == key.public
        leaf = tree.leaf(self.leaf)
        assert leaf is not None
        assert leaf.signature_key == self.signature_key.public


def _context(suite: Suite, case: Case, tree_hash: bytes) -> bytes:
    return GroupContext(
        version=ProtocolVersion.MLS10,
        cipher_suite=suite.code,
        group_id=unhex(case["group_id"]),
        epoch=case["epoch"],
        tree_hash=tree_hash,
        confirmed_transcript_hash=unhex(case["confirmed_transcript_hash"]),
        extensions=(),
    ).encode()


def _secret_for(
    suite: Suite,
    receiver: Receiver,
    path: UpdatePath,
    tree: RatchetTree,
    sender: LeafIndex,
    context: bytes,
) -> tuple[dict[NodeIndex, HpkePrivateKey], Secret]:
    filtered = tree.filtered_direct_path(sender)
    check_path_shape(tree, filtered, path.nodes, frozenset())
    return decrypt_path(
        tree, filtered, path.nodes, receiver.leaf, receiver.keys, context, frozenset()
    )


@each("mls/treekem.json")
def test_treekem(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    tree = RatchetTree.decode(suite, unhex(case["ratchet_tree"]))
    receivers = [Receiver(suite, tree, private) for private in case["leaves_private"]]
    for entry in case["update_paths"]:
        sender = LeafIndex(entry["sender"])
        path = UpdatePath.decode(unhex(entry["update_path"]))
        assert path.encode() == unhex(entry["update_path"])
        filtered = tree.filtered_direct_path(sender)
        parents, leaf_parent_hash = make_path_hashes(
            tree, filtered, [node.encryption_key for node in path.nodes]
        )
        assert path.leaf_node.parent_hash == leaf_parent_hash
        path.leaf_node.verify(suite, unhex(case["group_id"]), sender)
        draft = tree.edit()
        draft.set_path(sender, path.leaf_node, parents)
        after = draft.done()
        assert after.tree_hash() == unhex(entry["tree_hash_after"])
        context = _context(suite, case, after.tree_hash())
        for receiver in receivers:
            expected = entry["path_secrets"][receiver.leaf]
            if receiver.leaf == sender:
                assert expected is None
                continue
            keys, commit_secret = _secret_for(suite, receiver, path, tree, sender, context)
            assert commit_secret == Secret(unhex(entry["commit_secret"]))
            first = node_key(suite, Secret(unhex(expected)))
            assert first == next(iter(keys.values()))
    _check_own_path(suite, case, tree, receivers)


def _check_own_path(suite: Suite, case: Case, tree: RatchetTree, receivers: list[Receiver]) -> None:
    """An UpdatePath of our own making, from the vector's first member to all others."""
    sender = receivers[0]
    drawn = draw_path_secrets(tree, sender.leaf, SystemEntropy())
    parents, leaf_parent_hash = make_path_hashes(
        tree, drawn.path, [key.public for key in drawn.keys]
    )
    old = tree.leaf(sender.leaf)
    assert old is not None
    leaf = LeafNode(
        encryption_key=drawn.leaf_key.public,
        signature_key=old.signature_key,
        credential=old.credential,
        capabilities=old.capabilities,
        source=LeafNodeSource.COMMIT,
        parent_hash=leaf_parent_hash,
        extensions=old.extensions,
    ).signed(suite, sender.signature_key, unhex(case["group_id"]), sender.leaf)
    draft = tree.edit()
    draft.set_path(sender.leaf, leaf, parents)
    after = draft.done()
    check_tree(after, unhex(case["group_id"]), ())
    context = _context(suite, case, after.tree_hash())
    path = UpdatePath(leaf_node=leaf, nodes=encrypt_path(tree, drawn, context, frozenset()))
    for receiver in receivers[1:]:
        _, commit_secret = _secret_for(suite, receiver, path, tree, sender.leaf, context)
        assert commit_secret == drawn.commit_secret
    assert next_path_secret(suite, drawn.secrets[-1]) == drawn.commit_secret
