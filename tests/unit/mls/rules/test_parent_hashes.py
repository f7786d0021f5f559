"""Parent nodes that nobody below signed for (RFC 9420 sections 7.9, 7.9.2), as joiners see them.

All lies are told by members with their own keys, about trees of which every other rule holds; the
honest trees are of the same shapes. Where a lie is about a hash, its author signs for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import pytest

from cloister.mls.ratchet_tree import Node, ParentNode
from cloister.mls.registry import LeafNodeSource
from cloister.mls.rules import Rule
from cloister.mls.tree_hash import original_tree_hash, parent_hash
from cloister.testing.forge import change_leaf
from cloister.testing.forge_tree import OwnedTree
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, group_of, package
from unit.mls.rules.ways_in import Host, Way, every_way

GROUPS = group_of(7, CLASSICAL)
SUITE = GROUPS[0].suite
JOINER = package("joiner", CLASSICAL)
HOST = Host.of(GROUPS[0], JOINER)
ALL = OwnedTree.of(GROUPS)
A, B, C, D, E, F, G = range(7)
# The tree of section 7.9 with a second unmerged leaf, so that the root has one on either side. The
# joiner is F; D came with him.
#            W [D,F]
#        ______|_____
#       U [D]        Y [F]
#     __|__         __|__
#    T     _       _     _
#   / \   / \     / \   / \
#   A B   C D     E F   G _
T, U, W, Y = 1, 3, 7, 11
CD, EF = 5, 9
FIGURE = ALL.remove(D, F).commit(G).commit(A).add(package("D", CLASSICAL), JOINER)


def parent(owned: OwnedTree, index: int) -> ParentNode:
    node = owned.tree.parent(index)
    assert node is not None
    return node


def fresh_key() -> bytes:
    return SUITE.generate_key_pair(ENTROPY).public


def with_unmerged(owned: OwnedTree, lists: Mapping[int, Sequence[int]]) -> OwnedTree:
    return owned.put(
        {
            index: replace(parent(owned, index), unmerged_leaves=tuple(leaves))
            for index, leaves in lists.items()
        }
    )


def planted(index: int, *unmerged: int) -> dict[int, Node | None]:
    """A node with a key of the planter's own above others."""
    return {
        index: ParentNode(encryption_key=fresh_key(), parent_hash=b"", unmerged_leaves=unmerged)
    }


def hash_of(owned: OwnedTree, above: int, side: int) -> bytes:
    """The parent hash of a node with this child as the sibling."""
    node = parent(owned, above)
    unmerged = frozenset(node.unmerged_leaves)
    return parent_hash(SUITE, node, original_tree_hash(owned.tree, side, unmerged))


def carrying(owned: OwnedTree, index: int, carried: bytes) -> OwnedTree:
    """The tree in which a member has signed that its leaf carries this hash."""
    leaf = change_leaf(
        owned.leaf(index), source=LeafNodeSource.COMMIT, lifetime=None, parent_hash=carried
    )
    return owned.put({2 * index: owned.signed(index, leaf)})


def refused(way: Way, owned: OwnedTree) -> None:
    HOST.turned_away(Rule.PARENT_HASH, way, owned.tree)


# -- honest trees --------------------------------------------------------------------------------

# The group of the appendix: A adds B; B adds C and D; C commits. The joiner comes fifth.
APPENDIX = (
    ALL.remove(B, C, D, E, F, G)
    .add(package("B", CLASSICAL))
    .commit(A)
    .add(package("C", CLASSICAL), package("D", CLASSICAL))
    .commit(B)
    .commit(C)
    .add(JOINER)
)
HONEST = {
    "the figure": FIGURE,
    "the appendix": APPENDIX,
    "all have committed": reduce(OwnedTree.commit, range(7), ALL).add(JOINER),
    "a newcomer's neighbour commits": (
        ALL.remove(D, F).commit(G).commit(A).add(package("D", CLASSICAL)).commit(C).add(JOINER)
    ),
    # Its root carries the hash of one that is gone.
    "cut in half": ALL.remove(D).commit(B).add(JOINER).remove(E, F, G),
    "an update": FIGURE.update(B),
    "a removal": FIGURE.remove(C),
    "an unmerged leaf replaced": FIGURE.remove(D).add(package("other D", CLASSICAL)),
    # Parent hashes do not show that a node was there on top of all others.
    "the root blanked": FIGURE.put({W: None}),
}


