"""Live against ts-mls: our proposals that the peer commits, and the peer's that we commit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cloister.mls import (
    Add,
    Envelope,
    Group,
    KeyPackageSecrets,
    Operations,
    PreSharedKey,
    PreSharedKeyId,
    ProposalReceived,
    Remove,
    Unsupported,
)
from cloister.mls.registry import PskType
from interop.mls.ours import (
    PSK,
    PSK_ID,
    PSKS,
    bare,
    commit,
    found,
    join,
    package,
    take,
    talk,
)
from interop.mls.peer import NOW, Peer, PeerClient
from unit.mls.members import ENTROPY, agree

pytestmark = pytest.mark.process

SUITE = "X25519-AES128"


@pytest.fixture(params=[False, True], ids=["private", "public"])
def as_public(request: pytest.FixtureRequest) -> bool:
    """Whether handshakes travel as PublicMessages."""
    chosen: bool = request.param
    return chosen


def together(peer: Peer) -> tuple[PeerClient, Group, Group]:
    """The peer, who knows the external key, and two of us; a fourth leaf to be removed."""
    client = peer.client(SUITE)
    client.know_psk(PSK_ID, PSK)
    other, leaving = package(SUITE, "other"), package(SUITE, "leaving")
    adds = [bare(client.key_package), other.key_package, leaving.key_package]
    staged = commit(found(SUITE), adds=adds)
    client.join(staged.welcome)
    return client, staged.next, join(staged.welcome, other)


def receive(
    group: Group, proposals: Sequence[bytes], allow: Operations = Operations.NONE
) -> tuple[list[bytes], Group]:
    """The references of proposals, and the group that has them."""
    references = []
    for proposal in proposals:
        received = group.process(proposal, now=NOW, allow=allow)
        assert isinstance(received, ProposalReceived)
        references.append(received.reference)
        group = received.next
    return references, group


def propose(
    group: Group, newcomer: KeyPackageSecrets, envelope: Envelope
) -> tuple[list[bytes], Group]:
    """An Add, a Remove, a PreSharedKey and an Update of ours."""
    psk = PreSharedKeyId(
        psk_type=PskType.EXTERNAL, psk_id=PSK_ID, psk_nonce=ENTROPY.random(group.suite.nh)
    )
    messages = []
    for body in (
        Add(key_package=newcomer.parsed()),
        Remove(removed=3),
        PreSharedKey(psk=psk),
        None,
    ):
        made = group.propose(body, envelope=envelope, now=NOW, entropy=ENTROPY)
        messages.append(made.message)
        group = made.next
    return messages, group


def test_the_peer_commits_our_proposals(peer: Peer, as_public: bool) -> None:
    client, first, other = together(peer)
    newcomer = package(SUITE, "newcomer")
    proposals, first = propose(first, newcomer, Envelope(as_public=as_public))
    _, other = receive(other, proposals)
    for proposal in proposals:
        client.process(proposal)
    made = client.commit(as_public=as_public)
    first, other = take(first, made.commit), take(other, made.commit)
    joined = join(made.welcome, newcomer)
    assert agree([first, other, joined])
    assert client.agrees_with(first)
    # Our leaf is the one we proposed, and we hold its key.
    first = take(first, client.commit().commit)
    talk(client, first)


def test_we_commit_the_peers_proposals(peer: Peer, as_public: bool) -> None:
    client, first, other = together(peer)
    newcomer = peer.client(SUITE)
    newcomer.know_psk(PSK_ID, PSK)
    proposals = [
        client.propose_add(newcomer.key_package, as_public=as_public),
        client.propose_remove(3, as_public=as_public),
        client.propose_psk(PSK_ID, as_public=as_public),
    ]
    references, first = receive(first, proposals)
    _, other = receive(other, proposals)
    staged = first.commit(
        references=references, known_psks=PSKS, as_public=as_public, now=NOW, entropy=ENTROPY
    )
    client.process(staged.message)
    newcomer.join(staged.welcome)
    assert agree([staged.next, take(other, staged.message)])
    assert client.agrees_with(staged.next)
    assert newcomer.agrees_with(staged.next)
    talk(newcomer, staged.next)


def test_each_mixes_in_a_key_of_a_past_epoch(peer: Peer) -> None:
    client, first, other = together(peer)
    for _ in range(2):
        staged = commit(first)
        client.process(staged.message)
        first, other = staged.next, take(other, staged.message)
    staged = first.commit(resumption_epochs=[1, 3], now=NOW, entropy=ENTROPY)
    client.process(staged.message)
    first, other = staged.next, take(other, staged.message)
    assert client.agrees_with(first)
    made = client.commit(resumption_epochs=(2, 4)).commit
    first, other = take(first, made), take(other, made)
    assert agree([first, other])
    assert client.agrees_with(first)


def test_the_peer_asks_from_outside_to_be_added(peer: Peer) -> None:
    client, first, _ = together(peer)
    outsider = peer.client(SUITE)
    proposal = outsider.propose_self(first.group_info())
    with pytest.raises(Unsupported):
        first.process(proposal, now=NOW)
    references, first = receive(first, [proposal], Operations.EXTERNAL_PROPOSAL)
    client.process(proposal)
    staged = first.commit(references=references, now=NOW, entropy=ENTROPY)
    client.process(staged.message)
    outsider.join(staged.welcome)
    assert client.agrees_with(staged.next)
    assert outsider.agrees_with(staged.next)
