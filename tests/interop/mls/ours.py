"""Our side of the scenarios: KeyPackages, groups, and what is done with each message."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.crypto.secret import Secret
from cloister.mls import (
    ApplicationReceived,
    CommitReceived,
    Extension,
    Group,
    KeyPackageSecrets,
    StagedCommit,
    basic_credential,
    make_key_package,
    open_welcome,
)
from cloister.mls.message import MLSMessage
from cloister.mls.suite import suite_of
from interop.mls.peer import LIFETIME, NOW, PeerClient
from interop.mls.suites import SUITES
from unit.mls.members import CHECKPOINT, ENTROPY

PSK_ID, PSK = b"a key from elsewhere", bytes(range(32))
PSKS = {PSK_ID: Secret(PSK)}


def package(suite: str, name: str) -> KeyPackageSecrets:
    return make_key_package(
        SUITES[suite],
        signature_seed=suite_of(SUITES[suite]).generate_signature_seed(ENTROPY),
        credential=basic_credential(name.encode()),
        lifetime=LIFETIME,
        supported_extensions=(CHECKPOINT,),
        entropy=ENTROPY,
    )


def found(suite: str, *, extensions: Sequence[Extension] = ()) -> Group:
    return Group.create(
        SUITES[suite],
        b"ours",
        signature_seed=suite_of(SUITES[suite]).generate_signature_seed(ENTROPY),
        credential=basic_credential(b"we"),
        supported_extensions=(CHECKPOINT,),
        group_extensions=extensions,
        entropy=ENTROPY,
    )


def as_message(secrets: KeyPackageSecrets) -> bytes:
    return MLSMessage(body=secrets.parsed()).encode()


def bare(message: bytes) -> bytes:
    return MLSMessage.decode(message).body.encode()


def join(welcome: bytes | None, secrets: KeyPackageSecrets) -> Group:
    assert welcome
    return open_welcome(welcome, secrets, PSKS).join(None, now=NOW)


def take(group: Group, commit: bytes) -> Group:
    received = group.process(commit, now=NOW, psks=PSKS)
    assert isinstance(received, CommitReceived)
    assert received.next is not None
    return received.next


def commit(
    group: Group,
    *,
    adds: Sequence[bytes] = (),
    removes: Sequence[int] = (),
    with_psk: bool = False,
) -> StagedCommit:
    return group.commit(
        adds=adds,
        removes=removes,
        external_psks=PSKS if with_psk else {},
        now=NOW,
        entropy=ENTROPY,
    )


def talk(client: PeerClient, group: Group) -> Group:
    """A text each way."""
    message, group = group.encrypt(b"to the peer", pad_to=(256, 1024), entropy=ENTROPY)
    assert client.process(message) == b"to the peer"
    received = group.process(client.encrypt(b"to us"), now=NOW)
    assert isinstance(received, ApplicationReceived)
    assert received.plaintext == b"to us"
    return received.next
