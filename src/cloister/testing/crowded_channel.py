"""A conversation of two real devices among hundreds of leaves, without admitting hundreds.

The two cores come from a simulated circle, connected and proven. Their conversation's group is
replaced by one of any size, in the same epoch, in which the others have sent as well: what a text
costs there is then measured with the device's own code, message by message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cloister import mls
from cloister.client.channels import MAX_MISSING
from cloister.client.content import chain_start
from cloister.client.core import Core
from cloister.client.effects import (
    DeleteRecord,
    Effect,
    Persist,
    PutAnnotation,
    PutEntry,
    PutMessage,
    PutReadTo,
    PutRecord,
    Send,
    Write,
)
from cloister.client.identity import make_group, make_key_package
from cloister.client.inputs import AnyInput, OpenConversation, Received, SendText
from cloister.client.persistence import writes_between
from cloister.client.records import Counter
from cloister.client.state import Channel, State
from cloister.crypto.entropy import SystemEntropy
from cloister.device.vault.schema import ANNOTATION_COLUMNS, MESSAGE_COLUMNS
from cloister.ids import DeviceId
from cloister.mls.limits import MAX_RETAINED_KEYS
from cloister.testing.simulated_circle import START, SimulatedCircle, SimulatedDevice
from cloister.values import replace
from cloister.wire.commands import Put
from cloister.wire.events import Done, Item

TITLE: Final = "Desk"
_ENTROPY: Final = SystemEntropy()


@dataclass(slots=True)
class CrowdedDevice:
    """One of the two cores; ``writes`` is what its last input stored."""

    core: Core
    channel_id: bytes
    entries: tuple[bytes, ...]
    now: int
    writes: tuple[Write, ...] = ()

    @property
    def channel(self) -> Channel:
        """The conversation on this device."""
        return self.core.state.channels[self.channel_id]

    def stored(self) -> tuple[Write, ...]:
        """Everything this device has to store, for an empty vault."""
        entries = (PutEntry(seq=seq, entry=entry) for seq, entry in enumerate(self.entries))
        return (*entries, *writes_between(State(), self.core.state))

    def take(self, given: AnyInput) -> tuple[Effect, ...]:
        """Let the core handle an input."""
        self.core, effects = self.core.handle(given, self.now, _ENTROPY)
        persisted = [effect.writes for effect in effects if isinstance(effect, Persist)]
        self.writes = tuple(write for writes in persisted for write in writes)
        return effects


@dataclass(frozen=True, slots=True)
class CrowdedChannel:
    """A sender and a receiver in one group of many leaves."""

    sender: CrowdedDevice
    receiver: CrowdedDevice

    def send(self, text: str) -> Put:
        """Let the sender encrypt a text; it waits for the relay's answer then."""
        effects = self.sender.take(SendText(ref=1, conversation=TITLE, text=text))
        [put] = [
            one.request for one in effects if isinstance(one, Send) and isinstance(one.request, Put)
        ]
        return put

    def acknowledge(self, put: Put) -> None:
        """Tell the sender that the relay has the text."""
        self.sender.take(Received(event=Done(rid=put.rid, n=self.sender.channel.next_n)))

    def deliver(self, device: CrowdedDevice, put: Put) -> None:
        """Deliver the text to one of the two, as the next item of the channel."""
        item = Item(
            channel_id=put.channel_id,
            n=device.channel.next_n,
            epoch=put.epoch,
            envelope_id=put.envelope_id,
            envelope=put.envelope,
        )
        device.take(Received(event=item))


def crowded_channel(
    size: int, senders: int = 0, skipped: int = MAX_RETAINED_KEYS
) -> CrowdedChannel:
    """Make a conversation of ``size`` leaves, 2 or more, in which ``senders`` others have sent.

    Of each of those the two devices keep ``skipped`` keys in both chains, and as many counters
    that are missing: the most a sender can leave behind.
    """
    circle, ada, ben = asyncio.run(_two_devices())
    channel_id = next(
        one.channel_id for one in ada.core.state.channels.values() if one.title == TITLE
    )
    epoch = ada.core.state.channels[channel_id].group.epoch
    groups = _groups(ada.core.state, ben.core.state, channel_id, size, epoch)
    first, second = (
        _crowd(device, channel_id, group, senders, skipped, circle.now)
        for device, group in zip((ada, ben), groups, strict=True)
    )
    return CrowdedChannel(first, second)