@every_way
@pytest.mark.parametrize("shape", HONEST)
def test_tree_whose_every_parent_is_signed_for_is_entered(way: Way, shape: str) -> None:
    assert HOST.lets_in(way, HONEST[shape].tree)


def test_shapes_are_what_they_are_said_to_be() -> None:
    def shape(owned: OwnedTree) -> dict[int, tuple[int, ...]]:
        return {
            index: node.unmerged_leaves
            for index, node in enumerate(owned.tree.nodes)
            if isinstance(node, ParentNode)
        }

    assert shape(FIGURE) == {T: (), U: (D,), Y: (F,), W: (D, F)}
    assert shape(APPENDIX) == {1: (), 3: (), 5: ()}
    cut = HONEST["cut in half"]
    assert cut.tree.leaf_count == 4
    assert shape(cut) == {1: (), 3: (D,)}
    assert parent(cut, 3).parent_hash


def test_links_of_the_appendix_are_valid_and_invalid_as_it_says() -> None:
    leaf_a, leaf_b, leaf_c, x, y, z = 0, 2, 4, 1, 3, 5
    links = {
        "A": (leaf_a, x, leaf_b),
        "B": (leaf_b, x, leaf_a),
        "C": (leaf_c, z, 6),
        "X": (x, y, z),
        "Z": (z, y, x),
    }
    valid = set()
    for name, (below, above, side) in links.items():
        node = APPENDIX.tree.nodes[below]
        if node is not None and node.parent_hash == hash_of(APPENDIX, above, side):
            valid.add(name)
    assert valid == {"B", "C", "Z"}


# -- nodes exchanged -----------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("index", [T, U, Y, W])
def test_parent_with_an_exchanged_key_is_refused_MLS_094(way: Way, index: int) -> None:
    refused(way, FIGURE.put({index: replace(parent(FIGURE, index), encryption_key=fresh_key())}))


@every_way
@pytest.mark.parametrize("index", [T, U, Y, W])
def test_parent_with_an_exchanged_parent_hash_is_refused_MLS_094(way: Way, index: int) -> None:
    """Of the root, too, for which the hash above is empty."""
    refused(way, FIGURE.put({index: replace(parent(FIGURE, index), parent_hash=bytes(32))}))


@every_way
@pytest.mark.parametrize("index", [B, E])
def test_exchanged_sibling_is_refused_MLS_094(way: Way, index: int) -> None:
    """A leaf nobody but the adder knows of, in the place of one that was there for the path."""
    refused(way, FIGURE.put({2 * index: package("new", CLASSICAL).parsed().leaf_node}))


@every_way
def test_two_members_who_exchanged_places_are_refused_MLS_094(way: Way) -> None:
    """Neither has ever committed: their own signatures fit any place."""
    refused(way, FIGURE.put({2 * B: FIGURE.leaf(C), 2 * C: FIGURE.leaf(B)}))


@every_way
@pytest.mark.parametrize("index", [2 * B, 2 * E, T, U, Y])
def test_blanked_node_is_refused_MLS_094(way: Way, index: int) -> None:
    """One that carries a hash, or one beside the path that a hash covers."""
    refused(way, FIGURE.put({index: None}))


@every_way
def test_node_whose_author_was_blanked_is_refused_MLS_094(way: Way) -> None:
    """As a removal that leaves the nodes above the removed member as they were."""
    refused(way, HONEST["a newcomer's neighbour commits"].put({2 * C: None}))


@every_way
def test_path_with_an_older_leaf_of_its_author_is_refused_MLS_094(way: Way) -> None:
    older = ALL.remove(F).commit(B)
    newer = older.commit(B)
    refused(way, newer.put({2 * B: older.leaf(B)}).add(JOINER))
    assert HOST.lets_in(way, newer.add(JOINER).tree)


@every_way
def test_path_with_an_older_node_of_its_author_is_refused_MLS_094(way: Way) -> None:
    older = ALL.remove(F).commit(B)
    refused(way, older.commit(B).put({T: parent(older, T)}).add(JOINER))


# -- unmerged leaves -----------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize(
    "lists",
    [
        {W: [D]},
        {W: [F]},
        {W: []},
        {U: [], W: [F]},
        {Y: [], W: [D]},
        {U: [], Y: [], W: []},
    ],
    ids=["F, but not below", "D, but not below", "both", "D", "F", "all"],
)
def test_unmerged_leaf_left_out_is_refused_MLS_094(way: Way, lists: dict[int, list[int]]) -> None:
    """As if it had been there for the path, and knew the keys above."""
    refused(way, with_unmerged(FIGURE, lists))


