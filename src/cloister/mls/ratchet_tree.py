"""The public ratchet tree (RFC 9420 sections 4.1, 7.7, 7.8, 12.4.3.3).

A tree is a value: every change goes through a :class:`TreeDraft` and gives a new one. Node
hashes are cached by index; a draft drops the cached hashes above each leaf it touches, and
keeps the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from cloister.codec import CachedStruct, Reader, encode_opaque, layout, opaque, vector
from cloister.codec.fields import UINT32
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import tree_math
from cloister.mls.errors import RuleViolation
from cloister.mls.leaf_node import LeafNode
from cloister.mls.limits import MAX_LEAVES
from cloister.mls.registry import NodeType
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite


@layout
class ParentNode(CachedStruct):
    """struct { encryption_key<V>; parent_hash<V>; uint32 unmerged_leaves<V>; } ParentNode"""

    encryption_key: bytes = opaque()
    parent_hash: bytes = opaque()
    unmerged_leaves: tuple[int, ...] = vector(UINT32, max_items=MAX_LEAVES)


Node = LeafNode | ParentNode


class RatchetTree:
    """An immutable tree of 2^k leaves, some of them blank."""

    __slots__ = ("_hashes", "nodes", "suite")

    def __init__(
        self, suite: Suite, nodes: Sequence[Node | None], hashes: list[bytes | None] | None = None
    ) -> None:
        self.suite: Final = suite
        self.nodes: Final = tuple(nodes)
        # A cache, not state: what it holds follows from the nodes.
        self._hashes: Final[list[bytes | None]] = (
            [None] * len(self.nodes) if hashes is None else hashes
        )

    # -- reading ------------------------------------------------------------------------

    @property
    def leaf_count(self) -> int:
        """The number of leaf places, a power of two."""
        return (len(self.nodes) + 1) // 2

    def leaf(self, index: int) -> LeafNode | None:
        """The leaf at ``index``; None when it is blank or there is no such place."""
        if not 0 <= index < self.leaf_count:
            return None
        node = self.nodes[2 * index]
        return node if isinstance(node, LeafNode) else None

    def leaves(self) -> list[tuple[LeafIndex, LeafNode]]:
        """The members' leaves in order."""
        return [
            (LeafIndex(position), node)
            for position, node in enumerate(self.nodes[::2])
            if isinstance(node, LeafNode)
        ]

    def parent(self, index: int) -> ParentNode | None:
        """The parent node at this node index, or None when it is blank."""
        node = self.nodes[index]
        return node if isinstance(node, ParentNode) else None

    def resolution(self, index: int) -> list[NodeIndex]:
        """The resolution of a node (4.1.1)."""
        nodes = self.nodes
        found: list[NodeIndex] = []
        # Blank nodes still to be looked below, the leftmost last, each with the distance to its
        # children: after many Adds there are as many of them as members.
        waiting = [(index, 1 << tree_math.level(index) >> 1)]
        while waiting:
            index, distance = waiting.pop()
            node = nodes[index]
            if node is not None:
                found.append(NodeIndex(index))
                if isinstance(node, ParentNode):
                    found += [tree_math.node_of(leaf) for leaf in node.unmerged_leaves]
            elif distance:
                waiting.append((index + distance, distance >> 1))
                waiting.append((index - distance, distance >> 1))
        return found

    def is_empty_below(self, index: int) -> bool:
        """Whether the resolution of a node is empty, found without building it."""
        if self.nodes[index] is not None:
            return False
        half = (1 << tree_math.level(index)) - 1
        return all(node is None for node in self.nodes[index - half : index + half + 1 : 2])

    def filtered_direct_path(self, leaf: int) -> list[tuple[NodeIndex, NodeIndex]]:
        """The filtered direct path of a leaf (4.1.2), each node with its child on the copath."""
        path = []
        child = tree_math.node_of(leaf)
        for node in tree_math.direct_path(child, self.leaf_count):
            other = tree_math.sibling(child)
            if not self.is_empty_below(other):
                path.append((node, other))
            child = node
        return path

    def tree_hash(self) -> bytes:
        """The tree hash of the root (7.8)."""
        return self.node_hash(tree_math.root(self.leaf_count))

    def node_hash(self, index: int) -> bytes:
        """The tree hash of the subtree at ``index``, cached."""
        cached = self._hashes[index]
        if cached is not None:
            return cached
        node = self.nodes[index]
        if tree_math.is_leaf(index):
            value = self.suite.hash(
                leaf_hash_input(index // 2, node if isinstance(node, LeafNode) else None)
            )
        else:
            value = self.suite.hash(
                parent_hash_input(
                    node if isinstance(node, ParentNode) else None,
                    self.node_hash(tree_math.left(index)),
                    self.node_hash(tree_math.right(index)),
                )
            )
        self._hashes[index] = value
        return value

    @property
    def occupied_count(self) -> int:
        """The number of nodes that are not blank."""
        return sum(node is not None for node in self.nodes)

    def encryption_keys(self) -> set[bytes]:
        """All encryption keys of the tree, leaves and parents."""
        return {node.encryption_key for node in self.nodes if node is not None}

    # -- changing -----------------------------------------------------------------------

    def edit(self) -> TreeDraft:
        """A draft that starts from this tree."""
        return TreeDraft(self)

    def copied_hashes(self) -> list[bytes | None]:
        """The cached hashes, for a draft to start from."""
        return list(self._hashes)

    # -- the ratchet_tree extension -----------------------------------------------------

    def encode(self) -> bytes:
        """``optional<Node> ratchet_tree<V>`` without the blanks at its end (12.4.3.3)."""
        pieces = []
        last = len(self.nodes)
        while last and self.nodes[last - 1] is None:
            last -= 1
        for node in self.nodes[:last]:
            if node is None:
                pieces.append(b"\x00")
            elif isinstance(node, LeafNode):
                pieces.append(b"\x01\x01" + node.encode())
            else:
                pieces.append(b"\x01\x02" + node.encode())
        return encode_opaque(b"".join(pieces))

    @classmethod
    def decode(cls, suite: Suite, data: bytes) -> RatchetTree:
        """Decode a ratchet_tree. Raises DecodeError, RuleViolation."""
        reader = Reader(data)
        nodes = reader.vector()
        reader.finish()
        found: list[Node | None] = []
        while not nodes.at_end:
            if len(found) == tree_math.node_width(MAX_LEAVES):
                raise nodes.fail(f"more than {MAX_LEAVES} leaves")
            found.append(_read_node(nodes, len(found)))
        # A parent at the end would stand over blank leaves only; no commit leaves one there.
        if not found or not isinstance(found[-1], LeafNode):
            raise RuleViolation(Rule.TREE_END)
        leaf_count = tree_math.leaf_capacity(len(found) // 2 + 1)
        found += [None] * (tree_math.node_width(leaf_count) - len(found))
        return cls(suite, found)

    @classmethod
    def of_one(cls, suite: Suite, leaf: LeafNode) -> RatchetTree:
        """The tree of a new group."""
        return cls(suite, (leaf,))


def _read_node(reader: Reader, index: int) -> Node | None:
    present = reader.uint8()
    if present == 0:
        return None
    if present != 1:
        raise reader.fail("presence is 0 or 1")
    kind = reader.uint8()
    if kind == NodeType.LEAF and tree_math.is_leaf(index):
        return LeafNode.read(reader)
    if kind == NodeType.PARENT and not tree_math.is_leaf(index):
        return ParentNode.read(reader)
    if kind in {NodeType.LEAF, NodeType.PARENT}:
        raise RuleViolation(Rule.TREE_NODE_TYPE)
    raise reader.fail(f"{kind} is not a node type")


def leaf_hash_input(leaf_index: int, leaf: LeafNode | None) -> bytes:
    """TreeHashInput of a leaf (7.8)."""
    head = b"\x01" + leaf_index.to_bytes(4, "big")
    return head + (b"\x00" if leaf is None else b"\x01" + leaf.encode())


def parent_hash_input(parent: ParentNode | None, left: bytes, right: bytes) -> bytes:
    """TreeHashInput of a parent (7.8)."""
    head = b"\x02\x00" if parent is None else b"\x02\x01" + parent.encode()
    return head + encode_opaque(left) + encode_opaque(right)


class TreeDraft:
    """A tree being changed by the proposals and the path of one commit. Not a value; not kept."""

    __slots__ = ("_first_blank", "_hashes", "_nodes", "_suite")

    def __init__(self, tree: RatchetTree) -> None:
        self._suite = tree.suite
        self._nodes: list[Node | None] = list(tree.nodes)
        self._hashes = tree.copied_hashes()
        self._first_blank = 0

    @property
    def _leaf_count(self) -> int:
        return (len(self._nodes) + 1) // 2

    def done(self) -> RatchetTree:
        """The tree as it now is. The draft is not used afterwards."""
        return RatchetTree(self._suite, self._nodes, self._hashes)

    def _forget_hashes(self, node: int) -> None:
        self._hashes[node] = None
        for above in tree_math.direct_path(node, self._leaf_count):
            self._hashes[above] = None

    def _blank_direct_path(self, leaf: int) -> None:
        for node in tree_math.direct_path(2 * leaf, self._leaf_count):
            self._nodes[node] = None

    def update_leaf(self, index: int, leaf: LeafNode) -> None:
        """Apply an Update (7.7, 12.1.2): new leaf, blank direct path."""
        self._nodes[2 * index] = leaf
        self._blank_direct_path(index)
        self._forget_hashes(2 * index)

    def remove_leaves(self, indices: Iterable[int]) -> None:
        """Apply Removes (12.1.3) and truncate once, after all of them (7.7)."""
        for index in indices:
            self._nodes[2 * index] = None
            self._blank_direct_path(index)
            self._forget_hashes(2 * index)
        while self._leaf_count > 1 and all(
            node is None for node in self._nodes[self._leaf_count :: 2]
        ):
            keep = self._leaf_count - 1
            del self._nodes[keep:]
            del self._hashes[keep:]
        self._first_blank = 0

    def add_leaf(self, leaf: LeafNode) -> LeafIndex:
        """Apply an Add (12.1.1): the leaf takes the place that ``reserve_leaf`` finds."""
        index = self.reserve_leaf()
        self._first_blank = index + 1
        self._nodes[2 * index] = leaf
        for above in tree_math.direct_path(2 * index, self._leaf_count):
            node = self._nodes[above]
            if isinstance(node, ParentNode):
                self._nodes[above] = ParentNode(
                    encryption_key=node.encryption_key,
                    parent_hash=node.parent_hash,
                    unmerged_leaves=tuple(sorted((*node.unmerged_leaves, index))),
                )
        self._forget_hashes(2 * index)
        return index

    def reserve_leaf(self) -> LeafIndex:
        """The leftmost blank leaf, in a tree made twice as large if there is none (7.7, 12.4.2)."""
        index = self._first_blank
        while index < self._leaf_count and self._nodes[2 * index] is not None:
            index += 1
        if index == self._leaf_count:
            wider: list[None] = [None] * (2 * self._leaf_count)
            self._nodes += wider
            self._hashes += wider
        return LeafIndex(index)

    def set_path(
        self, index: int, leaf: LeafNode | None, parents: Iterable[tuple[NodeIndex, ParentNode]]
    ) -> None:
        """Merge an UpdatePath (7.5): blank the direct path, then set leaf and filtered path.

        With ``leaf`` None the leaf stays, for a committer who still has to sign it.
        """
        self._blank_direct_path(index)
        for node, parent in parents:
            self._nodes[node] = parent
        if leaf is not None:
            self._nodes[2 * index] = leaf
        self._forget_hashes(2 * index)
