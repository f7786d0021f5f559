"""treekem: UpdatePaths from each member to all others, stated ones and fresh ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vectors.known_answers.verifier.codec import decode
from vectors.known_answers.verifier.commit import UpdatePath
from vectors.known_answers.verifier.failure import Failure, equal
from vectors.known_answers.verifier.leaf import COMMIT
from vectors.known_answers.verifier.suites import Suite, suite_of
from vectors.known_answers.verifier.tree import Tree
from vectors.known_answers.verifier.tree_check import check_parent_hashes
from vectors.known_answers.verifier.treekem import (
    KeyRing,
    make_path,
    merge_path,
    node_key,
    open_path,
)
from vectors.known_answers.verifier.welcome import GroupContext


@dataclass(frozen=True)
class Member:
    """A member's private keys."""

    ring: KeyRing
    signature_private: bytes

    @classmethod
    def of(cls, suite: Suite, tree: Tree, case: dict[str, Any]) -> Member:
        """From the file; every key must be that of the node it is stated for."""
        leaf = tree.leaf(case["index"])
        encryption, signature = case["encryption_priv"], bytes.fromhex(case["signature_priv"])
        pairs = [(2 * case["index"], bytes.fromhex(encryption))]
        for one in case["path_secrets"]:
            pairs.append((one["node"], node_key(suite, bytes.fromhex(one["path_secret"]))[0]))
        ring = {}
        for node, private in pairs:
            contents, public = tree.nodes[node], suite.kem.public_of(private)
            stated = None if contents is None else contents.encryption_key
            equal(public, stated, f"the private key of node {node}")
            ring[public] = private
        equal(suite.signature.public_of(signature), leaf.signature_key, "signature_priv")
        return cls(ring, signature)


class Group:
    """The tree of a case and its members."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.suite = suite_of(case["cipher_suite"])
        self.tree = Tree.decode(self.suite, bytes.fromhex(case["ratchet_tree"]))
        self.case = case
        self.group_id = bytes.fromhex(case["group_id"])
        self.members = {
            one["index"]: Member.of(self.suite, self.tree, one) for one in case["leaves_private"]
        }
        present = [index for index, _ in self.tree.members()]
        equal(sorted(self.members), present, "leaves_private")

    def context(self, tree_hash: bytes) -> bytes:
        confirmed = bytes.fromhex(self.case["confirmed_transcript_hash"])
        epoch = self.case["epoch"]
        return GroupContext(
            self.suite.code, self.group_id, epoch, tree_hash, confirmed, ()
        ).encode()

    def receive(self, tree: Tree, path: UpdatePath, sender: int, to: int) -> tuple[bytes, bytes]:
        """Path secret and commit_secret that a member finds in a merged path."""
        ring = dict(self.members[to].ring)
        return open_path(tree, sender, path, to, ring, self.context(tree.root_hash()))


def check(case: dict[str, Any]) -> None:
    group = Group(case)
    for one in case["update_paths"]:
        _check_stated(group, one)
        _check_fresh(group, one["sender"])


def _check_stated(group: Group, case: dict[str, Any]) -> None:
    data, sender = bytes.fromhex(case["update_path"]), case["sender"]
    path = decode(UpdatePath.read, data)
    equal(path.encode(), data, "the encoding of an UpdatePath")
    equal(path.leaf_node.source, COMMIT, "the source of the path's leaf")
    path.leaf_node.verify(group.suite, group.group_id, sender)
    tree = group.tree.copy()
    merge_path(tree, sender, path)
    check_parent_hashes(tree)
    equal(tree.root_hash(), bytes.fromhex(case["tree_hash_after"]), "tree_hash_after")
    stated = case["path_secrets"]
    for index in range(tree.size):
        if index == sender or index not in group.members:
            # A file may end its list with the last member.
            if index < len(stated) and stated[index] is not None:
                raise Failure("a path secret is stated for nobody")
            continue
        path_secret, commit_secret = group.receive(tree, path, sender, index)
        equal(path_secret, bytes.fromhex(stated[index]), f"the path secret for {index}")
        equal(commit_secret, bytes.fromhex(case["commit_secret"]), "commit_secret")


def _check_fresh(group: Group, sender: int) -> None:
    made = make_path(
        group.tree, sender, group.members[sender].signature_private, group.group_id, group.context
    )
    check_parent_hashes(made.tree)
    for index in group.members:
        if index != sender:
            _, commit_secret = group.receive(made.tree, made.path, sender, index)
            equal(commit_secret, made.commit_secret, "the commit_secret of a fresh path")
