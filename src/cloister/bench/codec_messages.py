"""One real message of each kind, from a group of four that have all committed.

The suite is 0x0001, whose keys are short: a mutation then hits structure and not the inside of a
key, so decoders are gone through as deeply as they can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass

import msgspec

from cloister.codec import CodePoints, Struct
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    CommitReceived,
    Group,
    KeyPackage,
    KeyPackageSecrets,
    Lifetime,
    StagedCommit,
    basic_credential,
    make_key_package,
    open_welcome,
)
from cloister.mls.framing import ContentAuth, sign
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import PrivateMessage, open_content, open_sender_data
from cloister.mls.public_message import PublicMessage
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import WireFormat
from cloister.mls.suite import suite_of
from cloister.mls.welcome import GroupInfo

SUITE = CipherSuite.X25519_AES128GCM_SHA256_ED25519
NOW = 1_800_000_000
ENTROPY = SystemEntropy()


@dataclass(frozen=True, slots=True)
class Sample:
    """A message and the decoder that takes it."""

    name: str
    data: bytes
    decode: Callable[[bytes], Struct | RatchetTree]


def decode_tree(data: bytes) -> RatchetTree:
    """Decode a ratchet_tree of the suite."""
    return RatchetTree.decode(suite_of(SUITE), data)


def real_messages() -> tuple[Sample, ...]:
    """Make them."""
    groups = settled(4)
    newcomer = make_package(4)
    staged = groups[0].commit(adds=[newcomer.key_package], now=NOW, entropy=ENTROPY)
    if staged.welcome is None:
        raise RuntimeError("a commit that adds has a Welcome")
    text, _ = groups[0].encrypt(b"x" * 200, entropy=ENTROPY)
    opened = open_welcome(staged.welcome, newcomer)
    update = groups[0].commit(now=NOW, entropy=ENTROPY)
    return (
        Sample("KeyPackage", newcomer.key_package, KeyPackage.decode),
        Sample("Welcome", staged.welcome, MLSMessage.decode),
        Sample("Commit in PublicMessage", _public(groups[1], update), MLSMessage.decode),
        Sample("PrivateMessage", text, MLSMessage.decode),
        Sample("GroupInfo", opened.group_info, GroupInfo.decode),
        Sample("RatchetTree", groups[0].ratchet_tree(), decode_tree),
    )


def make_package(number: int) -> KeyPackageSecrets:
    """A KeyPackage of a member of this number."""
    return make_key_package(
        SUITE,
        signature_seed=Secret(ENTROPY.random(32)),
        credential=basic_credential(b"%d" % number),
        lifetime=Lifetime(not_before=NOW, not_after=NOW + 30 * 86_400),
        entropy=ENTROPY,
    )


def settled(size: int) -> list[Group]:
    """A group in which everybody has committed, so that every parent node is filled."""
    founder = Group.create(
        SUITE,
        b"bench codec",
        signature_seed=Secret(ENTROPY.random(32)),
        credential=basic_credential(b"0"),
        entropy=ENTROPY,
    )
    packages = [make_package(number) for number in range(1, size)]
    staged = founder.commit(adds=[one.key_package for one in packages], now=NOW, entropy=ENTROPY)
    if staged.welcome is None:
        raise RuntimeError("a commit that adds has a Welcome")
    groups = [staged.next]
    groups += [open_welcome(staged.welcome, one).join(None, now=NOW) for one in packages]
    for committer in range(size):
        update = groups[committer].commit(now=NOW, entropy=ENTROPY)
        groups = [
            update.next if n == committer else _followed(group, update)
            for n, group in enumerate(groups)
        ]
    return groups


def _followed(group: Group, staged: StagedCommit) -> Group:
    received = group.process(staged.message, now=NOW)
    if not isinstance(received, CommitReceived) or received.next is None:
        raise RuntimeError("our own commit is valid")
    return received.next


def _public(receiver: Group, staged: StagedCommit) -> bytes:
    """The same commit as a PublicMessage, which Cloister itself never sends."""
    state = receiver.state
    body = MLSMessage.decode(staged.message).body
    if not isinstance(body, PrivateMessage):
        raise TypeError("our own commit is a PrivateMessage")
    sender = open_sender_data(state.suite, state.secrets.sender_data, body)
    key, _ = receiver.secret_tree.take(
        sender.leaf_index, sender.generation, is_application=False, now=NOW
    )
    content = open_content(state.suite, body, sender, key)
    context = state.context.encode()
    signature = sign(
        state.suite,
        staged.sent.state.signature_key,
        WireFormat.PUBLIC_MESSAGE,
        content.content,
        context,
    )
    auth = ContentAuth(signature=signature, confirmation_tag=content.auth.confirmation_tag)
    message = PublicMessage(content=content.content, auth=auth)
    tagged = message.tagged(state.suite, state.secrets.membership, context)
    return MLSMessage(body=tagged).encode()


def fields_of(value: object) -> Iterator[bytes]:
    """What a decoded message is made of, each field as bytes: the work any reader has to do."""
    match value:
        case RatchetTree():
            yield from fields_of(value.nodes)
        case tuple() | CodePoints():
            for one in value:
                yield from fields_of(one)
        case bytes():
            yield value
        case int():
            yield value.to_bytes((max(value.bit_length(), 1) + 7) // 8, "big")
        case None:
            yield b""
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from fields_of(getattr(value, name))
        case _ if is_dataclass(value):
            for field in fields(value):
                yield from fields_of(getattr(value, field.name))
        case Struct():
            for name in value.field_names:
                yield from fields_of(getattr(value, name))
        case _:
            raise TypeError(f"a message does not hold a {type(value).__name__}")
