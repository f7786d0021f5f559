"""What a joiner verifies about a ratchet tree (RFC 9420, sections 7.3, 7.9.2 and 12.4.3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectors.known_answers.verifier import tree_math
from vectors.known_answers.verifier.codec import Reader, decode
from vectors.known_answers.verifier.failure import require
from vectors.known_answers.verifier.leaf import (
    COMMIT,
    EXTERNAL_SENDERS,
    KEY_PACKAGE,
    MLS10,
    REQUIRED_CAPABILITIES,
    Extension,
    LeafNode,
    find_extension,
)
from vectors.known_answers.verifier.tree import ParentNode

if TYPE_CHECKING:
    from vectors.known_answers.verifier.tree import Node, Tree

DEFAULT_EXTENSIONS = range(1, EXTERNAL_SENDERS + 1)
DEFAULT_PROPOSALS = range(1, 8)


def check_parent_hashes(tree: Tree) -> None:
    """Every parent node that is not blank has exactly one descendant that vouches for it.

    The descendant is itself a leaf, or a parent node for which the same holds, so a chain goes
    down to a leaf.
    """
    for index, parent in tree.parents():
        left, right = tree_math.left(index), tree_math.right(index)
        vouching = [
            node
            for child, beside in ((left, right), (right, left))
            for node in tree.resolution(child)
            if _vouches(tree, node, child, index, beside)
        ]
        require(len(vouching) == 1, f"node {index} is vouched for by {len(vouching)} nodes")
        require(parent.encryption_key != b"", "a parent node has no key")


def _vouches(tree: Tree, node: int, child: int, parent: int, beside: int) -> bool:
    """Whether the parent hash in ``node`` is valid with respect to ``parent``."""
    contents, above = tree.nodes[node], tree.nodes[parent]
    assert isinstance(above, ParentNode)
    if _parent_hash_in(contents) != tree.parent_hash(parent, beside):
        return False
    unmerged = {2 * leaf for leaf in above.unmerged_leaves if tree_math.covers(child, leaf)}
    return unmerged == set(tree.resolution(child)) - {node}


def _parent_hash_in(node: Node | None) -> bytes | None:
    if isinstance(node, LeafNode):
        return node.parent_hash if node.source == COMMIT else None
    return None if node is None else node.parent_hash


def check_unmerged_leaves(tree: Tree) -> None:
    """Each entry is somebody below the node, and also unmerged at the nodes between."""
    for index, parent in tree.parents():
        for leaf in parent.unmerged_leaves:
            below = tree_math.covers(index, leaf) and tree.find_leaf(leaf) is not None
            require(below, "an unmerged leaf is blank or elsewhere in the tree")
            for node in tree_math.direct_path(2 * leaf, tree.size):
                if node == index:
                    break
                between = tree.nodes[node]
                if isinstance(between, ParentNode):
                    known = leaf in between.unmerged_leaves
                    require(known, "a leaf is unmerged above a node that has merged it")


def check_keys(tree: Tree) -> None:
    """Every key in the tree occurs once, and HPKE keys have the length of the suite's."""
    keys = [node.encryption_key for node in tree.nodes if node is not None]
    require(len(keys) == len(set(keys)), "two nodes have one encryption_key")
    for key in keys:
        tree.suite.check_key_length(key)
    signature_keys = [leaf.signature_key for _, leaf in tree.members()]
    require(len(signature_keys) == len(set(signature_keys)), "two members have one signature_key")


def check_leaf_contents(leaf: LeafNode) -> None:
    """What a leaf says of itself agrees (section 7.2)."""
    capabilities = leaf.capabilities
    require(MLS10 in capabilities.versions, "a leaf does not support this version")
    supported = leaf.credential.credential_type in capabilities.credentials
    require(supported, "a leaf does not support its own credential")
    for extension in leaf.extensions:
        check_extension_support(leaf, extension.extension_type)
    if leaf.source == KEY_PACKAGE:
        require(leaf.lifetime is not None and leaf.lifetime[0] <= leaf.lifetime[1], "no lifetime")


def check_extension_support(leaf: LeafNode, extension_type: int) -> None:
    known = extension_type in DEFAULT_EXTENSIONS
    known = known or extension_type in leaf.capabilities.extensions
    require(known, "a leaf does not support an extension in use")


def check_members(tree: Tree, extensions: tuple[Extension, ...]) -> None:
    """All members support the group's extensions and each other's credentials."""
    required = find_extension(extensions, REQUIRED_CAPABILITIES)
    lists: tuple[tuple[int, ...], ...] = ((), (), ())
    if required is not None:
        lists = decode(lambda reader: tuple(reader.items(Reader.uint16) for _ in "EPC"), required)
    in_use = {leaf.credential.credential_type for _, leaf in tree.members()} | set(lists[2])
    for _, leaf in tree.members():
        check_leaf_contents(leaf)
        supported = tree.suite.code in leaf.capabilities.cipher_suites
        require(supported, "a member does not support the group's cipher suite")
        for extension_type in (*(one.extension_type for one in extensions), *lists[0]):
            check_extension_support(leaf, extension_type)
        for proposal_type in lists[1]:
            known = proposal_type in DEFAULT_PROPOSALS
            known = known or proposal_type in leaf.capabilities.proposals
            require(known, "a member does not support a required proposal")
        shared = in_use <= set(leaf.capabilities.credentials)
        require(shared, "a member does not support a credential in use")


def check_signatures(tree: Tree, group_id: bytes) -> None:
    for index, leaf in tree.members():
        leaf.verify(tree.suite, group_id, index)


def check_tree(tree: Tree, group_id: bytes, extensions: tuple[Extension, ...]) -> None:
    """All that a joiner verifies, apart from the hash of the whole."""
    check_unmerged_leaves(tree)
    check_parent_hashes(tree)
    check_keys(tree)
    check_members(tree, extensions)
    check_signatures(tree, group_id)
