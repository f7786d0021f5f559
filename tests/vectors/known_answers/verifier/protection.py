"""From content to messages and back (RFC 9420, sections 6.1 to 6.3)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vectors.known_answers.verifier.codec import Reader
from vectors.known_answers.verifier.failure import Failure, equal, require
from vectors.known_answers.verifier.framing import (
    APPLICATION,
    MEMBER,
    PRIVATE_MESSAGE,
    PUBLIC_MESSAGE,
    AuthenticatedContent,
    Body,
    FramedContent,
    FramedContentAuthData,
    MLSMessage,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderData,
    content_type_of,
    encode_body,
    read_body,
)
from vectors.known_answers.verifier.secret_tree import (
    APPLICATION as APPLICATION_RATCHET,
)
from vectors.known_answers.verifier.secret_tree import (
    HANDSHAKE,
    SecretTree,
    sender_data_key_and_nonce,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectors.known_answers.verifier.suites import Suite


@dataclass(frozen=True)
class Protection:
    """The secrets of an epoch that messages are protected with."""

    suite: Suite
    # The encoded GroupContext.
    context: bytes
    membership_key: bytes
    sender_data_secret: bytes
    secret_tree: SecretTree

    def verify_signature(self, content: AuthenticatedContent, public: bytes) -> None:
        signed = content.signed_part(self.context)
        self.suite.verify_with_label(public, "FramedContentTBS", signed, content.auth.signature)

    def _membership_tag(self, content: AuthenticatedContent) -> bytes:
        authenticated = content.signed_part(self.context) + content.auth.encode()
        return self.suite.mac(self.membership_key, authenticated)

    def unprotect(
        self, message: MLSMessage, signer: Callable[[FramedContent], bytes]
    ) -> tuple[AuthenticatedContent, SenderData | None]:
        """The content of a message; ``signer`` gives the signature key of a sender."""
        sender_data = None
        if isinstance(message.body, PublicMessage):
            content = self._open_public(message.body)
        elif isinstance(message.body, PrivateMessage):
            content, sender_data = self._open_private(message.body)
        else:
            raise Failure("the message is neither a PublicMessage nor a PrivateMessage")
        self.verify_signature(content, signer(content.content))
        return content, sender_data

    def _open_public(self, message: PublicMessage) -> AuthenticatedContent:
        is_application = content_type_of(message.content.body) == APPLICATION
        require(not is_application, "application data is in a PublicMessage")
        content = AuthenticatedContent(PUBLIC_MESSAGE, message.content, message.auth)
        if message.membership_tag is not None:
            equal(self._membership_tag(content), message.membership_tag, "the membership tag")
        return content

    def _open_private(self, message: PrivateMessage) -> tuple[AuthenticatedContent, SenderData]:
        aead = self.suite.aead
        key, nonce = sender_data_key_and_nonce(
            self.suite, self.sender_data_secret, message.ciphertext
        )
        reader = Reader(
            aead.open(key, nonce, message.sender_data_aad(), message.encrypted_sender_data)
        )
        sender_data = SenderData.read(reader)
        require(reader.is_empty, "bytes follow the sender data")
        key, nonce = self._content_key(message.content_type, sender_data)
        reader = Reader(aead.open(key, nonce, message.content_aad(), message.ciphertext))
        body = read_body(reader, message.content_type)
        auth = FramedContentAuthData.read(reader, body)
        require(not any(reader.rest()), "the padding is not of zeros")
        content = FramedContent(
            message.group_id,
            message.epoch,
            Sender(MEMBER, sender_data.leaf_index),
            message.authenticated_data,
            body,
        )
        return AuthenticatedContent(PRIVATE_MESSAGE, content, auth), sender_data

    def _content_key(self, content_type: int, sender_data: SenderData) -> tuple[bytes, bytes]:
        ratchet = APPLICATION_RATCHET if content_type == APPLICATION else HANDSHAKE
        key, nonce = self.secret_tree.key_and_nonce(
            sender_data.leaf_index, ratchet, sender_data.generation
        )
        guarded = bytes(a ^ b for a, b in zip(nonce, sender_data.reuse_guard, strict=False))
        return key, guarded + nonce[4:]

    def sign(
        self, wire_format: int, content: FramedContent, private: bytes, tag: bytes | None
    ) -> AuthenticatedContent:
        """Content with its signature; ``tag`` is the confirmation tag of a commit."""
        unsigned = AuthenticatedContent(wire_format, content, FramedContentAuthData(b"", tag))
        signature = self.suite.sign_with_label(
            private, "FramedContentTBS", unsigned.signed_part(self.context)
        )
        return AuthenticatedContent(wire_format, content, FramedContentAuthData(signature, tag))

    def protect_public(
        self, content: FramedContent, private: bytes, tag: bytes | None
    ) -> MLSMessage:
        """A member's PublicMessage."""
        require(not isinstance(content.body, bytes), "application data needs a PrivateMessage")
        signed = self.sign(PUBLIC_MESSAGE, content, private, tag)
        membership_tag = self._membership_tag(signed)
        return MLSMessage(PUBLIC_MESSAGE, PublicMessage(content, signed.auth, membership_tag))

    def protect_private(
        self, content: FramedContent, private: bytes, tag: bytes | None, generation: int
    ) -> MLSMessage:
        """A member's PrivateMessage, with a few bytes of padding."""
        aead, body = self.suite.aead, content.body
        signed = self.sign(PRIVATE_MESSAGE, content, private, tag)
        frame = PrivateMessage(
            content.group_id,
            content.epoch,
            content_type_of(body),
            content.authenticated_data,
            b"",
            b"",
        )
        sender_data = SenderData(content.sender.index, generation, os.urandom(4))
        key, nonce = self._content_key(frame.content_type, sender_data)
        plaintext = _plaintext(body, signed.auth)
        ciphertext = aead.seal(key, nonce, frame.content_aad(), plaintext)
        key, nonce = sender_data_key_and_nonce(self.suite, self.sender_data_secret, ciphertext)
        sealed = aead.seal(key, nonce, frame.sender_data_aad(), sender_data.encode())
        return MLSMessage(
            PRIVATE_MESSAGE,
            PrivateMessage(
                frame.group_id,
                frame.epoch,
                frame.content_type,
                frame.authenticated_data,
                sealed,
                ciphertext,
            ),
        )


def _plaintext(body: Body, auth: FramedContentAuthData) -> bytes:
    return encode_body(body) + auth.encode() + bytes(7)
