"""Slices of a tree for light clients: the structures of draft-ietf-mls-partial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from vectors.known_answers.verifier import tree_math
from vectors.known_answers.verifier.codec import (
    Encodable,
    Reader,
    items,
    opaque,
    optional,
    uint8,
    uint32,
)
from vectors.known_answers.verifier.failure import Failure, require
from vectors.known_answers.verifier.framing import MLSMessage
from vectors.known_answers.verifier.leaf import LeafNode
from vectors.known_answers.verifier.suites import Suite
from vectors.known_answers.verifier.tree import ParentNode, encode_entry, read_entry
from vectors.known_answers.verifier.welcome import Welcome

M = TypeVar("M", bound=Encodable)


@dataclass(frozen=True)
class CopathHash:
    hash_value: bytes

    @classmethod
    def read(cls, reader: Reader) -> CopathHash:
        return cls(reader.opaque())

    def encode(self) -> bytes:
        return opaque(self.hash_value)


@dataclass(frozen=True)
class MembershipProof:
    """A leaf, the nodes above it, and the tree hashes beside these."""

    leaf_index: int
    n_leaves: int
    # The leaf first, the root last.
    nodes: tuple[LeafNode | ParentNode | None, ...]
    copath_hashes: tuple[CopathHash, ...]

    @classmethod
    def read(cls, reader: Reader) -> MembershipProof:
        indices = reader.uint32(), reader.uint32()
        return cls(*indices, reader.items(read_entry), reader.items(CopathHash.read))

    def encode(self) -> bytes:
        nodes = opaque(b"".join(map(encode_entry, self.nodes)))
        indices = uint32(self.leaf_index) + uint32(self.n_leaves)
        return indices + nodes + items(self.copath_hashes)

    @property
    def leaf(self) -> LeafNode:
        if not self.nodes or not isinstance(self.nodes[0], LeafNode):
            raise Failure("a membership proof has no leaf")
        return self.nodes[0]

    def parents(self) -> list[tuple[int, ParentNode]]:
        """The parent nodes above the leaf that are not blank, with their indices."""
        above = tree_math.direct_path(2 * self.leaf_index, self.n_leaves)
        require(len(above) == len(self.nodes) - 1, "a membership proof has the wrong length")
        return [
            (index, node)
            for index, node in zip(above, self.nodes[1:], strict=True)
            if isinstance(node, ParentNode)
        ]

    def root_hash(self, suite: Suite) -> bytes:
        """The tree hash of the whole tree, as far as the slice is right."""
        above = tree_math.direct_path(2 * self.leaf_index, self.n_leaves)
        require(len(self.copath_hashes) == len(above), "a membership proof has other hashes")
        computed = suite.hash(uint8(1) + uint32(self.leaf_index) + optional(self.leaf))
        below = 2 * self.leaf_index
        for index, node, beside in zip(above, self.nodes[1:], self.copath_hashes, strict=True):
            pair = computed, beside.hash_value
            left, right = pair if below < index else reversed(pair)
            children = opaque(left) + opaque(right)
            computed = suite.hash(uint8(2) + optional(node) + children)
            below = index
        return computed


@dataclass(frozen=True)
class SenderAuthenticatedMessage(Generic[M]):
    message: M
    sender: MembershipProof

    def encode(self) -> bytes:
        return self.message.encode() + self.sender.encode()


@dataclass(frozen=True)
class AnnotatedWelcome:
    welcome: Welcome
    sender: MembershipProof
    joiner: MembershipProof

    @classmethod
    def read(cls, reader: Reader) -> AnnotatedWelcome:
        return cls(Welcome.read(reader), MembershipProof.read(reader), MembershipProof.read(reader))

    def encode(self) -> bytes:
        return self.welcome.encode() + self.sender.encode() + self.joiner.encode()


@dataclass(frozen=True)
class ResolutionIndex:
    value: int

    @classmethod
    def read(cls, reader: Reader) -> ResolutionIndex:
        return cls(reader.uint32())

    def encode(self) -> bytes:
        return uint32(self.value)


@dataclass(frozen=True)
class AnnotatedCommit:
    commit: MLSMessage
    sender: MembershipProof | None
    tree_hash_after: bytes
    # Which of the ciphertexts of a path node is the receiver's.
    resolution_index: ResolutionIndex | None
    sender_after: MembershipProof
    receiver_after: MembershipProof

    @classmethod
    def read(cls, reader: Reader) -> AnnotatedCommit:
        return cls(
            MLSMessage.read(reader),
            reader.optional(MembershipProof.read),
            reader.opaque(),
            reader.optional(ResolutionIndex.read),
            MembershipProof.read(reader),
            MembershipProof.read(reader),
        )

    def encode(self) -> bytes:
        head = self.commit.encode() + optional(self.sender) + opaque(self.tree_hash_after)
        head += optional(self.resolution_index)
        return head + self.sender_after.encode() + self.receiver_after.encode()
