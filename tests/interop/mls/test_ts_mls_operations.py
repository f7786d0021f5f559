"""Live against ts-mls: joining from outside, and groups that continue others.

The product's members refuse all of this; the engine has it so that it can follow others' groups
and be tried against them (cloister.mls.operations).
"""

from __future__ import annotations

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    CommitReceived,
    Group,
    Operations,
    ReInit,
    Unsupported,
    basic_credential,
    branch,
    join_externally,
    open_welcome,
    reinitialise,
)
from cloister.mls.suite import suite_of
from interop.mls.ours import as_message, bare, commit, found, join, package, take, talk
from interop.mls.peer import NOW, Peer, PeerClient
from interop.mls.suites import SUITES
from unit.mls.members import CHECKPOINT, ENTROPY, agree

pytestmark = [
    pytest.mark.process,
    # The product's, and the one that all others are like.
    pytest.mark.parametrize("suite", ["X25519-AES128", "X-Wing labelled"], indirect=True),
]


def allowing(group: Group, message: bytes) -> Group:
    """The group after a commit that the product would refuse."""
    with pytest.raises(Unsupported):
        group.process(message, now=NOW)
    received = group.process(message, now=NOW, allow=Operations.ALL)
    assert isinstance(received, CommitReceived)
    assert received.next is not None
    return received.next


def together(peer: Peer, suite: str) -> tuple[PeerClient, Group, Group]:
    """The peer, ourselves in the first leaf, and ourselves in the third."""
    client = peer.client(suite)
    secrets = package(suite, "other")
    staged = commit(found(suite), adds=[bare(client.key_package), secrets.key_package])
    client.join(staged.welcome)
    return client, staged.next, join(staged.welcome, secrets)


@pytest.mark.parametrize("with_tree", [True, False])
def test_the_peer_joins_from_outside(peer: Peer, suite: str, with_tree: bool) -> None:
    client, first, other = together(peer, suite)
    outsider = peer.client(suite)
    message = outsider.join_externally(
        first.group_info(with_tree=with_tree), b"" if with_tree else first.ratchet_tree()
    )
    client.process(message)
    first, other = allowing(first, message), allowing(other, message)
    assert agree([first, other])
    assert client.agrees_with(first)
    assert outsider.agrees_with(first)
    first = take(first, outsider.commit().commit)
    talk(outsider, first)


def test_the_peer_comes_back_from_outside(peer: Peer, suite: str) -> None:
    client, first, other = together(peer, suite)
    message = client.join_externally(first.group_info(), resync=True)
    first, other = allowing(first, message), allowing(other, message)
    assert agree([first, other])
    assert client.agrees_with(first)
    assert len(first.members()) == 3
    talk(client, first)


@pytest.mark.parametrize("with_tree", [True, False])
def test_we_join_the_peers_group_from_outside(peer: Peer, suite: str, with_tree: bool) -> None:
    client, second = peer.client(suite), peer.client(suite)
    client.create(b"theirs")
    second.join(client.commit(adds=(second.key_package,)).welcome)
    second_commit = second.commit().commit
    client.process(second_commit)
    secrets = package(suite, "we")
    joined = join_externally(
        client.group_info(with_tree=with_tree),
        secrets,
        ratchet_tree=None if with_tree else client.state().tree,
        entropy=ENTROPY,
    )
    client.process(joined.message)
    second.process(joined.message)
    assert client.agrees_with(joined.next)
    assert second.agrees_with(joined.next)
    group = talk(client, joined.next)
    staged = commit(group, removes=[1])
    client.process(staged.message)
    assert client.agrees_with(staged.next)
    # And back again, in place of ourselves.
    again = join_externally(
        client.group_info(), secrets, replaces=staged.next.own_leaf, entropy=ENTROPY
    )
    client.process(again.message)
    assert client.agrees_with(again.next)
    assert len(again.next.members()) == 2


def seed(suite: str) -> Secret:
    return suite_of(SUITES[suite]).generate_signature_seed(ENTROPY)


def test_the_peer_reinitialises_our_group(peer: Peer, suite: str) -> None:
    client, first, other = together(peer, suite)
    message = client.reinit(b"made anew")
    first, other = allowing(first, message), allowing(other, message)
    assert agree([first, other])
    again, ours, third = peer.client(suite), package(suite, "we"), package(suite, "other")
    welcome, tree = again.create_after_reinit(
        client, b"made anew", (as_message(ours), as_message(third))
    )
    with pytest.raises(Unsupported):
        open_welcome(welcome, ours)
    groups = [
        open_welcome(welcome, secrets, predecessor=old).join(tree, now=NOW)
        for secrets, old in ((ours, first), (third, other))
    ]
    assert agree(groups)
    assert again.agrees_with(groups[0])
    talk(again, groups[0])


def test_we_reinitialise_the_peers_group(peer: Peer, suite: str) -> None:
    client, second = peer.client(suite), peer.client(suite, "second")
    client.create(b"theirs")
    secrets = package(suite, "we")
    made = client.commit(adds=(second.key_package, as_message(secrets)))
    second.join(made.welcome)
    group = join(made.welcome, secrets)
    ending = group.commit(
        reinit=ReInit(group_id=b"made anew", version=1, cipher_suite=SUITES[suite], extensions=()),
        now=NOW,
        entropy=ENTROPY,
    )
    client.process(ending.message)
    second.process(ending.message)
    assert not client.state().active
    again, second_again = peer.client(suite), peer.client(suite, "second")
    founded = reinitialise(
        ending.next,
        [bare(again.key_package), bare(second_again.key_package)],
        signature_seed=seed(suite),
        credential=basic_credential(b"we"),
        supported_extensions=(CHECKPOINT,),
        now=NOW,
        entropy=ENTROPY,
    )
    assert founded.welcome
    again.join_after_reinit(client, founded.welcome)
    second_again.join_after_reinit(second, founded.welcome)
    assert again.agrees_with(founded.next)
    assert second_again.agrees_with(founded.next)
    talk(again, founded.next)


def test_the_peer_branches_off_our_group(peer: Peer, suite: str) -> None:
    client, first, _ = together(peer, suite)
    branched, ours = peer.client(suite), package(suite, "we")
    welcome, tree = branched.create_branch(client, b"a branch", (as_message(ours),))
    with pytest.raises(Unsupported):
        open_welcome(welcome, ours)
    group = open_welcome(welcome, ours, predecessor=first).join(tree, now=NOW)
    assert branched.agrees_with(group)
    talk(branched, group)


def test_we_branch_off_the_peers_group(peer: Peer, suite: str) -> None:
    client, _, other = together(peer, suite)
    branched = peer.client(suite)
    founded = branch(other, b"a branch", [bare(branched.key_package)], now=NOW, entropy=ENTROPY)
    assert founded.welcome
    branched.join_branch(client, founded.welcome)
    assert branched.agrees_with(founded.next)
    talk(branched, founded.next)
