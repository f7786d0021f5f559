"""Proposals made by one member and committed to by another, by reference (RFC 9420 12.1, 12.4)."""

from __future__ import annotations

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    Add,
    CipherSuite,
    CommitReceived,
    Envelope,
    Extension,
    Group,
    GroupContextExtensions,
    Misuse,
    PreSharedKey,
    PreSharedKeyId,
    Proposal,
    ProposalReceived,
    Remove,
    RuleViolation,
    Undecryptable,
    UnknownProposal,
)
from cloister.mls.pending import PendingProposals
from cloister.mls.registry import PskType
from cloister.mls.rules import Rule
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    agree,
    group_of,
    join,
    package,
    settle,
    take_commit,
    take_proposal,
)

PRIVATE = Envelope()
PSK = {b"shared": Secret(b"key")}


def proposed(
    groups: list[Group], by: int, body: object, envelope: Envelope = PRIVATE
) -> tuple[bytes, list[Group]]:
    """A proposal of one member delivered to all others."""
    made = groups[by].propose(body, envelope=envelope, now=NOW, entropy=ENTROPY)  # type: ignore[arg-type]
    after = []
    for number, group in enumerate(groups):
        if number == by:
            after.append(made.next)
        else:
            reference, following = take_proposal(group, made.message)
            assert reference == made.reference
            after.append(following)
    return made.reference, after


@pytest.mark.parametrize("suite", list(CipherSuite))
def test_an_update_is_taken_up_by_another_and_followed_by_its_author(suite: CipherSuite) -> None:
    groups = group_of(3, suite)
    old = groups[1].state.own_leaf_node
    reference, groups = proposed(groups, 1, None)
    groups[1] = Group.decode(groups[1].encode())  # the new key is in the stored state
    staged = groups[0].commit(references=[reference], now=NOW, entropy=ENTROPY)
    groups = settle(groups, 0, staged)
    assert agree(groups)
    assert groups[1].state.own_leaf_node.encryption_key != old.encryption_key
    assert groups[1].state.own_leaf_node == groups[0].state.tree.leaf(1)
    # The author can go on with the new key: it is who decrypts the next path.
    groups = settle(groups, 2, groups[2].commit(now=NOW, entropy=ENTROPY))
    assert agree(groups)
    assert not groups[1].pending.update_keys


@pytest.mark.parametrize("as_public", [False, True])
def test_who_receives_a_proposal_is_told_what_and_by_whom(as_public: bool) -> None:
    groups = group_of(3, CLASSICAL)
    body = Remove(removed=1)
    envelope = Envelope(as_public=as_public, authenticated_data=b"beside it")
    made = groups[2].propose(body, envelope=envelope, now=NOW, entropy=ENTROPY)
    received = groups[0].process(made.message, now=NOW)
    assert isinstance(received, ProposalReceived)
    assert received.sender == 2
    assert received.proposal == Proposal(body=body)
    assert received.authenticated_data == b"beside it"
    assert received.reference == made.reference


@pytest.mark.parametrize("as_public", [False, True])
def test_proposals_of_every_kind_are_taken_up_together(as_public: bool) -> None:
    groups = group_of(4, CLASSICAL)
    envelope = Envelope(as_public=as_public)
    newcomer = package("proposed", CLASSICAL)
    name = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"shared", psk_nonce=ENTROPY.random(32))
    checkpoint = Extension(extension_type=CHECKPOINT, data=b"proposed")
    references = []
    for by, body in (
        (1, None),
        (2, Add(key_package=newcomer.parsed())),
        (1, Remove(removed=3)),
        (2, PreSharedKey(psk=name)),
        (2, GroupContextExtensions(extensions=(checkpoint,))),
    ):
        reference, groups = proposed(groups, by, body, envelope)
        references.append(reference)
    assert list(groups[0].proposals) == references
    staged = groups[0].commit(
        references=references,
        known_psks=PSK,
        as_public=as_public,
        now=NOW,
        entropy=ENTROPY,
    )
    received = groups[1].process(staged.message, now=NOW, psks=PSK)
    assert isinstance(received, CommitReceived)
    assert (received.updates, [one.leaf_index for one in received.removes]) == ((1,), [3])
    out = groups[3].process(staged.message, now=NOW, psks=PSK)
    assert isinstance(out, CommitReceived)
    assert out.removed_self
    third = groups[2].process(staged.message, now=NOW, psks=PSK)
    assert third.next is not None
    assert received.next is not None
    joined = join(staged, newcomer, psks=PSK)
    assert agree([staged.next, received.next, third.next, joined])
    assert staged.next.extensions == (checkpoint,)
    assert not staged.next.proposals


def test_the_wish_to_leave_is_taken_up_by_another() -> None:
    groups = group_of(3, CLASSICAL)
    reference, groups = proposed(groups, 2, Remove(removed=2))
    staged = groups[1].commit(references=[reference], now=NOW, entropy=ENTROPY)
    left = groups[2].process(staged.message, now=NOW)
    assert isinstance(left, CommitReceived)
    assert left.removed_self
    assert agree([staged.next, take_commit(groups[0], staged.message)])


def test_own_update_and_own_removal_are_not_committed_by_their_author() -> None:
    groups = group_of(2, CLASSICAL)
    for body, rule in ((None, Rule.COMMITTER_UPDATE), (Remove(removed=1), Rule.COMMITTER_REMOVE)):
        reference, after = proposed(groups, 1, body)
        with pytest.raises(RuleViolation) as caught:
            after[1].commit(references=[reference], now=NOW, entropy=ENTROPY)
        assert caught.value.rule is rule


def test_a_proposal_that_breaks_a_rule_is_not_made() -> None:
    group = group_of(2, CLASSICAL)[0]
    with pytest.raises(RuleViolation) as caught:
        group.propose(Remove(removed=5), now=NOW, entropy=ENTROPY)
    assert caught.value.rule is Rule.REMOVED_LEAF
    with pytest.raises(UnknownProposal):
        group.commit(references=[b"nothing of the kind"], now=NOW, entropy=ENTROPY)
    with pytest.raises(Misuse):
        group.propose(None, envelope=Envelope(pad_to=(16,)), now=NOW, entropy=ENTROPY)


def test_an_update_whose_key_was_lost_cannot_be_followed() -> None:
    groups = group_of(2, CLASSICAL)
    reference, groups = proposed(groups, 1, None)
    staged = groups[0].commit(references=[reference], now=NOW, entropy=ENTROPY)
    pending = groups[1].pending
    lost = PendingProposals(pending.messages, pending.by_reference)
    forgetful = Group(state=groups[1].state, secret_tree=groups[1].secret_tree, pending=lost)
    with pytest.raises(Undecryptable):
        forgetful.process(staged.message, now=NOW)


def test_resumption_keys_of_past_epochs_can_be_mixed_in() -> None:
    groups = group_of(2, CLASSICAL)
    groups = settle(groups, 0, groups[0].commit(now=NOW, entropy=ENTROPY))
    staged = groups[0].commit(resumption_epochs=[1, 2], now=NOW, entropy=ENTROPY)
    assert agree(settle(groups, 0, staged))
    assert staged.next.epoch == 3
