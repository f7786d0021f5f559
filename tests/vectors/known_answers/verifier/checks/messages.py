"""messages: every structure decodes, and encodes to the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectors.known_answers.verifier.codec import Encodable, Reader, decode
from vectors.known_answers.verifier.commit import Commit
from vectors.known_answers.verifier.failure import equal
from vectors.known_answers.verifier.framing import (
    APPLICATION,
    COMMIT,
    GROUP_INFO,
    KEY_PACKAGE,
    PRIVATE_MESSAGE,
    PROPOSAL,
    PUBLIC_MESSAGE,
    WELCOME,
    MLSMessage,
    PublicMessage,
    content_type_of,
)
from vectors.known_answers.verifier.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    Update,
)
from vectors.known_answers.verifier.suites import suite_of
from vectors.known_answers.verifier.tree import Tree
from vectors.known_answers.verifier.welcome import GroupSecrets

if TYPE_CHECKING:
    from collections.abc import Callable

STRUCTURES: dict[str, Callable[[Reader], Encodable]] = {
    "group_secrets": GroupSecrets.read,
    "add_proposal": Add.read,
    "update_proposal": Update.read,
    "remove_proposal": Remove.read,
    "pre_shared_key_proposal": PreSharedKey.read,
    "re_init_proposal": ReInit.read,
    "external_init_proposal": ExternalInit.read,
    "group_context_extensions_proposal": GroupContextExtensions.read,
    "commit": Commit.read,
}
# Wire format, and the content type of a PublicMessage.
MESSAGES: dict[str, tuple[int, int | None]] = {
    "mls_welcome": (WELCOME, None),
    "mls_group_info": (GROUP_INFO, None),
    "mls_key_package": (KEY_PACKAGE, None),
    "public_message_application": (PUBLIC_MESSAGE, APPLICATION),
    "public_message_proposal": (PUBLIC_MESSAGE, PROPOSAL),
    "public_message_commit": (PUBLIC_MESSAGE, COMMIT),
    "private_message": (PRIVATE_MESSAGE, None),
}


def check(case: dict[str, Any]) -> None:
    equal({*case}, {*STRUCTURES, *MESSAGES, "ratchet_tree"}, "the fields of the case")
    for name, read in STRUCTURES.items():
        data = bytes.fromhex(case[name])
        equal(decode(read, data).encode(), data, name)
    for name, (wire_format, content_type) in MESSAGES.items():
        data = bytes.fromhex(case[name])
        message = decode(MLSMessage.read, data)
        equal(message.encode(), data, name)
        equal(message.wire_format, wire_format, f"the wire format of {name}")
        body = message.body
        found = content_type_of(body.content.body) if isinstance(body, PublicMessage) else None
        equal(found, content_type, f"the content type of {name}")
    data = bytes.fromhex(case["ratchet_tree"])
    equal(Tree.decode(suite_of(1), data).encode(), data, "ratchet_tree")
