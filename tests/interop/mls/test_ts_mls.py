"""Live against ts-mls (npm), an independent implementation: what each makes, the other accepts.

Vectors show that we understand others; only another implementation shows that others understand
us. `./cloister test` installs it (install.py); the suites are those of suites.py.
"""

from __future__ import annotations

import pytest

from cloister.mls import (
    CommitReceived,
    Group,
    ProposalReceived,
    Rule,
    RuleViolation,
    UnknownPsk,
    open_welcome,
)
from interop.mls.ours import (
    PSK,
    PSK_ID,
    as_message,
    bare,
    commit,
    found,
    join,
    package,
    take,
    talk,
)
from interop.mls.peer import NOW, Peer, Refused
from unit.mls.members import agree

pytestmark = pytest.mark.process


def test_peer_joins_our_group_and_follows_and_leads(peer: Peer, any_suite: str) -> None:
    suite = any_suite
    client = peer.client(suite)
    second = package(suite, "second")
    staged = commit(found(suite), adds=[second.key_package, bare(client.key_package)])
    client.join(staged.welcome)
    first, other = staged.next, join(staged.welcome, second)
    assert agree([first, other])
    assert client.agrees_with(first)
    for as_public in (False, True):
        staged = commit(first)  # an update
        client.process(staged.message)
        assert client.agrees_with(staged.next)
        first, other = staged.next, take(other, staged.message)
        made = client.commit(as_public=as_public).commit
        first, other = take(first, made), take(other, made)
        assert agree([first, other])
        assert client.agrees_with(first)
        first, other = talk(client, first), Group.decode(other.encode())
    third = package(suite, "third")
    made_with = client.commit(adds=(as_message(third),), removes=(1,))
    removed = other.process(made_with.commit, now=NOW)
    assert isinstance(removed, CommitReceived)
    assert removed.removed_self
    joined = join(made_with.welcome, third)
    assert agree([take(first, made_with.commit), joined])
    assert client.agrees_with(joined)
    staged = commit(joined, removes=[0], adds=[package(suite, "fourth").key_package])
    client.process(staged.message)
    assert client.agrees_with(staged.next)
    client.process(commit(staged.next, removes=[2]).message)
    assert not client.state().active


def test_we_join_the_peers_group_and_lead(peer: Peer, suite: str) -> None:
    client = peer.client(suite)
    client.create(b"theirs")
    secrets = package(suite, "we")
    made = client.commit(adds=(as_message(secrets),))
    group = join(made.welcome, secrets)
    assert client.agrees_with(group)
    group = talk(client, group)
    for count in (1, 3, 2):
        staged = commit(group, adds=[package(suite, "one").key_package for _ in range(count)])
        client.process(staged.message)
        group = staged.next
        assert client.agrees_with(group)
        group = take(group, client.commit(removes=(2,)).commit)
        assert client.agrees_with(group)
    talk(client, group)


def test_each_mixes_in_an_external_psk(peer: Peer, suite: str) -> None:
    client = peer.client(suite)
    staged = commit(found(suite), adds=[bare(client.key_package)])
    client.join(staged.welcome)
    group = staged.next

    staged = commit(group, with_psk=True)
    with pytest.raises(Refused, match="Could not find pskId"):
        client.process(staged.message)
    client.know_psk(PSK_ID, PSK)
    client.process(staged.message)
    group = staged.next
    assert client.agrees_with(group)

    made = client.commit(psks=(PSK_ID,)).commit
    with pytest.raises(UnknownPsk):
        group.process(made, now=NOW)
    group = take(group, made)
    assert client.agrees_with(group)
    talk(client, group)


def test_who_is_added_with_an_external_psk_needs_it(peer: Peer, suite: str) -> None:
    client, newcomer = peer.client(suite), peer.client(suite)
    staged = commit(found(suite), adds=[bare(client.key_package)])
    client.join(staged.welcome)
    client.know_psk(PSK_ID, PSK)

    staged = commit(staged.next, adds=[bare(newcomer.key_package)], with_psk=True)
    client.process(staged.message)
    with pytest.raises(Refused, match="Could not find pskId"):
        newcomer.join(staged.welcome)
    newcomer.know_psk(PSK_ID, PSK)
    newcomer.join(staged.welcome)
    assert client.agrees_with(staged.next)
    assert newcomer.agrees_with(staged.next)

    secrets = package(suite, "ours")
    made = client.commit(adds=(as_message(secrets),), psks=(PSK_ID,))
    with pytest.raises(UnknownPsk):
        open_welcome(made.welcome, secrets)
    joined = join(made.welcome, secrets)
    assert agree([joined, take(staged.next, made.commit)])
    assert client.agrees_with(joined)


@pytest.mark.parametrize("suite", ["X25519-AES128", "X-Wing labelled"], indirect=True)
@pytest.mark.parametrize("as_public", [False, True])
def test_peers_proposals_are_committed_by_reference(
    peer: Peer, suite: str, as_public: bool
) -> None:
    client = peer.client(suite)
    client.create(b"theirs")
    client.know_psk(PSK_ID, PSK)
    secrets, gone = package(suite, "we"), package(suite, "gone")
    made = client.commit(adds=(as_message(secrets), as_message(gone)))
    group = join(made.welcome, secrets)
    newcomer = package(suite, "newcomer")
    for proposal in (
        client.propose_add(as_message(newcomer), as_public=as_public),
        client.propose_remove(2, as_public=as_public),
        client.propose_psk(PSK_ID, as_public=as_public),
    ):
        received = group.process(proposal, now=NOW)
        assert isinstance(received, ProposalReceived)
        group = received.next
    made = client.commit(as_public=as_public)
    group = take(group, made.commit)
    assert client.agrees_with(group)
    assert group.members()[2].leaf.credential.data == b"newcomer"
    joined = join(made.welcome, newcomer)
    assert joined.epoch == 2
    assert client.agrees_with(joined)


def test_only_the_derivation_of_x_wing_keys_sets_ts_mls_apart(peer: Peer) -> None:
    """When this fails, ts-mls derives as draft-ietf-hpke-pq does, and suites.py is out of date."""
    client = peer.client("X-Wing plain")
    staged = commit(found("X-Wing labelled"), adds=[bare(client.key_package)])
    # Nothing has been derived yet that both must know.
    client.join(staged.welcome)
    assert client.agrees_with(staged.next)
    with pytest.raises(RuleViolation) as caught:
        staged.next.process(client.commit().commit, now=NOW)
    assert caught.value.rule is Rule.PATH_KEYS
