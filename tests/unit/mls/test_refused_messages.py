"""Messages that are not what a member may send, and bytes that are not messages at all."""

from __future__ import annotations

import pytest

from cloister.codec import encode_opaque
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import LeafIndex
from cloister.mls import (
    Extension,
    ExtensionType,
    Group,
    Malformed,
    MLSError,
    Operations,
    ProposalReceived,
    RuleViolation,
    Undecryptable,
    Unsupported,
    WrongEpoch,
    WrongGroup,
    basic_credential,
)
from cloister.mls.commit import Commit
from cloister.mls.errors import OwnMessage
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.framing import AuthenticatedContent, ContentAuth, Sender, member_content, sign
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import (
    PrivateMessage,
    seal_private_message,
    sender_data_key,
)
from cloister.mls.proposal import Add, ExternalInit, Proposal, Remove
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import ContentType, SenderType, WireFormat
from cloister.mls.rules import Rule
from cloister.testing.forge import send
from cloister.testing.forge_commit import forge_commit
from cloister.values import replace
from unit.mls.members import (
    ENTROPY,
    NOW,
    agree,
    group_of,
    package,
    take_commit,
    take_proposal,
    update,
)

GROUPS = group_of(3)
ALICE, BOB, CAROL = GROUPS
HELLO, _ = ALICE.encrypt(b"hello", entropy=ENTROPY)
REMOVE = Proposal(body=Remove(removed=2))


def refuses(
    kind: type[MLSError],
    message: bytes,
    victim: Group = BOB,
    allow: Operations = Operations.ALL,
) -> MLSError:
    before = victim.encode()
    with pytest.raises(kind) as caught:
        victim.process(message, now=NOW, allow=allow)
    assert victim.encode() == before
    return caught.value


def refuses_rule(rule: Rule, message: bytes, victim: Group = BOB) -> None:
    error = refuses(RuleViolation, message, victim)
    assert isinstance(error, RuleViolation)
    assert error.rule is rule


@pytest.mark.parametrize(
    "message", [b"", b"\x00", b"\x00\x02\x00\x01", HELLO + b"\x00", HELLO[:-1]]
)
def test_bytes_that_are_no_message_are_malformed(message: bytes) -> None:
    refuses(Malformed, message)


def test_welcome_and_key_package_are_not_messages_within_a_group() -> None:
    refuses(Malformed, MLSMessage(body=package("p").parsed()).encode())


def test_every_changed_byte_is_refused_and_changes_nothing() -> None:
    before = BOB.encode()
    for position in range(len(HELLO)):
        broken = HELLO[:position] + bytes([HELLO[position] ^ 0x41]) + HELLO[position + 1 :]
        with pytest.raises(MLSError):
            BOB.process(broken, now=NOW)
    assert BOB.encode() == before
    assert BOB.process(HELLO, now=NOW).next is not None


def test_every_changed_byte_of_a_commit_is_refused() -> None:
    message = update(ALICE).message
    before = BOB.encode()
    for position in range(0, len(message), 7):
        broken = message[:position] + bytes([message[position] ^ 1]) + message[position + 1 :]
        with pytest.raises(MLSError):
            BOB.process(broken, now=NOW)
    assert BOB.encode() == before


def _from(group: Group, leaf: int, key: Ed25519Key | None = None) -> bytes:
    """A text that names ``leaf`` as its sender, encrypted with that leaf's key as members can."""
    state = group.state
    content = member_content(group.group_id, group.epoch, leaf, b"", b"forged")
    signature = sign(
        state.suite,
        key or state.signature_key,
        WireFormat.PRIVATE_MESSAGE,
        content,
        state.context.encode(),
    )
    message_key, _ = group.secret_tree.take_next(leaf % 4, is_application=True)
    return seal_private_message(
        state.suite,
        AuthenticatedContent(
            wire_format=WireFormat.PRIVATE_MESSAGE,
            content=content,
            auth=ContentAuth(signature=signature),
        ),
        sender_data_secret=state.secrets.sender_data,
        key=message_key,
        pad_to=(),
        entropy=ENTROPY,
    )


