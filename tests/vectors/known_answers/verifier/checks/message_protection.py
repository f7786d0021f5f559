"""message-protection: one proposal, commit and application message in each form."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.codec import decode
from vectors.known_answers.verifier.commit import Commit
from vectors.known_answers.verifier.failure import Failure, equal
from vectors.known_answers.verifier.framing import (
    MEMBER,
    AuthenticatedContent,
    Body,
    FramedContent,
    MLSMessage,
    Sender,
    encode_body,
)
from vectors.known_answers.verifier.proposals import Proposal
from vectors.known_answers.verifier.protection import Protection
from vectors.known_answers.verifier.secret_tree import SecretTree
from vectors.known_answers.verifier.suites import suite_of
from vectors.known_answers.verifier.welcome import GroupContext

SENDER = 1


def _body(name: str, data: bytes) -> Body:
    if name == "proposal":
        return decode(Proposal.read, data)
    return decode(Commit.read, data) if name == "commit" else data


class Channel:
    """The fixed epoch of a case, in which member 1 of 2 sends."""

    def __init__(self, case: dict[str, Any]) -> None:
        suite = suite_of(case["cipher_suite"])
        self.group_id, self.epoch = bytes.fromhex(case["group_id"]), case["epoch"]
        context = GroupContext(
            suite.code,
            self.group_id,
            self.epoch,
            bytes.fromhex(case["tree_hash"]),
            bytes.fromhex(case["confirmed_transcript_hash"]),
            (),
        )
        self.private = bytes.fromhex(case["signature_priv"])
        self.public = bytes.fromhex(case["signature_pub"])
        equal(suite.signature.public_of(self.private), self.public, "signature_pub")
        self.protection = Protection(
            suite,
            context.encode(),
            bytes.fromhex(case["membership_key"]),
            bytes.fromhex(case["sender_data_secret"]),
            SecretTree(suite, 2, bytes.fromhex(case["encryption_secret"])),
        )

    def unprotect(self, data: bytes) -> AuthenticatedContent:
        message = decode(MLSMessage.read, data)
        equal(message.encode(), data, "the encoding of a message")
        content, _ = self.protection.unprotect(message, lambda _: self.public)
        framed = content.content
        equal(framed.sender, Sender(MEMBER, SENDER), "the sender")
        equal((framed.group_id, framed.epoch), (self.group_id, self.epoch), "group and epoch")
        return content

    def content(self, body: Body) -> FramedContent:
        return FramedContent(self.group_id, self.epoch, Sender(MEMBER, SENDER), b"aad", body)


def check(case: dict[str, Any]) -> None:
    channel = Channel(case)
    for name in ("proposal", "commit", "application"):
        body = _body(name, bytes.fromhex(case[name]))
        tag = b"tag" if name == "commit" else None
        content = channel.content(body)
        found = [channel.unprotect(bytes.fromhex(case[f"{name}_priv"]))]
        made = channel.protection.protect_private(content, channel.private, tag, 3)
        found.append(channel.unprotect(made.encode()))
        if name == "application":
            _check_public_form_is_refused(channel, content)
        else:
            found.append(channel.unprotect(bytes.fromhex(case[f"{name}_pub"])))
            made = channel.protection.protect_public(content, channel.private, tag)
            found.append(channel.unprotect(made.encode()))
        for one in found:
            equal(encode_body(one.content.body), encode_body(body), name)


def _check_public_form_is_refused(channel: Channel, content: FramedContent) -> None:
    try:
        channel.protection.protect_public(content, channel.private, None)
    except Failure:
        return
    raise Failure("application data was protected as a PublicMessage")
