"""Our own UpdatePath: fresh secrets, our signed leaf, and the tree with both (RFC 9420 7.5)."""

from __future__ import annotations

from cloister.crypto.entropy import Entropy
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.scheme import SignatureKey
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import tree_math
from cloister.mls.leaf_node import LeafNode
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import PathSecrets, draw_path_secrets


def draw_path(
    tree: RatchetTree,
    group_id: bytes,
    own_leaf: LeafIndex,
    model: LeafNode,
    key: SignatureKey,
    entropy: Entropy,
) -> tuple[PathSecrets, LeafNode, RatchetTree]:
    """Draw a path for ``own_leaf`` in the tree after the proposals.

    Args:
        model: the leaf whose credential, capabilities and extensions the new one takes over.

    Returns the secrets, our new leaf, signed over its parent hash, and the tree with it and the
    new parents.
    """
    drawn = draw_path_secrets(tree, own_leaf, entropy)
    parents, leaf_parent_hash = make_path_hashes(
        tree, drawn.path, [one.public for one in drawn.keys]
    )
    leaf = LeafNode(
        encryption_key=drawn.leaf_key.public,
        signature_key=key.public,
        credential=model.credential,
        capabilities=model.capabilities,
        source=LeafNodeSource.COMMIT,
        parent_hash=leaf_parent_hash,
        extensions=model.extensions,
    ).signed(tree.suite, key, group_id, own_leaf)
    draft = tree.edit()
    draft.set_path(own_leaf, leaf, parents)
    return drawn, leaf, draft.done()


def own_keys(drawn: PathSecrets, own_leaf: LeafIndex) -> dict[NodeIndex, HpkePrivateKey]:
    """The private keys of a path by node, our leaf's included."""
    keys = {node: key for (node, _), key in zip(drawn.path, drawn.keys, strict=True)}
    keys[tree_math.node_of(own_leaf)] = drawn.leaf_key
    return keys