@every_way
@pytest.mark.parametrize(
    "lists",
    [
        {T: [B], U: [B, D], W: [B, D, F]},
        {Y: [E, F], W: [D, E, F]},
        {U: [C, D], W: [C, D, F]},
        {T: [A], U: [A, D], W: [A, D, F]},
        {Y: [F, G], W: [D, F, G]},
        {T: [A, B], U: [A, B, C, D], Y: [E, F, G], W: [A, B, C, D, E, F, G]},
    ],
    ids=["sibling", "cousin", "neighbour", "author", "author of Y", "all"],
)
def test_member_made_out_to_be_unmerged_is_refused_MLS_094(
    way: Way, lists: dict[int, list[int]]
) -> None:
    """As if it had come after the path, and the author had not given the keys to it."""
    refused(way, with_unmerged(FIGURE, lists))


# -- nodes planted -------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize(
    ("index", "unmerged"),
    [(CD, [D]), (CD, [C, D]), (EF, [F]), (EF, [E, F])],
)
def test_node_planted_above_members_who_did_not_commit_is_refused_MLS_094(
    way: Way, index: int, unmerged: list[int]
) -> None:
    refused(way, FIGURE.put(planted(index, *unmerged)))


# Nothing above C and D, where the joiner is, and a blank root. C is the author of what follows.
BARE = ALL.remove(D, F).add(JOINER)


@every_way
def test_node_whose_author_passes_over_his_neighbour_is_refused_MLS_094(way: Way) -> None:
    """The neighbour has to know the node's key, or to be unmerged in it."""
    passing = BARE.put(planted(U))
    refused(way, carrying(passing, C, hash_of(passing, U, T)))
    naming = BARE.put(planted(U, D))
    assert HOST.lets_in(way, carrying(naming, C, hash_of(naming, U, T)).tree)


@every_way
def test_hash_over_the_wrong_side_is_refused_MLS_094(way: Way) -> None:
    naming = BARE.put(planted(U, D))
    refused(way, carrying(naming, C, hash_of(naming, U, CD)))


@every_way
@pytest.mark.parametrize("carrier", [E, G])
def test_hash_carried_by_a_leaf_elsewhere_is_refused_MLS_094(way: Way, carrier: int) -> None:
    """A member cannot vouch for a node it is not below."""
    naming = BARE.put(planted(U, D))
    for side in (T, CD):
        refused(way, carrying(naming, carrier, hash_of(naming, U, side)))


@every_way
def test_hash_carried_below_another_node_is_refused_MLS_094(way: Way) -> None:
    """B committed; A vouches for a node above, past the one that B set between them."""
    before = ALL.remove(D, F).commit(B).add(JOINER)
    tree = before.put({U: replace(parent(before, U), encryption_key=fresh_key())})
    refused(way, carrying(tree, A, hash_of(tree, U, CD)))
    assert HOST.lets_in(way, before.tree)


@every_way
def test_hash_carried_by_an_unmerged_leaf_is_refused_MLS_094(way: Way) -> None:
    """The joiner is in F now, and D is blank: C alone is there to carry the hash."""
    alone = ALL.remove(D, F).add(package("D", CLASSICAL), JOINER).remove(D)
    unmerged = alone.put(planted(U, C))
    refused(way, carrying(unmerged, C, hash_of(unmerged, U, T)))
    merged = alone.put(planted(U))
    assert HOST.lets_in(way, carrying(merged, C, hash_of(merged, U, T)).tree)


@every_way
def test_node_vouched_for_by_nobodys_signature_is_refused_MLS_094(way: Way) -> None:
    """The upper of two planted nodes is carried by the lower; the chain ends at no leaf."""
    upper = ALL.remove(D, F).add(JOINER).put(planted(U, D))
    lower = ParentNode(
        encryption_key=fresh_key(), parent_hash=hash_of(upper, U, T), unmerged_leaves=(D,)
    )
    refused(way, upper.put({CD: lower}))


@every_way
def test_root_planted_on_top_of_all_is_refused_MLS_094(way: Way) -> None:
    refused(way, BARE.put(planted(W)))
    refused(way, BARE.put(planted(W, D)))
