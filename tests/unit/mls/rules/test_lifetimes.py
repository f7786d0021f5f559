"""KeyPackages before, after and without their time (RFC 9420 sections 7.2, 7.3).

Who sends one on is strict. Who receives one may have been away while it ran out, and allows for
that; only what can never have been valid is refused however late.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.mls import (
    Group,
    KeyPackageSecrets,
    Lifetime,
    ProposalReceived,
    RuleViolation,
    open_welcome,
)
from cloister.mls.limits import LIFETIME_SLACK_S, MAX_LIFETIME_S
from cloister.mls.proposal import Add, Proposal
from cloister.mls.rules import Rule
from cloister.testing.forge import send
from cloister.testing.forge_commit import forge_commit
from cloister.testing.forge_tree import OwnedTree
from cloister.testing.forge_welcome import (
    WelcomeForgery,
    as_message,
    forge_welcome,
    with_path_secret,
)
from unit.mls.members import (
    CLASSICAL,
    ENTROPY,
    NOW,
    group_of,
    package,
)
from unit.mls.rules.ways_in import Host, Way, every_way

LIAR, VICTIM, PROPOSER = GROUPS = group_of(3, CLASSICAL)
HOST = Host.of(LIAR, package("joiner", CLASSICAL))
TREE = OwnedTree.of(GROUPS).add(HOST.joiner)
Place = Callable[[KeyPackageSecrets, int | None], object]


def living(not_before: int, not_after: int) -> KeyPackageSecrets:
    return package("n", CLASSICAL, lifetime=Lifetime(not_before=not_before, not_after=not_after))


def proposed(secrets: KeyPackageSecrets) -> tuple[bytes, Group, Group]:
    """The reference of an Add, and liar and victim when it has come to them in time."""
    message = send(PROPOSER, Proposal(body=Add(key_package=secrets.parsed())))
    to_liar, to_victim = LIAR.process(message, now=None), VICTIM.process(message, now=None)
    assert isinstance(to_liar, ProposalReceived)
    assert isinstance(to_victim, ProposalReceived)
    return to_liar.reference, to_liar.next, to_victim.next


def add_alone(secrets: KeyPackageSecrets, now: int | None) -> object:
    message = send(LIAR, Proposal(body=Add(key_package=secrets.parsed())))
    return VICTIM.process(message, now=now)


def add_in_a_commit(secrets: KeyPackageSecrets, now: int | None) -> object:
    message = forge_commit(LIAR, [Add(key_package=secrets.parsed())])
    return VICTIM.process(message, now=now)


def add_by_reference(secrets: KeyPackageSecrets, now: int | None) -> object:
    reference, liar, victim = proposed(secrets)
    return victim.process(forge_commit(liar, [reference]), now=now)


def own_welcome(secrets: KeyPackageSecrets, now: int | None) -> object:
    tree = OwnedTree.of(GROUPS).add(secrets).tree
    how = WelcomeForgery(tree=tree, change_secrets=with_path_secret(None))
    message = as_message(forge_welcome(HOST.opened, LIAR, secrets, how))
    return open_welcome(message, secrets).join(tree.encode(), now=now)


def commit_of_our_own(secrets: KeyPackageSecrets, now: int) -> object:
    return VICTIM.commit(adds=[secrets.key_package], now=now, entropy=ENTROPY)


def reference_of_our_own(secrets: KeyPackageSecrets, now: int) -> object:
    reference, _, victim = proposed(secrets)
    return victim.commit(references=[reference], now=now, entropy=ENTROPY)


def proposal_of_our_own(secrets: KeyPackageSecrets, now: int) -> object:
    return VICTIM.propose(Add(key_package=secrets.parsed()), now=now, entropy=ENTROPY)


received = pytest.mark.parametrize(
    "place",
    [add_alone, add_in_a_commit, add_by_reference, own_welcome],
    ids=lambda place: place.__name__,
)
sent = pytest.mark.parametrize(
    "place",
    [commit_of_our_own, reference_of_our_own, proposal_of_our_own],
    ids=lambda place: place.__name__,
)


def refuses(rule: Rule, place: Place, secrets: KeyPackageSecrets, now: int) -> None:
    before = VICTIM.encode()
    with pytest.raises(RuleViolation) as caught:
        place(secrets, now)
    assert caught.value.rule is rule
    assert rule.rule_id in str(caught.value)
    assert VICTIM.encode() == before


@received
def test_key_package_is_refused_when_it_ran_out_too_long_ago_MLS_065(place: Place) -> None:
    secrets = living(NOW, NOW + 100)
    latest = NOW + 100 + LIFETIME_SLACK_S
    refuses(Rule.LIFETIME, place, secrets, latest + 1)
    for now in (NOW, NOW + 101, latest, None):
        assert place(secrets, now)


@received
def test_key_package_is_refused_too_long_before_its_time_MLS_065(place: Place) -> None:
    secrets = living(NOW, NOW + 100)
    earliest = NOW - LIFETIME_SLACK_S
    refuses(Rule.LIFETIME, place, secrets, earliest - 1)
    assert place(secrets, earliest)


@sent
def test_key_package_is_not_sent_on_out_of_its_time_MLS_065(place: Place) -> None:
    secrets = living(NOW, NOW + 100)
    for now in (NOW - 1, NOW + 101):
        refuses(Rule.LIFETIME, place, secrets, now)
    for now in (NOW, NOW + 100):
        assert place(secrets, now)


@received
def test_lifetime_that_ends_before_it_begins_is_refused_at_any_time_MLS_065(place: Place) -> None:
    """Nobody can have added it when it was valid, so there is nothing to allow for."""
    backwards = living(NOW + 1, NOW)
    for now in (NOW - 1, NOW, NOW + 1, NOW + 2):
        refuses(Rule.LIFETIME, place, backwards, now)
    assert place(living(NOW, NOW), NOW)


@received
@pytest.mark.parametrize("length", [MAX_LIFETIME_S + 1, 2**63])
def test_key_package_with_too_long_a_lifetime_is_refused_MLS_066(place: Place, length: int) -> None:
    refuses(Rule.LIFETIME_LENGTH, place, living(NOW, NOW + length), NOW)
    assert place(living(NOW, NOW + MAX_LIFETIME_S), NOW)


@sent
def test_key_package_with_too_long_a_lifetime_is_not_sent_on_MLS_066(place: Place) -> None:
    refuses(Rule.LIFETIME_LENGTH, place, living(NOW, NOW + MAX_LIFETIME_S + 1), NOW)
    assert place(living(NOW, NOW + MAX_LIFETIME_S), NOW)


@every_way
def test_member_whose_key_package_has_run_out_stays_a_member(way: Way) -> None:
    """A joiner does not judge the lifetimes of others: they were judged when they were added."""
    tree = TREE.add(living(0, 1), living(0, 2**64 - 1))
    assert len(HOST.lets_in(way, tree.tree)) >= 6