def test_member_cannot_speak_for_another() -> None:
    """Every member can derive every message key: only the signature says who spoke."""
    refuses_rule(Rule.CONTENT_SIGNATURE, _from(CAROL, 0))


def test_unsigned_message_is_refused() -> None:
    state = ALICE.state
    key, _ = ALICE.secret_tree.take_next(0, is_application=True)
    message = seal_private_message(
        state.suite,
        AuthenticatedContent(
            wire_format=WireFormat.PRIVATE_MESSAGE,
            content=member_content(ALICE.group_id, ALICE.epoch, 0, b"", b"unsigned"),
            auth=ContentAuth(signature=b""),
        ),
        sender_data_secret=state.secrets.sender_data,
        key=key,
        pad_to=(),
        entropy=ENTROPY,
    )
    refuses_rule(Rule.CONTENT_SIGNATURE, message)


@pytest.mark.parametrize("leaf", [3, 4, 2**32 - 1])
def test_sender_that_is_no_member_is_refused(leaf: int) -> None:
    refuses_rule(Rule.SENDER_DATA_LEAF, _from(CAROL, leaf))


def test_signature_of_another_epoch_or_group_does_not_hold() -> None:
    later = update(ALICE).next
    content = member_content(ALICE.group_id, ALICE.epoch, 0, b"", b"text")
    for context in (later.state.context, replace(ALICE.state.context, group_id=b"other")):
        signature = sign(
            ALICE.suite,
            ALICE.state.signature_key,
            WireFormat.PRIVATE_MESSAGE,
            content,
            context.encode(),
        )
        key, _ = ALICE.secret_tree.take_next(0, is_application=True)
        message = seal_private_message(
            ALICE.suite,
            AuthenticatedContent(
                wire_format=WireFormat.PRIVATE_MESSAGE,
                content=content,
                auth=ContentAuth(signature=signature),
            ),
            sender_data_secret=ALICE.state.secrets.sender_data,
            key=key,
            pad_to=(),
            entropy=ENTROPY,
        )
        refuses_rule(Rule.CONTENT_SIGNATURE, message)


@pytest.mark.parametrize("padding", [b"\x01", bytes(99) + b"\x80", b"\xff" * 7])
def test_padding_that_is_not_zero_is_refused(padding: bytes) -> None:
    assert BOB.process(padded_text(ALICE, bytes(len(padding))), now=NOW).next is not None
    refuses_rule(Rule.PADDING, padded_text(ALICE, padding))


def padded_text(group: Group, padding: bytes) -> bytes:
    """An honest text with padding of our choice, sealed step by step as section 6.3 says."""
    state, suite = group.state, group.suite
    content = member_content(group.group_id, group.epoch, group.own_leaf, b"", b"text")
    signature = sign(
        suite,
        state.signature_key,
        WireFormat.PRIVATE_MESSAGE,
        content,
        state.context.encode(),
    )
    key, _ = group.secret_tree.take_next(group.own_leaf, is_application=True)
    message = PrivateMessage(
        group_id=group.group_id,
        epoch=group.epoch,
        content_type=ContentType.APPLICATION,
        authenticated_data=b"",
        encrypted_sender_data=b"",
        ciphertext=b"",
    )
    plaintext = encode_opaque(b"text") + encode_opaque(signature) + padding
    # A reuse guard of zeros leaves the nonce as it is.
    ciphertext = suite.aead.seal(key.key, key.nonce.expose(), plaintext, message.content_aad())
    sender_key, sender_nonce = sender_data_key(suite, state.secrets.sender_data, ciphertext)
    sender_data = suite.aead.seal(
        sender_key,
        sender_nonce,
        group.own_leaf.to_bytes(4, "big") + bytes(4) + bytes(4),
        encode_opaque(group.group_id) + group.epoch.to_bytes(8, "big") + b"\x01",
    )
    sealed = replace(message, encrypted_sender_data=sender_data, ciphertext=ciphertext)
    return MLSMessage(body=sealed).encode()


