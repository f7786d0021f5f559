"""The tree: published roots, the definition itself, and frontiers."""

from __future__ import annotations

import hashlib

import pytest

from cloister.codec import DecodeError
from cloister.transparency import EMPTY_ROOT, Frontier, HashTree, MisusedLog, leaf_hash, tree_hash

# The leaves and roots that implementations of RFC 6962 have tested with since 2013.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1 word for word, the oracle of everything else here."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_published_leaves(size: int) -> None:
    assert tree_hash(LEAVES[:size]) == ROOTS[size - 1]
    assert HashTree(LEAVES).root(size) == ROOTS[size - 1]


def test_root_of_the_empty_tree() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier.empty().root == EMPTY_ROOT
    assert HashTree().root(0) == EMPTY_ROOT


def test_every_way_to_a_root_agrees_with_the_definition() -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(130)]
    stored = HashTree(leaves)
    frontier = Frontier.empty()
    for size in range(131):
        assert frontier.size == size
        assert frontier.root == mth(leaves[:size]) == stored.root(size)
        assert stored.frontier(size) == frontier
        assert Frontier.decode(frontier.encode()) == frontier
        if size < 130:
            frontier = frontier.append(leaves[size])


def test_appending_leaves_the_old_frontier_as_it_was() -> None:
    before = Frontier.empty().extend(LEAVES[:5])
    encoded = before.encode()
    before.append(LEAVES[5])
    assert before.encode() == encoded
    assert before.root == ROOTS[4]


def test_a_leaf_is_never_taken_for_a_node() -> None:
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != tree_hash(LEAVES[:2])


@pytest.mark.parametrize("size", [1, 2, 3, 6, 2**63, 2**64 - 1])
def test_a_frontier_whose_peaks_do_not_fit_its_size_is_refused(size: int) -> None:
    encoded = Frontier.empty().extend(LEAVES[:7]).encode()
    with pytest.raises(DecodeError):
        Frontier.decode(size.to_bytes(8, "big") + encoded[8:])
    with pytest.raises(MisusedLog):
        Frontier(size=size, peaks=(LEAVES[0],) * 70)


def test_a_frontier_of_more_leaves_than_a_checkpoint_can_say_is_refused() -> None:
    encoded = Frontier.empty().append(LEAVES[0]).encode()
    with pytest.raises(DecodeError, match="out of range"):
        Frontier.decode((2**63).to_bytes(8, "big") + encoded[8:])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_leaf_hash_of_another_length_is_our_mistake(length: int) -> None:
    with pytest.raises(MisusedLog):
        Frontier.empty().append(bytes(length))
    with pytest.raises(MisusedLog):
        HashTree([bytes(length)])


def test_a_tree_answers_only_about_sizes_it_has() -> None:
    tree = HashTree(LEAVES)
    for size in (-1, 9):
        with pytest.raises(MisusedLog):
            tree.root(size)
        with pytest.raises(MisusedLog):
            tree.inclusion_proof(0, size)
        with pytest.raises(MisusedLog):
            tree.consistency_proof(0, size)
    with pytest.raises(MisusedLog):
        tree.inclusion_proof(8, 8)
    with pytest.raises(MisusedLog):
        tree.inclusion_proof(-1, 8)
    with pytest.raises(MisusedLog):
        tree.consistency_proof(8, 7)
