"""What MLS knows and the product leaves off: whoever sends it changes nothing and leaves nothing.

The engine under the client follows all of RFC 9420; the client allows it none of that.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cloister.client.inputs import Received
from cloister.client.records import ChannelState
from cloister.client.state import Channel
from cloister.mls import Operations, PreSharedKeyId
from cloister.mls.framing import Sender
from cloister.mls.key_package import KeyPackageSecrets
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalBody,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.registry import PskType, ResumptionPskUsage, SenderType
from cloister.testing.forge import ENTROPY, send, update_leaf
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.events import CommitItem, Item
from scenario.hostile import play
from scenario.test_forged_commits import channel, three

REINIT = ReInit(group_id=b"elsewhere", version=1, cipher_suite=0xF002, extensions=())


def proposals(of: Channel, victim: int, package: KeyPackageSecrets) -> Iterator[ProposalBody]:
    """One of each kind that a member can propose."""
    group = of.group
    yield Add(key_package=package.parsed())
    yield Update(leaf_node=update_leaf(group))
    yield Remove(removed=victim)
    yield REINIT
    yield GroupContextExtensions(extensions=())
    yield PreSharedKey(
        psk=PreSharedKeyId(
            psk_type=PskType.RESUMPTION,
            usage=ResumptionPskUsage.APPLICATION,
            psk_group_id=group.group_id,
            psk_epoch=group.epoch,
            psk_nonce=bytes(group.suite.nh),
        )
    )


def feed(device: SimulatedDevice, envelope: bytes, *, as_commit: bool = False) -> str:
    """Let bytes come as the next item of the Desk; return the alarm, the group being as it was."""
    target = channel(device)
    before, alarms = target.group.encode(), len(device.alarms)
    item = Item(
        channel_id=target.channel_id,
        n=target.next_n,
        epoch=target.group.epoch,
        envelope_id=bytes(16),
        envelope=envelope,
    )
    event: Item | CommitItem = item
    if as_commit:
        event = CommitItem(**msgspec.structs.asdict(item), next_key=bytes(32))
    device.feed(Received(event=event))
    after = channel(device)
    assert after.group.encode() == before
    assert not after.group.proposals
    assert after.state is ChannelState.ACTIVE
    return " ".join(one.text for one in device.alarms[alarms:])


def spare_package(device: SimulatedDevice) -> KeyPackageSecrets:
    """A KeyPackage that the device has in its pool."""
    return next(iter(device.core.state.key_packages.values()))


def test_attack_proposals_of_a_member_are_told_and_not_kept() -> None:
    async def story() -> None:
        ada, ben, cyd = await three(SimulatedCircle())
        shown = dict(ben.messages)
        hostile, package = channel(ada), spare_package(cyd)
        for body in proposals(hostile, channel(ben).group.own_leaf, package):
            for public in (False, True):
                said = feed(ben, send(hostile.group, Proposal(body=body), public=public))
                assert "is no message" in said
        assert ben.messages == shown
        # Nor does one come back later: a commit that takes it up is a commit to something unknown.
        victim = channel(ben).group.own_leaf
        made = hostile.group.propose(Remove(removed=victim), now=0, entropy=ENTROPY)
        assert "is no message" in feed(ben, made.message)
        commit = forge_commit(made.next, [made.reference])
        assert "not known" in feed(ben, commit, as_commit=True)

    play(story())


def test_attack_what_comes_from_outside_or_leads_out_is_refused() -> None:
    async def story() -> None:
        ada, ben, cyd = await three(SimulatedCircle())
        group, package = channel(ada).group, spare_package(cyd)
        add = Proposal(body=Add(key_package=package.parsed()))
        key = group.suite.signature_key(package.signature_key)
        newcomer = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
        outsider = Sender(sender_type=SenderType.EXTERNAL, index=0)
        for sender in (newcomer, outsider):
            said = feed(ben, send(group, add, public=True, sender=sender, key=key))
            assert f"{Operations.EXTERNAL_PROPOSAL.name} is not allowed" in said
        psk = next(
            one for one in proposals(channel(ada), 0, package) if isinstance(one, PreSharedKey)
        )
        known = Forgery(psks={psk.psk: group.state.secrets.resumption})
        for envelope, said in (
            # A commit like any other; only the relay does not hold the key that comes with it.
            (forge_commit(group, [psk], known), "another key for the next epoch"),
            (forge_external_commit(group, package), Operations.EXTERNAL_COMMIT.name),
            (forge_commit(group, [REINIT]), Operations.REINIT.name),
        ):
            assert str(said) in feed(ben, envelope, as_commit=True)
        assert "is no message" in feed(ben, forge_commit(group))

    play(story())
