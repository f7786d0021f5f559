"""Groups that claim to be branched from another (RFC 9420 11.3, 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    Group,
    KeyPackageSecrets,
    OpenedWelcome,
    StagedCommit,
    Unsupported,
    branch,
    open_welcome,
)
from cloister.mls.joining import decrypt_welcome
from cloister.mls.registry import ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.testing.forge_successor import TRUE, Claim, found, founding_key
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from unit.mls.members import CLASSICAL, ENTROPY, NOW, PRODUCT, agree, group_of, update, welcome_of
from unit.mls.rules.successors import PARAMETER, alone, joins, packages_of
from unit.mls.rules.verdicts import breaks

OLD, VICTIM, *_ = group_of(4, CLASSICAL)
PACKAGES = packages_of(CLASSICAL, "member 1", "member 2", "member 3", "stranger")
OWN = PACKAGES["member 1"]
REINIT, BRANCH = ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH


def aside(name: str = "member 0", suite: int = CLASSICAL) -> Group:
    """The founder of a subgroup, alone."""
    return alone(b"aside", suite, name=name, extensions=[PARAMETER])


def founded(
    new: Group,
    names: Sequence[str] = ("member 1",),
    *,
    usage: ResumptionPskUsage = BRANCH,
    claim: Claim = TRUE,
) -> StagedCommit:
    adds = [PACKAGES[name].key_package for name in names]
    return found(OLD, new, adds, usage, claim=claim, now=NOW)


HONEST = founded(aside())


def refused(rule: Rule, welcome: StagedCommit | bytes, *, secrets: KeyPackageSecrets = OWN) -> None:
    """And the honest Welcome still lets the victim in."""
    breaks(rule, lambda: joins(welcome, secrets, VICTIM))
    assert joins(HONEST, OWN, VICTIM).group_id == b"aside"


@pytest.mark.parametrize(
    "names",
    [["member 1"], ["member 3", "member 1"], ["member 2", "member 1", "member 3"]],
    ids=["two", "three", "all"],
)
def test_any_members_may_branch_off_with_extensions_of_their_own(names: Sequence[str]) -> None:
    staged = founded(aside(), names)
    joined = joins(staged, OWN, VICTIM)
    assert agree([joined, staged.next])
    assert joined.extensions == (PARAMETER,)


def test_two_devices_of_one_member_may_branch_off() -> None:
    """The application tells clients apart; here it says that both are one."""
    second = packages_of(CLASSICAL, "member 1")["member 1"]
    staged = found(OLD, aside(), [OWN.key_package, second.key_package], BRANCH, now=NOW)
    assert agree([joins(staged, OWN, VICTIM), staged.next])


@pytest.mark.parametrize(
    "suite",
    [CipherSuite.X25519_CHACHA20POLY1305_SHA256_ED25519, PRODUCT],
    ids=["of the same form", "the product's"],
)
def test_attack_subgroup_in_another_suite_MLS_179(suite: int) -> None:
    own = packages_of(suite, "member 1")["member 1"]
    staged = found(OLD, aside(suite=suite), [own.key_package], BRANCH, now=NOW)
    refused(Rule.BRANCH_SUITE, staged, secrets=own)


@pytest.mark.parametrize(
    "names",
    [["member 1", "stranger"], ["stranger", "member 1", "member 2", "member 3"]],
    ids=["beside one", "beside all"],
)
def test_attack_subgroup_with_a_stranger_MLS_180(names: Sequence[str]) -> None:
    """He would pass for a member of the old group."""
    refused(Rule.BRANCH_MEMBERS, founded(aside(), names))


def test_attack_subgroup_founded_by_a_stranger_MLS_180() -> None:
    """With the old group's key, which somebody gave him."""
    refused(Rule.BRANCH_MEMBERS, founded(aside("stranger")))


def test_members_are_compared_as_the_application_says_MLS_180() -> None:
    staged = founded(aside(), ["member 1", "stranger"])
    assert joins(staged, OWN, VICTIM, identity=lambda _: "all the same").epoch == 1
    breaks(
        Rule.BRANCH_MEMBERS,
        lambda: joins(HONEST, OWN, VICTIM, identity=lambda leaf: leaf.signature_key),
    )


