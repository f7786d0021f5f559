"""Inclusion and consistency: all proofs of small trees, and what must be refused (T13 to T15)."""

from __future__ import annotations

import pytest

from cloister.transparency import (
    EMPTY_ROOT,
    HashTree,
    ProofError,
    leaf_hash,
    make_consistency_proof,
    make_inclusion_proof,
    verify_consistency,
    verify_inclusion,
)

LARGEST = 64
LEAVES = [leaf_hash(b"entry %d" % n) for n in range(LARGEST)]
TREE = HashTree(LEAVES)
ROOTS = [TREE.root(size) for size in range(LARGEST + 1)]


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962 section 2.1.1 word for word."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return [*path(index, leaves[:k]), HashTree(leaves[k:]).root(len(leaves) - k)]
    return [*path(index - k, leaves[k:]), HashTree(leaves[:k]).root(k)]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2 word for word."""
    n = len(leaves)
    if m == n:
        return [] if whole else [HashTree(leaves).root(n)]
    k = 1
    while 2 * k < n:
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], whole), HashTree(leaves[k:]).root(n - k)]
    return [*subproof(m - k, leaves[k:], False), HashTree(leaves[:k]).root(k)]


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_leaf_of_a_tree_is_proved_included_T13(size: int) -> None:
    for index in range(size):
        proof = TREE.inclusion_proof(index, size)
        verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_earlier_tree_is_proved_a_beginning_T14(size: int) -> None:
    for old in range(size + 1):
        proof = TREE.consistency_proof(old, size)
        verify_consistency(old, ROOTS[old], size, ROOTS[size], proof)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 13, 33])
def test_proofs_are_those_of_the_definition(size: int) -> None:
    for index in range(size):
        assert list(make_inclusion_proof(LEAVES[:size], index)) == path(index, LEAVES[:size])
    for old in range(1, size + 1):
        expected = subproof(old, LEAVES[:size], True)
        assert list(make_consistency_proof(LEAVES[:size], old)) == expected


def test_the_proofs_that_rfc_6962_draws() -> None:
    """Section 2.1.3: the tree of seven leaves d0 to d6."""
    tree = HashTree(LEAVES[:7])
    a, b, c, d, e, f, j = LEAVES[:7]
    g, h, i = (HashTree(pair).root(2) for pair in ((a, b), (c, d), (e, f)))
    k = HashTree(LEAVES[:4]).root(4)
    last = HashTree(LEAVES[4:7]).root(3)
    assert tree.inclusion_proof(0, 7) == (b, h, last)
    assert tree.inclusion_proof(3, 7) == (c, g, last)
    assert tree.inclusion_proof(4, 7) == (f, j, k)
    assert tree.inclusion_proof(6, 7) == (i, k)
    assert tree.consistency_proof(3, 7) == (c, d, g, last)
    assert tree.consistency_proof(4, 7) == (last,)
    assert tree.consistency_proof(6, 7) == (i, j, k)


def flipped(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21])
def test_an_inclusion_proof_with_anything_changed_is_refused_T13(size: int) -> None:
    for index in range(size):
        proof = list(TREE.inclusion_proof(index, size))
        leaf, root = LEAVES[index], ROOTS[size]
        wrong = [
            (flipped(leaf), index, size, proof, root),
            (leaf, index, size, proof, flipped(root)),
            (leaf, index + size, size, proof, root),
            (leaf, -1, size, proof, root),
            (leaf, index, index, proof, root),
            (leaf, index, size, [*proof, leaf], root),
            (leaf, index, size, [leaf, *proof], root),
            (leaf[:-1], index, size, proof, root),
            (leaf, index, size, proof, root + b"\x00"),
            *((leaf, other, size, proof, root) for other in range(size) if other != index),
            *(
                (leaf, index, size, [*proof[:n], flipped(proof[n]), *proof[n + 1 :]], root)
                for n in range(len(proof))
            ),
            *((leaf, index, size, [*proof[:n], *proof[n + 1 :]], root) for n in range(len(proof))),
            *(
                (leaf, index, size, [*proof[:n], b"", *proof[n + 1 :]], root)
                for n in range(len(proof))
            ),
        ]
        for arguments in wrong:
            with pytest.raises(ProofError):
                verify_inclusion(*arguments)


@pytest.mark.parametrize(
    ("old", "new"), [(1, 2), (1, 7), (3, 7), (4, 7), (6, 8), (8, 21), (20, 21)]
)
def test_a_consistency_proof_with_anything_changed_is_refused_T14(old: int, new: int) -> None:
    proof = list(TREE.consistency_proof(old, new))
    wrong = [
        (old, flipped(ROOTS[old]), new, ROOTS[new], proof),
        (old, ROOTS[old], new, flipped(ROOTS[new]), proof),
        (old, ROOTS[old], new, ROOTS[new], [*proof, LEAVES[0]]),
        (old, ROOTS[old], new, ROOTS[new], [LEAVES[0], *proof]),
        (old, ROOTS[old], new, ROOTS[new], []),
        (old, ROOTS[old][:-1], new, ROOTS[new], proof),
        *(
            (old, ROOTS[old], new, ROOTS[new], [*proof[:n], flipped(proof[n]), *proof[n + 1 :]])
            for n in range(len(proof))
        ),
        *(
            (old, ROOTS[old], new, ROOTS[new], [*proof[:n], *proof[n + 1 :]])
            for n in range(len(proof))
        ),
    ]
    for arguments in wrong:
        with pytest.raises(ProofError):
            verify_consistency(*arguments)


def test_what_is_left_over_or_lacking_of_a_proof_is_told() -> None:
    inclusion = TREE.inclusion_proof(2, 7)
    consistency = TREE.consistency_proof(3, 7)
    for change, proofs in (
        ("long", ((*inclusion, LEAVES[0]), (*consistency, LEAVES[0]))),
        ("short", (inclusion[:-1], consistency[:-1])),
    ):
        with pytest.raises(ProofError, match=f"too {change}"):
            verify_inclusion(LEAVES[2], 2, 7, proofs[0], ROOTS[7])
        with pytest.raises(ProofError, match=f"too {change}"):
            verify_consistency(3, ROOTS[3], 7, ROOTS[7], proofs[1])


def test_bytes_cannot_wander_from_a_hash_to_its_neighbour() -> None:
    """33 and 31 bytes, put together, hash to the same node as 32 and 32."""
    left, right = LEAVES[:2]
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(left + right[:1], 0, 2, [right[1:]], ROOTS[2])


def test_a_changed_history_has_no_proof_T14() -> None:
    """Another entry at 2, then the same entries: every proof the forger can make fails."""
    forged = HashTree([*LEAVES[:2], leaf_hash(b"forged"), *LEAVES[3:20]])
    for new in range(7, 21):
        with pytest.raises(ProofError):
            verify_consistency(6, ROOTS[6], new, forged.root(new), forged.consistency_proof(6, new))


def test_the_log_never_becomes_shorter_T15() -> None:
    with pytest.raises(ProofError, match="shorter"):
        verify_consistency(7, ROOTS[7], 6, ROOTS[6], ())
    with pytest.raises(ProofError, match="shorter"):
        verify_consistency(-1, EMPTY_ROOT, 6, ROOTS[6], ())


def test_one_size_has_one_root_T15() -> None:
    verify_consistency(7, ROOTS[7], 7, ROOTS[7], ())
    with pytest.raises(ProofError, match="same size"):
        verify_consistency(7, ROOTS[7], 7, ROOTS[6], ())


def test_where_nothing_is_to_be_proved_the_proof_is_empty_T15() -> None:
    verify_consistency(0, EMPTY_ROOT, 7, ROOTS[7], ())
    for old in (0, 7):
        with pytest.raises(ProofError, match="none is needed"):
            verify_consistency(old, ROOTS[old], 7, ROOTS[7], (LEAVES[0],))
    with pytest.raises(ProofError, match="empty tree"):
        verify_consistency(0, ROOTS[1], 7, ROOTS[7], ())


def test_a_proof_of_absurd_length_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(ProofError, match=r"^proof is too long"):
        verify_inclusion(LEAVES[0], 0, 2**63 - 1, [LEAVES[0]] * 64, ROOTS[1])
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[0], 0, 2**63, [LEAVES[0]] * 63, ROOTS[1])
