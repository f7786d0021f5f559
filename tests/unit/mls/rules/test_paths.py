"""Paths of the wrong shape or with the wrong keys (RFC 9420 7.5, 7.6, 7.9.2, 12.4.2).

A member's, and a newcomer's in an external commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cloister.mls.proposal import Add, ProposalBody
from cloister.mls.rules import Rule
from cloister.mls.update_path import UpdatePath, UpdatePathNode
from cloister.testing.forge import change_leaf
from cloister.testing.forge_commit import Forgery, forge_commit
from cloister.values import replace
from unit.mls.members import CLASSICAL, NOW, SeededEntropy, group_of
from unit.mls.rules.authors import (
    GROUPS,
    HONEST,
    LIAR,
    NEIGHBOUR,
    STRANGER,
    SUITE,
    TREE,
    Author,
    FirstGiven,
    by_either,
    everybody_refuses,
    follow,
    follows,
    fresh_key,
    refuses,
)


@by_either
def test_honest_path_is_followed_by_everybody(author: Author) -> None:
    message = author(HONEST)
    assert len({follow(one, message).epoch_authenticator for one in GROUPS[1:]}) == 1


# -- shape ----------------------------------------------------------------------------------


@by_either
@pytest.mark.parametrize(
    "change",
    [
        lambda nodes: nodes[:-1],
        lambda nodes: nodes[1:],
        lambda nodes: (),
        lambda nodes: (*nodes, replace(nodes[-1], encryption_key=fresh_key())),
        # As if a node above nobody else were not left out.
        lambda nodes: (
            replace(nodes[0], encryption_key=fresh_key(), encrypted_path_secret=()),
            *nodes,
        ),
    ],
    ids=["last missing", "first missing", "empty", "one more at the end", "one more at first"],
)
def test_path_of_another_length_is_refused_MLS_100(
    author: Author, change: Callable[[Sequence[UpdatePathNode]], Sequence[UpdatePathNode]]
) -> None:
    how = Forgery(change_path=lambda path: replace(path, nodes=tuple(change(path.nodes))))
    everybody_refuses(Rule.PATH_LENGTH, author, how)


@by_either
@pytest.mark.parametrize("position", [0, -1], ids=["first", "root"])
@pytest.mark.parametrize("more", [True, False], ids=["one more", "one missing"])
def test_node_with_another_number_of_ciphertexts_is_refused_MLS_101(
    author: Author, position: int, more: bool
) -> None:
    def change(path: UpdatePath) -> UpdatePath:
        nodes = list(path.nodes)
        sealed = nodes[position].encrypted_path_secret
        changed = (*sealed, sealed[-1]) if more else sealed[:-1]
        nodes[position] = replace(nodes[position], encrypted_path_secret=changed)
        return replace(path, nodes=tuple(nodes))

    everybody_refuses(Rule.PATH_CIPHERTEXTS, author, Forgery(change_path=change))


@pytest.mark.parametrize("size", [4, 6], ids=["nobody else there", "others there"])
def test_path_secret_for_a_leaf_of_the_same_commit_is_refused_MLS_101(size: int) -> None:
    """Who is added learns it from the Welcome. Here it is encrypted to him all the same."""
    groups = group_of(size, CLASSICAL)
    add: list[ProposalBody] = [Add(key_package=STRANGER.parsed())]
    message = forge_commit(groups[0], add, Forgery(to_new_leaves=True))
    for victim in groups[1:]:
        refuses(Rule.PATH_CIPHERTEXTS, message, victim)
        assert follows(victim, forge_commit(groups[0], add))


# -- keys ------------------------------------------------------------------------------------


def key_at(index: int) -> bytes:
    found = TREE.nodes[index]
    assert found is not None
    return found.encryption_key


@by_either
@pytest.mark.parametrize("position", [0, -1], ids=["first", "root"])
@pytest.mark.parametrize(
    "taken", [4, 9, 7], ids=["of a leaf", "of a node beside", "of a node that it replaces"]
)
def test_path_key_that_is_in_the_tree_is_refused_MLS_103(
    author: Author, position: int, taken: int
) -> None:
    def change(keys: list[bytes]) -> list[bytes]:
        keys[position] = key_at(taken)
        return keys

    everybody_refuses(Rule.PATH_KEYS_NEW, author, Forgery(change_keys=change))


@by_either
def test_path_with_one_key_twice_is_refused_MLS_103(author: Author) -> None:
    how = Forgery(change_keys=lambda keys: [*keys[:-1], keys[0]])
    everybody_refuses(Rule.PATH_KEYS_NEW, author, how)


@by_either
def test_path_whose_leaf_has_the_key_of_a_node_is_refused_MLS_103(author: Author) -> None:
    drawn: list[bytes] = []

    def remember(keys: list[bytes]) -> list[bytes]:
        drawn[:] = keys
        return keys

    how = Forgery(
        change_keys=remember,
        change_leaf=lambda leaf: change_leaf(leaf, encryption_key=drawn[-1]),
    )
    everybody_refuses(Rule.PATH_KEYS_NEW, author, how)


def test_path_key_of_a_leaf_of_the_same_commit_is_refused_MLS_103() -> None:
    add = Add(key_package=STRANGER.parsed())
    taken = add.key_package.leaf_node.encryption_key
    how = Forgery(change_keys=lambda keys: [*keys[:-1], taken])
    refuses(Rule.PATH_KEYS_NEW, forge_commit(LIAR, [add], how))
    assert follows(NEIGHBOUR, forge_commit(LIAR, [add]))


def test_path_drawn_again_from_the_secrets_of_the_last_is_refused_MLS_103() -> None:
    """All keys fit their secrets; but who knows the old ones reads on."""
    staged = LIAR.commit(now=NOW, entropy=SeededEntropy("again"))
    victims = [follow(one, staged.message) for one in GROUPS[1:]]
    how = Forgery(entropy=FirstGiven(SeededEntropy("again").random(SUITE.nh)))
    message = forge_commit(staged.next, [], how)
    for victim in victims:
        refuses(Rule.PATH_KEYS_NEW, message, victim)
        assert follows(victim, forge_commit(staged.next, []))


# -- parent hash -------------------------------------------------------------------------------


@by_either
@pytest.mark.parametrize(
    "change",
    [
        lambda carried: b"",
        lambda carried: bytes(len(carried)),
        lambda carried: carried[:-1],
        lambda carried: LIAR.state.own_leaf_node.parent_hash,
    ],
    ids=["none", "zeros", "cut", "of his last commit"],
)
def test_leaf_that_does_not_carry_the_hash_of_its_path_is_refused_MLS_104(
    author: Author, change: Callable[[bytes], bytes]
) -> None:
    how = Forgery(change_leaf=lambda leaf: change_leaf(leaf, parent_hash=change(leaf.parent_hash)))
    everybody_refuses(Rule.PATH_PARENT_HASH, author, how)


@by_either
def test_leaf_that_carries_the_hash_of_another_path_is_refused_MLS_104(author: Author) -> None:
    """The keys were exchanged when the leaf had been signed."""

    def change(path: UpdatePath) -> UpdatePath:
        return replace(
            path, nodes=(*path.nodes[:-1], replace(path.nodes[-1], encryption_key=fresh_key()))
        )

    everybody_refuses(Rule.PATH_PARENT_HASH, author, Forgery(change_path=change))
