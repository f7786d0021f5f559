"""Private keys of the tree, and UpdatePaths both ways (RFC 9420, sections 7.4 to 7.6)."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vectors.known_answers.verifier import tree_math
from vectors.known_answers.verifier.commit import HPKECiphertext, UpdatePath, UpdatePathNode
from vectors.known_answers.verifier.failure import Failure, equal, require
from vectors.known_answers.verifier.leaf import COMMIT
from vectors.known_answers.verifier.tree import NOBODY, ParentNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectors.known_answers.verifier.suites import Suite
    from vectors.known_answers.verifier.tree import Tree

# Private keys by their public keys. A key pair belongs to one node only, so a member that looks
# for the private key of a node needs not know which node it learned it for.
KeyRing = dict[bytes, bytes]


def node_key(suite: Suite, path_secret: bytes) -> tuple[bytes, bytes]:
    """Private and public key of the node that a path secret belongs to."""
    private = suite.kem.derive_private(suite.derive_secret(path_secret, "node"))
    return private, suite.kem.public_of(private)


def next_path_secret(suite: Suite, path_secret: bytes) -> bytes:
    """The path secret one node up; above the last node it is the commit_secret."""
    return suite.derive_secret(path_secret, "path")


def take_path_secret(tree: Tree, ring: KeyRing, node: int, leaf: int, path_secret: bytes) -> bytes:
    """Derive the keys from ``node`` up along the filtered direct path of ``leaf``.

    Each must be the one in the tree. They are put on the ring; the commit_secret is returned.
    """
    for above, _ in tree.filtered_direct_path(leaf):
        if tree_math.height(above) < tree_math.height(node):
            continue
        private, public = node_key(tree.suite, path_secret)
        found = tree.nodes[above]
        equal(public, None if found is None else found.encryption_key, f"the key of node {above}")
        ring[public] = private
        path_secret = next_path_secret(tree.suite, path_secret)
    return path_secret


def set_path(tree: Tree, sender: int, public_keys: list[bytes]) -> bytes:
    """Set keys and parent hashes along the sender's filtered direct path, its own leaf apart.

    Returns the parent hash that belongs into the sender's leaf.
    """
    path = tree.filtered_direct_path(sender)
    require(len(path) == len(public_keys), "an UpdatePath has not one node for each of the path")
    tree.blank_direct_path(sender)
    parent_hash = b""
    for (node, copath_child), public in reversed(list(zip(path, public_keys, strict=True))):
        tree.nodes[node] = ParentNode(public, parent_hash, ())
        parent_hash = tree.parent_hash(node, copath_child)
    return parent_hash


def merge_path(tree: Tree, sender: int, path: UpdatePath) -> None:
    """Merge an UpdatePath into the tree; the leaf must state the right parent hash."""
    parent_hash = set_path(tree, sender, [node.encryption_key for node in path.nodes])
    equal(parent_hash, path.leaf_node.parent_hash, "the parent hash in the sender's leaf")
    tree.nodes[2 * sender] = path.leaf_node


def _recipients(tree: Tree, copath_child: int, new_leaves: frozenset[int]) -> list[int]:
    """The nodes that a path secret is encrypted to."""
    excluded = {2 * leaf for leaf in new_leaves}
    return [node for node in tree.resolution(copath_child) if node not in excluded]


def open_path(
    tree: Tree,
    sender: int,
    path: UpdatePath,
    receiver: int,
    ring: KeyRing,
    context: bytes,
    new_leaves: frozenset[int] = NOBODY,
) -> tuple[bytes, bytes]:
    """Decrypt what an UpdatePath, merged already, holds for a receiver.

    Returns its path secret and the commit_secret; the keys are put on the ring.
    """
    filtered = tree.filtered_direct_path(sender)
    found: tuple[int, HPKECiphertext, bytes] | None = None
    for (node, copath_child), sent in zip(filtered, path.nodes, strict=True):
        recipients = _recipients(tree, copath_child, new_leaves)
        fits = len(recipients) == len(sent.encrypted_path_secret)
        require(fits, f"node {node} has not one ciphertext for each recipient")
        if not tree_math.covers(copath_child, receiver):
            continue
        for recipient, ciphertext in zip(recipients, sent.encrypted_path_secret, strict=True):
            contents = tree.nodes[recipient]
            public = b"" if contents is None else contents.encryption_key
            if tree_math.covers(recipient, receiver) and public in ring:
                found = node, ciphertext, ring[public]
                break
    if found is None:
        raise Failure("an UpdatePath holds nothing for the receiver")
    node, ciphertext, private = found
    path_secret = tree.suite.decrypt_with_label(
        private, "UpdatePathNode", context, ciphertext.kem_output, ciphertext.ciphertext
    )
    return path_secret, take_path_secret(tree, ring, node, sender, path_secret)


@dataclass(frozen=True)
class MadePath:
    """An UpdatePath of the verifier's own, the tree after it, and its secrets."""

    path: UpdatePath
    tree: Tree
    # By node index.
    path_secrets: dict[int, bytes]
    commit_secret: bytes


def make_path(
    tree: Tree,
    sender: int,
    signature_private: bytes,
    group_id: bytes,
    context_of: Callable[[bytes], bytes],
) -> MadePath:
    """Make an UpdatePath; ``context_of`` gives the GroupContext for a tree hash."""
    suite, after = tree.suite, tree.copy()
    filtered = tree.filtered_direct_path(sender)
    path_secret = os.urandom(suite.nh)
    secrets, public_keys = {}, []
    for node, _ in filtered:
        secrets[node] = path_secret
        public_keys.append(node_key(suite, path_secret)[1])
        path_secret = next_path_secret(suite, path_secret)
    leaf = replace(
        tree.leaf(sender),
        encryption_key=suite.kem.public_of(suite.kem.generate()),
        source=COMMIT,
        lifetime=None,
        parent_hash=set_path(after, sender, public_keys),
    )
    signed = leaf.signed_part(group_id, sender)
    signature = suite.sign_with_label(signature_private, "LeafNodeTBS", signed)
    leaf = replace(leaf, signature=signature)
    after.nodes[2 * sender] = leaf
    context = context_of(after.root_hash())
    nodes = []
    for (node, copath_child), public in zip(filtered, public_keys, strict=True):
        sealed = []
        for recipient in tree.resolution(copath_child):
            contents = tree.nodes[recipient]
            assert contents is not None
            ciphertext = suite.encrypt_with_label(
                contents.encryption_key, "UpdatePathNode", context, secrets[node]
            )
            sealed.append(HPKECiphertext(*ciphertext))
        nodes.append(UpdatePathNode(public, tuple(sealed)))
    return MadePath(UpdatePath(leaf, tuple(nodes)), after, secrets, path_secret)
