"""Proposals of external senders and of newcomers, alone and together (RFC 9420 12.1.8, 12.2).

They come under the rules of members' proposals; what outsiders may not propose is no rule of
proposals but of senders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    Extension,
    ExtensionType,
    Group,
    Operations,
    ProposalReceived,
    basic_credential,
)
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.framing import Sender
from cloister.mls.proposal import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ProposalBody,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import PskType, ResumptionPskUsage, SenderType
from cloister.mls.rules import Rule
from cloister.testing.forge import update_leaf
from cloister.testing.forge_commit import Forgery, forge_commit
from cloister.testing.forge_proposal import ForgedProposal, forge_proposal, keeping
from unit.mls.members import CLASSICAL, ENTROPY, NOW, group_of, package, settle
from unit.mls.rules.verdicts import follows, keeps, refuses


def sender_list() -> Extension:
    """Two who may propose."""
    senders = tuple(
        ExternalSender(signature_key=key.public, credential=basic_credential(b"outside"))
        for key in OUTSIDERS
    )
    return Extension(
        extension_type=ExtensionType.EXTERNAL_SENDERS,
        data=ExternalSenders(senders=senders).encode(),
    )


_FOUR = group_of(4, CLASSICAL)
_SUITE = _FOUR[0].suite
OUTSIDERS = [_SUITE.signature_key(_SUITE.generate_signature_seed(ENTROPY)) for _ in range(2)]
GROUPS = settle(_FOUR, 0, _FOUR[0].commit(extensions=[sender_list()], now=NOW, entropy=ENTROPY))
ATTACKER, VICTIM, THIRD, FOURTH = GROUPS
ALLOWED = Operations.EXTERNAL_PROPOSAL | Operations.REINIT
NEWCOMER = package("newcomer", CLASSICAL)
ADD = Add(key_package=NEWCOMER.parsed())
KEY = Secret(b"key")


def psk(usage: ResumptionPskUsage | None = None) -> PreSharedKeyId:
    """An external key, or for a use the resumption key of this epoch."""
    nonce = ENTROPY.random(_SUITE.nh)
    if usage is None:
        return PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"shared", psk_nonce=nonce)
    return PreSharedKeyId(
        psk_type=PskType.RESUMPTION,
        usage=usage,
        psk_group_id=VICTIM.group_id,
        psk_epoch=VICTIM.epoch,
        psk_nonce=nonce,
    )


PSK = psk()
REINIT = ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=())
EXTENSIONS = GroupContextExtensions(extensions=(sender_list(),))
NO_EXTENSIONS = GroupContextExtensions(extensions=())
KEYS: Mapping[PreSharedKeyId, Secret] = {PSK: KEY}


def from_outside(body: ProposalBody, number: int = 0) -> ForgedProposal:
    """A proposal of a listed external sender."""
    sender = Sender(sender_type=SenderType.EXTERNAL, index=number)
    return forge_proposal(ATTACKER, body, sender=sender, key=OUTSIDERS[number])


def from_newcomer(body: ProposalBody) -> ForgedProposal:
    """A proposal of who wants to be added."""
    sender = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
    return forge_proposal(
        ATTACKER, body, sender=sender, key=_SUITE.signature_key(NEWCOMER.signature_key)
    )


def committed(entries: Sequence[ForgedProposal], by: Group = ATTACKER) -> tuple[Group, bytes]:
    """The victim that has kept all of them, and a commit that takes them up."""
    victim = VICTIM
    for one in entries:
        _, victim = keeps(victim, one.message, allow=ALLOWED)
    committer = keeping(by, *entries)
    return victim, forge_commit(committer, [one.reference for one in entries], Forgery(psks=KEYS))


def refused_together(rule: Rule, entries: Sequence[ForgedProposal]) -> None:
    victim, commit = committed(entries)
    refuses(rule, victim, commit, allow=ALLOWED, psks={b"shared": KEY})
    for one in entries:
        victim, commit = committed([one])
        follows(victim, commit, allow=ALLOWED, psks={b"shared": KEY})


@pytest.mark.parametrize(
    "body",
    [ADD, Remove(removed=3), PreSharedKey(psk=PSK), REINIT, EXTENSIONS],
    ids=lambda body: type(body).__name__,
)
def test_what_an_external_sender_may_propose_is_kept_and_committed(body: ProposalBody) -> None:
    victim, commit = committed([from_outside(body)])
    follows(victim, commit, allow=ALLOWED, psks={b"shared": KEY})
    # Whether outsiders may propose is asked when they do; a member's commit is a member's act.
    if not isinstance(body, ReInit):
        follows(victim, commit, psks={b"shared": KEY})


def test_a_newcomer_is_added_at_his_own_wish() -> None:
    victim, commit = committed([from_newcomer(ADD)])
    assert follows(victim, commit).adds == (4,)


@pytest.mark.parametrize("made", [from_outside, from_newcomer])
def test_a_proposal_from_outside_has_no_member_for_a_sender(
    made: Callable[[ProposalBody], ForgedProposal],
) -> None:
    received = VICTIM.process(made(ADD).message, now=NOW, allow=ALLOWED)
    assert isinstance(received, ProposalReceived)
    assert received.sender is None
    assert received.proposal.body == ADD


# -- refused on arrival, so that no commit can refer to it ----------------------------------------


def refused_on_arrival(rule: Rule, made: ForgedProposal) -> None:
    refuses(rule, VICTIM, made.message, allow=ALLOWED)
    commit = forge_commit(keeping(ATTACKER, made), [made.reference])
    refuses(Rule.PROPOSAL_KNOWN, VICTIM, commit, allow=ALLOWED)


@pytest.mark.parametrize("index", [4, 2**32 - 1])
def test_attack_external_sender_removes_nobody_MLS_120(index: int) -> None:
    refused_on_arrival(Rule.REMOVED_LEAF, from_outside(Remove(removed=index)))


def test_attack_external_sender_goes_back_to_an_older_version_MLS_121() -> None:
    older = ReInit(group_id=b"next", version=0, cipher_suite=CLASSICAL, extensions=())
    refused_on_arrival(Rule.REINIT_VERSION, from_outside(older))


@pytest.mark.parametrize("usage", [ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH])
def test_attack_external_sender_names_a_founding_key_MLS_111(usage: ResumptionPskUsage) -> None:
    refused_on_arrival(Rule.PSK_USAGE, from_outside(PreSharedKey(psk=psk(usage))))


@pytest.mark.parametrize(
    "body",
    [ExternalInit(kem_output=b""), Update(leaf_node=update_leaf(ATTACKER))],
    ids=lambda body: type(body).__name__,
)
def test_attack_external_sender_proposes_what_members_do_MLS_026(body: ProposalBody) -> None:
    refused_on_arrival(Rule.EXTERNAL_PROPOSAL, from_outside(body))


@pytest.mark.parametrize(
    "body",
    [Remove(removed=3), REINIT, PreSharedKey(psk=PSK), NO_EXTENSIONS, ExternalInit(kem_output=b"")],
    ids=lambda body: type(body).__name__,
)
def test_attack_newcomer_proposes_more_than_himself_MLS_027(body: ProposalBody) -> None:
    refused_on_arrival(Rule.NEW_MEMBER_PROPOSAL, from_newcomer(body))


# -- good by itself, wrong together ---------------------------------------------------------------


def test_attack_committer_obeys_an_outsider_who_removes_it_MLS_123() -> None:
    gone = from_outside(Remove(removed=ATTACKER.own_leaf))
    refuses(Rule.COMMITTER_REMOVE, *committed([gone]))
    follows(*committed([gone], by=THIRD))


@pytest.mark.parametrize(
    "by_member",
    [Remove(removed=2), Update(leaf_node=update_leaf(THIRD))],
    ids=lambda body: type(body).__name__,
)
def test_attack_outsider_and_member_change_one_leaf_MLS_124(by_member: ProposalBody) -> None:
    entries = [from_outside(Remove(removed=2)), forge_proposal(THIRD, by_member)]
    refused_together(Rule.ONE_CHANGE_PER_LEAF, entries)
    refused_together(Rule.ONE_CHANGE_PER_LEAF, entries[::-1])


def test_attack_two_outsiders_remove_one_member_MLS_124() -> None:
    entries = [from_outside(Remove(removed=2), number) for number in (0, 1)]
    refused_together(Rule.ONE_CHANGE_PER_LEAF, entries)


def test_attack_outsider_adds_who_asked_already_MLS_125() -> None:
    refused_together(Rule.DUPLICATE_ADD, [from_newcomer(ADD), from_outside(ADD)])
    refused_together(Rule.DUPLICATE_ADD, [from_outside(ADD), from_outside(ADD, 1)])


def test_attack_outsiders_replace_extensions_twice_MLS_126() -> None:
    entries = [from_outside(EXTENSIONS), from_outside(NO_EXTENSIONS, 1)]
    refused_together(Rule.ONE_CONTEXT_EXTENSIONS, entries)


@pytest.mark.parametrize(
    "beside",
    [ADD, Remove(removed=3), PreSharedKey(psk=PSK), REINIT, NO_EXTENSIONS],
    ids=lambda body: type(body).__name__,
)
def test_attack_outsiders_reinit_with_company_MLS_127(beside: ProposalBody) -> None:
    refused_together(Rule.REINIT_ALONE, [from_outside(REINIT), from_outside(beside, 1)])


@pytest.mark.parametrize("made", [from_outside(ADD), from_newcomer(ADD)], ids=["listed", "new"])
def test_attack_outsiders_proposal_is_referred_to_twice_MLS_129(made: ForgedProposal) -> None:
    victim, _ = committed([made])
    commit = forge_commit(keeping(ATTACKER, made), [made.reference] * 2)
    refuses(Rule.PROPOSAL_TWICE, victim, commit)


@pytest.mark.parametrize("made", [from_outside(ADD), from_newcomer(ADD)], ids=["listed", "new"])
def test_attack_commit_to_an_outsiders_unseen_proposal_MLS_130(made: ForgedProposal) -> None:
    victim, commit = committed([made])
    refuses(Rule.PROPOSAL_KNOWN, VICTIM, commit)
    follows(victim, commit)
