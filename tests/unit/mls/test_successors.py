"""Groups that continue others: reinitialised and branched (RFC 9420 sections 11.2, 11.3)."""

from __future__ import annotations

import pytest

from cloister.mls import (
    CipherSuite,
    CommitReceived,
    Extension,
    Group,
    Misuse,
    Operations,
    ReInit,
    RuleViolation,
    Unsupported,
    branch,
    open_welcome,
    reinitialise,
)
from cloister.mls.registry import ProtocolVersion
from cloister.mls.rules import Rule
from cloister.mls.suite import suite_of
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    PRODUCT,
    agree,
    group_of,
    package,
    take_text,
    welcome_of,
)


def ended(suite: int, into: int) -> list[Group]:
    """A group of three that a ReInit to another suite has ended."""
    groups = group_of(3, suite)
    reinit = ReInit(
        group_id=b"the next group",
        version=ProtocolVersion.MLS10,
        cipher_suite=into,
        extensions=(Extension(extension_type=CHECKPOINT, data=b"next"),),
    )
    staged = groups[0].commit(reinit=reinit, now=NOW, entropy=ENTROPY)
    after = [staged.next]
    for group in groups[1:]:
        received = group.process(staged.message, now=NOW, allow=Operations.REINIT)
        assert isinstance(received, CommitReceived)
        assert received.reinit == reinit
        assert received.next is not None
        after.append(received.next)
    assert agree(after)
    return after


@pytest.mark.parametrize(
    ("suite", "into"),
    [(CLASSICAL, PRODUCT), (CipherSuite.P521_AES256GCM_SHA512_P521, CLASSICAL)],
    ids=["to the product's suite", "to a classical suite"],
)
def test_a_group_goes_on_in_another_suite(suite: int, into: int) -> None:
    old = [Group.decode(one.encode()) for one in ended(suite, into)]
    packages = [package(f"member {n}", into) for n in (0, 2)]
    staged = reinitialise(
        old[1],
        [one.key_package for one in packages],
        signature_seed=suite_of(into).generate_signature_seed(ENTROPY),
        credential=old[1].state.own_leaf_node.credential,
        supported_extensions=(CHECKPOINT,),
        now=NOW,
        entropy=ENTROPY,
    )
    joined = [
        open_welcome(welcome_of(staged), secrets, predecessor=before).join(None, now=NOW)
        for secrets, before in zip(packages, (old[0], old[2]), strict=True)
    ]
    assert agree([staged.next, *joined])
    assert joined[0].group_id == b"the next group"
    message, _ = joined[0].encrypt(b"on we go", entropy=ENTROPY)
    assert take_text(joined[1], message)[0] == b"on we go"


def test_nothing_is_sent_in_a_group_that_was_ended() -> None:
    group = ended(CLASSICAL, PRODUCT)[1]
    with pytest.raises(Misuse):
        group.encrypt(b"text", entropy=ENTROPY)
    with pytest.raises(Misuse):
        group.commit(now=NOW, entropy=ENTROPY)
    with pytest.raises(Misuse):
        group.propose(None, now=NOW, entropy=ENTROPY)
    with pytest.raises(Misuse):
        group.group_info()


def test_a_group_that_goes_on_is_not_reinitialised() -> None:
    group = group_of(2, CLASSICAL)[0]
    with pytest.raises(Misuse):
        reinitialise(
            group,
            [],
            signature_seed=group.state.signature_key.seed,
            credential=group.state.own_leaf_node.credential,
            now=NOW,
            entropy=ENTROPY,
        )


def test_a_group_of_a_stranger_is_no_successor_MLS_182() -> None:
    """He has the KeyPackage, which is public, and knows what the ReInit said; not the key."""
    old = ended(CLASSICAL, CLASSICAL)
    assert old[2].reinit is not None
    secrets = package("member 2", CLASSICAL)
    stranger = Group.create(
        CLASSICAL,
        old[2].reinit.group_id,
        signature_seed=suite_of(CLASSICAL).generate_signature_seed(ENTROPY),
        credential=old[1].state.own_leaf_node.credential,
        supported_extensions=(CHECKPOINT,),
        group_extensions=old[2].reinit.extensions,
        entropy=ENTROPY,
    )
    staged = stranger.commit(adds=[secrets.key_package], now=NOW, entropy=ENTROPY)
    with pytest.raises(RuleViolation) as caught:
        open_welcome(welcome_of(staged), secrets, predecessor=old[2])
    assert caught.value.rule is Rule.FOUNDING_PSK


def test_a_subgroup_does_not_pass_for_the_group_that_a_reinit_announced_MLS_183() -> None:
    """A branch may leave members out and have any id; who awaits all of them must not take it."""
    secrets = package("member 2", CLASSICAL)
    old = ended(CLASSICAL, CLASSICAL)
    dishonest = replace(old[1], state=replace(old[1].state, reinit=None))
    staged = branch(dishonest, b"aside", [secrets.key_package], now=NOW, entropy=ENTROPY)
    with pytest.raises(RuleViolation) as caught:
        open_welcome(welcome_of(staged), secrets, predecessor=old[2]).join(None, now=NOW)
    assert caught.value.rule is Rule.REINIT_AWAITED
    with pytest.raises(RuleViolation) as caught:
        branch(old[1], b"aside", [secrets.key_package], now=NOW, entropy=ENTROPY)
    assert caught.value.rule is Rule.REINIT_AWAITED


@pytest.mark.parametrize("suite", [CLASSICAL, PRODUCT])
def test_some_members_branch_off(suite: int) -> None:
    groups = group_of(4, suite)
    secrets = package("member 3", suite)
    staged = branch(groups[1], b"aside", [secrets.key_package], now=NOW, entropy=ENTROPY)
    opened = open_welcome(welcome_of(staged), secrets, predecessor=groups[3])
    joined = opened.join(None, now=NOW)
    assert agree([staged.next, joined])
    assert joined.epoch == 1
    # The old group is as it was.
    message, _ = groups[1].encrypt(b"still here", entropy=ENTROPY)
    assert take_text(groups[3], message)[0] == b"still here"
    # Without the old group at hand nobody can judge the new one.
    with pytest.raises(Unsupported):
        open_welcome(welcome_of(staged), secrets)
    # Nor will another epoch of it do: its members are others.
    later = groups[3].commit(now=NOW, entropy=ENTROPY).next
    with pytest.raises(Unsupported):
        open_welcome(welcome_of(staged), secrets, predecessor=later)