def test_honest_founder_takes_no_stranger_along_MLS_180() -> None:
    def make(name: str) -> StagedCommit:
        package = PACKAGES[name].key_package
        return branch(OLD, b"aside", [package], now=NOW, entropy=ENTROPY)

    breaks(Rule.BRANCH_MEMBERS, lambda: make("stranger"))
    assert make("member 2").next.epoch == 1


def test_attack_subgroup_that_went_on_before_others_came_MLS_175() -> None:
    refused(Rule.FOUNDING_EPOCH, founded(update(aside()).next))


@pytest.mark.parametrize("epoch", [0, 2])
def test_attack_subgroup_in_another_epoch_than_the_first_MLS_175(epoch: int) -> None:
    opened = decrypt_welcome(welcome_of(HONEST), OWN, {}, {}, VICTIM.state)
    key = founding_key(OLD, HONEST.next, BRANCH)

    def welcome(number: int) -> bytes:
        how = WelcomeForgery(epoch=number, psks=[key])
        return as_message(forge_welcome(opened, HONEST.next, OWN, how))

    tree = HONEST.ratchet_tree
    breaks(Rule.FOUNDING_EPOCH, lambda: joins(welcome(epoch), OWN, VICTIM, tree=tree))
    assert joins(welcome(1), OWN, VICTIM, tree=tree).epoch == 1


@pytest.mark.parametrize("second", [REINIT, BRANCH])
def test_attack_subgroup_with_two_founding_keys_MLS_163(second: ResumptionPskUsage) -> None:
    opened = decrypt_welcome(welcome_of(HONEST), OWN, {}, {}, VICTIM.state)
    keys = [founding_key(OLD, HONEST.next, usage) for usage in (BRANCH, second)]
    how = WelcomeForgery(psks=keys)
    refused(Rule.ONE_FOUNDING_PSK, as_message(forge_welcome(opened, HONEST.next, OWN, how)))


def test_attack_subgroup_under_the_id_of_its_parent_MLS_167() -> None:
    """Both go on, and messages of one would be taken for the other's."""
    refused(Rule.GROUP_ID_UNIQUE, founded(alone(OLD.group_id, CLASSICAL)))
    adds = [OWN.key_package]
    breaks(
        Rule.GROUP_ID_UNIQUE,
        lambda: branch(OLD, OLD.group_id, adds, now=NOW, entropy=ENTROPY),
    )


def test_attack_subgroup_under_the_id_of_another_group_of_ours_MLS_167() -> None:
    def opened() -> OpenedWelcome:
        return open_welcome(welcome_of(HONEST), OWN, predecessor=VICTIM)

    ids = {VICTIM.group_id, b"aside"}
    breaks(Rule.GROUP_ID_UNIQUE, lambda: opened().join(None, now=NOW, participating=ids))
    assert opened().join(None, now=NOW, participating={VICTIM.group_id}).epoch == 1


def test_attack_subgroup_that_passes_for_a_reinitialised_group_MLS_176() -> None:
    """The wrong usage: the members never agreed to leave the old group."""
    refused(Rule.REINIT_COMMITTED, founded(aside(), usage=REINIT))


def test_attack_founder_without_the_key_of_the_old_group_MLS_164() -> None:
    lie = founded(aside(), claim=Claim(key=Secret(bytes(32))))
    refused(Rule.GROUP_INFO_CIPHERTEXT, lie)


@pytest.mark.parametrize(
    "claim",
    [Claim(epoch=OLD.epoch - 1), Claim(epoch=OLD.epoch + 1), Claim(group_id=b"another")],
    ids=["the epoch before", "an epoch to come", "another group"],
)
def test_claim_to_another_epoch_or_group_cannot_be_judged(claim: Claim) -> None:
    """Nor with that group's key at hand: its members are not."""
    staged = founded(aside(), claim=claim)
    with pytest.raises(Unsupported):
        joins(staged, OWN, VICTIM)
    with pytest.raises(Unsupported):
        joins(staged, OWN, None)
    place = (
        OLD.group_id if claim.group_id is None else claim.group_id,
        OLD.epoch if claim.epoch is None else claim.epoch,
    )
    known = {place: OLD.state.secrets.resumption}
    with pytest.raises(Unsupported):
        open_welcome(welcome_of(staged), OWN, resumption_psks=known)
