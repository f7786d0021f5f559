"""Path secrets that do not open, are of another length or give other keys (RFC 9420 7.4 to 7.6).

In a commit by a member or a newcomer, and in the Welcome that goes with one. Only who is told a
secret can see that; whom a committer tells something else has to refuse it himself.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import Group, RuleViolation, Undecryptable, open_welcome
from cloister.mls.joining import decrypt_welcome
from cloister.mls.rules import Rule
from cloister.mls.update_path import HpkeCiphertext, PathSecrets, UpdatePath
from cloister.testing.forge_commit import Forgery, forge_commit
from cloister.testing.forge_tree import OwnedTree
from cloister.testing.forge_welcome import (
    WelcomeForgery,
    as_message,
    forge_welcome,
    with_path_secret,
)
from cloister.values import replace
from unit.mls.members import CLASSICAL, NOW, add, group_of, join, package, update, welcome_of
from unit.mls.rules.authors import (
    FRESH,
    GROUPS,
    HONEST,
    LIAR,
    NEIGHBOUR,
    SUITE,
    Author,
    FirstGiven,
    by_either,
    follow,
    follows,
    fresh_key,
    member,
    refuses,
    stranger,
)
from unit.mls.rules.ways_in import Host, Way

# Who is told the secret of which node of the path, from the first to the root.
TOLD: dict[Author, list[list[int]]] = {
    member: [[1], [2, 3], [4, 5]],
    stranger: [[4, 5], [0, 1, 2, 3]],
}
NODES = [(author, n) for author in (member, stranger) for n in range(len(TOLD[author]))]
at_each_node = pytest.mark.parametrize(
    ("author", "number"), NODES, ids=lambda one: one if isinstance(one, int) else one.__name__
)


def told(author: Author, *numbers: int) -> tuple[list[Group], list[Group]]:
    """Who learns the secrets of these nodes from the committer himself, and all others."""
    some = {leaf for number in numbers for leaf in TOLD[author][number]}
    others = {leaf for node in TOLD[author] for leaf in node} - some
    return [GROUPS[n] for n in sorted(some)], [GROUPS[n] for n in sorted(others)]


def cannot_open(message: bytes, victim: Group) -> None:
    before = victim.encode()
    with pytest.raises(Undecryptable):
        follow(victim, message)
    assert victim.encode() == before


# -- secrets that do not open ---------------------------------------------------------------------


@by_either
def test_path_secret_encrypted_for_the_epoch_before_is_refused_MLS_106(author: Author) -> None:
    """The context is that of the epoch the commit leads to."""
    message = author(Forgery(change_context=lambda _: LIAR.state.context.encode()))
    for nodes in TOLD[author]:
        for victim in nodes:
            cannot_open(message, GROUPS[victim])
            assert follows(GROUPS[victim], author(HONEST))


def sealed_again(number: int, change: Callable[[HpkeCiphertext], HpkeCiphertext]) -> Forgery:
    def changed(path: UpdatePath) -> UpdatePath:
        nodes = list(path.nodes)
        sealed = tuple(change(one) for one in nodes[number].encrypted_path_secret)
        nodes[number] = replace(nodes[number], encrypted_path_secret=sealed)
        return replace(path, nodes=tuple(nodes))

    return Forgery(change_path=changed)


@at_each_node
@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, ciphertext=bytes([one.ciphertext[0] ^ 1]) + one.ciphertext[1:]),
        lambda one: replace(one, ciphertext=one.ciphertext[:-1]),
        lambda one: replace(one, ciphertext=b""),
        lambda one: replace(one, kem_output=fresh_key()),
        lambda one: replace(one, kem_output=bytes(len(one.kem_output))),
        lambda one: replace(one, kem_output=b""),
    ],
    ids=["flipped", "cut", "empty", "other key", "low order", "no key"],
)
def test_path_secret_that_was_damaged_is_refused_by_whom_it_is_for_MLS_106(
    author: Author, number: int, change: Callable[[HpkeCiphertext], HpkeCiphertext]
) -> None:
    message = author(sealed_again(number, change))
    victims, others = told(author, number)
    for victim in victims:
        cannot_open(message, victim)
    for other in others:
        assert follows(other, message)


def test_path_secrets_that_changed_places_are_refused_MLS_106() -> None:
    """Each is for one node of the resolution, in its order."""
    groups = group_of(4, CLASSICAL)

    def exchange(path: UpdatePath) -> UpdatePath:
        one, other = path.nodes[-1].encrypted_path_secret
        root = replace(path.nodes[-1], encrypted_path_secret=(other, one))
        return replace(path, nodes=(*path.nodes[:-1], root))

    message = forge_commit(groups[0], [], Forgery(change_path=exchange))
    for victim in groups[2:]:
        cannot_open(message, victim)
        assert follows(victim, forge_commit(groups[0]))
    assert follows(groups[1], message)


# -- secrets of another length --------------------------------------------------------------------

LENGTHS = [0, SUITE.nh - 1, SUITE.nh + 1, 2 * SUITE.nh]


@by_either
@pytest.mark.parametrize("length", LENGTHS)
def test_path_secret_of_another_length_is_refused_by_whom_it_is_for_MLS_107(
    author: Author, length: int
) -> None:
    """All keys of the path are derived from it as they should be."""
    message = author(Forgery(entropy=FirstGiven(FRESH.random(length))))
    victims, others = told(author, 0)
    for victim in victims:
        refuses(Rule.PATH_SECRET_LENGTH, message, victim)
        assert follows(victim, author(HONEST))
    for other in others:
        assert follows(other, message)


# -- secrets that give other keys -----------------------------------------------------------------


@at_each_node
def test_path_key_that_the_secrets_do_not_give_is_refused_MLS_105(
    author: Author, number: int
) -> None:
    """By all who learn the secret of this node or of one below, from which it follows."""

    def change(keys: list[bytes]) -> list[bytes]:
        keys[number] = fresh_key()
        return keys

    message = author(Forgery(change_keys=change))
    victims, others = told(author, *range(number + 1))
    for victim in victims:
        refuses(Rule.PATH_KEYS, message, victim)
    for other in others:
        assert follows(other, message)


# -- in a Welcome ---------------------------------------------------------------------------

JOINER = package("joiner", CLASSICAL)
HOST = Host.of(LIAR, JOINER)
ALL = OwnedTree.of(GROUPS)
# The joiner is next to the adder, so that he is told the first secret of the adder's path.
BEFORE = ALL.remove(1).add(JOINER)
ways = pytest.mark.parametrize(
    "way", [Way.WELCOME, Way.BESIDE_WELCOME], ids=lambda way: way.value.replace(" ", "-")
)


def drawn(owned: OwnedTree) -> PathSecrets:
    assert owned.drawn is not None
    return owned.drawn


@ways
def test_joiner_who_is_told_the_secret_of_another_node_is_turned_away_MLS_105(way: Way) -> None:
    after = BEFORE.commit(0)
    first, second, *_ = drawn(after).secrets
    for secret in (second, drawn(after).commit_secret, Secret(FRESH.random(SUITE.nh))):
        HOST.turned_away(Rule.PATH_KEYS, way, after.tree, path_secret=secret)
    assert HOST.lets_in(way, after.tree, path_secret=first)


@ways
@pytest.mark.parametrize("number", [0, 1, 2])
def test_joiner_is_turned_away_from_keys_that_his_secret_does_not_give_MLS_105(
    way: Way, number: int
) -> None:
    def change(keys: list[bytes]) -> list[bytes]:
        keys[number] = fresh_key()
        return keys

    after = BEFORE.commit(0, change_keys=change)
    HOST.turned_away(Rule.PATH_KEYS, way, after.tree, path_secret=drawn(after).secrets[0])


@ways
@pytest.mark.parametrize("length", LENGTHS)
def test_joiner_who_is_told_a_secret_of_another_length_is_turned_away_MLS_107(
    way: Way, length: int
) -> None:
    after = BEFORE.commit(0, entropy=FirstGiven(FRESH.random(length)))
    secret = drawn(after).secrets[0]
    HOST.turned_away(Rule.PATH_SECRET_LENGTH, way, after.tree, path_secret=secret)


def test_joiner_from_whom_the_secret_was_kept_back_does_not_join_MLS_173() -> None:
    """He could not follow: the next path is encrypted to the node above him and the adder."""
    staged = add(GROUPS[4], JOINER)
    opened = decrypt_welcome(welcome_of(staged), JOINER, {}, {}, None)
    kept_back = WelcomeForgery(change_secrets=with_path_secret(None))
    forged = as_message(forge_welcome(opened, staged.next, JOINER, kept_back))
    with pytest.raises(RuleViolation) as caught:
        open_welcome(forged, JOINER).join(staged.ratchet_tree, now=NOW)
    assert caught.value.rule is Rule.WELCOME_PATH
    following = update(follow(NEIGHBOUR, staged.message))
    assert follows(join(staged, JOINER), following.message)
