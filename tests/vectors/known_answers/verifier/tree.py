"""The public ratchet tree: contents, hashes, and how proposals change it (RFC 9420, section 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vectors.known_answers.verifier import tree_math
from vectors.known_answers.verifier.codec import (
    Reader,
    decode,
    opaque,
    optional,
    uint8,
    uint32,
    uint32s,
)
from vectors.known_answers.verifier.failure import Failure, require
from vectors.known_answers.verifier.leaf import LeafNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectors.known_answers.verifier.suites import Suite

LEAF, PARENT = 1, 2
NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ParentNode:
    encryption_key: bytes
    parent_hash: bytes
    unmerged_leaves: tuple[int, ...]

    @classmethod
    def read(cls, reader: Reader) -> ParentNode:
        node = cls(reader.opaque(), reader.opaque(), reader.items(Reader.uint32))
        ascending = tuple(sorted(set(node.unmerged_leaves)))
        require(node.unmerged_leaves == ascending, "unmerged_leaves are not ascending")
        return node

    def encode(self) -> bytes:
        return (
            opaque(self.encryption_key) + opaque(self.parent_hash) + uint32s(self.unmerged_leaves)
        )


Node = LeafNode | ParentNode


def read_entry(reader: Reader) -> Node | None:
    """``optional<Node>``."""

    def read(reader: Reader) -> Node:
        node_type = reader.uint8()
        if node_type == LEAF:
            return LeafNode.read(reader)
        require(node_type == PARENT, "a NodeType is unknown")
        return ParentNode.read(reader)

    return reader.optional(read)


def encode_entry(node: Node | None) -> bytes:
    """``optional<Node>``."""
    if node is None:
        return uint8(0)
    return uint8(1) + uint8(LEAF if isinstance(node, LeafNode) else PARENT) + node.encode()


class Tree:
    """All nodes in the order of the array; a tree changes in place, so copy it first."""

    def __init__(self, suite: Suite, nodes: list[Node | None]) -> None:
        self.suite = suite
        self.nodes = nodes

    @classmethod
    def decode(cls, suite: Suite, data: bytes) -> Tree:
        """``optional<Node> ratchet_tree<V>`` (section 12.4.3.3)."""
        nodes = list(decode(lambda reader: reader.items(read_entry), data))
        require(bool(nodes) and nodes[-1] is not None, "the tree ends with a blank node")
        width = 1
        while width < len(nodes):
            width = 2 * width + 1
        nodes += [None] * (width - len(nodes))
        for index, node in enumerate(nodes):
            kind = LeafNode if index % 2 == 0 else ParentNode
            require(node is None or isinstance(node, kind), "a node is of the wrong type")
        return cls(suite, nodes)

    def encode(self) -> bytes:
        last = max(index for index, node in enumerate(self.nodes) if node is not None)
        return opaque(b"".join(map(encode_entry, self.nodes[: last + 1])))

    def copy(self) -> Tree:
        return Tree(self.suite, list(self.nodes))

    # What is where

    @property
    def size(self) -> int:
        """The number of leaves, blank ones included; a power of two."""
        return (len(self.nodes) + 1) // 2

    @property
    def root(self) -> int:
        return tree_math.root(self.size)

    def find_leaf(self, index: int) -> LeafNode | None:
        """The leaf of an index, or nothing if it is blank or beyond the tree."""
        node = self.nodes[2 * index] if index < self.size else None
        return node if isinstance(node, LeafNode) else None

    def leaf(self, index: int) -> LeafNode:
        """The leaf of a member."""
        found = self.find_leaf(index)
        if found is None:
            raise Failure(f"leaf {index} is blank")
        return found

    def members(self) -> Iterator[tuple[int, LeafNode]]:
        """Index and leaf of everybody, from left to right."""
        for index in range(self.size):
            leaf = self.find_leaf(index)
            if leaf is not None:
                yield index, leaf

    def parents(self) -> Iterator[tuple[int, ParentNode]]:
        """Index and contents of every parent node that is not blank."""
        for index, node in enumerate(self.nodes):
            if isinstance(node, ParentNode):
                yield index, node

    def resolution(self, index: int) -> list[int]:
        """Node indices that cover everybody below a node (section 4.1.1)."""
        node = self.nodes[index]
        if isinstance(node, ParentNode):
            return [index, *(2 * leaf for leaf in node.unmerged_leaves)]
        if node is not None:
            return [index]
        if index % 2 == 0:
            return []
        left, right = tree_math.left(index), tree_math.right(index)
        return self.resolution(left) + self.resolution(right)

    def filtered_direct_path(self, leaf: int) -> list[tuple[int, int]]:
        """Pairs of a node above the leaf and its child on the copath (section 4.1.2)."""
        found = []
        below = 2 * leaf
        for node in tree_math.direct_path(2 * leaf, self.size):
            beside = tree_math.sibling(below)
            if self.resolution(beside):
                found.append((node, beside))
            below = node
        return found

    # Hashes

    def hash(self, index: int, without: frozenset[int] = NOBODY) -> bytes:
        """The tree hash of a node (section 7.8), as if the leaves ``without`` were blank."""
        node = self.nodes[index]
        if index % 2 == 0:
            present = None if index // 2 in without else node
            return self.suite.hash(uint8(LEAF) + uint32(index // 2) + optional(present))
        if isinstance(node, ParentNode) and without:
            left_over = tuple(leaf for leaf in node.unmerged_leaves if leaf not in without)
            node = replace(node, unmerged_leaves=left_over)
        left = self.hash(tree_math.left(index), without)
        right = self.hash(tree_math.right(index), without)
        return self.suite.hash(uint8(PARENT) + optional(node) + opaque(left) + opaque(right))

    def root_hash(self) -> bytes:
        return self.hash(self.root)

    def parent_hash(self, index: int, copath_child: int) -> bytes:
        """The parent hash of a node with a copath child (section 7.9)."""
        node = self.nodes[index]
        if not isinstance(node, ParentNode):
            raise Failure("a blank node has no parent hash")
        original_sibling_tree_hash = self.hash(copath_child, frozenset(node.unmerged_leaves))
        return self.suite.hash(
            opaque(node.encryption_key)
            + opaque(node.parent_hash)
            + opaque(original_sibling_tree_hash)
        )

    # Changes (section 12.1)

    def blank_direct_path(self, leaf: int) -> None:
        for node in tree_math.direct_path(2 * leaf, self.size):
            self.nodes[node] = None

    def free_leaf(self) -> int:
        """The leftmost blank leaf, after the tree was extended if there was none."""
        for index in range(self.size):
            if self.nodes[2 * index] is None:
                return index
        before = self.size
        self.nodes += [None] * (len(self.nodes) + 1)
        return before

    def add(self, leaf: LeafNode) -> int:
        """Put a new member at the leftmost blank leaf, whose index is returned."""
        index = self.free_leaf()
        for node in tree_math.direct_path(2 * index, self.size):
            parent = self.nodes[node]
            if isinstance(parent, ParentNode):
                unmerged = tuple(sorted({*parent.unmerged_leaves, index}))
                self.nodes[node] = replace(parent, unmerged_leaves=unmerged)
        self.nodes[2 * index] = leaf
        return index

    def update(self, index: int, leaf: LeafNode) -> None:
        """Replace a member's leaf."""
        self.leaf(index)
        self.nodes[2 * index] = leaf
        self.blank_direct_path(index)

    def remove(self, index: int) -> None:
        """Blank a member's leaf and cut off a right half that has nobody left."""
        self.leaf(index)
        self.nodes[2 * index] = None
        self.blank_direct_path(index)
        last = max((member for member, _ in self.members()), default=-1)
        require(last >= 0, "the last member is removed")
        while self.size > 1 and last < self.size // 2:
            del self.nodes[len(self.nodes) // 2 :]
