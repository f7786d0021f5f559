"""What a proposal must fulfil by itself (RFC 9420 12.1): by value, on arrival, by reference.

One that is refused when it arrives is not kept, so no commit can refer to it either.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import Extension, ExtensionType, Group, Operations
from cloister.mls.external_commit import make_external_init
from cloister.mls.key_schedule import external_public_key
from cloister.mls.proposal import (
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ProposalBody,
    ReInit,
    Remove,
)
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.forge_proposal import forge_proposal, keeping
from cloister.values import replace
from unit.mls.members import CHECKPOINT, CLASSICAL, ENTROPY, NOW, group_of, package, settle
from unit.mls.rules.verdicts import follows, keeps, refuses

# Five leaves were taken, then the third was emptied: a blank leaf inside the tree.
_FIVE = group_of(5, CLASSICAL)
GROUPS = settle([*_FIVE[:2], *_FIVE[3:]], 0, _FIVE[0].commit(removes=[2], now=NOW, entropy=ENTROPY))
ATTACKER, VICTIM = GROUPS[0], GROUPS[1]
NO_KEYS: Mapping[PreSharedKeyId, Secret] = {}


def refused_everywhere(
    rule: Rule, body: ProposalBody, keys: Mapping[PreSharedKeyId, Secret] = NO_KEYS
) -> None:
    """By value, on arrival in either form of message, and by reference after that."""
    how = Forgery(psks=keys)
    refuses(rule, VICTIM, forge_commit(ATTACKER, [body], how), allow=Operations.ALL)
    for public in (False, True):
        made = forge_proposal(ATTACKER, body, public=public)
        refuses(rule, VICTIM, made.message, allow=Operations.ALL)
        commit = forge_commit(keeping(ATTACKER, made), [made.reference], how)
        refuses(Rule.PROPOSAL_KNOWN, VICTIM, commit, allow=Operations.ALL)


def accepted_everywhere(
    body: ProposalBody, keys: Mapping[PreSharedKeyId, Secret] = NO_KEYS
) -> None:
    """The same without the lie."""
    how = Forgery(psks=keys)
    follows(VICTIM, forge_commit(ATTACKER, [body], how), allow=Operations.ALL)
    for public in (False, True):
        made = forge_proposal(ATTACKER, body, public=public)
        reference, victim = keeps(VICTIM, made.message, allow=Operations.ALL)
        assert reference == made.reference
        commit = forge_commit(keeping(ATTACKER, made), [made.reference], how)
        follows(victim, commit, allow=Operations.ALL)


@pytest.mark.parametrize(
    "index", [2, 5, 8, 2**32 - 1], ids=["blank", "blank at the end", "beyond the tree", "last"]
)
def test_attack_remove_names_nobody_MLS_120(index: int) -> None:
    refused_everywhere(Rule.REMOVED_LEAF, Remove(removed=index))


def test_remove_of_a_member_is_accepted_in_all_places() -> None:
    accepted_everywhere(Remove(removed=4))


REINIT = ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=())


def test_attack_reinit_goes_back_to_an_older_version_MLS_121() -> None:
    refused_everywhere(Rule.REINIT_VERSION, replace(REINIT, version=0))


@pytest.mark.parametrize("version", [1, 2])
def test_reinit_to_this_version_or_a_later_one_is_accepted(version: int) -> None:
    accepted_everywhere(replace(REINIT, version=version))


# -- extensions for a group -----------------------------------------------------------------------


def for_a_group(*extensions: Extension) -> list[ProposalBody]:
    """The proposals that carry extensions of a group context: of this one, and of the next."""
    return [GroupContextExtensions(extensions=extensions), replace(REINIT, extensions=extensions)]


def test_attack_extension_of_a_group_is_there_twice_MLS_010() -> None:
    checkpoint = Extension(extension_type=CHECKPOINT, data=b"")
    for lie in for_a_group(checkpoint, checkpoint):
        refused_everywhere(Rule.DUPLICATE_EXTENSION, lie)
    for honest in for_a_group(checkpoint):
        accepted_everywhere(honest)


@pytest.mark.parametrize(
    ("kind", "empty"),
    [
        (ExtensionType.REQUIRED_CAPABILITIES, b"\x00\x00\x00"),
        (ExtensionType.EXTERNAL_SENDERS, b"\x00"),
    ],
)
def test_attack_extension_of_a_group_does_not_decode_MLS_011(
    kind: ExtensionType, empty: bytes
) -> None:
    for data in (b"", empty + b"\x00", b"\x40" + empty):
        for lie in for_a_group(Extension(extension_type=kind, data=data)):
            refused_everywhere(Rule.EXTENSION_DATA, lie)
    for honest in for_a_group(Extension(extension_type=kind, data=empty)):
        accepted_everywhere(honest)


# -- external inits --------------------------------------------------------------------------------


def external_init(group: Group) -> ExternalInit:
    """One that would open: the attacker has seen a GroupInfo."""
    public = external_public_key(group.suite, group.state.secrets)
    return make_external_init(group.suite, public)[0]


def test_attack_external_init_of_a_member_MLS_128() -> None:
    """A member who chose init_secret would void what older epochs contributed to the new one."""
    refused_everywhere(Rule.EXTERNAL_INIT, external_init(ATTACKER))
    refused_everywhere(Rule.EXTERNAL_INIT, ExternalInit(kem_output=b""))


def test_external_init_is_accepted_where_it_belongs() -> None:
    commit = forge_external_commit(ATTACKER, package("newcomer", CLASSICAL))
    assert follows(VICTIM, commit, allow=Operations.EXTERNAL_COMMIT).is_external


# -- keys that found groups, outside of the founding (11.2, 11.3) ---------------------------------


def resumption(usage: ResumptionPskUsage) -> dict[PreSharedKeyId, Secret]:
    """The resumption key of this epoch, which every member has, for this use."""
    name = PreSharedKeyId(
        psk_type=PskType.RESUMPTION,
        usage=usage,
        psk_group_id=ATTACKER.group_id,
        psk_epoch=ATTACKER.epoch,
        psk_nonce=ENTROPY.random(ATTACKER.suite.nh),
    )
    return {name: ATTACKER.state.secrets.resumption}


@pytest.mark.parametrize("usage", [ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH])
def test_attack_founding_key_in_a_group_that_goes_on_MLS_111(usage: ResumptionPskUsage) -> None:
    keys = resumption(usage)
    (name,) = keys
    refused_everywhere(Rule.PSK_USAGE, PreSharedKey(psk=name), keys)


@pytest.mark.parametrize("usage", [ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH])
def test_attack_founding_key_in_an_external_commit_MLS_111(usage: ResumptionPskUsage) -> None:
    keys = resumption(usage)
    (name,) = keys
    commit = forge_external_commit(
        ATTACKER,
        package("newcomer", CLASSICAL),
        lambda init: [init, PreSharedKey(psk=name)],
        Forgery(psks=keys),
    )
    refuses(Rule.PSK_USAGE, VICTIM, commit, allow=Operations.ALL)


def test_resumption_key_for_application_use_is_accepted_in_all_places() -> None:
    keys = resumption(ResumptionPskUsage.APPLICATION)
    (name,) = keys
    accepted_everywhere(PreSharedKey(psk=name), keys)
    commit = forge_external_commit(
        ATTACKER,
        package("newcomer", CLASSICAL),
        lambda init: [init, PreSharedKey(psk=name)],
        Forgery(psks=keys),
    )
    follows(VICTIM, commit, allow=Operations.ALL)
