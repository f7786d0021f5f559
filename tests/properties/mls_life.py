"""A group's life with everything that goes wrong between its members, for one random course.

The relay keeps handshakes in one order and takes the first commit of an epoch; texts it may lose,
repeat and reorder. Devices store before they send, crash at either side of that, sleep, and come
back. Some thirty leaves of a large group have no device awake; any of them can wake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from cloister.ids import LeafIndex
from cloister.mls import (
    ApplicationReceived,
    CommitReceived,
    ConsumedGeneration,
    Group,
    KeyPackageSecrets,
    MLSError,
    OwnMessage,
    ProposalReceived,
    StagedCommit,
    WrongEpoch,
    open_welcome,
)
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import PrivateMessage, open_sender_data
from cloister.mls.proposal import Update
from properties.mls_witness import Witness
from unit.mls.members import CLASSICAL, ENTROPY, NOW, add, founder, package, welcome_of

WITNESS = Witness()


@dataclass(frozen=True)
class Handshake:
    """A proposal or commit as the relay has it, with what joiners of it need."""

    author: Device
    message: bytes
    reference: bytes = b""
    welcome: bytes | None = None
    tree: bytes = b""


@dataclass(frozen=True)
class Text:
    """An application message, and what it says."""

    author: Device
    epoch: int
    message: bytes
    plaintext: bytes


@dataclass(frozen=True)
class Made:
    """A commit that waits for the relay; the Welcome has used secrets of the epoch it leads to."""

    staged: StagedCommit
    packages: list[KeyPackageSecrets]
    consumed_by_welcome: set[bytes]


@dataclass(eq=False)
class Device:
    """A member's device: what is on its disk, what it has in memory, and how far it has read."""

    secrets: KeyPackageSecrets | None
    arrival: Handshake | None
    group: Group | None = None
    disk: bytes = b""
    position: int = 0
    is_out: bool = False
    read: set[int] = field(default_factory=set)
    consumed: set[bytes] = field(default_factory=set)
    backups: list[tuple[int, bytes]] = field(default_factory=list)

    def store(self, group: Group) -> None:
        """Write the state; nothing that was consumed or replaced may be in it."""
        if self.group is not None and self.group.epoch != group.epoch:
            self.consumed |= replaced_keys(self.group, group)
        self.group = group
        self.disk = group.encode()
        self.consumed |= WITNESS.consumed()
        kept = [one for one in self.consumed if one in self.disk]
        assert not kept, [WITNESS.describe(one) for one in kept]

    def crash(self) -> None:
        """Lose the memory."""
        if self.group is not None:
            self.group = Group.decode(self.disk)
            assert self.group.encode() == self.disk


