"""Our own content, signed and put into a message (RFC 9420 sections 6.1 to 6.3)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cloister.crypto.entropy import Entropy
from cloister.mls.epoch import EpochState
from cloister.mls.framing import (
    AuthenticatedContent,
    ContentAuth,
    ContentBody,
    member_content,
    sign,
)
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import seal_private_message
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import WireFormat
from cloister.mls.secret_tree import SecretTree
from cloister.values import replace


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """How a content travels: its form, the bytes beside it, and the sizes a message may have."""

    as_public: bool = False
    authenticated_data: bytes = b""
    pad_to: Sequence[int] = ()

    @property
    def wire_format(self) -> WireFormat:
        """The wire format, which the signature covers."""
        return WireFormat.PUBLIC_MESSAGE if self.as_public else WireFormat.PRIVATE_MESSAGE


def sign_content(state: EpochState, body: ContentBody, envelope: Envelope) -> AuthenticatedContent:
    """Content of ours in this epoch with its signature; a commit's tag is added later."""
    content = member_content(
        state.context.group_id,
        state.context.epoch,
        state.own_leaf,
        envelope.authenticated_data,
        body,
    )
    signature = sign(
        state.suite,
        state.signature_key,
        envelope.wire_format,
        content,
        state.context.encode(),
    )
    return AuthenticatedContent(
        wire_format=envelope.wire_format,
        content=content,
        auth=ContentAuth(signature=signature),
    )


def with_confirmation_tag(authenticated: AuthenticatedContent, tag: bytes) -> AuthenticatedContent:
    """A commit with the confirmation tag of the epoch it leads to."""
    return replace(authenticated, auth=replace(authenticated.auth, confirmation_tag=tag))


def protect(
    state: EpochState,
    secret_tree: SecretTree,
    authenticated: AuthenticatedContent,
    envelope: Envelope,
    entropy: Entropy,
) -> tuple[bytes, SecretTree]:
    """The MLSMessage, and the secret tree without the key that it used.

    The tree is stored before the message leaves. Raises Misuse when no size fits.
    """
    if envelope.as_public:
        public = PublicMessage(content=authenticated.content, auth=authenticated.auth).tagged(
            state.suite, state.secrets.membership, state.context.encode()
        )
        return MLSMessage(body=public).encode(), secret_tree
    key, rest = secret_tree.take_next(
        state.own_leaf, is_application=isinstance(authenticated.content.body, bytes)
    )
    message = seal_private_message(
        state.suite,
        authenticated,
        sender_data_secret=state.secrets.sender_data,
        key=key,
        pad_to=envelope.pad_to,
        entropy=entropy,
    )
    return message, rest
