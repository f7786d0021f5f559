"""A leaf that says it came in otherwise than it did, or without keys of its own (RFC 9420 7.3)."""

from __future__ import annotations

import pytest

from cloister.mls import Remove, RuleViolation
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Add
from cloister.mls.ratchet_tree import ParentNode
from cloister.mls.registry import LeafNodeSource
from cloister.mls.rules import Rule
from cloister.testing.forge import change_leaf
from cloister.testing.forge_commit import forge_commit
from unit.mls.members import ENTROPY, LIFETIME, NOW, take_commit
from unit.mls.rules.leaf_places import (
    BYSTANDER,
    IN_COMPANY,
    LIAR,
    PATHS,
    PROPOSER,
    SUITE,
    VICTIM,
    Place,
    Tale,
    add_alone,
    add_in_a_commit,
    add_of_himself,
    add_of_our_own,
    in_company,
    newcomer,
    path_of_a_member,
    places,
    proposal_of_our_own,
    refuses,
    update_alone,
)

# -- sources --------------------------------------------------------------------------------

KEY_PACKAGE, UPDATE, COMMIT = LeafNodeSource


def from_source(source: LeafNodeSource) -> Tale:
    """A leaf with what belongs to its source: a lifetime, nothing, a parent hash."""

    def change(leaf: LeafNode) -> LeafNode:
        lifetime = LIFETIME if source is KEY_PACKAGE else None
        parent_hash = bytes(32) if source is COMMIT else b""
        return change_leaf(leaf, source=source, lifetime=lifetime, parent_hash=parent_hash)

    return Tale(change)


@places([add_alone, add_of_himself, add_in_a_commit, add_of_our_own, proposal_of_our_own])
@pytest.mark.parametrize("source", [UPDATE, COMMIT])
def test_key_package_with_a_leaf_of_another_source_is_refused_MLS_068(
    place: Place, source: LeafNodeSource
) -> None:
    refuses(Rule.SOURCE_KEY_PACKAGE, place, from_source(source))


@pytest.mark.parametrize("source", [KEY_PACKAGE, COMMIT])
def test_update_with_a_leaf_of_another_source_is_refused_MLS_069(source: LeafNodeSource) -> None:
    refuses(Rule.SOURCE_UPDATE, update_alone, from_source(source))


@places(PATHS)
@pytest.mark.parametrize("source", [KEY_PACKAGE, UPDATE])
def test_path_with_a_leaf_of_another_source_is_refused_MLS_070(
    place: Place, source: LeafNodeSource
) -> None:
    refuses(Rule.SOURCE_COMMIT, place, from_source(source))


# -- keys --------------------------------------------------------------------------------

SEED = BYSTANDER.state.signature_key.seed
LEAF_KEY = BYSTANDER.state.own_leaf_node.encryption_key
LEFT = VICTIM.state.tree.nodes[1]  # above the liar and the victim
assert isinstance(LEFT, ParentNode)
PARENT_KEY = LEFT.encryption_key
OUTSIDE_PATHS = [place for place in IN_COMPANY if place not in PATHS]


def with_key(encryption_key: bytes) -> Tale:
    return Tale(lambda leaf: change_leaf(leaf, encryption_key=encryption_key))


@in_company
def test_leaf_with_the_signature_key_of_a_member_is_refused_MLS_072(place: Place) -> None:
    refuses(Rule.UNIQUE_SIGNATURE_KEY, place, Tale(seed=SEED))


@places(OUTSIDE_PATHS)
def test_leaf_with_the_encryption_key_of_a_member_is_refused_MLS_073(place: Place) -> None:
    refuses(Rule.UNIQUE_ENCRYPTION_KEY, place, with_key(LEAF_KEY))


@places(OUTSIDE_PATHS)
def test_leaf_with_the_key_of_a_parent_node_is_refused_MLS_098(place: Place) -> None:
    refuses(Rule.UNIQUE_PARENT_KEY, place, with_key(PARENT_KEY))


@places(PATHS)
def test_path_leaf_with_the_encryption_key_of_a_member_is_refused_MLS_103(place: Place) -> None:
    refuses(Rule.PATH_KEYS_NEW, place, with_key(LEAF_KEY))


@places(PATHS)
def test_path_leaf_with_the_key_of_a_parent_node_is_refused_MLS_103(place: Place) -> None:
    """Of one that the same path replaces, as well: it has no other key before."""
    refuses(Rule.PATH_KEYS_NEW, place, with_key(PARENT_KEY))


def test_two_newcomers_with_one_encryption_key_are_refused_MLS_073() -> None:
    shared = SUITE.generate_key_pair(ENTROPY).public
    adds = [Add(key_package=newcomer(with_key(shared))) for _ in range(2)]
    before = VICTIM.encode()
    with pytest.raises(RuleViolation) as caught:
        VICTIM.process(forge_commit(LIAR, adds), now=NOW)
    assert caught.value.rule is Rule.UNIQUE_ENCRYPTION_KEY
    assert VICTIM.encode() == before
    adds[1] = Add(key_package=newcomer(Tale()))
    assert take_commit(VICTIM, forge_commit(LIAR, adds)).members()[5:]


@places([add_alone, update_alone])
@pytest.mark.parametrize("tale", [Tale(seed=SEED), with_key(LEAF_KEY)], ids=["signature", "hpke"])
def test_proposal_with_the_key_of_a_member_is_kept_until_a_commit_takes_it_up(
    place: Place, tale: Tale
) -> None:
    """The same commit may remove that member."""
    assert place(tale)


@pytest.mark.parametrize("tale", [Tale(seed=SEED), with_key(LEAF_KEY)], ids=["signature", "hpke"])
def test_keys_of_a_member_whom_the_same_commit_removes_are_free(tale: Tale) -> None:
    add, gone = Add(key_package=newcomer(tale)), Remove(removed=BYSTANDER.own_leaf)
    after = take_commit(VICTIM, forge_commit(LIAR, [add, gone]))
    assert after.members()[3].leaf == add.key_package.leaf_node


def test_update_that_keeps_its_encryption_key_is_refused_MLS_071() -> None:
    kept = PROPOSER.state.own_leaf_node.encryption_key
    tale = Tale(lambda leaf: change_leaf(leaf, encryption_key=kept))
    refuses(Rule.UPDATE_KEY, update_alone, tale)


def test_path_leaf_that_keeps_its_encryption_key_is_refused_MLS_102() -> None:
    kept = LIAR.state.own_leaf_node.encryption_key
    tale = Tale(lambda leaf: change_leaf(leaf, encryption_key=kept))
    refuses(Rule.PATH_LEAF_KEY, path_of_a_member, tale)
