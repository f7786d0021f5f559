"""Content, its sender and its authentication, before a wire format (RFC 9420 sections 6, 6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import msgspec

from cloister.codec import Reader, Struct, Writer, encode_opaque
from cloister.crypto.scheme import SignatureKey
from cloister.mls import labels
from cloister.mls.commit import Commit
from cloister.mls.proposal import Proposal
from cloister.mls.registry import ContentType, ProtocolVersion, SenderType, WireFormat
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite

ContentBody = bytes | Proposal | Commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender(Struct):
    """Who sent it. ``index`` is a leaf index for a member, a position for an external sender."""

    sender_type: SenderType
    index: int = 0

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read a Sender."""
        code = reader.uint8()
        if not 1 <= code <= 4:
            raise reader.fail(f"{code} is not a sender_type")
        has_index = code in {SenderType.MEMBER, SenderType.EXTERNAL}
        return cls(sender_type=SenderType(code), index=reader.uint32() if has_index else 0)

    def write(self, writer: Writer) -> None:
        """Write a Sender."""
        writer.uint8(self.sender_type)
        if self.sender_type in {SenderType.MEMBER, SenderType.EXTERNAL}:
            writer.uint32(self.index)


def read_content_type(reader: Reader) -> ContentType:
    """Read a ContentType."""
    code = reader.uint8()
    if not 1 <= code <= 3:
        raise reader.fail(f"{code} is not a content_type")
    return ContentType(code)


def read_body(reader: Reader, content_type: ContentType) -> ContentBody:
    """Read the content of this type: application data, a Proposal or a Commit."""
    match content_type:
        case ContentType.APPLICATION:
            return reader.opaque()
        case ContentType.PROPOSAL:
            return Proposal.read(reader)
        case ContentType.COMMIT:
            return Commit.read(reader)


def encode_body(body: ContentBody) -> bytes:
    """The encoding of a content; for a received proposal or commit the bytes received."""
    return encode_opaque(body) if isinstance(body, bytes) else body.encode()


def type_of(body: ContentBody) -> ContentType:
    """The ContentType of a content."""
    if isinstance(body, bytes):
        return ContentType.APPLICATION
    return ContentType.PROPOSAL if isinstance(body, Proposal) else ContentType.COMMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedContent(Struct):
    """struct { group_id<V>; epoch; sender; authenticated_data<V>; content_type; content; }"""

    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    body: ContentBody

    @property
    def content_type(self) -> ContentType:
        """The type of the body."""
        return type_of(self.body)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read a FramedContent."""
        group_id = reader.opaque()
        epoch = reader.uint64()
        sender = Sender.read(reader)
        authenticated_data = reader.opaque()
        return cls(
            group_id=group_id,
            epoch=epoch,
            sender=sender,
            authenticated_data=authenticated_data,
            body=read_body(reader, read_content_type(reader)),
        )

    def write(self, writer: Writer) -> None:
        """Write a FramedContent."""
        writer.opaque(self.group_id)
        writer.uint64(self.epoch)
        self.sender.write(writer)
        writer.opaque(self.authenticated_data)
        writer.uint8(self.content_type)
        writer.raw(encode_body(self.body))


class ContentAuth(msgspec.Struct, frozen=True, kw_only=True):
    """FramedContentAuthData: the signature, and for a commit the confirmation tag."""

    signature: bytes
    confirmation_tag: bytes | None = None

    @classmethod
    def read(cls, reader: Reader, content_type: ContentType) -> ContentAuth:
        """Read it; whether there is a tag depends on the content."""
        signature = reader.opaque()
        is_commit = content_type is ContentType.COMMIT
        return cls(signature=signature, confirmation_tag=reader.opaque() if is_commit else None)

    def write(self, writer: Writer) -> None:
        """Write it."""
        writer.opaque(self.signature)
        if self.confirmation_tag is not None:
            writer.opaque(self.confirmation_tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedContent(Struct):
    """struct { wire_format; content; auth; } AuthenticatedContent: what transcripts hash."""

    wire_format: WireFormat
    content: FramedContent
    auth: ContentAuth

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read an AuthenticatedContent."""
        code = reader.uint16()
        if code not in {WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE}:
            raise reader.fail("wire format without content")
        content = FramedContent.read(reader)
        auth = ContentAuth.read(reader, content.content_type)
        return cls(wire_format=WireFormat(code), content=content, auth=auth)

    def write(self, writer: Writer) -> None:
        """Write an AuthenticatedContent."""
        writer.uint16(self.wire_format)
        self.content.write(writer)
        self.auth.write(writer)

    def confirmed_transcript_input(self) -> bytes:
        """ConfirmedTranscriptHashInput (8.2): everything but the confirmation tag."""
        return (
            self.wire_format.to_bytes(2, "big")
            + self.content.encode()
            + encode_opaque(self.auth.signature)
        )

    def verify(self, suite: Suite, public: bytes, group_context: bytes) -> None:
        """Verify the signature (6.1). Raises RuleViolation."""
        suite.verify_with_label(
            public,
            labels.FRAMED_CONTENT_TBS,
            to_be_signed(self.wire_format, self.content, group_context),
            self.auth.signature,
            Rule.CONTENT_SIGNATURE,
        )


def to_be_signed(wire_format: WireFormat, content: FramedContent, group_context: bytes) -> bytes:
    """FramedContentTBS: the context is covered where the sender is, or is becoming, a member."""
    head = (
        ProtocolVersion.MLS10.to_bytes(2, "big") + wire_format.to_bytes(2, "big") + content.encode()
    )
    if content.sender.sender_type in {SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT}:
        return head + group_context
    return head


def sign(
    suite: Suite,
    key: SignatureKey,
    wire_format: WireFormat,
    content: FramedContent,
    group_context: bytes,
) -> bytes:
    """The signature over a content (6.1). Every content is signed, application data too."""
    tbs = to_be_signed(wire_format, content, group_context)
    return suite.sign_with_label(key, labels.FRAMED_CONTENT_TBS, tbs)


def member_content(
    group_id: bytes, epoch: int, leaf_index: int, authenticated_data: bytes, body: ContentBody
) -> FramedContent:
    """A content from the member at ``leaf_index``."""
    return FramedContent(
        group_id=group_id,
        epoch=epoch,
        sender=Sender(sender_type=SenderType.MEMBER, index=leaf_index),
        authenticated_data=authenticated_data,
        body=body,
    )
