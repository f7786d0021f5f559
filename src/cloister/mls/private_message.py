"""PrivateMessage: encrypted content from members (RFC 9420 section 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from cloister.codec import (
    Reader,
    Struct,
    Writer,
    encode_opaque,
    encode_varint,
    layout,
    opaque,
    uint64,
)
from cloister.codec.fields import enum8
from cloister.crypto.aead import TAG_LENGTH
from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.mls import labels
from cloister.mls.errors import Misuse, RuleViolation
from cloister.mls.framing import (
    AuthenticatedContent,
    ContentAuth,
    FramedContent,
    Sender,
    encode_body,
    read_body,
)
from cloister.mls.registry import ContentType, ProtocolVersion, SenderType, WireFormat
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import MessageKey
from cloister.mls.suite import Suite

REUSE_GUARD_LENGTH: Final = 4
# version and wire_format of the MLSMessage around it
_MESSAGE_HEAD: Final = ProtocolVersion.MLS10.to_bytes(
    2, "big"
) + WireFormat.PRIVATE_MESSAGE.to_bytes(2, "big")
# SenderData: leaf_index, generation, reuse_guard
_SENDER_DATA_LENGTH: Final = 4 + 4 + REUSE_GUARD_LENGTH


@layout
class PrivateMessage(Struct):
    """struct { group_id<V>; epoch; content_type; authenticated_data<V>;
    encrypted_sender_data<V>; ciphertext<V>; } PrivateMessage"""

    group_id: bytes = opaque()
    epoch: int = uint64()
    content_type: ContentType = enum8(ContentType)
    authenticated_data: bytes = opaque()
    encrypted_sender_data: bytes = opaque()
    ciphertext: bytes = opaque()

    def content_aad(self) -> bytes:
        """PrivateContentAAD (6.3.1)."""
        return _content_aad(self.group_id, self.epoch, self.content_type, self.authenticated_data)


class SenderData(msgspec.Struct, frozen=True):
    """Who sent a PrivateMessage and with which generation's key."""

    leaf_index: int
    generation: int
    reuse_guard: bytes


def _sender_data_aad(group_id: bytes, epoch: int, content_type: ContentType) -> bytes:
    """SenderDataAAD (6.3.2)."""
    return encode_opaque(group_id) + epoch.to_bytes(8, "big") + bytes([content_type])


def _content_aad(
    group_id: bytes, epoch: int, content_type: ContentType, authenticated_data: bytes
) -> bytes:
    return _sender_data_aad(group_id, epoch, content_type) + encode_opaque(authenticated_data)


def sender_data_key(
    suite: Suite, sender_data_secret: Secret, ciphertext: bytes
) -> tuple[Secret, bytes]:
    """Key and nonce of the sender data, from a sample of the ciphertext (6.3.2)."""
    sample = ciphertext[: suite.nh]
    key = suite.expand_with_label(sender_data_secret, labels.KEY, sample, suite.nk)
    nonce = suite.expand_with_label(sender_data_secret, labels.NONCE, sample, suite.nn)
    return key, nonce.expose()


def open_sender_data(
    suite: Suite, sender_data_secret: Secret, message: PrivateMessage
) -> SenderData:
    """Decrypt the sender data. Raises DecryptError, DecodeError."""
    key, nonce = sender_data_key(suite, sender_data_secret, message.ciphertext)
    aad = _sender_data_aad(message.group_id, message.epoch, message.content_type)
    reader = Reader(suite.aead.open(key, nonce, message.encrypted_sender_data, aad))
    sender_data = SenderData(reader.uint32(), reader.uint32(), reader.raw(REUSE_GUARD_LENGTH))
    reader.finish()
    return sender_data


def _guarded(nonce: Secret, reuse_guard: bytes) -> bytes:
    raw = nonce.expose()
    head = bytes(one ^ other for one, other in zip(raw, reuse_guard, strict=False))
    return head + raw[REUSE_GUARD_LENGTH:]


def open_content(
    suite: Suite, message: PrivateMessage, sender_data: SenderData, key: MessageKey
) -> AuthenticatedContent:
    """Decrypt the content. The signature is not verified here.

    Raises DecryptError, DecodeError, RuleViolation.
    """
    plaintext = suite.aead.open(
        key.key,
        _guarded(key.nonce, sender_data.reuse_guard),
        message.ciphertext,
        message.content_aad(),
    )
    reader = Reader(plaintext)
    body = read_body(reader, message.content_type)
    auth = ContentAuth.read(reader, message.content_type)
    if any(plaintext[reader.position :]):
        raise RuleViolation(Rule.PADDING)
    content = FramedContent(
        group_id=message.group_id,
        epoch=message.epoch,
        sender=Sender(sender_type=SenderType.MEMBER, index=sender_data.leaf_index),
        authenticated_data=message.authenticated_data,
        body=body,
    )
    return AuthenticatedContent(wire_format=WireFormat.PRIVATE_MESSAGE, content=content, auth=auth)


def seal_private_message(
    suite: Suite,
    authenticated: AuthenticatedContent,
    *,
    sender_data_secret: Secret,
    key: MessageKey,
    pad_to: Sequence[int],
    entropy: Entropy,
) -> bytes:
    """Encrypt content into an MLSMessage (6.3.1).

    Args:
        key: the sender's next key, already taken from the tree that will be stored.
        pad_to: the total sizes in bytes the MLSMessage may have; the smallest that fits is
            chosen. Empty for no padding.

    Raises Misuse when the content fits none of the sizes.
    """
    content = authenticated.content
    plaintext = Writer()
    plaintext.raw(encode_body(content.body))
    authenticated.auth.write(plaintext)
    inner = plaintext.getvalue()
    head = (
        _MESSAGE_HEAD
        + _sender_data_aad(content.group_id, content.epoch, content.content_type)
        + encode_opaque(content.authenticated_data)
    )
    encrypted_sender_data_length = _SENDER_DATA_LENGTH + TAG_LENGTH
    fixed = len(head) + 1 + encrypted_sender_data_length
    inner += bytes(padding_length(fixed, len(inner), pad_to))
    reuse_guard = entropy.random(REUSE_GUARD_LENGTH)
    ciphertext = suite.aead.seal(
        key.key,
        _guarded(key.nonce, reuse_guard),
        inner,
        _content_aad(
            content.group_id, content.epoch, content.content_type, content.authenticated_data
        ),
    )
    sender_key, sender_nonce = sender_data_key(suite, sender_data_secret, ciphertext)
    sender_data = (
        content.sender.index.to_bytes(4, "big") + key.generation.to_bytes(4, "big") + reuse_guard
    )
    sealed_sender_data = suite.aead.seal(
        sender_key,
        sender_nonce,
        sender_data,
        _sender_data_aad(content.group_id, content.epoch, content.content_type),
    )
    return head + encode_opaque(sealed_sender_data) + encode_opaque(ciphertext)


def padding_length(fixed: int, content: int, pad_to: Sequence[int]) -> int:
    """Zeros to append to ``content`` bytes so that the message has one of the sizes ``pad_to``.

    ``fixed`` is the length of all that precedes the ciphertext. The length prefix of the
    ciphertext grows with it, so a few sizes cannot be met exactly; those are passed over.
    Raises Misuse when none fits.
    """
    if not pad_to:
        return 0
    for size in sorted(pad_to):
        for prefix in (1, 2, 4):
            ciphertext = size - fixed - prefix
            padding = ciphertext - TAG_LENGTH - content
            if padding >= 0 and len(encode_varint(ciphertext)) == prefix:
                return padding
    raise Misuse(f"{content} bytes of content fit none of the sizes {sorted(pad_to)}")