def test_content_type_of_the_header_is_authenticated() -> None:
    body = MLSMessage.decode(HELLO).body
    assert isinstance(body, PrivateMessage)
    relabelled = replace(body, content_type=ContentType.COMMIT)
    refuses(Undecryptable, MLSMessage(body=relabelled).encode())


def test_authenticated_data_cannot_be_changed() -> None:
    message, _ = ALICE.encrypt(b"text", authenticated_data=b"seen", entropy=ENTROPY)
    body = MLSMessage.decode(message).body
    assert isinstance(body, PrivateMessage)
    changed = replace(body, authenticated_data=b"sewn")
    refuses(Undecryptable, MLSMessage(body=changed).encode())


# -- public messages ---------------------------------------------------------------------------


def test_public_proposal_and_its_commit_are_processed() -> None:
    message = send(ALICE, REMOVE, public=True)
    reference, bob = take_proposal(BOB, message)
    assert reference in bob.pending.by_reference


def test_application_data_in_a_public_message_is_refused() -> None:
    refuses_rule(Rule.APPLICATION_IN_PUBLIC, send(ALICE, b"in the clear", public=True))


@pytest.mark.parametrize("tag", [b"", bytes(48), b"short"])
def test_wrong_membership_tag_is_refused(tag: bytes) -> None:
    body = MLSMessage.decode(send(ALICE, REMOVE, public=True)).body
    assert isinstance(body, PublicMessage)
    changed = replace(body, membership_tag=tag)
    refuses_rule(Rule.MEMBERSHIP_TAG, MLSMessage(body=changed).encode())


def test_public_message_needs_the_right_group_and_epoch() -> None:
    refuses(WrongEpoch, send(ALICE, REMOVE, public=True, epoch=7))
    refuses(WrongGroup, send(ALICE, REMOVE, public=True, group_id=b"other"))


def test_public_message_in_the_name_of_another_is_refused() -> None:
    sender = Sender(sender_type=SenderType.MEMBER, index=2)
    refuses_rule(Rule.CONTENT_SIGNATURE, send(ALICE, REMOVE, public=True, sender=sender))
    # In our own name too: it must not be taken for an echo.
    sender = Sender(sender_type=SenderType.MEMBER, index=1)
    refuses_rule(Rule.CONTENT_SIGNATURE, send(ALICE, REMOVE, public=True, sender=sender))


def test_own_public_message_is_an_echo() -> None:
    refuses(OwnMessage, send(BOB, REMOVE, public=True))


def test_sender_beyond_the_tree_in_a_public_message_is_refused() -> None:
    sender = Sender(sender_type=SenderType.MEMBER, index=99)
    refuses_rule(Rule.SENDER, send(ALICE, REMOVE, public=True, sender=sender))


def test_commit_from_outside_is_refused() -> None:
    commit = Commit(proposals=(), path=None)
    external = Sender(sender_type=SenderType.EXTERNAL, index=0)
    refuses_rule(
        Rule.EXTERNAL_CONTENT, send(ALICE, commit, public=True, sender=external, tag=b"tag")
    )
    joiner = Sender(sender_type=SenderType.NEW_MEMBER_COMMIT)
    message = send(ALICE, commit, public=True, sender=joiner, tag=b"tag")
    refuses(Unsupported, message, allow=Operations.NONE)
    refuses_rule(Rule.EXTERNAL_PATH, message)


