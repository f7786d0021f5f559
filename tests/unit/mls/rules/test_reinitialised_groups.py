"""Groups that claim to take the place of one that a ReInit ended (RFC 9420 11.2, 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    Extension,
    Group,
    KeyPackageSecrets,
    Operations,
    ReInit,
    StagedCommit,
    Unsupported,
    reinitialise,
)
from cloister.mls.joining import decrypt_welcome
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.testing.forge_successor import TRUE, Claim, found, founding_key
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    agree,
    group_of,
    update,
    welcome_of,
)
from unit.mls.rules.successors import PARAMETER, alone, joins, packages_of
from unit.mls.rules.verdicts import breaks, follows

REINIT = ReInit(
    group_id=b"the next group", version=1, cipher_suite=CLASSICAL, extensions=(PARAMETER,)
)
OPEN = group_of(3, CLASSICAL)


def ended(reinit: ReInit) -> tuple[Group, Group]:
    """Founder and victim after the commit with this ReInit."""
    staged = OPEN[0].commit(reinit=reinit, now=NOW, entropy=ENTROPY)
    following = follows(OPEN[1], staged.message, allow=Operations.REINIT).next
    assert following is not None
    return staged.next, following


OLD, VICTIM = ended(REINIT)
PACKAGES = packages_of(CLASSICAL, "member 1", "member 2", "stranger")
OWN = PACKAGES["member 1"]
USAGE, BRANCH = ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH


def founded(
    new: Group,
    names: Sequence[str] = ("member 1", "member 2"),
    *,
    old: Group = OLD,
    usage: ResumptionPskUsage = USAGE,
    claim: Claim = TRUE,
) -> StagedCommit:
    adds = [PACKAGES[name].key_package for name in names]
    return found(old, new, adds, usage, claim=claim, now=NOW)


def as_agreed(**changes: object) -> Group:
    """The founder in a new group as the ReInit wants it, but for the changes."""
    fields: dict[str, object] = {
        "group_id": REINIT.group_id,
        "suite": CLASSICAL,
        "extensions": REINIT.extensions,
    }
    return alone(**(fields | changes))  # type: ignore[arg-type]


def refused(
    rule: Rule,
    welcome: StagedCommit | bytes,
    *,
    secrets: KeyPackageSecrets = OWN,
    predecessor: Group = VICTIM,
) -> None:
    """And the honest Welcome still lets the victim in."""
    breaks(rule, lambda: joins(welcome, secrets, predecessor))
    assert joins(HONEST, OWN, VICTIM).group_id == REINIT.group_id


HONEST = founded(as_agreed())


def test_the_group_that_was_agreed_on_is_joined() -> None:
    joined = joins(HONEST, OWN, VICTIM)
    assert agree([joined, HONEST.next])
    # A member that is added beyond the old ones is nothing the old ones could object to here.
    more = founded(as_agreed(), ["member 1", "stranger", "member 2"])
    assert agree([joins(more, OWN, VICTIM), more.next])


# -- its parameters -------------------------------------------------------------------------------

OTHER_SUITE = CipherSuite.X25519_CHACHA20POLY1305_SHA256_ED25519


@pytest.mark.parametrize(
    "changes",
    [
        {"group_id": b"another group"},
        {"group_id": OLD.group_id},
        {"extensions": ()},
        {"extensions": (Extension(extension_type=CHECKPOINT, data=b"other"),)},
    ],
    ids=["group_id", "the old group_id", "no extensions", "other extensions"],
)
def test_attack_successor_with_other_parameters_MLS_177(changes: dict[str, object]) -> None:
    refused(Rule.REINIT_PARAMETERS, founded(as_agreed(**changes)))


def test_attack_successor_in_another_suite_MLS_177() -> None:
    """The founder would lead the members back to a suite that they agreed to leave."""
    others = packages_of(OTHER_SUITE, "member 1", "member 2")
    adds = [one.key_package for one in others.values()]
    weak = found(OLD, as_agreed(suite=OTHER_SUITE), adds, USAGE, now=NOW)
    refused(Rule.REINIT_PARAMETERS, weak, secrets=others["member 1"])
    old, victim = ended(replace(REINIT, cipher_suite=OTHER_SUITE))
    good = found(old, as_agreed(suite=OTHER_SUITE), adds, USAGE, now=NOW)
    assert agree([joins(good, others["member 1"], victim), good.next])


def test_attack_successor_of_another_version_MLS_177() -> None:
    """The members agreed on a version that is to come, and are welcomed to this one."""
    old, victim = ended(replace(REINIT, version=2))
    refused(Rule.REINIT_PARAMETERS, founded(as_agreed(), old=old), predecessor=victim)


def told_again(how: WelcomeForgery) -> bytes:
    """The honest Welcome with changes."""
    opened = decrypt_welcome(welcome_of(HONEST), OWN, {}, {}, VICTIM.state)
    return as_message(forge_welcome(opened, HONEST.next, OWN, how))


def own_key() -> tuple[PreSharedKeyId, Secret]:
    return founding_key(OLD, HONEST.next, USAGE)


@pytest.mark.parametrize("epoch", [0, 2, 2**64 - 1])
def test_attack_successor_in_another_epoch_than_the_first_MLS_175(epoch: int) -> None:
    lie = told_again(WelcomeForgery(epoch=epoch, psks=[own_key()]))
    breaks(Rule.FOUNDING_EPOCH, lambda: joins(lie, OWN, VICTIM, tree=HONEST.ratchet_tree))
    honest = told_again(WelcomeForgery(epoch=1, psks=[own_key()]))
    assert joins(honest, OWN, VICTIM, tree=HONEST.ratchet_tree).epoch == 1


def test_attack_successor_that_went_on_before_others_came_MLS_175() -> None:
    """What was done in it before, nobody of the old group has seen."""
    refused(Rule.FOUNDING_EPOCH, founded(update(as_agreed()).next))


# -- its members ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [["member 1"], ["member 1", "stranger"]], ids=["one less", "one replaced"]
)
def test_attack_successor_without_a_member_MLS_178(names: Sequence[str]) -> None:
    """Whoever the founder leaves out is removed without a commit that anybody has seen."""
    refused(Rule.REINIT_MEMBERS, founded(as_agreed(), names))


def test_attack_successor_whose_founder_is_no_member_MLS_178() -> None:
    refused(Rule.REINIT_MEMBERS, founded(as_agreed(name="stranger")))


def test_members_are_compared_as_the_application_says_MLS_178() -> None:
    """By what it knows of leaves; by default their credentials."""
    short = founded(as_agreed(), ["member 1"])
    breaks(
        Rule.REINIT_MEMBERS,
        lambda: joins(HONEST, OWN, VICTIM, identity=lambda leaf: leaf.signature_key),
    )
    assert joins(short, OWN, VICTIM, identity=lambda _: "all the same").epoch == 1


def test_honest_founder_leaves_nobody_out_MLS_178() -> None:
    def make(*names: str) -> StagedCommit:
        return reinitialise(
            OLD,
            [PACKAGES[name].key_package for name in names],
            signature_seed=OWN.signature_key,
            credential=OLD.state.own_leaf_node.credential,
            supported_extensions=(CHECKPOINT,),
            now=NOW,
            entropy=ENTROPY,
        )

    breaks(Rule.REINIT_MEMBERS, lambda: make("member 2"))
    breaks(Rule.UNIQUE_SIGNATURE_KEY, lambda: make("member 1", "member 2"))


# -- the group it continues -----------------------------------------------------------------------


def test_attack_group_that_goes_on_is_replaced_MLS_176() -> None:
    """No ReInit was committed: the founder alone wants another group."""
    refused(Rule.REINIT_COMMITTED, founded(as_agreed(), old=OPEN[0]), predecessor=OPEN[1])


@pytest.mark.parametrize(
    "claim",
    [Claim(epoch=OLD.epoch - 1), Claim(epoch=OLD.epoch + 1), Claim(group_id=b"another")],
    ids=["the epoch before", "an epoch to come", "another group"],
)
def test_claim_to_another_epoch_or_group_cannot_be_judged(claim: Claim) -> None:
    """Other members, perhaps, and no ReInit of its own."""
    with pytest.raises(Unsupported):
        joins(founded(as_agreed(), claim=claim), OWN, VICTIM)


def test_claim_without_the_old_group_at_hand_cannot_be_judged() -> None:
    with pytest.raises(Unsupported):
        joins(HONEST, OWN, None)


def test_attack_founder_who_never_was_in_the_old_group_MLS_164() -> None:
    """He knows its name and epoch, and not its key."""
    lie = founded(as_agreed(), claim=Claim(key=Secret(bytes(32))))
    refused(Rule.GROUP_INFO_CIPHERTEXT, lie)


@pytest.mark.parametrize("second", [USAGE, BRANCH])
def test_attack_successor_with_two_founding_keys_MLS_163(second: ResumptionPskUsage) -> None:
    keys = [own_key(), founding_key(OLD, HONEST.next, second)]
    refused(Rule.ONE_FOUNDING_PSK, told_again(WelcomeForgery(psks=keys)))
    refused(Rule.ONE_FOUNDING_PSK, told_again(WelcomeForgery(psks=keys[::-1])))


def test_other_keys_may_stand_beside_the_founding_one() -> None:
    shared = Secret(b"shared")
    names = [
        PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(32)),
        founding_key(OLD, HONEST.next, ResumptionPskUsage.APPLICATION)[0],
    ]
    beside = list(zip(names, (shared, OLD.state.secrets.resumption), strict=True))
    staged = founded(as_agreed(), claim=Claim(beside=beside))
    assert agree([joins(staged, OWN, VICTIM, psks={b"id": shared}), staged.next])


# -- the wrong use, or none -----------------------------------------------------------------------