class Life:
    """One group, its devices, and the relay between them."""

    def __init__(self, size: int) -> None:
        self.log: list[Handshake] = []
        self.texts: list[Text] = []
        self.authenticators: dict[int, bytes] = {}
        self.sent_with: set[tuple[int, int, int, int]] = set()
        first = Device(None, None)
        self.devices = [first]
        WITNESS.consumed()
        group = founder(CLASSICAL)
        first.store(group)
        if size > 1:
            self.submit(first, self.stage(first, adds=size - 1))

    # -- the relay ------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The epoch that the relay's order leads to."""
        return max(self.authenticators, default=0)

    def awake(self) -> list[Device]:
        """The devices that have a group and are in it."""
        return [one for one in self.devices if one.group is not None and not one.is_out]

    def asleep(self) -> list[Device]:
        """The devices that were added and have not joined."""
        return [one for one in self.devices if one.group is None and not one.is_out]

    def out(self) -> list[Device]:
        """The devices that were removed."""
        return [one for one in self.devices if one.is_out and one.group is not None]

    # -- what devices do ------------------------------------------------------------------

    def stage(
        self,
        device: Device,
        *,
        adds: int = 0,
        removes: Sequence[LeafIndex] = (),
        references: Sequence[bytes] = (),
    ) -> Made:
        """Make a commit and store that its key was used."""
        group = group_of(device)
        packages = [package("somebody", CLASSICAL) for _ in range(adds)]
        if removes or references:
            staged = group.commit(
                adds=[one.key_package for one in packages],
                removes=removes,
                references=references,
                tree_in_welcome=False,
                now=NOW,
                entropy=ENTROPY,
            )
        else:
            staged = add(group, *packages, tree_in_welcome=False)
        # Content, sender data, then the Welcome, which is nobody's before the relay has accepted.
        uses = WITNESS.consumed_by_each()
        device.consumed |= set().union(*uses[:2])
        device.store(staged.sent)
        return Made(staged, packages, set().union(*uses[2:]))

    def submit(self, device: Device, made: Made) -> bool:
        """Send a commit; the relay takes the first of an epoch. Whether it was this one."""
        staged, packages = made.staged, made.packages
        group = group_of(device)
        self._note_key(group, staged.message)
        if staged.next.epoch in self.authenticators:
            return False
        handshake = Handshake(
            device,
            staged.message,
            welcome=welcome_of(staged) if packages else None,
            tree=staged.ratchet_tree,
        )
        self.log.append(handshake)
        self.authenticators[staged.next.epoch] = staged.next.epoch_authenticator
        device.consumed |= made.consumed_by_welcome
        device.store(staged.next)
        device.position = len(self.log)
        for secrets in packages:
            self.devices.append(Device(secrets, handshake, position=len(self.log)))
        self.check(device)
        return True

    def propose_update(self, device: Device, *, is_lost: bool) -> None:
        """Propose a new key for the own leaf; perhaps crash before it is sent."""
        made = group_of(device).propose(None, now=NOW, entropy=ENTROPY)
        device.store(made.next)
        if not is_lost:
            self._note_key(group_of(device), made.message)
            self.log.append(Handshake(device, made.message, reference=made.reference))

    def say(self, device: Device, *, is_lost: bool) -> None:
        """Encrypt a text, store, and send it or crash before that."""
        plaintext = b"text %d" % len(self.texts)
        message, following = group_of(device).encrypt(plaintext, entropy=ENTROPY)
        device.store(following)
        if not is_lost:
            self._note_key(following, message)
            self.texts.append(Text(device, following.epoch, message, plaintext))

    def _note_key(self, group: Group, message: bytes) -> None:
        """No two messages that left may have been sealed with one key."""
        body = MLSMessage.decode(message).body
        assert isinstance(body, PrivateMessage)
        data = open_sender_data(group.suite, group.state.secrets.sender_data, body)
        WITNESS.consumed()
        key = (body.epoch, data.leaf_index, int(body.content_type == 1), data.generation)
        assert key not in self.sent_with, "a key was used twice"
        self.sent_with.add(key)

    def follow(self, device: Device) -> None:
        """Take in the next handshake of the relay's order."""
        if device.position >= len(self.log):
            return
        handshake = self.log[device.position]
        device.position += 1
        group = group_of(device)
        if handshake.author is device:
            # Its own: a proposal it has kept, or a commit merged when it was accepted.
            self.refuse(device, handshake.message)
            return
        received = group.process(handshake.message, now=NOW)
        assert isinstance(received, ProposalReceived | CommitReceived)
        if received.next is None:
            device.is_out = True
            WITNESS.consumed()  # it keeps nothing
        else:
            device.store(received.next)
        self.check(device)

    def catch_up(self, device: Device) -> None:
        """Take in all there is."""
        while device.position < len(self.log) and not device.is_out:
            self.follow(device)

    def wake(self, device: Device) -> None:
        """Join by the Welcome, however long ago it came."""
        assert device.arrival is not None
        assert device.secrets is not None
        assert device.arrival.welcome is not None
        opened = open_welcome(device.arrival.welcome, device.secrets)
        device.store(opened.join(device.arrival.tree, now=NOW))
        self.check(device)

    def hear(self, device: Device, number: int) -> None:
        """Deliver a text, whether it is due, late, repeated or for others."""
        text = self.texts[number]
        group = group_of(device)
        expected = self._refusal_of(device, text, number)
        if expected is not None:
            self.refuse(device, text.message, expected)
            return
        received = group.process(text.message, now=NOW)
        assert isinstance(received, ApplicationReceived)
        assert received.plaintext == text.plaintext
        device.read.add(number)
        device.store(received.next)

    def _refusal_of(self, device: Device, text: Text, number: int) -> type[MLSError] | None:
        if device.is_out and text.epoch > group_of(device).epoch:
            return WrongEpoch
        if text.epoch != group_of(device).epoch:
            return WrongEpoch
        if text.author is device:
            return OwnMessage
        return ConsumedGeneration if number in device.read else None

    def refuse(self, device: Device, message: bytes, expected: type[MLSError] = MLSError) -> None:
        """A message that must be refused, and change nothing."""
        before = group_of(device).encode()
        with pytest.raises(expected):
            group_of(device).process(message, now=NOW)
        assert group_of(device).encode() == before
        WITNESS.consumed()  # what a refused message opened with is still to be used

    def check(self, device: Device) -> None:
        """Who is in an epoch has its one authenticator."""
        group = group_of(device)
        if not device.is_out and group.epoch in self.authenticators:
            assert group.epoch_authenticator == self.authenticators[group.epoch]

    def restore(self, device: Device, backup: int) -> None:
        """An old backup follows the order again: to the same epochs, or not at all."""
        position, disk = device.backups[backup]
        group = Group.decode(disk)
        for handshake in self.log[position:]:
            try:
                received = group.process(handshake.message, now=NOW)
            except MLSError:
                break  # its own commit: it cannot know what came of it
            if received.next is None:
                break
            group = received.next
            assert group.epoch_authenticator == self.authenticators.get(
                group.epoch, group.epoch_authenticator
            )
        WITNESS.consumed()

    def open_proposals(self, device: Device) -> list[bytes]:
        """The proposals of this epoch that this device may take up: nobody's twice, not its own."""
        group = group_of(device)
        chosen: dict[int, bytes] = {}
        sent = {one.reference for one in self.log}
        for reference, one in group.proposals.items():
            if reference in sent and isinstance(one.proposal.body, Update):
                chosen[one.sender.index] = reference
        chosen.pop(group.own_leaf, None)
        return list(chosen.values())


def group_of(device: Device) -> Group:
    """The device's group, which it has."""
    assert device.group is not None
    return device.group


def replaced_keys(before: Group, after: Group) -> set[bytes]:
    """The private keys, of nodes or of Updates we proposed, that no node of the tree has now."""
    keys = list(before.state.private_keys.values())
    keys += [before.suite.private_key(seed) for seed in before.pending.update_keys]
    current = after.state.tree.encryption_keys()
    return {key.seed.expose() for key in keys if key.public not in current}
