"""The Merkle tree of RFC 6962 section 2.1 and RFC 9162 section 2.1.1, over SHA-256.

    MTH({})     = SHA-256()
    MTH({d})    = SHA-256(0x00 || d)
    MTH(D[0:n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])),  k the largest power of two < n

The two prefixes keep an entry from being taken for an inner node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, Self

from cloister.codec import Struct, fixed, layout, uint64, vector
from cloister.transparency.errors import MisusedLog

HASH_LENGTH: Final = 32
LEAF_PREFIX: Final = b"\x00"
NODE_PREFIX: Final = b"\x01"

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""

MAX_TREE_SIZE: Final = 2**63 - 1
"""So that a size fits every integer of the C2SP formats and of SQLite."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry, 32 bytes."""
    return hashlib.sha256(LEAF_PREFIX + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over two subtrees, 32 bytes."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def tree_hash(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes in their order."""
    return Frontier.empty().extend(leaf_hashes).root


def root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    """Fold the roots of complete subtrees, largest first, into the root of the whole tree."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


@layout
class Frontier(Struct):
    """What of a tree is needed to append to it and to know its root: a frozen value.

    struct { uint64 size; opaque peaks<V>[32]; } Frontier

    `peaks` are the roots of the complete subtrees the tree is made of, largest (leftmost) first:
    one for each bit that is set in `size`.
    """

    size: int = uint64()
    peaks: tuple[bytes, ...] = vector(fixed(HASH_LENGTH), max_items=63)

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_TREE_SIZE:
            raise MisusedLog("tree size out of range")
        if len(self.peaks) != self.size.bit_count():
            raise MisusedLog("number of peaks does not fit the tree size")

    @classmethod
    def empty(cls) -> Self:
        """Return the frontier of the tree without leaves."""
        return cls(size=0, peaks=())

    @property
    def root(self) -> bytes:
        """The root of the tree, 32 bytes."""
        return root_of_peaks(self.peaks)

    def append(self, hash_of_leaf: bytes) -> Self:
        """Return the frontier with one leaf more. Raises MisusedLog unless it has 32 bytes."""
        return self.extend((hash_of_leaf,))

    def extend(self, leaf_hashes: Iterable[bytes]) -> Self:
        """Return the frontier of the tree with these leaves after its own."""
        peaks = list(self.peaks)
        size = self.size
        for node in leaf_hashes:
            if len(node) != HASH_LENGTH:
                raise MisusedLog("a leaf hash has 32 bytes")
            carry = size
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return type(self)(size=size, peaks=tuple(peaks))
