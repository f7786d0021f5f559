"""PrivateMessages that do not open, name nobody, or hide something in their padding.

A member makes them, who has every key of the group but the others' signature keys.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.mls import Group, Undecryptable
from cloister.mls.framing import ContentBody, FramedContent, Sender
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import PrivateMessage
from cloister.mls.proposal import Proposal, Remove
from cloister.mls.registry import ContentType, SenderType
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import MessageKey
from cloister.testing.forge_commit import forge_commit
from cloister.testing.forge_framing import (
    Sealing,
    Signing,
    content_of,
    encrypt,
    next_key,
    seal_sender_data,
)
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, NOW, group_of, take_commit, update
from unit.mls.rules.verdict import accepts, refuses, refuses_every_changed_byte

ALICE, BOB, CAROL = group_of(3, CLASSICAL)
REMOVE = Proposal(body=Remove(removed=2))
TEXT = content_of(ALICE, b"hello", authenticated_data=b"seen")
NEXT = update(ALICE).next
# leaf_index, generation and reuse_guard of what `encrypt` makes unless it is told otherwise.
SENDER_DATA = bytes(12)

Change = Callable[[bytes], bytes]
ChangeMessage = Callable[[PrivateMessage], PrivateMessage]


def only_the_lie_is_refused(
    reason: Rule | type[Undecryptable], sealing: Sealing, content: FramedContent = TEXT
) -> None:
    accepts(BOB, encrypt(ALICE, content))
    refuses(BOB, encrypt(ALICE, content, sealing=sealing), reason)


def test_the_steps_make_a_good_message_when_none_of_them_lies() -> None:
    for sealing in (
        Sealing(),
        Sealing(generation=7),
        Sealing(reuse_guard=b"\x01\x02\x03\xff"),
        Sealing(change_message=lambda message: seal_sender_data(ALICE, message, SENDER_DATA)),
    ):
        accepts(BOB, encrypt(ALICE, TEXT, sealing=sealing))


def test_private_message_with_any_byte_changed_is_refused() -> None:
    refuses_every_changed_byte(BOB, encrypt(ALICE, TEXT))
    refuses_every_changed_byte(BOB, forge_commit(ALICE), step=7)


# -- the content -----------------------------------------------------------------------------------


def with_ciphertext(change: Change) -> ChangeMessage:
    """Another ciphertext, and sender data encrypted for it."""
    return lambda message: seal_sender_data(
        ALICE, replace(message, ciphertext=change(message.ciphertext)), SENDER_DATA
    )


BROKEN = [
    pytest.param(lambda sealed: b"", id="empty"),
    pytest.param(lambda sealed: sealed[:1], id="one byte"),
    pytest.param(lambda sealed: sealed[:15], id="less than a tag"),
    pytest.param(lambda sealed: sealed[-16:], id="the tag alone"),
    pytest.param(lambda sealed: sealed[:-1], id="cut short"),
    pytest.param(lambda sealed: sealed[1:], id="without its first byte"),
    pytest.param(lambda sealed: sealed + b"\x00", id="with a byte more"),
    pytest.param(lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:], id="first byte changed"),
    pytest.param(lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 128]), id="tag changed"),
]


@pytest.mark.parametrize("change", BROKEN)
def test_damaged_ciphertext_MLS_033(change: Change) -> None:
    only_the_lie_is_refused(Undecryptable, Sealing(change_message=with_ciphertext(change)))


def relabelled(message: PrivateMessage) -> PrivateMessage:
    """The sender data are made for the new type, the content is not."""
    return seal_sender_data(ALICE, replace(message, content_type=ContentType.PROPOSAL), SENDER_DATA)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(relabelled, id="type of content"),
        pytest.param(lambda one: replace(one, authenticated_data=b"sewn"), id="data beside"),
        pytest.param(lambda one: replace(one, authenticated_data=b""), id="no data beside"),
    ],
)
def test_header_that_was_changed_after_encryption_MLS_033(change: ChangeMessage) -> None:
    only_the_lie_is_refused(Undecryptable, Sealing(change_message=change))


def renumbered(message_key: MessageKey, other: MessageKey) -> MessageKey:
    """The other's key and nonce under the number of the right generation."""
    return replace(other, generation=message_key.generation)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(next_key(ALICE, TEXT, 1), id="of another generation"),
        pytest.param(next_key(CAROL, content_of(CAROL, b"")), id="of another member"),
        pytest.param(next_key(ALICE, content_of(ALICE, REMOVE)), id="of the other ratchet"),
        pytest.param(next_key(NEXT, TEXT), id="of the next epoch"),
    ],
)
def test_ciphertext_under_another_key_MLS_033(other: MessageKey) -> None:
    only_the_lie_is_refused(Undecryptable, Sealing(change_key=lambda key: renumbered(key, other)))
    mixed = Sealing(change_key=lambda key: replace(key, nonce=other.nonce))
    only_the_lie_is_refused(Undecryptable, mixed)


