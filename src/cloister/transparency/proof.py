"""Inclusion and consistency proofs of RFC 9162, made from leaf hashes and verified without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloister.transparency.errors import ProofError
from cloister.transparency.hash_tree import HashTree
from cloister.transparency.merkle import EMPTY_ROOT, HASH_LENGTH, MAX_TREE_SIZE, node_hash

MAX_PROOF_HASHES: Final = 63
"""As in C2SP tlog-witness: no tree within MAX_TREE_SIZE needs more."""


def make_inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the proof that the leaf at `index` is in the tree of all these leaves.

    Hashes everything; a log that proves often keeps a HashTree. Raises MisusedLog for an index
    outside the tree.
    """
    return HashTree(leaf_hashes).inclusion_proof(index, len(leaf_hashes))


def make_consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the proof that the tree of all these leaves continues that of the first `old_size`.

    Hashes everything, as above. Raises MisusedLog when there are fewer leaves.
    """
    return HashTree(leaf_hashes).consistency_proof(old_size, len(leaf_hashes))


def verify_inclusion(
    hash_of_leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Verify that a leaf is at `index` of the tree with `size` leaves (RFC 9162 section 2.1.3.2).

    Args: hashes of 32 bytes; `proof` with the sibling of the leaf first.
    Raises: ProofError. Any other exception is a bug.
    """
    _check_form(proof, hash_of_leaf, root)
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise ProofError("no such leaf in a tree of that size")
    first, last = index, size - 1
    node = hash_of_leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("inclusion proof is too long")
        if first & 1 or first == last:
            node = node_hash(sibling, node)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise ProofError("inclusion proof is too short")
    if node != root:
        raise ProofError("inclusion proof leads to another root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Verify that the new tree only appends to the old one (RFC 9162 section 2.1.4.2).

    From the empty tree and between equal sizes the proof is empty; then the old root must be that
    of the empty tree, or both roots must be the same.
    Raises: ProofError. Any other exception is a bug.
    """
    _check_form(proof, old_root, new_root)
    if not 0 <= old_size <= new_size <= MAX_TREE_SIZE:
        raise ProofError("the log has become shorter")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofError("the empty tree has another root")
    if old_size == new_size and old_root != new_root:
        raise ProofError("two different trees of the same size")
    if old_size in {0, new_size}:
        if proof:
            raise ProofError("consistency proof where none is needed")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)  # the old tree is complete, hence a node the proof leaves out
    if not path:
        raise ProofError("consistency proof is too short")
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("consistency proof is too long")
        if first & 1 or first == last:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise ProofError("consistency proof is too short")
    if old_node != old_root:
        raise ProofError("consistency proof does not start from the old root")
    if new_node != new_root:
        raise ProofError("consistency proof leads to another root")


def _check_form(proof: Sequence[bytes], *hashes: bytes) -> None:
    if len(proof) > MAX_PROOF_HASHES:
        raise ProofError("proof is too long")
    if any(len(value) != HASH_LENGTH for value in (*proof, *hashes)):
        raise ProofError("a hash has 32 bytes")
