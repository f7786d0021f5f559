"""Ratchet trees together with every private key, grown by the moves of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import Lifetime, basic_credential, tree_math
from cloister.mls.key_package import KeyPackageSecrets, make_key_package
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Update
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import PathSecrets, draw_path_secrets

if TYPE_CHECKING:
    from cloister.crypto.hpke import HpkePrivateKey
    from cloister.crypto.secret import Secret
    from cloister.mls.suite import Suite
    from vectors.known_answers.generator.draw import Draw

# Seconds since 1970. Who checks a case has no clock; only the engine, when it adds a member, has.
NOW = 1_800_000_000
LIFETIME = Lifetime(not_before=NOW - 3600, not_after=NOW + 30 * 86400)


@dataclass
class Holder:
    """What the member at a leaf knows: its keys, and path secrets by node."""

    encryption_key: Secret
    signature_seed: Secret
    path_secrets: dict[NodeIndex, Secret]


class GrownTree:
    """A tree that grows move by move, and what its members know."""

    def __init__(self, suite: Suite, draw: Draw, group_id: bytes) -> None:
        self.suite = suite
        self.draw = draw
        self.group_id = group_id
        first = self.key_package("member 0")
        self.tree = RatchetTree.of_one(suite, first.parsed().leaf_node)
        self.holders = {LeafIndex(0): _holder(first)}

    def key_package(self, name: str) -> KeyPackageSecrets:
        """A key package of somebody new."""
        return make_key_package(
            self.suite.code,
            signature_seed=self.suite.generate_signature_seed(self.draw),
            credential=basic_credential(name.encode()),
            lifetime=LIFETIME,
            entropy=self.draw,
        )

    def add(self, secrets: KeyPackageSecrets | None = None) -> LeafIndex:
        """Somebody is added; he knows no secret above his leaf."""
        secrets = secrets or self.key_package(f"member {len(self.holders)}")
        draft = self.tree.edit()
        index = draft.add_leaf(secrets.parsed().leaf_node)
        self.tree = draft.done()
        self.holders[index] = _holder(secrets)
        return index

    def remove(self, *indices: int) -> None:
        """Members are removed."""
        draft = self.tree.edit()
        draft.remove_leaves(indices)
        for index in indices:
            del self.holders[LeafIndex(index)]
        self.tree = draft.done()
        self._forget_blanks()

    def new_leaf(self, index: int) -> tuple[Update, HpkePrivateKey]:
        """An Update of a member, and the private key that belongs to it."""
        key = self.suite.generate_key_pair(self.draw)
        leaf = self._leaf(index, key.public, LeafNodeSource.UPDATE, b"")
        return Update(leaf_node=leaf), key

    def update(self, index: int) -> None:
        """A member's Update is applied."""
        update, key = self.new_leaf(index)
        draft = self.tree.edit()
        draft.update_leaf(index, update.leaf_node)
        self.tree = draft.done()
        self.holders[LeafIndex(index)].encryption_key = key.seed
        self._forget_blanks()

    def make_path(self, index: int) -> tuple[PathSecrets, LeafNode, RatchetTree]:
        """A fresh path of a member: its secrets, its leaf, and the tree with it."""
        drawn = draw_path_secrets(self.tree, LeafIndex(index), self.draw)
        parents, parent_hash = make_path_hashes(
            self.tree, drawn.path, [key.public for key in drawn.keys]
        )
        leaf = self._leaf(index, drawn.leaf_key.public, LeafNodeSource.COMMIT, parent_hash)
        draft = self.tree.edit()
        draft.set_path(index, leaf, parents)
        return drawn, leaf, draft.done()

    def commit(self, index: int) -> None:
        """A member's path becomes part of the tree; everybody learns what is above him."""
        drawn, _, self.tree = self.make_path(index)
        self.holders[LeafIndex(index)].encryption_key = drawn.leaf_key.seed
        for (node, _), path_secret in zip(drawn.path, drawn.secrets, strict=True):
            for leaf, holder in self.holders.items():
                if tree_math.is_below(tree_math.node_of(leaf), node):
                    holder.path_secrets[node] = path_secret

    def _leaf(
        self, index: int, public: bytes, source: LeafNodeSource, parent_hash: bytes
    ) -> LeafNode:
        old = self.tree.leaf(index)
        assert old is not None
        key = self.suite.signature_key(self.holders[LeafIndex(index)].signature_seed)
        return LeafNode(
            encryption_key=public,
            signature_key=old.signature_key,
            credential=old.credential,
            capabilities=old.capabilities,
            source=source,
            parent_hash=parent_hash,
            extensions=old.extensions,
        ).signed(self.suite, key, self.group_id, index)

    def _forget_blanks(self) -> None:
        nodes = self.tree.nodes
        for holder in self.holders.values():
            holder.path_secrets = {
                node: secret
                for node, secret in holder.path_secrets.items()
                if node < len(nodes) and nodes[node] is not None
            }


def _holder(secrets: KeyPackageSecrets) -> Holder:
    return Holder(secrets.encryption_key, secrets.signature_key, {})


def grow(suite: Suite, draw: Draw, group_id: bytes, plan: str) -> GrownTree:
    """A tree after the moves of a plan, such as "+++ *0 *3 -1,2 + ~2".

    "+" adds a member for each sign, "*n" is a commit of n, "-n,m" removes, "~n" is an Update.
    """
    grown = GrownTree(suite, draw, group_id)
    for move in plan.split():
        if move.startswith("+"):
            for _ in move:
                grown.add()
        elif move.startswith("*"):
            grown.commit(int(move[1:]))
        elif move.startswith("~"):
            grown.update(int(move[1:]))
        else:
            grown.remove(*map(int, move[1:].split(",")))
    return grown
