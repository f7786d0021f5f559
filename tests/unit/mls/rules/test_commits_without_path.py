"""When a commit may go without a path (RFC 9420 12.4), by value and by reference."""

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
from cloister.testing.forge_proposal import forge_proposal, keeping
from unit.mls.members import CHECKPOINT, CLASSICAL, ENTROPY, NOW, agree, group_of, package
from unit.mls.rules.verdicts import follows, keeps, refuses

GROUPS = group_of(4, CLASSICAL)
ATTACKER, VICTIM, PROPOSER = GROUPS[0], GROUPS[1], GROUPS[2]
PSK = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"shared", psk_nonce=ENTROPY.random(32))
PSKS = {b"shared": Secret(b"key")}
KEYS: Mapping[PreSharedKeyId, Secret] = {PSK: PSKS[b"shared"]}
EXTENSION = Extension(extension_type=CHECKPOINT, data=b"here")

ADD = Add(key_package=package("newcomer", CLASSICAL).parsed())
ADD_ANOTHER = Add(key_package=package("another", CLASSICAL).parsed())
NAMED = PreSharedKey(psk=PSK)
REINIT = ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=())
GONE = Remove(removed=3)
UPDATED = Update(leaf_node=update_leaf(PROPOSER))
EXTENSIONS = GroupContextExtensions(extensions=(EXTENSION,))
NO_EXTENSIONS = GroupContextExtensions(extensions=())


def committed(
    proposals: Sequence[ProposalBody], *, by_reference: bool, with_path: bool
) -> tuple[Group, bytes]:
    """The victim, who has what is referred to, and the commit. Updates are always referred to."""
    victim, committer = VICTIM, ATTACKER
    entries: list[ProposalBody | bytes] = []
    for one in proposals:
        if by_reference or isinstance(one, Update):
            made = forge_proposal(PROPOSER, one)
            reference, victim = keeps(victim, made.message)
            committer = keeping(committer, made)
            entries.append(reference)
        else:
            entries.append(one)
    return victim, forge_commit(committer, entries, Forgery(with_path=with_path, psks=KEYS))


@pytest.mark.parametrize("by_reference", [False, True], ids=["by value", "by reference"])
@pytest.mark.parametrize(
    "proposals",
    [
        [],
        [GONE],
        [UPDATED],
        [EXTENSIONS],
        [NO_EXTENSIONS],
        [ADD, GONE],
        [UPDATED, ADD],
        [NAMED, EXTENSIONS],
        [ADD, NO_EXTENSIONS],
        [NAMED, UPDATED],
    ],
    ids=lambda proposals: " and ".join(type(one).__name__ for one in proposals) or "nothing",
)
def test_attack_commit_leaves_out_a_path_it_needs_MLS_140(
    proposals: Sequence[ProposalBody], by_reference: bool
) -> None:
    """Who is removed would know the next epoch: nothing new would be mixed into it."""
    victim, commit = committed(proposals, by_reference=by_reference, with_path=False)
    refuses(Rule.PATH_REQUIRED, victim, commit, psks=PSKS)
    victim, commit = committed(proposals, by_reference=by_reference, with_path=True)
    follows(victim, commit, psks=PSKS)


@pytest.mark.parametrize("with_path", [False, True], ids=["without path", "with path"])
@pytest.mark.parametrize("by_reference", [False, True], ids=["by value", "by reference"])
@pytest.mark.parametrize(
    "proposals",
    [[ADD], [NAMED], [REINIT], [ADD, ADD_ANOTHER], [ADD, NAMED]],
    ids=lambda proposals: " and ".join(type(one).__name__ for one in proposals),
)
def test_commit_may_have_a_path_or_none(
    proposals: Sequence[ProposalBody], by_reference: bool, with_path: bool
) -> None:
    victim, commit = committed(proposals, by_reference=by_reference, with_path=with_path)
    follows(victim, commit, psks=PSKS, allow=Operations.REINIT)


def test_attack_removed_member_is_told_without_a_path_MLS_140() -> None:
    """The one it is about refuses it too, and stays until a commit that all accept."""
    removed = GROUPS[3]
    refuses(Rule.PATH_REQUIRED, removed, forge_commit(ATTACKER, [GONE], Forgery(with_path=False)))
    assert removed.process(forge_commit(ATTACKER, [GONE]), now=NOW).next is None


def test_members_agree_after_a_commit_without_path() -> None:
    commit = forge_commit(ATTACKER, [ADD], Forgery(with_path=False))
    following = [follows(one, commit).next for one in GROUPS[1:]]
    assert agree([one for one in following if one is not None])
