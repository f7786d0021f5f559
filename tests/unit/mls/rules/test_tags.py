"""Membership tags and confirmation tags: wrong ones, missing ones, and where none belongs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.mls import Malformed
from cloister.mls.framing import ContentBody, Sender
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import Add, PreSharedKey, Proposal, Remove
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import PskType, SenderType
from cloister.mls.rules import Rule
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.forge_framing import Sealing, Signing, content_of, encrypt, publish
from cloister.values import replace
from unit.mls.members import CLASSICAL, group_of, package, update
from unit.mls.rules.verdict import accepts, refuses, refuses_every_changed_byte

ALICE, BOB, _ = group_of(3, CLASSICAL)
NEXT = update(ALICE)
REMOVE = Proposal(body=Remove(removed=2))
NEWCOMER = package("newcomer", CLASSICAL)
NEWCOMERS = Signing(key=Ed25519Key(NEWCOMER.signature_key))
ADD = Proposal(body=Add(key_package=NEWCOMER.parsed()))

Change = Callable[[bytes], bytes]

WRONG = [
    pytest.param(lambda tag: b"", id="empty"),
    pytest.param(lambda tag: tag[:1], id="one byte"),
    pytest.param(lambda tag: tag[:-1], id="cut short"),
    pytest.param(lambda tag: tag + b"\x00", id="with a byte more"),
    pytest.param(lambda tag: tag * 2, id="twice"),
    pytest.param(lambda tag: bytes(len(tag)), id="zeros"),
    pytest.param(lambda tag: tag[:-1] + bytes([tag[-1] ^ 1]), id="changed"),
    pytest.param(lambda tag: NEXT.next.state.confirmation_tag, id="of another commit"),
    pytest.param(lambda tag: ALICE.state.confirmation_tag, id="of this epoch"),
]


def published(message: bytes) -> PublicMessage:
    body = MLSMessage.decode(message).body
    assert isinstance(body, PublicMessage)
    return body


def with_membership_tag(message: bytes, change: Change) -> bytes:
    body = published(message)
    assert body.membership_tag is not None
    changed = replace(body, membership_tag=change(body.membership_tag))
    return MLSMessage(body=changed).encode()


def test_public_message_with_any_byte_changed_is_refused() -> None:
    refuses_every_changed_byte(BOB, publish(ALICE, content_of(ALICE, REMOVE)))
    refuses_every_changed_byte(BOB, forge_commit(ALICE, [], Forgery(public=True)), step=7)
    refuses_every_changed_byte(BOB, forge_external_commit(ALICE, NEWCOMER), step=7)


# -- membership tags -------------------------------------------------------------------------------


@pytest.mark.parametrize("change", WRONG)
@pytest.mark.parametrize("kind", ["proposal", "commit"])
def test_wrong_membership_tag_MLS_030(kind: str, change: Change) -> None:
    honest = (
        publish(ALICE, content_of(ALICE, REMOVE))
        if kind == "proposal"
        else forge_commit(ALICE, [], Forgery(public=True))
    )
    accepts(BOB, honest)
    refuses(BOB, with_membership_tag(honest, change), Rule.MEMBERSHIP_TAG)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(NEXT.next.state.secrets.membership, id="of the next epoch"),
        pytest.param(ALICE.state.secrets.confirmation, id="of the other tag"),
        pytest.param(Secret(bytes(32)), id="that anybody knows"),
    ],
)
def test_membership_tag_under_another_key_MLS_030(key: Secret) -> None:
    content = content_of(ALICE, REMOVE)
    accepts(BOB, publish(ALICE, content))
    refuses(BOB, publish(ALICE, content, membership_key=key), Rule.MEMBERSHIP_TAG)


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(NEXT.next.group_context.encode(), id="of the next epoch"),
        pytest.param(replace(ALICE.group_context, group_id=b"other").encode(), id="of a group"),
        pytest.param(b"", id="none"),
    ],
)
def test_membership_tag_over_another_group_context_MLS_030(context: bytes) -> None:
    content = content_of(ALICE, REMOVE)
    accepts(BOB, publish(ALICE, content))
    refuses(BOB, publish(ALICE, content, membership_context=context), Rule.MEMBERSHIP_TAG)


def test_membership_tag_of_another_message_MLS_030() -> None:
    content = content_of(ALICE, REMOVE)
    other = published(publish(ALICE, replace(content, authenticated_data=b"other")))
    honest = publish(ALICE, content)
    accepts(BOB, honest)
    lie = with_membership_tag(honest, lambda _: other.membership_tag or b"")
    refuses(BOB, lie, Rule.MEMBERSHIP_TAG)


def test_membership_tag_that_leaves_the_confirmation_tag_out_MLS_030() -> None:
    """The tag covers the whole authentication data: another confirmation tag needs another."""
    honest = published(forge_commit(ALICE, [], Forgery(public=True)))
    accepts(BOB, MLSMessage(body=honest).encode())
    auth = replace(honest.auth, confirmation_tag=bytes(32))
    exchanged = replace(honest, auth=auth)
    refuses(BOB, MLSMessage(body=exchanged).encode(), Rule.MEMBERSHIP_TAG)


# -- where membership tags stand -------------------------------------------------------------------


def from_a_newcomer(confirmation_tag: bytes | None = None) -> bytes:
    sender = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
    content = content_of(ALICE, ADD, sender=sender)
    return publish(ALICE, content, signing=NEWCOMERS, confirmation_tag=confirmation_tag)


def test_member_without_a_membership_tag_MLS_031() -> None:
    for honest in (
        publish(ALICE, content_of(ALICE, REMOVE)),
        forge_commit(ALICE, [], Forgery(public=True)),
    ):
        accepts(BOB, honest)
        untagged = replace(published(honest), membership_tag=None)
        refuses(BOB, MLSMessage(body=untagged).encode(), Malformed)


@pytest.mark.parametrize("tag", ["empty", "right"])
def test_newcomer_with_a_membership_tag_MLS_031(tag: str) -> None:
    """Even with the tag that a member made for him."""
    for honest in (from_a_newcomer(), forge_external_commit(ALICE, NEWCOMER)):
        accepts(BOB, honest)
        message = published(honest).tagged(
            ALICE.suite, ALICE.state.secrets.membership, ALICE.group_context.encode()
        )
        if tag == "empty":
            message = replace(message, membership_tag=b"")
        refuses(BOB, MLSMessage(body=message).encode(), Malformed)


# -- where confirmation tags stand -----------------------------------------------------------------


def commit_without_tag(honest: bytes) -> PublicMessage:
    message = published(honest)
    return replace(message, auth=replace(message.auth, confirmation_tag=None))


def test_public_commit_without_a_confirmation_tag_MLS_032() -> None:
    honest = forge_commit(ALICE, [], Forgery(public=True))
    accepts(BOB, honest)
    lie = commit_without_tag(honest).tagged(
        ALICE.suite, ALICE.state.secrets.membership, ALICE.group_context.encode()
    )
    refuses(BOB, MLSMessage(body=lie).encode(), Malformed)


def test_external_commit_without_a_confirmation_tag_MLS_032() -> None:
    honest = forge_external_commit(ALICE, NEWCOMER)
    accepts(BOB, honest)
    refuses(BOB, MLSMessage(body=commit_without_tag(honest)).encode(), Malformed)


def commit_in_private(confirmation_tag: bytes | None, padding: int = 0) -> bytes:
    """A commit whose content and confirmation tag come from the one that Alice has staged."""
    honest = published(forge_commit(ALICE, [], Forgery(public=True)))
    sealing = Sealing(change_plaintext=lambda plaintext: plaintext + bytes(padding))
    return encrypt(ALICE, honest.content, confirmation_tag=confirmation_tag, sealing=sealing)


def test_private_commit_without_a_confirmation_tag_MLS_032() -> None:
    accepts(BOB, forge_commit(ALICE))
    refuses(BOB, commit_in_private(None), Malformed)
    # Padded, it has a tag: the empty one.
    refuses(BOB, commit_in_private(None, padding=40), Rule.CONFIRMATION_TAG)


@pytest.mark.parametrize(
    "tag", [b"", bytes(32), NEXT.next.state.confirmation_tag], ids=["empty", "zeros", "right"]
)
def test_public_proposal_with_a_confirmation_tag_MLS_032(tag: bytes) -> None:
    content = content_of(ALICE, REMOVE)
    accepts(BOB, publish(ALICE, content))
    refuses(BOB, publish(ALICE, content, confirmation_tag=tag), Malformed)
    accepts(BOB, from_a_newcomer())
    refuses(BOB, from_a_newcomer(confirmation_tag=tag), Malformed)


@pytest.mark.parametrize("body", [b"text", REMOVE], ids=["text", "proposal"])
def test_confirmation_tag_within_a_private_message_is_padding_MLS_036(body: ContentBody) -> None:
    """Nothing but zeros may follow the signature, and a tag is no zeros."""
    content = content_of(ALICE, body)
    accepts(BOB, encrypt(ALICE, content))
    accepts(BOB, encrypt(ALICE, content, confirmation_tag=b""))
    lie = encrypt(ALICE, content, confirmation_tag=NEXT.next.state.confirmation_tag)
    refuses(BOB, lie, Rule.PADDING)


# -- confirmation tags -----------------------------------------------------------------------------


@pytest.mark.parametrize("change", WRONG)
@pytest.mark.parametrize("kind", ["private", "public", "external"])
def test_wrong_confirmation_tag_MLS_115(kind: str, change: Change) -> None:
    def commit(how: Forgery) -> bytes:
        if kind == "external":
            return forge_external_commit(ALICE, NEWCOMER, how=how)
        return forge_commit(ALICE, [], how)

    honest = Forgery(public=kind == "public")
    accepts(BOB, commit(honest))
    refuses(BOB, commit(replace(honest, change_tag=change)), Rule.CONFIRMATION_TAG)


def test_confirmation_tag_of_a_commit_without_a_path_MLS_115() -> None:
    add = Add(key_package=NEWCOMER.parsed())
    honest = Forgery(with_path=False)
    accepts(BOB, forge_commit(ALICE, [add], honest))
    lie = replace(honest, change_tag=lambda tag: tag[::-1])
    refuses(BOB, forge_commit(ALICE, [add], lie), Rule.CONFIRMATION_TAG)


def test_confirmation_tag_with_another_key_than_the_members_have_MLS_115() -> None:
    """Who commits to a key that he does not know confirms an epoch of his own."""
    psk = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(32))
    proposal, known = PreSharedKey(psk=psk), Secret(b"known")
    honest = forge_commit(ALICE, [proposal], Forgery(psks={psk: known}))
    accepts(BOB, honest, psks={b"id": known})
    lie = forge_commit(ALICE, [proposal], Forgery(psks={psk: Secret(b"guessed")}))
    refuses(BOB, lie, Rule.CONFIRMATION_TAG, psks={b"id": known})
