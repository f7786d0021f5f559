"""Proposals that are good one by one and wrong together, in a member's commit (RFC 9420 12.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import Extension, Group, Operations
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    ProposalBody,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import PskType
from cloister.mls.rules import Rule
from cloister.testing.forge import update_leaf
from cloister.testing.forge_commit import Forgery, forge_commit
from cloister.testing.forge_proposal import ForgedProposal, forge_proposal, keeping
from unit.mls.members import CHECKPOINT, CLASSICAL, ENTROPY, group_of, package, take_commit, update
from unit.mls.rules.verdicts import follows, keeps, refuses

GROUPS = group_of(4, CLASSICAL)
ATTACKER, VICTIM, PROPOSER, OTHER = GROUPS
PSK = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"shared", psk_nonce=ENTROPY.random(32))
PSKS = {b"shared": Secret(b"key")}
KEYS: Mapping[PreSharedKeyId, Secret] = {PSK: PSKS[b"shared"]}

Entry = ProposalBody | ForgedProposal
"""By value, or by reference to a proposal that everybody has found good."""


def committed(entries: Sequence[Entry], by: Group = ATTACKER) -> tuple[Group, bytes]:
    """The victim, who has all that is referred to, and the commit of these proposals."""
    victim, committer = VICTIM, by
    proposals: list[ProposalBody | bytes] = []
    for one in entries:
        if isinstance(one, ForgedProposal):
            _, victim = keeps(victim, one.message, allow=Operations.ALL)
            committer = keeping(committer, one)
            proposals.append(one.reference)
        else:
            proposals.append(one)
    return victim, forge_commit(committer, proposals, Forgery(psks=KEYS))


def refused_together(rule: Rule, entries: Sequence[Entry]) -> None:
    """The list breaks the rule; each of it alone is accepted, so nothing else is wrong."""
    victim, commit = committed(entries)
    refuses(rule, victim, commit, allow=Operations.ALL, psks=PSKS)
    for one in entries:
        victim, commit = committed([one])
        follows(victim, commit, allow=Operations.ALL, psks=PSKS)


# -- the committer's own leaf ---------------------------------------------------------------------


def test_attack_committer_updates_itself_by_value_MLS_122() -> None:
    own = Update(leaf_node=update_leaf(ATTACKER))
    refuses(Rule.COMMITTER_UPDATE, *committed([own]))
    follows(*committed([]))


@pytest.mark.parametrize("public", [False, True])
def test_attack_committer_updates_itself_by_reference_MLS_122(public: bool) -> None:
    """Its leaf would be the Update's and not the path's, or nobody knows which."""
    own = forge_proposal(ATTACKER, Update(leaf_node=update_leaf(ATTACKER)), public=public)
    refuses(Rule.COMMITTER_UPDATE, *committed([own]))
    follows(*committed([own], by=OTHER))


def test_attack_committer_removes_itself_by_value_MLS_123() -> None:
    refuses(Rule.COMMITTER_REMOVE, *committed([Remove(removed=ATTACKER.own_leaf)]))
    follows(*committed([Remove(removed=OTHER.own_leaf)]))


@pytest.mark.parametrize("by", [ATTACKER, PROPOSER], ids=["own wish", "another's wish"])
def test_attack_committer_removes_itself_by_reference_MLS_123(by: Group) -> None:
    leave = forge_proposal(by, Remove(removed=ATTACKER.own_leaf))
    refuses(Rule.COMMITTER_REMOVE, *committed([leave]))
    follows(*committed([leave], by=OTHER))


# -- one leaf, one change -------------------------------------------------------------------------

GONE = Remove(removed=PROPOSER.own_leaf)
UPDATED = forge_proposal(PROPOSER, Update(leaf_node=update_leaf(PROPOSER)))
UPDATED_AGAIN = forge_proposal(PROPOSER, Update(leaf_node=update_leaf(PROPOSER)))
LEAVING = forge_proposal(PROPOSER, GONE)
SENT_AWAY = forge_proposal(OTHER, GONE)


@pytest.mark.parametrize(
    "entries",
    [
        [GONE, GONE],
        [GONE, LEAVING],
        [LEAVING, GONE],
        [LEAVING, SENT_AWAY],
        [UPDATED, GONE],
        [GONE, UPDATED],
        [UPDATED, SENT_AWAY],
        [LEAVING, UPDATED],
        [UPDATED, UPDATED_AGAIN],
    ],
    ids=[
        "removed twice",
        "removed and leaving",
        "leaving and removed",
        "removed by two",
        "updated and removed",
        "removed and updated",
        "updated and removed by reference",
        "leaving and updated",
        "updated twice",
    ],
)
def test_attack_one_leaf_is_changed_twice_MLS_124(entries: Sequence[Entry]) -> None:
    refused_together(Rule.ONE_CHANGE_PER_LEAF, entries)


def test_changes_of_different_leaves_stand_together() -> None:
    victim, commit = committed([UPDATED, Remove(removed=OTHER.own_leaf)])
    received = follows(victim, commit)
    assert received.updates == (PROPOSER.own_leaf,)
    assert [one.leaf_index for one in received.removes] == [OTHER.own_leaf]


# -- one client, one place ------------------------------------------------------------------------

_SECRETS = package("newcomer", CLASSICAL)
ADD = Add(key_package=_SECRETS.parsed())
SAME_CLIENT = Add(
    key_package=package(
        "newcomer's other", CLASSICAL, signature_seed=_SECRETS.signature_key
    ).parsed()
)
ADD_BY_ONE = forge_proposal(PROPOSER, ADD)
ADD_BY_TWO = forge_proposal(OTHER, ADD)


@pytest.mark.parametrize(
    "entries",
    [[ADD, ADD], [ADD, SAME_CLIENT], [ADD, ADD_BY_ONE], [ADD_BY_TWO, ADD_BY_ONE]],
    ids=["one KeyPackage", "two of one client", "value and reference", "by two members"],
)
def test_attack_a_client_is_added_twice_MLS_125(entries: Sequence[Entry]) -> None:
    refused_together(Rule.DUPLICATE_ADD, entries)


def test_two_clients_are_added_together() -> None:
    another = Add(key_package=package("another", CLASSICAL).parsed())
    assert follows(*committed([ADD, another])).adds == (4, 5)


def test_a_member_comes_back_in_the_commit_that_removes_it() -> None:
    """Section 12.2: the same client may be removed and added together."""
    seed = OTHER.state.signature_key.seed
    again = Add(key_package=package("member 3", CLASSICAL, signature_seed=seed).parsed())
    refuses(Rule.UNIQUE_SIGNATURE_KEY, *committed([again]))
    victim, commit = committed([again, Remove(removed=OTHER.own_leaf)])
    assert follows(victim, commit).adds == (OTHER.own_leaf,)


# -- what there is once, or alone -----------------------------------------------------------------

NO_EXTENSIONS = GroupContextExtensions(extensions=())
CHECKPOINTED = GroupContextExtensions(
    extensions=(Extension(extension_type=CHECKPOINT, data=b"here"),)
)
EXTENSIONS_BY_ONE = forge_proposal(PROPOSER, CHECKPOINTED)
EXTENSIONS_BY_TWO = forge_proposal(OTHER, NO_EXTENSIONS)


@pytest.mark.parametrize(
    "entries",
    [
        [NO_EXTENSIONS, NO_EXTENSIONS],
        [CHECKPOINTED, NO_EXTENSIONS],
        [EXTENSIONS_BY_ONE, CHECKPOINTED],
        [EXTENSIONS_BY_ONE, EXTENSIONS_BY_TWO],
    ],
    ids=["the same", "different", "reference and value", "by two members"],
)
def test_attack_extensions_are_replaced_twice_MLS_126(entries: Sequence[Entry]) -> None:
    refused_together(Rule.ONE_CONTEXT_EXTENSIONS, entries)


REINIT = ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=())
OTHER_REINIT = ReInit(group_id=b"elsewhere", version=1, cipher_suite=CLASSICAL, extensions=())
REINIT_BY_ONE = forge_proposal(PROPOSER, REINIT)
BESIDE: dict[str, Entry] = {
    "add": ADD,
    "remove": Remove(removed=OTHER.own_leaf),
    "update": UPDATED,
    "key": PreSharedKey(psk=PSK),
    "extensions": NO_EXTENSIONS,
    "another": OTHER_REINIT,
    "the same": REINIT,
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE.keys())
@pytest.mark.parametrize("reinit", [REINIT, REINIT_BY_ONE], ids=["value", "reference"])
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
def test_attack_reinit_with_company_MLS_127(beside: Entry, reinit: Entry, is_first: bool) -> None:
    entries = [reinit, beside] if is_first else [beside, reinit]
    victim, commit = committed(entries)
    refuses(Rule.REINIT_ALONE, victim, commit, allow=Operations.ALL, psks=PSKS)


@pytest.mark.parametrize("entry", [REINIT, REINIT_BY_ONE, *BESIDE.values()])
def test_what_cannot_stand_beside_a_reinit_stands_alone(entry: Entry) -> None:
    victim, commit = committed([entry])
    follows(victim, commit, allow=Operations.ALL, psks=PSKS)


# -- references -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        ADD,
        GONE,
        CHECKPOINTED,
        PreSharedKey(psk=PSK),
        REINIT,
        Update(leaf_node=update_leaf(PROPOSER)),
    ],
    ids=lambda body: type(body).__name__,
)
def test_attack_a_proposal_is_referred_to_twice_MLS_129(body: ProposalBody) -> None:
    refused_together(Rule.PROPOSAL_TWICE, [forge_proposal(PROPOSER, body)] * 2)


def test_attack_commit_to_what_others_never_saw_MLS_130() -> None:
    hidden = forge_proposal(PROPOSER, ADD)
    commit = forge_commit(keeping(ATTACKER, hidden), [hidden.reference])
    refuses(Rule.PROPOSAL_KNOWN, VICTIM, commit)
    _, victim = keeps(VICTIM, hidden.message)
    follows(victim, commit)


@pytest.mark.parametrize("reference", [b"", bytes(32), b"nothing of the kind"])
def test_attack_reference_that_is_none_MLS_130(reference: bytes) -> None:
    victim, _ = committed([ADD_BY_ONE])
    refuses(Rule.PROPOSAL_KNOWN, victim, forge_commit(ATTACKER, [reference]))
    refuses(Rule.PROPOSAL_KNOWN, victim, forge_commit(ATTACKER, [ADD, reference]))


def test_attack_proposal_of_a_past_epoch_is_committed_MLS_130() -> None:
    """It was found good among other members: it may not be, now."""
    _, victim = keeps(VICTIM, ADD_BY_ONE.message)
    staged = update(ATTACKER)
    victim = take_commit(victim, staged.message)
    attacker = keeping(staged.next, ADD_BY_ONE)
    refuses(Rule.PROPOSAL_KNOWN, victim, forge_commit(attacker, [ADD_BY_ONE.reference]))
    again = forge_proposal(staged.next, ADD)
    _, victim = keeps(victim, again.message)
    follows(victim, forge_commit(keeping(staged.next, again), [again.reference]))


# -- keys -----------------------------------------------------------------------------------------


def test_attack_one_key_is_named_twice_MLS_112() -> None:
    named = PreSharedKey(psk=PSK)
    refused_together(Rule.DUPLICATE_PSK, [named, named])
    refused_together(Rule.DUPLICATE_PSK, [forge_proposal(PROPOSER, named), named])