def test_proposal_of_a_newcomer_is_his_own_add_only() -> None:
    secrets = package("newcomer")
    newcomer = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
    key = Ed25519Key(secrets.signature_key)
    add = Proposal(body=Add(key_package=secrets.parsed()))
    message = send(ALICE, add, public=True, sender=newcomer, key=key)
    refuses(Unsupported, message, allow=Operations.NONE)
    received = BOB.process(message, now=NOW, allow=Operations.ALL)
    assert isinstance(received, ProposalReceived)
    assert received.sender is None
    refuses_rule(
        Rule.NEW_MEMBER_PROPOSAL, send(ALICE, REMOVE, public=True, sender=newcomer, key=key)
    )
    refuses_rule(Rule.CONTENT_SIGNATURE, send(ALICE, add, public=True, sender=newcomer))


def test_external_sender_must_be_listed_and_may_not_do_everything() -> None:
    outside = Ed25519Key(Secret(ENTROPY.random(32)))
    senders = ExternalSenders(
        senders=(
            ExternalSender(signature_key=outside.public, credential=basic_credential(b"outside")),
        )
    )
    extension = Extension(extension_type=ExtensionType.EXTERNAL_SENDERS, data=senders.encode())
    staged = ALICE.commit(extensions=[extension], now=NOW, entropy=ENTROPY)
    alice, bob = staged.next, take_commit(BOB, staged.message)
    sender = Sender(sender_type=SenderType.EXTERNAL, index=0)
    message = send(alice, REMOVE, public=True, sender=sender, key=outside)
    refuses(Unsupported, message, bob, allow=Operations.NONE)
    assert isinstance(bob.process(message, now=NOW, allow=Operations.ALL), ProposalReceived)
    refuses_rule(Rule.CONTENT_SIGNATURE, send(alice, REMOVE, public=True, sender=sender), bob)
    absent = Sender(sender_type=SenderType.EXTERNAL, index=1)
    refuses_rule(
        Rule.EXTERNAL_SENDER, send(alice, REMOVE, public=True, sender=absent, key=outside), bob
    )
    refuses_rule(Rule.EXTERNAL_SENDER, send(ALICE, REMOVE, public=True, sender=sender, key=outside))
    strange = Proposal(body=ExternalInit(kem_output=b""))
    refuses_rule(
        Rule.EXTERNAL_PROPOSAL, send(alice, strange, public=True, sender=sender, key=outside), bob
    )


def test_external_senders_with_trailing_bytes_are_refused() -> None:
    data = ExternalSenders(senders=()).encode() + b"\x00"
    extension = Extension(extension_type=ExtensionType.EXTERNAL_SENDERS, data=data)
    with pytest.raises(Malformed):
        ALICE.commit(extensions=[extension], now=NOW, entropy=ENTROPY)


def test_pending_proposals_are_stored_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    _, bob = take_proposal(BOB, send(ALICE, REMOVE))
    restored = Group.decode(bob.encode())
    assert restored.encode() == bob.encode()
    assert list(restored.pending.by_reference) == list(bob.pending.by_reference)
    monkeypatch.setattr("cloister.mls.pending.MAX_PENDING_PROPOSALS", 1)
    refuses(MLSError, send(CAROL, REMOVE), bob)


def test_pending_proposals_are_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One member could have everybody store gigabytes, and write them again with each message."""
    message = send(ALICE, REMOVE)
    _, bob = take_proposal(BOB, message)
    length = len(bob.pending.messages[0])
    monkeypatch.setattr("cloister.mls.pending.MAX_PENDING_BYTES", 2 * length - 1)
    take_proposal(BOB, message)
    refuses(MLSError, send(CAROL, REMOVE), bob)


def test_members_follow_a_commit_of_pending_proposals_alike() -> None:
    message = send(CAROL, Proposal(body=Add(key_package=package("proposed").parsed())))
    reference, alice = take_proposal(ALICE, message)
    _, bob = take_proposal(BOB, message)
    commit = forge_commit(alice, [reference])
    assert take_commit(bob, commit).members()[3].leaf_index == LeafIndex(3)
    assert agree([take_commit(bob, commit)])
