"""Authors of paths, honest or not, and a group of six who all have committed before.

A path is a member's or, in an external commit, a newcomer's.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.mls import Group, Operations, RuleViolation
from cloister.mls.rules import Rule
from cloister.testing.forge import ENTROPY as SYSTEM_ENTROPY
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from unit.mls.members import CLASSICAL, NOW, group_of, package, settle, update

GROUPS = group_of(6, CLASSICAL)
for n in range(6):
    GROUPS = settle(GROUPS, n, update(GROUPS[n]))
LIAR, NEIGHBOUR = GROUPS[0], GROUPS[1]
SUITE, TREE = LIAR.suite, LIAR.state.tree
STRANGER = package("stranger", CLASSICAL)
HONEST = Forgery()
FRESH = SYSTEM_ENTROPY
Author = Callable[[Forgery], bytes]


def member(how: Forgery) -> bytes:
    """His path has nodes 1, 3 and 7, the root; the neighbour is told the secret of the first."""
    return forge_commit(LIAR, [], how)


def stranger(how: Forgery) -> bytes:
    """He takes leaf 6; his path has nodes 11 and 7, for the leaves next to him are blank."""
    return forge_external_commit(LIAR, STRANGER, how=how)


by_either = pytest.mark.parametrize("author", [member, stranger], ids=lambda one: one.__name__)


def follow(group: Group, message: bytes) -> Group:
    received = group.process(message, now=NOW, allow=Operations.EXTERNAL_COMMIT)
    assert isinstance(received.next, Group)
    return received.next


def follows(group: Group, message: bytes) -> bool:
    return follow(group, message).epoch == group.epoch + 1


def refuses(rule: Rule, message: bytes, victim: Group = NEIGHBOUR) -> None:
    before = victim.encode()
    with pytest.raises(RuleViolation) as caught:
        follow(victim, message)
    assert caught.value.rule is rule
    assert rule.rule_id in str(caught.value)
    assert victim.encode() == before


def everybody_refuses(rule: Rule, author: Author, how: Forgery) -> None:
    """Whether or not he could decrypt: members must not differ about what is a valid commit."""
    message = author(how)
    for victim in GROUPS[1:]:
        refuses(rule, message, victim)


def fresh_key() -> bytes:
    return SUITE.generate_key_pair(FRESH).public


class FirstGiven:
    """Fresh randomness, but the first bytes that are asked for are these."""

    def __init__(self, given: bytes) -> None:
        self._given: bytes | None = given

    def random(self, n: int) -> bytes:
        given, self._given = self._given, None
        return FRESH.random(n) if given is None else given
