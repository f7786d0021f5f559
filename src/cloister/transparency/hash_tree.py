"""The stored hashes of a log: roots of every earlier size, and proofs, without hashing it again.

A relay keeps one beside its entries. It is the only mutable value of this package: it only grows,
one task owns it, and all it answers about a size stays true for good.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloister.transparency.errors import MisusedLog
from cloister.transparency.merkle import HASH_LENGTH, Frontier, node_hash, root_of_peaks


class HashTree:
    """Hashes of all complete subtrees: `_levels[k][i]` covers the leaves i*2^k to (i+1)*2^k."""

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaf_hashes:
            self.append(leaf)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def append(self, hash_of_leaf: bytes) -> None:
        """Add a leaf. Raises MisusedLog when it is not a hash of 32 bytes."""
        if len(hash_of_leaf) != HASH_LENGTH:
            raise MisusedLog("a leaf hash has 32 bytes")
        node = hash_of_leaf
        for level, nodes in enumerate(self._levels):
            nodes.append(node)
            if len(nodes) & 1:
                return
            node = node_hash(nodes[-2], node)
            if level + 1 == len(self._levels):
                self._levels.append([node])
                return

    def frontier(self, size: int) -> Frontier:
        """Return the frontier of the tree of the first `size` leaves."""
        self._check_size(size)
        return Frontier(size=size, peaks=tuple(self._peaks(0, size)))

    def root(self, size: int) -> bytes:
        """Return the root over the first `size` leaves."""
        return self.frontier(size).root

    def inclusion_proof(self, index: int, size: int) -> tuple[bytes, ...]:
        """Return PATH(index, D[0:size]) of RFC 9162 section 2.1.3.1, lowest sibling first."""
        self._check_size(size)
        if not 0 <= index < size:
            raise MisusedLog("no such leaf in a tree of that size")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._range_hash(middle, end))
                end = middle
            else:
                proof.append(self._range_hash(start, middle))
                start = middle
        return tuple(reversed(proof))

    def consistency_proof(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Return PROOF(old_size, D[0:new_size]) of RFC 9162 section 2.1.4.1.

        Empty for equal sizes and from the empty tree, where nothing needs to be proved.
        """
        self._check_size(new_size)
        if not 0 <= old_size <= new_size:
            raise MisusedLog("the old size is larger than the new one")
        if old_size in (0, new_size):
            return ()
        proof: list[bytes] = []
        start, end = 0, new_size
        # SUBPROOF(m, D, b): walk towards the right edge of the old tree
        while end != old_size:
            middle = start + _split(end - start)
            if old_size <= middle:
                proof.append(self._range_hash(middle, end))
                end = middle
            else:
                proof.append(self._range_hash(start, middle))
                start = middle
        if start:  # b is false: the old tree is not itself a node the verifier knows
            proof.append(self._range_hash(start, end))
        return tuple(reversed(proof))

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise MisusedLog(f"the tree has {self.size} leaves, asked for {size}")

    def _peaks(self, start: int, end: int) -> list[bytes]:
        """Return the complete subtrees over [start, end); at `start` the largest may begin."""
        peaks = []
        while start < end:
            level = (end - start).bit_length() - 1
            peaks.append(self._levels[level][start >> level])
            start += 1 << level
        return peaks

    def _range_hash(self, start: int, end: int) -> bytes:
        return root_of_peaks(self._peaks(start, end))


def _split(count: int) -> int:
    """Return the largest power of two below `count`, for a count above one."""
    return 1 << ((count - 1).bit_length() - 1)
