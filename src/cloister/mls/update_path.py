"""UpdatePath and the path secrets behind it (RFC 9420 sections 7.4 to 7.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cloister.codec import Struct, layout, nested, opaque, vector
from cloister.crypto.entropy import Entropy
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import labels, tree_math
from cloister.mls.errors import Misuse, RuleViolation, Undecryptable
from cloister.mls.leaf_node import LeafNode
from cloister.mls.limits import MAX_PATH_NODES, MAX_RESOLUTION
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite

PrivateKeys = Mapping[NodeIndex, HpkePrivateKey]


@layout
class HpkeCiphertext(Struct):
    """struct { opaque kem_output<V>; opaque ciphertext<V>; } HPKECiphertext"""

    kem_output: bytes = opaque()
    ciphertext: bytes = opaque()


@layout
class UpdatePathNode(Struct):
    """One node of the path: its new key, and its path secret for each node of the resolution."""

    encryption_key: bytes = opaque()
    encrypted_path_secret: tuple[HpkeCiphertext, ...] = vector(
        HpkeCiphertext, max_items=MAX_RESOLUTION
    )


@layout
class UpdatePath(Struct):
    """struct { LeafNode leaf_node; UpdatePathNode nodes<V>; } UpdatePath"""

    leaf_node: LeafNode = nested(LeafNode)
    nodes: tuple[UpdatePathNode, ...] = vector(UpdatePathNode, max_items=MAX_PATH_NODES)


def node_key(suite: Suite, path_secret: Secret) -> HpkePrivateKey:
    """The key pair of the node with this path secret (7.4)."""
    return suite.derive_key_pair(suite.derive_secret(path_secret, labels.NODE))


def next_path_secret(suite: Suite, path_secret: Secret) -> Secret:
    """The path secret of the next node up, or after the root the commit secret (7.4, 8)."""
    return suite.derive_secret(path_secret, labels.PATH)


class PathSecrets(msgspec.Struct, frozen=True):
    """What a committer draws for an UpdatePath, before anything is encrypted."""

    leaf_key: HpkePrivateKey
    path: tuple[tuple[NodeIndex, NodeIndex], ...]
    secrets: tuple[Secret, ...]
    keys: tuple[HpkePrivateKey, ...]
    commit_secret: Secret


def draw_path_secrets(tree: RatchetTree, leaf: LeafIndex, entropy: Entropy) -> PathSecrets:
    """Draw fresh secrets for the filtered direct path of ``leaf`` in the tree after proposals.

    The leaf's key is drawn apart; path_secret[0] is random and belongs to the first node of the
    filtered path (7.4). Where that path is empty, there is nobody to tell the commit secret.
    """
    suite = tree.suite
    path = tuple(tree.filtered_direct_path(leaf))
    following = Secret(entropy.random(suite.nh))
    secrets: list[Secret] = []
    for _ in path:
        secrets.append(following)
        following = next_path_secret(suite, following)
    keys = tuple(node_key(suite, secret) for secret in secrets)
    return PathSecrets(suite.generate_key_pair(entropy), path, tuple(secrets), keys, following)


def encrypt_path(
    tree: RatchetTree,
    drawn: PathSecrets,
    group_context: bytes,
    new_leaves: frozenset[LeafIndex],
) -> tuple[UpdatePathNode, ...]:
    """Encrypt each path secret to the resolution of its copath node, without new leaves (7.6).

    New leaves get theirs in the Welcome; a node may therefore carry no ciphertext at all.
    """
    suite = tree.suite
    nodes = []
    for (_, copath_child), path_secret, key in zip(
        drawn.path, drawn.secrets, drawn.keys, strict=True
    ):
        ciphertexts = []
        for target in encryption_targets(tree, copath_child, new_leaves):
            node = tree.nodes[target]
            if node is None:
                raise Misuse("a resolution names a blank node")
            kem_output, ciphertext = suite.encrypt_with_label(
                node.encryption_key, labels.UPDATE_PATH_NODE, group_context, path_secret.expose()
            )
            ciphertexts.append(HpkeCiphertext(kem_output=kem_output, ciphertext=ciphertext))
        nodes.append(
            UpdatePathNode(encryption_key=key.public, encrypted_path_secret=tuple(ciphertexts))
        )
    return tuple(nodes)


def encryption_targets(
    tree: RatchetTree, copath_child: NodeIndex, new_leaves: frozenset[LeafIndex]
) -> list[NodeIndex]:
    """The resolution of a copath node without the leaves added by the same commit."""
    resolution = tree.resolution(copath_child)
    if not new_leaves:
        return resolution
    return [
        node
        for node in resolution
        if not (tree_math.is_leaf(node) and tree_math.leaf_of(node) in new_leaves)
    ]


def check_path_shape(
    tree: RatchetTree,
    path: Sequence[tuple[NodeIndex, NodeIndex]],
    nodes: Sequence[UpdatePathNode],
    new_leaves: frozenset[LeafIndex],
) -> None:
    """Demand one node per filtered path node and one ciphertext per target. Raises RuleViolation.

    All counts are checked, not only those this member decrypts, so that members cannot differ
    about whether a commit is valid.
    """
    if len(nodes) != len(path):
        raise RuleViolation(Rule.PATH_LENGTH)
    for (_, copath_child), node in zip(path, nodes, strict=True):
        targets = encryption_targets(tree, copath_child, new_leaves)
        if len(targets) != len(node.encrypted_path_secret):
            raise RuleViolation(Rule.PATH_CIPHERTEXTS)


def decrypt_path(
    tree: RatchetTree,
    path: Sequence[tuple[NodeIndex, NodeIndex]],
    nodes: Sequence[UpdatePathNode],
    own_leaf: LeafIndex,
    own_keys: PrivateKeys,
    group_context: bytes,
    new_leaves: frozenset[LeafIndex],
) -> tuple[dict[NodeIndex, HpkePrivateKey], Secret]:
    """Find the path secret meant for us and derive all above it (7.5).

    Returns the private keys of the nodes from there to the root, and the commit secret.
    Raises RuleViolation, DecryptError.
    """
    suite = tree.suite
    own_node = tree_math.node_of(own_leaf)
    for position, (_, copath_child) in enumerate(path):
        if not tree_math.is_below(own_node, copath_child):
            continue
        targets = encryption_targets(tree, copath_child, new_leaves)
        for target, sealed in zip(targets, nodes[position].encrypted_path_secret, strict=True):
            key = own_keys.get(target)
            if key is None:
                continue
            path_secret = suite.decrypt_with_label(
                key,
                labels.UPDATE_PATH_NODE,
                group_context,
                (sealed.kem_output, sealed.ciphertext),
            )
            above = [
                (node, nodes[position + n].encryption_key)
                for n, (node, _) in enumerate(path[position:])
            ]
            return derive_upwards(suite, path_secret, above)
    raise Undecryptable


def derive_upwards(
    suite: Suite, path_secret: Secret, path: Sequence[tuple[NodeIndex, bytes]]
) -> tuple[dict[NodeIndex, HpkePrivateKey], Secret]:
    """Derive the keys of ``path`` from the path secret of its first node.

    Every derived public key must be the one in the path. Returns the private keys and the
    commit secret. Raises RuleViolation.
    """
    if len(path_secret) != suite.nh:
        raise RuleViolation(Rule.PATH_SECRET_LENGTH)
    keys: dict[NodeIndex, HpkePrivateKey] = {}
    for node, public in path:
        key = node_key(suite, path_secret)
        if key.public != public:
            raise RuleViolation(Rule.PATH_KEYS)
        keys[node] = key
        path_secret = next_path_secret(suite, path_secret)
    return keys, path_secret