async def _two_devices() -> tuple[SimulatedCircle, SimulatedDevice, SimulatedDevice]:
    circle = SimulatedCircle()
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title=TITLE, members=("Ben",)))
    return circle, ada, ben


def _groups(
    ada: State, ben: State, channel_id: bytes, size: int, epoch: int
) -> tuple[mls.Group, mls.Group]:
    """Ada's and Ben's groups: leaves 0 and 1; the others are leaves that name Ada's device."""
    roster = ada.roster
    if roster is None:
        raise AssertionError("there is a circle")
    extensions = ada.channels[channel_id].group.extensions
    group = make_group(ada, roster.circle_id, channel_id, extensions, START, _ENTROPY)
    packages = [
        make_key_package(state, roster.circle_id, START, _ENTROPY)
        for state in (ben, *[ada] * (size - 2))
    ]
    staged = group.commit(
        adds=[one.key_package for one in packages],
        tree_in_welcome=False,
        now=START,
        entropy=_ENTROPY,
    )
    if staged.welcome is None:
        raise AssertionError("a commit that adds has a Welcome")
    group = staged.next
    other = mls.open_welcome(staged.welcome, packages[0]).join(staged.ratchet_tree, now=START)
    while group.epoch < epoch:
        staged = group.commit(now=START, entropy=_ENTROPY)
        received = other.process(staged.message, now=START)
        if not isinstance(received, mls.CommitReceived) or received.next is None:
            raise AssertionError("the commit is valid")
        group, other = staged.next, received.next
    return group, other


def _crowd(
    device: SimulatedDevice,
    channel_id: bytes,
    group: mls.Group,
    senders: int,
    skipped: int,
    now: int,
) -> CrowdedDevice:
    core = device.core
    channel = core.state.channels[channel_id]
    changed = replace(
        channel,
        group=_after_senders(group, range(2, 2 + senders), skipped, now),
        chain=chain_start(group.epoch_authenticator),
        counters={
            did: Counter(did=did, counter=1000, missing=tuple(range(1000 - MAX_MISSING, 1000)))
            for did in (DeviceId(_ENTROPY.random(32)) for _ in range(senders))
        },
    )
    state = replace(core.state, channels={**core.state.channels, channel_id: changed})
    entries = tuple(device.entries[seq] for seq in sorted(device.entries))
    return CrowdedDevice(Core(state=state), channel_id, entries, now)


def _after_senders(group: mls.Group, leaves: Iterable[int], skipped: int, now: int) -> mls.Group:
    tree = group.secret_tree
    for leaf in leaves:
        for is_application in (False, True):
            _, tree = tree.take(leaf, skipped, is_application=is_application, now=now)
    return replace(group, secret_tree=tree)


def written_bytes(writes: Iterable[Write]) -> int:
    """What these writes hand to the vault: keys and values of their rows, 8 for a number."""
    return sum(_row_bytes(write) for write in writes)


def _row_bytes(write: Write) -> int:
    match write:
        case PutRecord():
            return len(write.key) + len(write.value)
        case DeleteRecord():
            return len(write.key)
        case PutMessage():
            return sum(_column_bytes(getattr(write.message, one)) for one in MESSAGE_COLUMNS)
        case PutAnnotation():
            return sum(_column_bytes(getattr(write.annotation, one)) for one in ANNOTATION_COLUMNS)
        case PutReadTo():
            return 8 + len(write.channel_id)
        case PutEntry():
            return 8 + len(write.entry)


def _column_bytes(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if isinstance(value, bytes) else 8
