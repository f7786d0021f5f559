"""Ratchet trees that a dishonest member can show to a joiner, and a GroupInfo to vouch for them.

All signature keys of a tree are at hand, so its members can commit, update and be removed without
sending anything, and every hash and signature in it can be made anew over a lie. Nothing here
checks anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cloister.crypto.entropy import Entropy
from cloister.crypto.scheme import SignatureKey
from cloister.ids import LeafIndex
from cloister.mls import Extension, Group, KeyPackageSecrets
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.ratchet_tree import Node, RatchetTree, TreeDraft
from cloister.mls.registry import LeafNodeSource
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import PathSecrets, draw_path_secrets
from cloister.mls.welcoming import make_group_info
from cloister.testing.forge import ENTROPY, change_leaf
from cloister.values import replace


@dataclass(frozen=True)
class OwnedTree:
    """A tree with the signature keys of its members by leaf index.

    ``drawn`` is what the last path was made of.
    """

    tree: RatchetTree
    group_id: bytes
    keys: Mapping[int, SignatureKey]
    drawn: PathSecrets | None = None

    @classmethod
    def of(cls, groups: Sequence[Group]) -> OwnedTree:
        """The tree of a group, all of whose members are given."""
        keys = {int(group.own_leaf): group.state.signature_key for group in groups}
        return cls(groups[0].state.tree, groups[0].group_id, keys)

    def leaf(self, index: int) -> LeafNode:
        """The leaf of a member."""
        leaf = self.tree.leaf(index)
        if leaf is None:
            raise IndexError(index)
        return leaf

    def add(self, *joiners: KeyPackageSecrets) -> OwnedTree:
        """The tree with the leaves of these KeyPackages, unmerged."""
        draft = self.tree.edit()
        keys = dict(self.keys)
        for one in joiners:
            leaf = one.parsed().leaf_node
            keys[draft.add_leaf(leaf)] = self.tree.suite.signature_key(one.signature_key)
        return replace(self, tree=draft.done(), keys=keys)

    def remove(self, *indices: int) -> OwnedTree:
        """The tree without these members, without a path."""
        return self.edit(lambda draft: draft.remove_leaves(indices))

    def update(
        self, index: int, change: Callable[[LeafNode], LeafNode] = lambda leaf: leaf
    ) -> OwnedTree:
        """The tree after an Update of a member; ``change`` lies before the leaf is signed."""
        fresh = self.tree.suite.generate_key_pair(ENTROPY).public
        leaf = change_leaf(
            self.leaf(index),
            encryption_key=fresh,
            source=LeafNodeSource.UPDATE,
            lifetime=None,
            parent_hash=b"",
        )
        signed = self.signed(index, change(leaf))
        return self.edit(lambda draft: draft.update_leaf(index, signed))

    def commit(
        self,
        index: int,
        *,
        change_keys: Callable[[list[bytes]], list[bytes]] = lambda keys: keys,
        change: Callable[[LeafNode], LeafNode] = lambda leaf: leaf,
        entropy: Entropy = ENTROPY,
    ) -> OwnedTree:
        """The tree after a path of a member.

        ``change_keys`` and ``change`` lie before hashes and signature are made over path and leaf.
        """
        drawn = draw_path_secrets(self.tree, LeafIndex(index), entropy)
        keys = change_keys([key.public for key in drawn.keys])
        parents, leaf_parent_hash = make_path_hashes(self.tree, drawn.path, keys)
        leaf = change_leaf(
            self.leaf(index),
            encryption_key=drawn.leaf_key.public,
            source=LeafNodeSource.COMMIT,
            lifetime=None,
            parent_hash=leaf_parent_hash,
        )
        signed = self.signed(index, change(leaf))
        after = self.edit(lambda draft: draft.set_path(index, signed, parents))
        return replace(after, drawn=drawn)

    def signed(self, index: int, leaf: LeafNode) -> LeafNode:
        """A leaf signed by the member at ``index`` for its place."""
        return leaf.signed(self.tree.suite, self.keys[index], self.group_id, index)

    def edit(self, change: Callable[[TreeDraft], object]) -> OwnedTree:
        """The tree after what the proposals or the path of a commit can do."""
        draft = self.tree.edit()
        change(draft)
        return replace(self, tree=draft.done())

    def put(self, changes: Mapping[int, Node | None]) -> OwnedTree:
        """The tree with other nodes by node index; no hash or signature is made for them."""
        nodes = list(self.tree.nodes)
        for index, node in changes.items():
            nodes[index] = node
        return replace(self, tree=RatchetTree(self.tree.suite, nodes))


def forge_group_info(
    signer: Group,
    tree: RatchetTree,
    *,
    extensions: Sequence[Extension] = (),
    context_extensions: Sequence[Extension] | None = None,
) -> bytes:
    """A GroupInfo with the hash of any tree, an MLSMessage, for who joins by an external commit.

    The signer's leaf has to be in the tree, which is not sent along but as one of ``extensions``.
    What depends on the secrets of the epoch is that of the signer's own group: nobody outside can
    tell.
    """
    state = signer.state
    context = replace(state.context, tree_hash=tree.tree_hash())
    if context_extensions is not None:
        context = replace(context, extensions=tuple(context_extensions))
    info = make_group_info(
        replace(state, context=context, tree=tree),
        extensions,
        with_tree=False,
        with_external_pub=True,
    )
    return MLSMessage(body=info).encode()