@pytest.mark.parametrize(
    "sender_data",
    [
        pytest.param("00000000 00000001 00000000", id="generation"),
        pytest.param("00000000 00000000 00000001", id="reuse guard"),
        pytest.param("00000002 00000000 00000000", id="sender"),
    ],
)
def test_sender_data_that_name_another_key_MLS_033(sender_data: str) -> None:
    def change(honest: bytes) -> bytes:
        assert honest == SENDER_DATA
        return bytes.fromhex(sender_data)

    only_the_lie_is_refused(Undecryptable, Sealing(change_sender_data=change))


# -- the sender data -------------------------------------------------------------------------------


def with_sealed_sender_data(change: Change) -> ChangeMessage:
    return lambda message: replace(
        message, encrypted_sender_data=change(message.encrypted_sender_data)
    )


@pytest.mark.parametrize("change", BROKEN)
def test_damaged_sender_data_MLS_034(change: Change) -> None:
    only_the_lie_is_refused(Undecryptable, Sealing(change_message=with_sealed_sender_data(change)))


def sender_data_sealed_for(
    change: ChangeMessage = lambda message: message, group: Group = ALICE
) -> ChangeMessage:
    """Sender data that belong to a message with other fields, or are of another epoch."""

    def moved(message: PrivateMessage) -> PrivateMessage:
        other = seal_sender_data(group, change(message), SENDER_DATA)
        return replace(message, encrypted_sender_data=other.encrypted_sender_data)

    return moved


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            sender_data_sealed_for(lambda one: replace(one, ciphertext=one.ciphertext[1:])),
            id="for another ciphertext",
        ),
        pytest.param(
            sender_data_sealed_for(lambda one: replace(one, content_type=ContentType.COMMIT)),
            id="for another type of content",
        ),
        pytest.param(
            sender_data_sealed_for(lambda one: replace(one, epoch=one.epoch + 1)),
            id="for another epoch",
        ),
        pytest.param(
            sender_data_sealed_for(lambda one: replace(one, group_id=b"other")),
            id="for another group",
        ),
        pytest.param(sender_data_sealed_for(group=NEXT), id="under the key of the next epoch"),
    ],
)
def test_sender_data_of_another_message_MLS_034(change: ChangeMessage) -> None:
    accepts(BOB, encrypt(ALICE, TEXT, sealing=Sealing(change_message=sender_data_sealed_for())))
    only_the_lie_is_refused(Undecryptable, Sealing(change_message=change))


def member(leaf: int) -> Sender:
    return Sender(sender_type=SenderType.MEMBER, index=leaf)


@pytest.mark.parametrize("leaf", [3, 4, 7, 2**31, 2**32 - 1])
@pytest.mark.parametrize("body", [b"text", REMOVE], ids=["text", "proposal"])
def test_sender_data_that_name_nobody_MLS_035(body: ContentBody, leaf: int) -> None:
    lie = content_of(ALICE, body, sender=member(leaf))
    accepts(BOB, encrypt(ALICE, content_of(ALICE, body)))
    refuses(BOB, encrypt(ALICE, lie), Rule.SENDER_DATA_LEAF)


def test_sender_data_that_name_a_member_who_was_removed_MLS_035() -> None:
    """Another member gives Carol the keys; her signature is her own."""
    carols = Signing(key=CAROL.state.signature_key)
    accepts(BOB, encrypt(ALICE, content_of(ALICE, b"text", sender=member(2)), signing=carols))
    staged = ALICE.commit(removes=[2], now=NOW, entropy=ENTROPY)
    lie = content_of(staged.next, b"still here", sender=member(2))
    bob = take_commit(BOB, staged.message)
    refuses(bob, encrypt(staged.next, lie, signing=carols), Rule.SENDER_DATA_LEAF)


# -- padding ---------------------------------------------------------------------------------------


def text(padding: bytes) -> bytes:
    return encrypt(ALICE, TEXT, sealing=Sealing(change_plaintext=lambda plain: plain + padding))


def proposal(padding: bytes) -> bytes:
    return encrypt(
        ALICE,
        content_of(ALICE, REMOVE),
        sealing=Sealing(change_plaintext=lambda plain: plain + padding),
    )


def commit(padding: bytes) -> bytes:
    """An honest commit, opened with its key and sealed again around the padding."""
    honest = MLSMessage.decode(forge_commit(ALICE)).body
    assert isinstance(honest, PrivateMessage)
    key = next_key(ALICE, content_of(ALICE, REMOVE))
    aead, nonce, aad = ALICE.suite.aead, key.nonce.expose(), honest.content_aad()
    plaintext = aead.open(key.key, nonce, honest.ciphertext, aad)
    sealed = replace(honest, ciphertext=aead.seal(key.key, nonce, plaintext + padding, aad))
    return MLSMessage(body=seal_sender_data(ALICE, sealed, SENDER_DATA)).encode()


@pytest.mark.parametrize(
    "padding",
    [b"\x01", b"\x80", bytes(99) + b"\x01", b"\x01" + bytes(99), b"\xff" * 7, b"a secret channel"],
)
@pytest.mark.parametrize("message", [text, proposal, commit])
def test_padding_that_is_not_zeros_MLS_036(
    message: Callable[[bytes], bytes], padding: bytes
) -> None:
    for zeros in (b"", b"\x00", bytes(len(padding))):
        accepts(BOB, message(zeros))
    refuses(BOB, message(padding), Rule.PADDING)
