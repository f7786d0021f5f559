"""A leaf that its key did not sign, or not for its group and place (RFC 9420 sections 7.2, 7.3)."""

from __future__ import annotations

import pytest

from cloister.crypto.scheme import SignatureKey
from cloister.mls import labels
from cloister.mls.leaf_node import LeafNode
from cloister.mls.rules import Rule
from cloister.testing.forge import change_leaf
from cloister.testing.forge_tree import OwnedTree
from cloister.values import replace
from unit.mls.members import ENTROPY
from unit.mls.rules.leaf_places import (
    AT_SIGHT,
    GROUPS,
    HOST,
    JOINER,
    PATHS,
    SUITE,
    Place,
    Tale,
    at_sight,
    places,
    refuses,
    sign,
    update_alone,
)
from unit.mls.rules.ways_in import Way

MEMBERS = OwnedTree.of(GROUPS)
OTHER_KEY = SUITE.signature_key(SUITE.generate_signature_seed(ENTROPY))


def in_a_tree(way: Way, index: int, *, committed: bool) -> Place:
    """The leaf of a member who was the last to commit or to update, as a joiner sees it."""

    def place(tale: Tale) -> object:
        after = MEMBERS.commit(index) if committed else MEMBERS.update(index)
        leaf = tale.sign(after.leaf(index), MEMBERS.keys[index], MEMBERS.group_id, index)
        return HOST.lets_in(way, after.put({2 * index: leaf}).add(JOINER).tree)

    place.__name__ = f"{'commit' if committed else 'update'}_{way.value.replace(' ', '_')}"
    return place


COMMITTED_IN_A_TREE = [in_a_tree(way, 3, committed=True) for way in Way]
UPDATED_IN_A_TREE = [in_a_tree(way, 2, committed=False) for way in Way]
BOUND_TO_A_PLACE = [update_alone, *PATHS, *COMMITTED_IN_A_TREE, *UPDATED_IN_A_TREE]
OF_KEY_PACKAGES = [place for place in AT_SIGHT if place not in BOUND_TO_A_PLACE]
everywhere = places([*AT_SIGHT, *COMMITTED_IN_A_TREE, *UPDATED_IN_A_TREE])


def content_of(leaf: LeafNode) -> bytes:
    """What is signed of a leaf that stands nowhere: all before the signature, here empty."""
    return change_leaf(leaf).encode()[:-1]


def signed_over(leaf: LeafNode, key: SignatureKey, content: bytes) -> LeafNode:
    return replace(leaf, signature=SUITE.sign_with_label(key, labels.LEAF_NODE_TBS, content))


@everywhere
def test_leaf_signed_by_another_key_is_refused_MLS_060(place: Place) -> None:
    tale = Tale(sign=lambda leaf, _, group_id, index: sign(leaf, OTHER_KEY, group_id, index))
    refuses(Rule.LEAF_SIGNATURE, place, tale)


@everywhere
def test_leaf_changed_after_it_was_signed_is_refused_MLS_060(place: Place) -> None:
    def change(leaf: LeafNode, key: SignatureKey, group_id: bytes, index: int) -> LeafNode:
        more = replace(leaf.capabilities, extensions=(*leaf.capabilities.extensions, 0xF1F1))
        return replace(sign(leaf, key, group_id, index), capabilities=more)

    refuses(Rule.LEAF_SIGNATURE, place, Tale(sign=change))


@everywhere
@pytest.mark.parametrize("length", [0, 63, 65])
def test_leaf_with_a_signature_of_another_length_is_refused_MLS_060(
    place: Place, length: int
) -> None:
    def cut(leaf: LeafNode, key: SignatureKey, group_id: bytes, index: int) -> LeafNode:
        signature = sign(leaf, key, group_id, index).signature + b"\x00"
        return replace(leaf, signature=signature[:length])

    refuses(Rule.LEAF_SIGNATURE, place, Tale(sign=cut))


@everywhere
def test_leaf_signed_under_another_label_is_refused_MLS_060(place: Place) -> None:
    """As every message of the device, the key signs KeyPackages too."""

    def mislabel(leaf: LeafNode, key: SignatureKey, group_id: bytes, index: int) -> LeafNode:
        content = content_of(leaf)
        signature = SUITE.sign_with_label(key, labels.KEY_PACKAGE_TBS, content)
        return replace(leaf, signature=signature)

    refuses(Rule.LEAF_SIGNATURE, place, Tale(sign=mislabel))


@places(BOUND_TO_A_PLACE)
def test_leaf_signed_for_another_group_is_refused_MLS_060(place: Place) -> None:
    tale = Tale(sign=lambda leaf, key, _, index: sign(leaf, key, b"another group", index))
    refuses(Rule.LEAF_SIGNATURE, place, tale)


@places(BOUND_TO_A_PLACE)
def test_leaf_signed_for_another_place_is_refused_MLS_060(place: Place) -> None:
    tale = Tale(sign=lambda leaf, key, group_id, index: sign(leaf, key, group_id, index + 1))
    refuses(Rule.LEAF_SIGNATURE, place, tale)


@places(BOUND_TO_A_PLACE)
def test_leaf_signed_for_no_place_is_refused_MLS_060(place: Place) -> None:
    tale = Tale(sign=lambda leaf, key, _, __: signed_over(leaf, key, content_of(leaf)))
    refuses(Rule.LEAF_SIGNATURE, place, tale)


@places(OF_KEY_PACKAGES)
def test_leaf_of_a_key_package_signed_for_a_place_is_refused_MLS_060(place: Place) -> None:
    """It was made for any group; a signature for one fits none."""

    def bind(leaf: LeafNode, key: SignatureKey, group_id: bytes, index: int) -> LeafNode:
        where = bytes([len(group_id)]) + group_id + index.to_bytes(4, "big")
        return signed_over(leaf, key, content_of(leaf) + where)

    refuses(Rule.LEAF_SIGNATURE, place, Tale(sign=bind))


@at_sight
def test_leaf_is_signed_by_its_own_key_whatever_signed_the_message(place: Place) -> None:
    """A member may change its signature key, as long as the new one signs the leaf."""
    assert place(Tale(seed=OTHER_KEY.seed))
