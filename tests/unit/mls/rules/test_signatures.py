"""Signatures of content: nothing else says who of those who share all keys has spoken.

The membership tag, the confirmation tag and the encryption are made over the signature as it is
sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.mls import Extension, ExtensionType, Group, OwnMessage, basic_credential, labels
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.framing import ContentBody, FramedContent, Sender, sign, to_be_signed
from cloister.mls.proposal import Add, Proposal, Remove
from cloister.mls.registry import SenderType, WireFormat
from cloister.mls.rules import Rule
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.forge_framing import Signing, content_of, encrypt, publish
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, NOW, group_of, package, take_commit, update
from unit.mls.rules.verdict import accepts, refuses

OUTSIDE = Ed25519Key(Secret(ENTROPY.random(32)))
NEWCOMER = package("newcomer", CLASSICAL)
NEWCOMERS_KEY = Ed25519Key(NEWCOMER.signature_key)


def group_with_an_external_sender() -> list[Group]:
    groups = group_of(3, CLASSICAL)
    listed = ExternalSender(signature_key=OUTSIDE.public, credential=basic_credential(b"outside"))
    extension = Extension(
        extension_type=ExtensionType.EXTERNAL_SENDERS,
        data=ExternalSenders(senders=(listed,)).encode(),
    )
    staged = groups[0].commit(extensions=[extension], now=NOW, entropy=ENTROPY)
    return [staged.next, *(take_commit(one, staged.message) for one in groups[1:])]


ALICE, BOB, CAROL = group_with_an_external_sender()
SUITE, CONTEXT = ALICE.suite, ALICE.group_context
ADD = Proposal(body=Add(key_package=NEWCOMER.parsed()))
REMOVE = Proposal(body=Remove(removed=2))
Message = Callable[[Signing], bytes]


# -- one message of each kind, signed as the argument says -----------------------------------------


def text(signing: Signing) -> bytes:
    return encrypt(ALICE, content_of(ALICE, b"text"), signing=signing)


def private_proposal(signing: Signing) -> bytes:
    return encrypt(ALICE, content_of(ALICE, REMOVE), signing=signing)


def public_proposal(signing: Signing) -> bytes:
    return publish(ALICE, content_of(ALICE, REMOVE), signing=signing)


def private_commit(signing: Signing) -> bytes:
    return forge_commit(ALICE, [], Forgery(signing=signing))


def public_commit(signing: Signing) -> bytes:
    return forge_commit(ALICE, [], Forgery(signing=signing, public=True))


def external_commit(signing: Signing) -> bytes:
    return forge_external_commit(ALICE, NEWCOMER, how=Forgery(signing=signing))


def external_proposal(signing: Signing) -> bytes:
    sender = Sender(sender_type=SenderType.EXTERNAL, index=0)
    signing = replace(signing, key=signing.key or OUTSIDE)
    return publish(ALICE, content_of(ALICE, REMOVE, sender=sender), signing=signing)


def newcomers_proposal(signing: Signing) -> bytes:
    sender = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
    signing = replace(signing, key=signing.key or NEWCOMERS_KEY)
    return publish(ALICE, content_of(ALICE, ADD, sender=sender), signing=signing)


PRIVATE: list[Message] = [text, private_proposal, private_commit]
WITH_CONTEXT: list[Message] = [*PRIVATE, public_proposal, public_commit, external_commit]
ALL: list[Message] = [*WITH_CONTEXT, external_proposal, newcomers_proposal]


def named(message: Any) -> str:
    return message.__name__  # type: ignore[no-any-return]


def only_the_lie_is_refused(message: Message, lie: Signing) -> None:
    accepts(BOB, message(Signing()))
    refuses(BOB, message(lie), Rule.CONTENT_SIGNATURE)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda signature: b"", id="unsigned"),
        pytest.param(lambda signature: signature[:-1], id="cut short"),
        pytest.param(lambda signature: signature + b"\x00", id="with a byte more"),
        pytest.param(lambda signature: bytes(64), id="zeros"),
        pytest.param(lambda signature: bytes([signature[0] ^ 1]) + signature[1:], id="changed"),
        pytest.param(lambda signature: signature[32:] + signature[:32], id="halves exchanged"),
    ],
)
@pytest.mark.parametrize("message", ALL, ids=named)
def test_signature_that_is_none_MLS_029(message: Message, change: Callable[[bytes], bytes]) -> None:
    only_the_lie_is_refused(message, Signing(change=change))


@pytest.mark.parametrize("message", ALL, ids=named)
def test_attack_somebody_speaks_for_another_MLS_029(message: Message) -> None:
    """Members can make everybody's keys and tags; only the signature key is the sender's own."""
    only_the_lie_is_refused(message, Signing(key=CAROL.state.signature_key))


@pytest.mark.parametrize("message", ALL, ids=named)
def test_signature_for_the_other_form_MLS_029(message: Message) -> None:
    """A text that was signed to be encrypted cannot be published, nor the other way round."""
    other = WireFormat.PUBLIC_MESSAGE if message in PRIVATE else WireFormat.PRIVATE_MESSAGE
    only_the_lie_is_refused(message, Signing(wire_format=other))


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(update(ALICE).next.group_context, id="the next epoch"),
        pytest.param(replace(CONTEXT, epoch=CONTEXT.epoch - 1), id="another epoch"),
        pytest.param(replace(CONTEXT, group_id=b"another"), id="another group"),
        pytest.param(replace(CONTEXT, tree_hash=bytes(32)), id="another tree"),
        pytest.param(replace(CONTEXT, confirmed_transcript_hash=bytes(32)), id="another past"),
        pytest.param(replace(CONTEXT, extensions=()), id="other extensions"),
        pytest.param(None, id="none"),
    ],
)
@pytest.mark.parametrize("message", WITH_CONTEXT, ids=named)
def test_signature_over_another_group_context_MLS_029(message: Message, context: Any) -> None:
    encoded = b"" if context is None else context.encode()
    only_the_lie_is_refused(message, Signing(context=encoded))


def as_another_sender(content: FramedContent) -> FramedContent:
    return replace(content, sender=replace(content.sender, index=content.sender.index + 1))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda content: replace(content, body=b"other"), id="text"),
        pytest.param(lambda content: replace(content, authenticated_data=b"x"), id="data beside"),
        pytest.param(lambda content: replace(content, group_id=b"another"), id="group"),
        pytest.param(lambda content: replace(content, epoch=content.epoch + 1), id="epoch"),
        pytest.param(as_another_sender, id="sender"),
    ],
)
@pytest.mark.parametrize("make", [encrypt, publish])
def test_signature_of_another_content_MLS_029(
    make: Callable[..., bytes], other: Callable[[FramedContent], FramedContent]
) -> None:
    body: ContentBody = b"text" if make is encrypt else REMOVE
    wire_format = WireFormat.PRIVATE_MESSAGE if make is encrypt else WireFormat.PUBLIC_MESSAGE
    honest = content_of(ALICE, body)
    signature = sign(SUITE, ALICE.state.signature_key, wire_format, other(honest), CONTEXT.encode())
    accepts(BOB, make(ALICE, honest))
    lie = make(ALICE, honest, signing=Signing(change=lambda _: signature))
    refuses(BOB, lie, Rule.CONTENT_SIGNATURE)


def signed_anew(content: FramedContent, key: Ed25519Key, label: bytes, more: bytes) -> Signing:
    signed = to_be_signed(WireFormat.PUBLIC_MESSAGE, content, CONTEXT.encode()) + more
    return Signing(change=lambda _: SUITE.sign_with_label(key, label, signed))


@pytest.mark.parametrize("label", [labels.LEAF_NODE_TBS, labels.GROUP_INFO_TBS, b""])
def test_signature_under_another_label_MLS_029(label: bytes) -> None:
    content = content_of(ALICE, REMOVE)
    key = Ed25519Key(ALICE.state.signature_key.seed)
    right = signed_anew(content, key, labels.FRAMED_CONTENT_TBS, b"")
    accepts(BOB, public_proposal(right))
    refuses(BOB, public_proposal(signed_anew(content, key, label, b"")), Rule.CONTENT_SIGNATURE)


@pytest.mark.parametrize(
    ("message", "body", "sender_type", "key"),
    [
        (external_proposal, REMOVE, SenderType.EXTERNAL, OUTSIDE),
        (newcomers_proposal, ADD, SenderType.NEW_MEMBER_PROPOSAL, NEWCOMERS_KEY),
    ],
    ids=["external sender", "newcomer"],
)
def test_signature_over_a_context_that_its_sender_does_not_sign_MLS_029(
    message: Message, body: Proposal, sender_type: SenderType, key: Ed25519Key
) -> None:
    content = content_of(ALICE, body, sender=Sender(sender_type=sender_type))
    accepts(BOB, message(signed_anew(content, key, labels.FRAMED_CONTENT_TBS, b"")))
    lie = signed_anew(content, key, labels.FRAMED_CONTENT_TBS, CONTEXT.encode())
    refuses(BOB, message(lie), Rule.CONTENT_SIGNATURE)


# -- messages that seem to be one's own ------------------------------------------------------------


def test_public_message_in_the_receivers_name_is_no_echo_MLS_029() -> None:
    """An echo counts as delivered: nobody else may make one."""
    bob = Sender(sender_type=SenderType.MEMBER, index=BOB.own_leaf)
    refuses(BOB, publish(BOB, content_of(BOB, REMOVE)), OwnMessage)
    forged = publish(ALICE, content_of(ALICE, REMOVE, sender=bob))
    refuses(BOB, forged, Rule.CONTENT_SIGNATURE)
