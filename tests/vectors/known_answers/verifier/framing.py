"""The frames around content (RFC 9420, section 6)."""

from __future__ import annotations

from dataclasses import dataclass

from vectors.known_answers.verifier.codec import Reader, opaque, uint8, uint16, uint32, uint64
from vectors.known_answers.verifier.commit import Commit
from vectors.known_answers.verifier.failure import Failure, require
from vectors.known_answers.verifier.leaf import MLS10, KeyPackage
from vectors.known_answers.verifier.proposals import Proposal
from vectors.known_answers.verifier.welcome import GroupInfo, Welcome

APPLICATION, PROPOSAL, COMMIT = 1, 2, 3
MEMBER, EXTERNAL, NEW_MEMBER_PROPOSAL, NEW_MEMBER_COMMIT = 1, 2, 3, 4
PUBLIC_MESSAGE, PRIVATE_MESSAGE, WELCOME, GROUP_INFO, KEY_PACKAGE = 1, 2, 3, 4, 5

Body = bytes | Proposal | Commit


@dataclass(frozen=True)
class Sender:
    sender_type: int
    # leaf_index of a member, sender_index of an external sender.
    index: int = 0

    @classmethod
    def read(cls, reader: Reader) -> Sender:
        sender_type = reader.uint8()
        if sender_type in {MEMBER, EXTERNAL}:
            return cls(sender_type, reader.uint32())
        known = sender_type in {NEW_MEMBER_PROPOSAL, NEW_MEMBER_COMMIT}
        require(known, "a sender_type is unknown")
        return cls(sender_type)

    def encode(self) -> bytes:
        index = uint32(self.index) if self.sender_type in {MEMBER, EXTERNAL} else b""
        return uint8(self.sender_type) + index


def content_type_of(body: Body) -> int:
    """The ContentType of a body."""
    if isinstance(body, bytes):
        return APPLICATION
    return PROPOSAL if isinstance(body, Proposal) else COMMIT


def read_body(reader: Reader, content_type: int) -> Body:
    """The body that a ContentType announces."""
    if content_type == APPLICATION:
        return reader.opaque()
    if content_type == PROPOSAL:
        return Proposal.read(reader)
    require(content_type == COMMIT, "a content_type is unknown")
    return Commit.read(reader)


def encode_body(body: Body) -> bytes:
    """A body without its ContentType."""
    return opaque(body) if isinstance(body, bytes) else body.encode()


@dataclass(frozen=True)
class FramedContent:
    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    body: Body

    @classmethod
    def read(cls, reader: Reader) -> FramedContent:
        group_id, epoch, sender = reader.opaque(), reader.uint64(), Sender.read(reader)
        authenticated_data = reader.opaque()
        return cls(group_id, epoch, sender, authenticated_data, read_body(reader, reader.uint8()))

    def encode(self) -> bytes:
        head = opaque(self.group_id) + uint64(self.epoch) + self.sender.encode()
        head += opaque(self.authenticated_data) + uint8(content_type_of(self.body))
        return head + encode_body(self.body)


@dataclass(frozen=True)
class FramedContentAuthData:
    signature: bytes
    # If the content is a commit.
    confirmation_tag: bytes | None

    @classmethod
    def read(cls, reader: Reader, body: Body) -> FramedContentAuthData:
        signature = reader.opaque()
        return cls(signature, reader.opaque() if isinstance(body, Commit) else None)

    def encode(self) -> bytes:
        tag = b"" if self.confirmation_tag is None else opaque(self.confirmation_tag)
        return opaque(self.signature) + tag


@dataclass(frozen=True)
class AuthenticatedContent:
    wire_format: int
    content: FramedContent
    auth: FramedContentAuthData

    @classmethod
    def read(cls, reader: Reader) -> AuthenticatedContent:
        wire_format, content = reader.uint16(), FramedContent.read(reader)
        return cls(wire_format, content, FramedContentAuthData.read(reader, content.body))

    def encode(self) -> bytes:
        return uint16(self.wire_format) + self.content.encode() + self.auth.encode()

    def signed_part(self, context: bytes) -> bytes:
        """FramedContentTBS; the context counts for members and those who become one."""
        data = uint16(MLS10) + uint16(self.wire_format) + self.content.encode()
        in_group = self.content.sender.sender_type in {MEMBER, NEW_MEMBER_COMMIT}
        return data + context if in_group else data

    def confirmed_transcript_input(self) -> bytes:
        """ConfirmedTranscriptHashInput (section 8.2)."""
        head = uint16(self.wire_format) + self.content.encode()
        return head + opaque(self.auth.signature)


@dataclass(frozen=True)
class PublicMessage:
    content: FramedContent
    auth: FramedContentAuthData
    # If the sender is a member.
    membership_tag: bytes | None

    @classmethod
    def read(cls, reader: Reader) -> PublicMessage:
        content = FramedContent.read(reader)
        auth = FramedContentAuthData.read(reader, content.body)
        is_member = content.sender.sender_type == MEMBER
        return cls(content, auth, reader.opaque() if is_member else None)

    def encode(self) -> bytes:
        tag = b"" if self.membership_tag is None else opaque(self.membership_tag)
        return self.content.encode() + self.auth.encode() + tag


@dataclass(frozen=True)
class PrivateMessage:
    group_id: bytes
    epoch: int
    content_type: int
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, reader: Reader) -> PrivateMessage:
        group_id, epoch, content_type = reader.opaque(), reader.uint64(), reader.uint8()
        require(content_type in {APPLICATION, PROPOSAL, COMMIT}, "a content_type is unknown")
        return cls(group_id, epoch, content_type, reader.opaque(), reader.opaque(), reader.opaque())

    def sender_data_aad(self) -> bytes:
        """SenderDataAAD (section 6.3.2)."""
        return opaque(self.group_id) + uint64(self.epoch) + uint8(self.content_type)

    def content_aad(self) -> bytes:
        """PrivateContentAAD (section 6.3.1)."""
        return self.sender_data_aad() + opaque(self.authenticated_data)

    def encode(self) -> bytes:
        return self.content_aad() + opaque(self.encrypted_sender_data) + opaque(self.ciphertext)


@dataclass(frozen=True)
class SenderData:
    leaf_index: int
    generation: int
    reuse_guard: bytes

    @classmethod
    def read(cls, reader: Reader) -> SenderData:
        return cls(reader.uint32(), reader.uint32(), reader.take(4))

    def encode(self) -> bytes:
        return uint32(self.leaf_index) + uint32(self.generation) + self.reuse_guard


Message = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

BODIES: dict[int, type[Message]] = {
    PUBLIC_MESSAGE: PublicMessage,
    PRIVATE_MESSAGE: PrivateMessage,
    WELCOME: Welcome,
    GROUP_INFO: GroupInfo,
    KEY_PACKAGE: KeyPackage,
}


@dataclass(frozen=True)
class MLSMessage:
    wire_format: int
    body: Message

    @classmethod
    def read(cls, reader: Reader) -> MLSMessage:
        require(reader.uint16() == MLS10, "a message is of another version")
        wire_format = reader.uint16()
        if wire_format not in BODIES:
            raise Failure("a wire_format is unknown")
        return cls(wire_format, BODIES[wire_format].read(reader))

    def encode(self) -> bytes:
        return uint16(MLS10) + uint16(self.wire_format) + self.body.encode()
