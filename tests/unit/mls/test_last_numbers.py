"""The last epoch and the last generation: nobody counts so far, but anybody can name them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import Group, RuleViolation, TooFarAhead, join_externally, open_welcome
from cloister.mls.commit import Commit
from cloister.mls.proposal import Add, Proposal, ProposalOrRef
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import LAST_GENERATION, Ratchet
from cloister.testing.forge import send
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, NOW, add, group_of, package, welcome_of


def last_epoch() -> tuple[Group, Group]:
    """The adder and the joiner of a group whose adder says that it is in its last epoch."""
    secrets = package("joiner", CLASSICAL)
    staged = add(group_of(2, CLASSICAL)[0], secrets)
    opened = open_welcome(welcome_of(staged), secrets).opened
    how = WelcomeForgery(epoch=2**64 - 1, extensions=opened.group_info.extensions)
    welcome = as_message(forge_welcome(opened, staged.next, secrets, how))
    joiner = open_welcome(welcome, secrets).join(None, now=NOW)
    adder = replace(
        staged.next,
        state=replace(
            staged.next.state, context=joiner.state.context, secrets=joiner.state.secrets
        ),
        secret_tree=joiner.secret_tree,
    )
    return adder, joiner


def test_nothing_follows_the_last_epoch_MLS_149() -> None:
    adder, joiner = last_epoch()
    added = Proposal(body=Add(key_package=package("one more", CLASSICAL).parsed()))
    commit = Commit(proposals=(ProposalOrRef(proposal=added),), path=None)
    before = joiner.encode()
    actions: list[Callable[[], object]] = [
        lambda: joiner.process(send(adder, commit, tag=bytes(32)), now=NOW),
        lambda: joiner.commit(now=NOW, entropy=ENTROPY),
        lambda: join_externally(
            adder.group_info(), package("from outside", CLASSICAL), entropy=ENTROPY
        ),
    ]
    for action in actions:
        with pytest.raises(RuleViolation) as caught:
            action()
        assert caught.value.rule is Rule.LAST_EPOCH
    assert joiner.encode() == before


def test_a_chain_ends_before_its_generation_has_no_number() -> None:
    suite = group_of(1, CLASSICAL)[0].suite
    chain = Ratchet(Secret(bytes(32)), LAST_GENERATION - 1)
    key, ended = chain.take(suite, LAST_GENERATION - 1, NOW)
    assert key.generation == LAST_GENERATION - 1
    takes: list[Callable[[], object]] = [
        lambda: ended.take_next(suite),
        lambda: ended.take(suite, LAST_GENERATION, NOW),
        lambda: chain.take(suite, LAST_GENERATION, NOW),
    ]
    for take in takes:
        with pytest.raises(TooFarAhead):
            take()
