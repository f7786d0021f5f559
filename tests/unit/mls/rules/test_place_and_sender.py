"""Messages of another group or epoch, and senders who may not send what they send.

Whoever sends has the keys it takes: signatures are made with the key that a receiver would look up
if it did not refuse, membership tags by a member who helps.
"""

from __future__ import annotations

import pytest

from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.mls import (
    Extension,
    ExtensionType,
    Group,
    KeyPackageSecrets,
    Malformed,
    Operations,
    ProposalReceived,
    Unsupported,
    WrongEpoch,
    WrongGroup,
    basic_credential,
)
from cloister.mls.commit import Commit
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.framing import ContentBody, Sender
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalBody,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import PskType, SenderType
from cloister.mls.rules import Rule
from cloister.testing.forge import send, update_leaf
from cloister.testing.forge_commit import forge_commit, forge_external_commit
from cloister.testing.forge_framing import Signing, content_of, encrypt, publish
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    add,
    group_of,
    package,
    take_commit,
    update,
    welcome_of,
)
from unit.mls.rules.verdict import accepts, refuses

ALICE, BOB, CAROL = group_of(3, CLASSICAL)
REMOVE = Proposal(body=Remove(removed=2))
NEWCOMER = package("newcomer", CLASSICAL)
ADD = Proposal(body=Add(key_package=NEWCOMER.parsed()))
CONTENTS: list[tuple[ContentBody, bool]] = [(b"text", False), (REMOVE, False), (REMOVE, True)]


# -- group and epoch -------------------------------------------------------------------------------


@pytest.mark.parametrize("group_id", [b"", b"the grou", b"the group ", b"THE GROUP"])
@pytest.mark.parametrize(("body", "public"), CONTENTS, ids=["text", "private", "public"])
def test_message_that_names_another_group_MLS_020(
    body: ContentBody, public: bool, group_id: bytes
) -> None:
    accepts(BOB, send(ALICE, body, public=public))
    refuses(BOB, send(ALICE, body, public=public, group_id=group_id), WrongGroup)


@pytest.mark.parametrize("epoch", [0, 2, 2**64 - 1])
@pytest.mark.parametrize(("body", "public"), CONTENTS, ids=["text", "private", "public"])
def test_message_that_names_another_epoch_MLS_021(
    body: ContentBody, public: bool, epoch: int
) -> None:
    accepts(BOB, send(ALICE, body, public=public))
    lie = send(ALICE, body, public=public, epoch=epoch)
    refuses(BOB, lie, WrongEpoch)
    with pytest.raises(WrongEpoch) as caught:
        BOB.process(lie, now=NOW)
    assert (caught.value.message_epoch, caught.value.group_epoch) == (epoch, 1)


def test_commit_that_comes_too_late_or_too_early_MLS_021() -> None:
    first = update(ALICE)
    second = update(first.next)
    refuses(BOB, second.message, WrongEpoch)
    bob = accepts(BOB, first.message)
    refuses(bob, first.message, WrongEpoch)
    accepts(bob, second.message)


def test_what_is_no_message_within_a_group_MLS_039() -> None:
    staged = add(ALICE, NEWCOMER)
    key_package = MLSMessage(body=NEWCOMER.parsed()).encode()
    for other in (welcome_of(staged), ALICE.group_info(), key_package):
        refuses(BOB, other, Malformed)
    accepts(BOB, staged.message)


# -- members ---------------------------------------------------------------------------------------


def member(leaf: int) -> Sender:
    return Sender(sender_type=SenderType.MEMBER, index=leaf)


def test_application_data_in_a_public_message_MLS_022() -> None:
    content = content_of(ALICE, b"in the clear")
    accepts(BOB, encrypt(ALICE, content))
    refuses(BOB, publish(ALICE, content), Rule.APPLICATION_IN_PUBLIC)


@pytest.mark.parametrize("leaf", [3, 4, 99, 2**32 - 1])
def test_member_at_a_blank_leaf_MLS_023(leaf: int) -> None:
    accepts(BOB, send(ALICE, REMOVE, public=True))
    refuses(BOB, send(ALICE, REMOVE, public=True, sender=member(leaf)), Rule.SENDER)


def test_member_who_was_removed_MLS_023() -> None:
    """Carol's signature is right; another member makes the tag for her."""
    proposal = Proposal(body=Remove(removed=0))
    carols = Signing(key=CAROL.state.signature_key)
    before = content_of(ALICE, proposal, sender=member(2))
    accepts(BOB, publish(ALICE, before, signing=carols))
    staged = ALICE.commit(removes=[2], now=NOW, entropy=ENTROPY)
    bob = take_commit(BOB, staged.message)
    after = content_of(staged.next, proposal, sender=member(2))
    refuses(bob, publish(staged.next, after, signing=carols), Rule.SENDER)


# -- external senders ------------------------------------------------------------------------------

OUTSIDE = [Ed25519Key(Secret(ENTROPY.random(32))) for _ in range(2)]
LISTED = ExternalSenders(
    senders=tuple(
        ExternalSender(signature_key=key.public, credential=basic_credential(b"outside"))
        for key in OUTSIDE
    )
)
STAGED = ALICE.commit(
    extensions=[
        Extension(extension_type=ExtensionType.EXTERNAL_SENDERS, data=LISTED.encode()),
        Extension(extension_type=CHECKPOINT, data=b""),
    ],
    now=NOW,
    entropy=ENTROPY,
)
KNOWING = (STAGED.next, take_commit(BOB, STAGED.message))


