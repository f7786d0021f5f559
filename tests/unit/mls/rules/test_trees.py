"""Trees of a wrong form, size or hash, as joiners get to see them (RFC 9420 7.1, 7.7, 12.4.3)."""

from __future__ import annotations

import pytest

from cloister.codec import encode_opaque
from cloister.ids import NodeIndex
from cloister.mls import Operations, RuleViolation, join_externally, leaf_check
from cloister.mls.proposal import Add
from cloister.mls.ratchet_tree import ParentNode, RatchetTree
from cloister.mls.rules import Rule
from cloister.mls.tree_hash import make_path_hashes
from cloister.testing.forge import change_leaf
from cloister.testing.forge_commit import forge_commit, forge_external_commit
from cloister.testing.forge_tree import OwnedTree
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, NOW, group_of, package, take_commit
from unit.mls.rules.ways_in import Host, Way, every_way

JOINER = package("joiner", CLASSICAL)
SEVEN = group_of(7, CLASSICAL)
FOUR = group_of(4, CLASSICAL)
HOST = Host.of(SEVEN[0], JOINER)
# Eight leaves with the joiner in the last; nodes 1, 5, 3 and 7 (the root) come from commits on the
# left, 11 from leaf 6; the joiner is unmerged in 11 and 7.
WITHOUT_JOINER = OwnedTree.of(SEVEN).commit(6).commit(1).commit(2)
TREE = WITHOUT_JOINER.add(JOINER)
ROOT = NodeIndex(7)
BLANK = b"\x00"


def parent(owned: OwnedTree, index: int) -> ParentNode:
    node = owned.tree.parent(index)
    assert node is not None
    return node


def nodes_of(tree: RatchetTree) -> bytes:
    """The encoding of the nodes, without the length before it."""
    encoded = tree.encode()
    nodes = encoded[2:] if encoded[0] >> 6 == 1 else encoded[4:]
    assert encode_opaque(nodes) == encoded
    return nodes


@every_way
def test_valid_tree_is_entered(way: Way) -> None:
    unmerged = {
        index: node.unmerged_leaves
        for index, node in enumerate(TREE.tree.nodes)
        if isinstance(node, ParentNode)
    }
    assert unmerged == {1: (), 3: (), 5: (), 7: (7,), 11: (7,)}
    assert HOST.lets_in(way, TREE.tree)


# -- encoding -----------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("blanks", [1, 2, 3, 8])
def test_tree_that_ends_in_blanks_is_refused_MLS_090(way: Way, blanks: int) -> None:
    """Whose tree it is, it has the right hash: one tree has one encoding."""
    padded = encode_opaque(nodes_of(TREE.tree) + BLANK * blanks)
    HOST.turned_away(Rule.TREE_END, way, TREE.tree, encoded=padded)
    assert HOST.lets_in(way, TREE.tree, encoded=encode_opaque(nodes_of(TREE.tree)))


@every_way
@pytest.mark.parametrize("nodes", [b"", BLANK, BLANK * 15], ids=["empty", "blank", "blanks"])
def test_tree_without_a_node_is_refused_MLS_090(way: Way, nodes: bytes) -> None:
    HOST.turned_away(Rule.TREE_END, way, TREE.tree, encoded=encode_opaque(nodes))


@every_way
def test_tree_that_ends_in_a_parent_is_refused_MLS_090(way: Way) -> None:
    """A path that leaves out nothing: keys above nobody, hashed and signed as they should be."""
    honest = OwnedTree.of(SEVEN).remove(3, 5, 6)
    small = honest.add(JOINER)
    path = [(NodeIndex(9), NodeIndex(10)), (NodeIndex(11), NodeIndex(13)), (ROOT, NodeIndex(3))]
    keys = [small.tree.suite.generate_key_pair(ENTROPY).public for _ in path]
    parents, parent_hash = make_path_hashes(small.tree, path, keys)
    leaf = small.signed(4, change_leaf(small.commit(4).leaf(4), parent_hash=parent_hash))
    planted = small.edit(lambda draft: draft.set_path(4, leaf, parents))
    HOST.turned_away(Rule.TREE_END, way, planted.tree)
    assert HOST.lets_in(way, honest.commit(4).add(JOINER).tree)


@every_way
def test_leaf_in_the_place_of_a_parent_is_refused_MLS_091(way: Way) -> None:
    HOST.turned_away(Rule.TREE_NODE_TYPE, way, TREE.put({13: TREE.leaf(5)}).tree)


@every_way
def test_parent_in_the_place_of_a_leaf_is_refused_MLS_091(way: Way) -> None:
    HOST.turned_away(Rule.TREE_NODE_TYPE, way, TREE.put({10: parent(TREE, 11)}).tree)


# -- size ---------------------------------------------------------------------------------------


