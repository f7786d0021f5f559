"""What a dishonest member can send: content with one thing wrong, signed with legitimate keys.

Signatures, tags and encryption are all made anew over the lie, so that only the rule under test
can refuse it. Nothing here checks anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cloister.crypto.entropy import Entropy, SystemEntropy
from cloister.crypto.scheme import SignatureKey
from cloister.mls import Group, KeyPackage, KeyPackageSecrets, labels
from cloister.mls.framing import (
    AuthenticatedContent,
    ContentAuth,
    ContentBody,
    FramedContent,
    Sender,
    sign,
)
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import seal_private_message
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import LeafNodeSource, SenderType, WireFormat
from cloister.mls.suite import suite_of
from cloister.testing.forge_framing import content_of, next_key
from cloister.values import replace

ENTROPY: Final = SystemEntropy()


def send(
    group: Group,
    body: ContentBody,
    *,
    public: bool = False,
    tag: bytes | None = None,
    sender: Sender | None = None,
    key: SignatureKey | None = None,
    epoch: int | None = None,
    group_id: bytes | None = None,
) -> bytes:
    """Any content from this member, signed and protected, whatever it says."""
    content = content_of(group, body, sender=sender, epoch=epoch, group_id=group_id)
    return protect(group, content, public=public, tag=tag, key=key)


def protect(
    group: Group,
    content: FramedContent,
    *,
    public: bool = False,
    tag: bytes | None = None,
    key: SignatureKey | None = None,
) -> bytes:
    """A content signed, with this confirmation tag, and put into a message of either form."""
    state = group.state
    wire_format = WireFormat.PUBLIC_MESSAGE if public else WireFormat.PRIVATE_MESSAGE
    context = state.context.encode()
    signature = sign(state.suite, key or state.signature_key, wire_format, content, context)
    auth = ContentAuth(signature=signature, confirmation_tag=tag)
    if public:
        message = PublicMessage(content=content, auth=auth)
        if content.sender.sender_type is SenderType.MEMBER:
            message = message.tagged(state.suite, state.secrets.membership, context)
        return MLSMessage(body=message).encode()
    return seal(group, AuthenticatedContent(wire_format=wire_format, content=content, auth=auth))


def seal(group: Group, authenticated: AuthenticatedContent, *, generation: int = 0) -> bytes:
    """A PrivateMessage of this content, as it is, under a key of the sender whom it names.

    Members can derive each other's keys, so they can seal in each other's name; only the
    signature is beyond them. ``generation`` counts from the next that is not used.
    """
    return seal_private_message(
        group.suite,
        authenticated,
        sender_data_secret=group.state.secrets.sender_data,
        key=next_key(group, authenticated.content, generation),
        pad_to=(),
        entropy=ENTROPY,
    )


def change_leaf(leaf: LeafNode, **changes: object) -> LeafNode:
    """A leaf with other fields and no signature."""
    return replace(leaf, **changes, signature=b"")  # type: ignore[arg-type]


def update_leaf(group: Group, entropy: Entropy = ENTROPY, **changes: object) -> LeafNode:
    """A signed leaf for an Update of ours, with a fresh key and whatever ``changes`` says."""
    fields: dict[str, object] = {
        "encryption_key": group.suite.generate_key_pair(entropy).public,
        "source": LeafNodeSource.UPDATE,
        "lifetime": None,
        "parent_hash": b"",
    }
    leaf = change_leaf(group.state.own_leaf_node, **(fields | changes))
    return leaf.signed(group.suite, group.state.signature_key, group.group_id, group.own_leaf)


def resigned_package(
    secrets: KeyPackageSecrets,
    *,
    leaf: Callable[[LeafNode], LeafNode] = lambda leaf: leaf,
    change: Callable[[KeyPackage], KeyPackage] = lambda package: package,
) -> KeyPackage:
    """A KeyPackage changed and signed again, leaf and whole, with its own key.

    ``leaf`` changes the leaf before it is signed, ``change`` the whole before it is.
    """
    honest = secrets.parsed()
    suite = suite_of(honest.cipher_suite)
    key = suite.signature_key(secrets.signature_key)
    signed_leaf = leaf(honest.leaf_node).signed(suite, key, b"", 0)
    unsigned = change(replace(honest, leaf_node=signed_leaf, signature=b""))
    signature = suite.sign_with_label(key, labels.KEY_PACKAGE_TBS, unsigned.to_be_signed())
    return replace(unsigned, signature=signature)
