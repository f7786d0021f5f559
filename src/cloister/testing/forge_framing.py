"""Content signed, tagged and sealed in single steps, each of which can be made to lie.

:mod:`cloister.testing.forge` makes whole messages; this is for lies about how a message is made
(RFC 9420 sections 6.1 to 6.3) and about its encoding. Nothing here checks anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from cloister.codec import CachedStruct, Writer, encode_opaque
from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.mls import Group
from cloister.mls.epoch import EpochState
from cloister.mls.framing import (
    ContentAuth,
    ContentBody,
    FramedContent,
    Sender,
    encode_body,
    sign,
)
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import REUSE_GUARD_LENGTH, PrivateMessage, sender_data_key
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import SenderType, WireFormat
from cloister.mls.secret_tree import MessageKey
from cloister.values import replace

C = TypeVar("C", bound=CachedStruct)


def recoded(value: C, encoding: bytes) -> C:
    """A structure that claims to have been read from these bytes.

    Whatever contains it, signs it or hashes it then does so over them.
    """
    copy = replace(value)  # type: ignore[type-var]
    object.__setattr__(copy, "_encoded", encoding)
    return copy


@dataclass(frozen=True, kw_only=True)
class Signing:
    """How a signature differs from what section 6.1 says; None is what it says.

    Attributes:
        key: who signs.
        wire_format: the form that the signature covers.
        context: the encoded group context that the signature covers.
        change: lies after the signature was made.
    """

    key: SignatureKey | None = None
    wire_format: WireFormat | None = None
    context: bytes | None = None
    change: Callable[[bytes], bytes] = lambda signature: signature

    def sign(
        self, state: EpochState, wire_format: WireFormat, content: FramedContent, key: SignatureKey
    ) -> bytes:
        """The signature over a content that ``key`` should have signed for this form."""
        signature = sign(
            state.suite,
            self.key or key,
            self.wire_format or wire_format,
            content,
            state.context.encode() if self.context is None else self.context,
        )
        return self.change(signature)


HONEST: Final = Signing()


def content_of(
    group: Group,
    body: ContentBody,
    *,
    sender: Sender | None = None,
    authenticated_data: bytes = b"",
    epoch: int | None = None,
    group_id: bytes | None = None,
) -> FramedContent:
    """A content from this member, or in the name of another, whatever it says."""
    return FramedContent(
        group_id=group.group_id if group_id is None else group_id,
        epoch=group.epoch if epoch is None else epoch,
        sender=sender or Sender(sender_type=SenderType.MEMBER, index=group.own_leaf),
        authenticated_data=authenticated_data,
        body=body,
    )


def publish(
    group: Group,
    content: FramedContent,
    *,
    signing: Signing = HONEST,
    confirmation_tag: bytes | None = None,
    membership_key: Secret | None = None,
    membership_context: bytes | None = None,
    change_tag: Callable[[bytes], bytes] = lambda tag: tag,
) -> bytes:
    """A PublicMessage.

    Args:
        membership_key: makes the membership tag, that of the epoch unless it says otherwise.
        membership_context: the encoded group context that the membership tag covers.
        change_tag: lies after the membership tag was made.
    """
    state = group.state
    signature = signing.sign(state, WireFormat.PUBLIC_MESSAGE, content, state.signature_key)
    auth = ContentAuth(signature=signature, confirmation_tag=confirmation_tag)
    message = PublicMessage(content=content, auth=auth)
    if content.sender.sender_type is SenderType.MEMBER:
        message = message.tagged(
            state.suite,
            state.secrets.membership if membership_key is None else membership_key,
            state.context.encode() if membership_context is None else membership_context,
        )
        message = replace(message, membership_tag=change_tag(message.membership_tag or b""))
    return MLSMessage(body=message).encode()


@dataclass(frozen=True, kw_only=True)
class Sealing:
    """How the encryption of a PrivateMessage differs from what section 6.3 says.

    Attributes:
        generation: counts from the next that the sender has not used.
        reuse_guard: mixed into the nonce, and named in the sender data.
        change_key: the key that encrypts; the sender data name the generation all the same.
        change_plaintext: lies in the PrivateMessageContent, signature and padding included.
        change_sender_data: lies in the encoded SenderData.
        change_message: lies in the message when all has been encrypted.
    """

    generation: int = 0
    reuse_guard: bytes = bytes(REUSE_GUARD_LENGTH)
    change_key: Callable[[MessageKey], MessageKey] = lambda key: key
    change_plaintext: Callable[[bytes], bytes] = lambda plaintext: plaintext
    change_sender_data: Callable[[bytes], bytes] = lambda sender_data: sender_data
    change_message: Callable[[PrivateMessage], PrivateMessage] = lambda message: message


def encrypt(
    group: Group,
    content: FramedContent,
    *,
    signing: Signing = HONEST,
    confirmation_tag: bytes | None = None,
    sealing: Sealing | None = None,
) -> bytes:
    """A PrivateMessage under a key of the sender whom the content names."""
    state, how = group.state, sealing or Sealing()
    signature = signing.sign(state, WireFormat.PRIVATE_MESSAGE, content, state.signature_key)
    plaintext = Writer()
    plaintext.raw(encode_body(content.body))
    ContentAuth(signature=signature, confirmation_tag=confirmation_tag).write(plaintext)
    return encrypt_plaintext(group, content, how.change_plaintext(plaintext.getvalue()), how)


def encrypt_plaintext(
    group: Group, content: FramedContent, plaintext: bytes, how: Sealing
) -> bytes:
    """A PrivateMessage whose header and sender data are those of a content, around any bytes."""
    suite = group.suite
    key = how.change_key(next_key(group, content, how.generation))
    message = PrivateMessage(
        group_id=content.group_id,
        epoch=content.epoch,
        content_type=content.content_type,
        authenticated_data=content.authenticated_data,
        encrypted_sender_data=b"",
        ciphertext=b"",
    )
    ciphertext = suite.aead.seal(
        key.key,
        _guarded(key.nonce, how.reuse_guard),
        plaintext,
        message.content_aad(),
    )
    sender_data = how.change_sender_data(
        content.sender.index.to_bytes(4, "big")
        + key.generation.to_bytes(4, "big")
        + how.reuse_guard
    )
    sealed = seal_sender_data(group, replace(message, ciphertext=ciphertext), sender_data)
    return MLSMessage(body=how.change_message(sealed)).encode()


def next_key(group: Group, content: FramedContent, generation: int = 0) -> MessageKey:
    """The key of the sender whom a content names; ``generation`` counts from the next unused."""
    is_application = isinstance(content.body, bytes)
    leaf = content.sender.index % group.state.tree.leaf_count
    key, tree = group.secret_tree.take_next(leaf, is_application=is_application)
    for _ in range(generation):
        key, tree = tree.take_next(leaf, is_application=is_application)
    return key


def seal_sender_data(group: Group, message: PrivateMessage, sender_data: bytes) -> PrivateMessage:
    """The message with these bytes as its sender data, encrypted for its ciphertext."""
    suite = group.suite
    key, nonce = sender_data_key(suite, group.state.secrets.sender_data, message.ciphertext)
    aad = (
        encode_opaque(message.group_id)
        + message.epoch.to_bytes(8, "big")
        + bytes([message.content_type])
    )
    return replace(message, encrypted_sender_data=suite.aead.seal(key, nonce, sender_data, aad))


def _guarded(nonce: Secret, guard: bytes) -> bytes:
    raw = nonce.expose()
    mixed = bytes(one ^ other for one, other in zip(raw, guard, strict=False))
    return mixed + raw[len(guard) :]