@every_way
def test_tree_beyond_the_limit_is_refused_MLS_092(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stranger takes the sixth leaf, so that the tree need not grow for him.
    tree = TREE.remove(5).tree
    monkeypatch.setattr(leaf_check, "MAX_LEAVES", 4)
    with pytest.raises(RuleViolation) as caught:
        HOST.lets_in(way, tree)
    assert caught.value.rule is Rule.TREE_SIZE
    monkeypatch.setattr(leaf_check, "MAX_LEAVES", 8)
    assert HOST.lets_in(way, tree)


def test_add_beyond_the_limit_is_refused_MLS_092(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Add(key_package=package("fifth", CLASSICAL).parsed())
    message, before = forge_commit(FOUR[0], [add]), FOUR[1].encode()
    monkeypatch.setattr(leaf_check, "MAX_LEAVES", 4)
    for act in (
        lambda: FOUR[1].process(message, now=NOW),
        lambda: FOUR[1].commit(adds=[add.key_package.encode()], now=NOW, entropy=ENTROPY),
    ):
        with pytest.raises(RuleViolation) as caught:
            act()
        assert caught.value.rule is Rule.TREE_SIZE
    assert FOUR[1].encode() == before
    monkeypatch.setattr(leaf_check, "MAX_LEAVES", 8)
    assert take_commit(FOUR[1], message).members()[4:]


def test_newcomer_beyond_the_limit_is_refused_MLS_092(monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = package("stranger", CLASSICAL)
    message, before = forge_external_commit(FOUR[0], stranger), FOUR[1].encode()
    info = FOUR[0].group_info()
    monkeypatch.setattr(leaf_check, "MAX_LEAVES", 4)
    for act in (
        lambda: FOUR[1].process(message, now=NOW, allow=Operations.EXTERNAL_COMMIT),
        lambda: join_externally(info, stranger, entropy=ENTROPY),
    ):
        with pytest.raises(RuleViolation) as caught:
            act()
        assert caught.value.rule is Rule.TREE_SIZE
    assert FOUR[1].encode() == before
    monkeypatch.setattr(leaf_check, "MAX_LEAVES", 8)
    assert FOUR[1].process(message, now=NOW, allow=Operations.EXTERNAL_COMMIT).next


# -- hash ---------------------------------------------------------------------------------------


@every_way
def test_valid_tree_that_is_not_the_groups_is_refused_MLS_093(way: Way) -> None:
    other = WITHOUT_JOINER.commit(0).add(JOINER).tree
    HOST.turned_away(Rule.TREE_HASH, way, TREE.tree, encoded=other.encode())
    HOST.turned_away(Rule.TREE_HASH, way, other, encoded=TREE.tree.encode())
    assert HOST.lets_in(way, other)


# -- unmerged leaves ----------------------------------------------------------------------------


def with_unmerged(owned: OwnedTree, index: int, *leaves: int) -> RatchetTree:
    """No hash changes with this: a parent hash leaves unmerged leaves out."""
    node = replace(parent(owned, index), unmerged_leaves=leaves)
    return owned.put({index: node}).tree


@every_way
@pytest.mark.parametrize("leaves", [(7, 6), (6, 7, 7), (6, 6, 7)])
def test_unmerged_leaves_out_of_order_are_refused_MLS_095(
    way: Way, leaves: tuple[int, ...]
) -> None:
    two = OwnedTree.of(SEVEN).remove(6).commit(1).add(JOINER, package("last", CLASSICAL))
    assert parent(two, 7).unmerged_leaves == (6, 7)
    HOST.turned_away(Rule.UNMERGED_SORTED, way, with_unmerged(two, 7, *leaves))
    assert HOST.lets_in(way, two.tree)


@every_way
@pytest.mark.parametrize("leaf", [0, 7, 8, 2**32 - 1])
def test_unmerged_leaf_elsewhere_is_refused_MLS_096(way: Way, leaf: int) -> None:
    """Above the leaves 2 and 3, those of other subtrees, and some outside the tree."""
    HOST.turned_away(Rule.UNMERGED_DESCENDANT, way, with_unmerged(TREE, 5, leaf))


@every_way
def test_unmerged_leaf_that_is_blank_is_refused_MLS_096(way: Way) -> None:
    blank = OwnedTree.of(SEVEN).remove(6).commit(1).add(JOINER)
    assert blank.tree.leaf(7) is None
    HOST.turned_away(Rule.UNMERGED_DESCENDANT, way, with_unmerged(blank, 7, 6, 7))
    assert HOST.lets_in(way, blank.tree)


@every_way
def test_unmerged_leaf_that_a_node_between_does_not_name_is_refused_MLS_097(way: Way) -> None:
    """A committer who hides from a joiner that leaf 7 knows the key of the node between.

    He commits over a tree without that leaf, which then comes back as unmerged in the root only.
    """
    merged = OwnedTree.of(SEVEN).add(package("last", CLASSICAL)).remove(5).commit(6)
    hiding = merged.put({14: None}).commit(0)
    back = hiding.put({14: merged.leaf(7)}).add(JOINER)
    HOST.turned_away(Rule.UNMERGED_BETWEEN, way, with_unmerged(back, 7, 5, 7))
    assert HOST.lets_in(way, merged.commit(0).add(JOINER).tree)


# -- keys of parents ----------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("taken", [10, 14, 11, 5], ids=["leaf", "joiner", "node", "node beside"])
def test_parent_with_the_key_of_another_node_is_refused_MLS_098(way: Way, taken: int) -> None:
    """A real member signs for it, as if he had drawn it for his path."""
    node = TREE.tree.nodes[taken]
    assert node is not None
    after = WITHOUT_JOINER.commit(0, change_keys=lambda keys: [*keys[:-1], node.encryption_key])
    HOST.turned_away(Rule.UNIQUE_PARENT_KEY, way, after.add(JOINER).tree)


@every_way
def test_path_with_one_key_twice_is_refused_MLS_098(way: Way) -> None:
    after = WITHOUT_JOINER.commit(0, change_keys=lambda keys: [keys[0], keys[1], keys[0]])
    HOST.turned_away(Rule.UNIQUE_PARENT_KEY, way, after.add(JOINER).tree)
    assert HOST.lets_in(way, WITHOUT_JOINER.commit(0).add(JOINER).tree)