def from_outside(group: Group, body: ContentBody, *, index: int = 0, key: int = 0) -> bytes:
    content = content_of(group, body, sender=Sender(sender_type=SenderType.EXTERNAL, index=index))
    tag = b"tag" if isinstance(body, Commit) else None
    return publish(group, content, signing=Signing(key=OUTSIDE[key]), confirmation_tag=tag)


@pytest.mark.parametrize("index", [2, 2**32 - 1])
def test_external_sender_beyond_the_list_MLS_024(index: int) -> None:
    alice, bob = KNOWING
    for listed in (0, 1):
        accepts(bob, from_outside(alice, REMOVE, index=listed, key=listed))
    refuses(bob, from_outside(alice, REMOVE, index=index), Rule.EXTERNAL_SENDER)


def test_external_sender_in_a_group_that_lists_none_MLS_024() -> None:
    accepts(KNOWING[1], from_outside(KNOWING[0], REMOVE))
    refuses(BOB, from_outside(ALICE, REMOVE), Rule.EXTERNAL_SENDER)


@pytest.mark.parametrize("body", [b"text", Commit(proposals=(), path=None)], ids=["text", "commit"])
def test_external_sender_who_does_not_propose_MLS_025(body: ContentBody) -> None:
    alice, bob = KNOWING
    accepts(bob, from_outside(alice, REMOVE))
    refuses(bob, from_outside(alice, body), Rule.EXTERNAL_CONTENT)


def test_external_commit_in_the_name_of_an_external_sender_MLS_025() -> None:
    """The very commit that a newcomer may send."""
    alice, bob = KNOWING
    honest = forge_external_commit(alice, NEWCOMER)
    accepts(bob, honest)
    message = MLSMessage.decode(honest).body
    assert isinstance(message, PublicMessage)
    refuses(bob, from_outside(alice, message.content.body), Rule.EXTERNAL_CONTENT)


PSK = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(32))
ALLOWED: list[ProposalBody] = [
    Add(key_package=NEWCOMER.parsed()),
    Remove(removed=2),
    PreSharedKey(psk=PSK),
    ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=()),
    GroupContextExtensions(extensions=()),
]


@pytest.mark.parametrize("forbidden", ["Update", "ExternalInit"])
def test_proposal_that_no_external_sender_may_make_MLS_026(forbidden: str) -> None:
    alice, bob = KNOWING
    for body in ALLOWED:
        accepts(bob, from_outside(alice, Proposal(body=body)))
    lie: ProposalBody = ExternalInit(kem_output=bytes(32))
    if forbidden == "Update":
        # A leaf that would do as the Update of the member with this index.
        lie = Update(leaf_node=update_leaf(alice))
        accepts(bob, send(alice, Proposal(body=lie)))
    refuses(bob, from_outside(alice, Proposal(body=lie)), Rule.EXTERNAL_PROPOSAL)


# -- newcomers -------------------------------------------------------------------------------------


def from_a_newcomer(
    sender_type: SenderType, body: ContentBody, secrets: KeyPackageSecrets = NEWCOMER
) -> bytes:
    return publish(
        ALICE,
        content_of(ALICE, body, sender=Sender(sender_type=sender_type)),
        signing=Signing(key=Ed25519Key(secrets.signature_key)),
        confirmation_tag=b"tag" if isinstance(body, Commit) else None,
    )


@pytest.mark.parametrize(
    "body",
    [
        REMOVE,
        Proposal(body=PreSharedKey(psk=PSK)),
        Proposal(body=GroupContextExtensions(extensions=())),
        b"text",
        Commit(proposals=(), path=None),
    ],
    ids=["remove", "key", "extensions", "text", "commit"],
)
def test_newcomer_who_proposes_anything_but_an_add_MLS_027(body: ContentBody) -> None:
    accepts(BOB, from_a_newcomer(SenderType.NEW_MEMBER_PROPOSAL, ADD))
    refuses(
        BOB,
        from_a_newcomer(SenderType.NEW_MEMBER_PROPOSAL, body),
        Rule.NEW_MEMBER_PROPOSAL,
    )


@pytest.mark.parametrize("body", [b"text", ADD, REMOVE], ids=["text", "add", "remove"])
def test_newcomer_who_commits_but_sends_no_commit_MLS_028(body: ContentBody) -> None:
    accepts(BOB, forge_external_commit(ALICE, NEWCOMER))
    refuses(BOB, from_a_newcomer(SenderType.NEW_MEMBER_COMMIT, body), Rule.NEW_MEMBER_COMMIT)


# -- what is allowed at all ------------------------------------------------------------------------


def test_whoever_is_outside_sends_nothing_that_was_not_allowed() -> None:
    alice, bob = KNOWING
    outside = [
        (from_outside(alice, REMOVE), bob, Operations.EXTERNAL_PROPOSAL),
        (
            from_a_newcomer(SenderType.NEW_MEMBER_PROPOSAL, ADD),
            BOB,
            Operations.EXTERNAL_PROPOSAL,
        ),
        (forge_external_commit(ALICE, NEWCOMER), BOB, Operations.EXTERNAL_COMMIT),
    ]
    for message, victim, operation in outside:
        for allow in (Operations.NONE, Operations.ALL & ~operation):
            refuses(victim, message, Unsupported, allow=allow)
        accepts(victim, message, allow=operation)


def test_proposal_from_outside_has_no_member_for_a_sender() -> None:
    alice, bob = KNOWING
    received = bob.process(from_outside(alice, REMOVE), now=NOW, allow=Operations.ALL)
    assert isinstance(received, ProposalReceived)
    assert received.sender is None
    commit = forge_commit(replace(alice, pending=received.next.pending), [received.reference])
    assert [one.leaf_index for one in accepts(received.next, commit).members()] == [0, 1]
