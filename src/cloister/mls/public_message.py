"""PublicMessage: signed but readable content (RFC 9420 section 6.2).

The product never sends one. Other implementations and the published vectors carry handshakes in
them, and an external commit or proposal has no other form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cloister.codec import Reader, Struct, Writer
from cloister.crypto.secret import Secret
from cloister.mls.errors import RuleViolation
from cloister.mls.framing import (
    AuthenticatedContent,
    ContentAuth,
    FramedContent,
    to_be_signed,
)
from cloister.mls.registry import ContentType, SenderType, WireFormat
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicMessage(Struct):
    """struct { content; auth; membership_tag for members; } PublicMessage"""

    content: FramedContent
    auth: ContentAuth
    membership_tag: bytes | None = None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read a PublicMessage; members' messages carry a membership tag."""
        content = FramedContent.read(reader)
        auth = ContentAuth.read(reader, content.content_type)
        tag = reader.opaque() if content.sender.sender_type is SenderType.MEMBER else None
        return cls(content=content, auth=auth, membership_tag=tag)

    def write(self, writer: Writer) -> None:
        """Write a PublicMessage."""
        self.content.write(writer)
        self.auth.write(writer)
        if self.membership_tag is not None:
            writer.opaque(self.membership_tag)

    def authenticated(self) -> AuthenticatedContent:
        """The content without its wire form."""
        return AuthenticatedContent(
            wire_format=WireFormat.PUBLIC_MESSAGE, content=self.content, auth=self.auth
        )

    def check(self, suite: Suite, membership_key: Secret, group_context: bytes) -> None:
        """Demand the membership tag of a member's message, and no application data.

        Raises RuleViolation.
        """
        if self.content.content_type is ContentType.APPLICATION:
            raise RuleViolation(Rule.APPLICATION_IN_PUBLIC)
        if self.content.sender.sender_type is SenderType.MEMBER:
            suite.check_mac(
                membership_key,
                self._mac_input(group_context),
                self.membership_tag or b"",
                Rule.MEMBERSHIP_TAG,
            )

    def _mac_input(self, group_context: bytes) -> bytes:
        """AuthenticatedContentTBM: the signed bytes and the authentication data."""
        auth = Writer()
        self.auth.write(auth)
        signed = to_be_signed(WireFormat.PUBLIC_MESSAGE, self.content, group_context)
        return signed + auth.getvalue()

    def tagged(self, suite: Suite, membership_key: Secret, group_context: bytes) -> PublicMessage:
        """The message with its membership tag."""
        return PublicMessage(
            content=self.content,
            auth=self.auth,
            membership_tag=suite.mac(membership_key, self._mac_input(group_context)),
        )
