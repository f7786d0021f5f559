"""Live against ts-mls: the forms in which the product sends messages, trees and group data."""

from __future__ import annotations

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    ApplicationReceived,
    CommitReceived,
    Extension,
    Group,
    Rule,
    RuleViolation,
    open_welcome,
)
from interop.mls.ours import as_message, bare, commit, found, join, package, take
from interop.mls.peer import NOW, Peer, PeerClient
from unit.mls.members import CHECKPOINT, ENTROPY

pytestmark = pytest.mark.process

SUITE = "X25519-AES128"
DATA = b"read by the relay"


def together(peer: Peer) -> tuple[PeerClient, Group]:
    client = peer.client(SUITE)
    staged = commit(found(SUITE), adds=[bare(client.key_package)])
    client.join(staged.welcome)
    return client, staged.next


def receive(group: Group, message: bytes) -> tuple[bytes, bytes, Group]:
    received = group.process(message, now=NOW)
    assert isinstance(received, ApplicationReceived)
    return received.plaintext, received.authenticated_data, received.next


def test_messages_out_of_order(peer: Peer) -> None:
    client, group = together(peer)
    texts = [b"first", b"second", b"third"]
    ours = []
    for text in texts:
        message, group = group.encrypt(text, entropy=ENTROPY)
        ours.append(message)
    assert [client.process(message) for message in reversed(ours)] == texts[::-1]
    theirs = [client.encrypt(text) for text in texts]
    for message, text in zip(reversed(theirs), reversed(texts), strict=True):
        plaintext, _, group = receive(group, message)
        assert plaintext == text


def test_authenticated_data_beside_messages_and_commits(peer: Peer) -> None:
    client, group = together(peer)
    message, group = group.encrypt(b"text", authenticated_data=DATA, entropy=ENTROPY)
    assert DATA in message
    assert client.process(message) == b"text"
    plaintext, data, group = receive(group, client.encrypt(b"text", DATA))
    assert (plaintext, data) == (b"text", DATA)
    staged = group.commit(authenticated_data=DATA, now=NOW, entropy=ENTROPY)
    client.process(staged.message)
    received = staged.next.process(client.commit(authenticated_data=DATA).commit, now=NOW)
    assert isinstance(received, CommitReceived)
    assert received.authenticated_data == DATA
    assert received.next is not None
    assert client.agrees_with(received.next)


def test_padded_commits_and_messages(peer: Peer) -> None:
    client, group = together(peer)
    staged = group.commit(pad_to=(4096,), now=NOW, entropy=ENTROPY)
    assert len(staged.message) == 4096
    client.process(staged.message)
    message, group = staged.next.encrypt(b"", pad_to=(512,), entropy=ENTROPY)
    assert len(message) == 512
    assert client.process(message) == b""
    assert client.agrees_with(group)


def test_the_tree_comes_beside_the_welcome(peer: Peer) -> None:
    client, newcomer = peer.client(SUITE), peer.client(SUITE)
    staged = found(SUITE).commit(
        adds=[bare(client.key_package), bare(newcomer.key_package)],
        tree_in_welcome=False,
        now=NOW,
        entropy=ENTROPY,
    )
    client.join(staged.welcome, staged.ratchet_tree)
    newcomer.join(staged.welcome, client.state().tree)
    assert newcomer.agrees_with(staged.next)
    secrets = package(SUITE, "ours")
    made = client.commit(adds=(as_message(secrets),), tree_in_welcome=False)
    joined = open_welcome(made.welcome, secrets).join(made.tree, now=NOW)
    assert client.agrees_with(joined)


def test_we_change_the_extensions_of_the_group_context(peer: Peer) -> None:
    def value(data: bytes) -> tuple[Extension, ...]:
        return (Extension(extension_type=CHECKPOINT, data=data),)

    client = peer.client(SUITE)
    staged = commit(found(SUITE, extensions=value(b"first")), adds=[bare(client.key_package)])
    client.join(staged.welcome)
    assert client.extensions() == value(b"first")
    staged = staged.next.commit(extensions=value(b"second"), now=NOW, entropy=ENTROPY)
    client.process(staged.message)
    assert client.agrees_with(staged.next)
    assert client.extensions() == value(b"second")
    # ts-mls 1.6.4 cannot do the same. For new extensions alone it makes no path, which section
    # 12.4 demands; and for a path it makes then it takes the extensions of the old epoch.
    with pytest.raises(RuleViolation) as caught:
        staged.next.process(client.commit(extensions=value(b"third")).commit, now=NOW)
    assert caught.value.rule is Rule.PATH_REQUIRED


def test_a_psk_of_another_length_is_the_same_to_both(peer: Peer) -> None:
    client, group = together(peer)
    for psk in (b"", bytes(1), bytes(200)):
        client.know_psk(b"any", psk)
        staged = group.commit(external_psks={b"any": Secret(psk)}, now=NOW, entropy=ENTROPY)
        client.process(staged.message)
        group = staged.next
        assert client.agrees_with(group)


def test_many_members_come_and_go(peer: Peer) -> None:
    """The blanks and unmerged leaves of a tree that is not balanced."""
    client = peer.client(SUITE)
    client.create(b"theirs")
    secrets = package(SUITE, "we")
    group = join(client.commit(adds=(as_message(secrets),)).welcome, secrets)
    for size in range(2, 9):
        staged = commit(group, adds=[package(SUITE, f"member {size}").key_package])
        client.process(staged.message)
        group = take(staged.next, client.commit().commit)
    for leaf in (7, 3):
        group = take(group, client.commit(removes=(leaf,)).commit)
        staged = commit(group, adds=[package(SUITE, f"in place of {leaf}").key_package])
        client.process(staged.message)
        group = staged.next
        assert client.agrees_with(group)
    late = peer.client(SUITE)
    staged = commit(group, adds=[bare(late.key_package)])
    late.join(staged.welcome)
    assert late.agrees_with(staged.next)
