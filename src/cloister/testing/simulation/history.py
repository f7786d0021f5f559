"""What was said, who was in each group, and what stands on every screen in the end.

The checker knows who was entitled from the groups themselves, epoch by epoch, and which item of a
channel a text became from the relay's rows; it asks the screens for nothing but what they show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from cloister.client.binding import dids_of
from cloister.client.effects import Message, MessageKind, MessageState
from cloister.client.identity import did_of
from cloister.client.records import ChannelState
from cloister.client.state import Channel, State
from cloister.relay.storage.api import EnvelopeKind, EnvelopeRow
from cloister.relay.storage.writes import PutEnvelope, Write

if TYPE_CHECKING:
    from cloister.testing.simulation.devices import Machine
    from cloister.testing.simulation.world import World


class Verdict(Enum):
    """What is wrong."""

    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    UNEXPECTED = "unexpected"
    ENCRYPTED_AGAIN = "encrypted again"
    FORKED = "forked"
    ALARMED = "alarmed"
    UNSETTLED = "unsettled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was broken."""

    verdict: Verdict
    text: str

    def __str__(self) -> str:
        return f"{self.verdict.value}: {self.text}"


@dataclass(slots=True)
class Said:
    """A text that a person typed."""

    text: str
    author: str
    channel_id: bytes
    message_id: bytes = b""
    """Once the vault has accepted it."""
    refused: str = ""


@dataclass(slots=True)
class Epoch:
    """What all members of an epoch must agree about, and who they are."""

    authenticator: bytes
    dids: frozenset[bytes]
    seen_by: str


@dataclass(slots=True)
class History:
    """Gathers while the run goes on."""

    said: dict[str, Said] = field(default_factory=dict)
    epochs: dict[tuple[bytes, int], Epoch] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)
    """did -> name of the device."""
    found: list[Violation] = field(default_factory=list)
    sealed: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    """(message id, epoch) -> the only bytes that may ever be put under it."""

    def fail(self, text: str) -> None:
        """Note what must not happen at all."""
        self.found.append(Violation(Verdict.FAILED, text))

    def observe(self, name: str, before: State, after: State) -> None:
        """A device goes from one state to the next: note the epochs that it enters."""
        if before.channels is after.channels:
            return
        for channel_id, channel in after.channels.items():
            known = before.channels.get(channel_id)
            if known is None or known.group.epoch != channel.group.epoch:
                self._enter(name, after, channel)

    def begin(self, name: str, state: State) -> None:
        """A device starts: note the epochs that it is in."""
        for channel in state.channels.values():
            self._enter(name, state, channel)

    def asked_to_store(self, write: Write) -> None:
        """The home relay is asked to store something: a retry has the same bytes."""
        if not isinstance(write, PutEnvelope):
            return
        first = self.sealed.setdefault((write.envelope_id, write.epoch), write.envelope)
        if first != write.envelope:
            text = f"a message of epoch {write.epoch} of {write.channel_id.hex()[:6]}"
            self.found.append(Violation(Verdict.ENCRYPTED_AGAIN, text))

    def _enter(self, name: str, state: State, channel: Channel) -> None:
        self.names[did_of(state)] = name
        group = channel.group
        key = (channel.channel_id, group.epoch)
        epoch = self.epochs.get(key)
        if epoch is None:
            dids = frozenset(bytes(did) for did in dids_of(group).values())
            self.epochs[key] = Epoch(group.epoch_authenticator, dids, name)
        elif epoch.authenticator != group.epoch_authenticator:
            self.found.append(
                Violation(
                    Verdict.FORKED,
                    f"{name} and {epoch.seen_by} are in different epochs {group.epoch} of"
                    f" {channel.channel_id.hex()[:6]}",
                )
            )


WITH_CAUSE: Final = frozenset({"removed"})
"""Alarms that have a cause in what people do here: somebody was taken out of a conversation."""


def check(world: World) -> list[Violation]:
    """Return all that is wrong at the end of a run."""
    return [
        *world.history.found,
        *(Violation(Verdict.FAILED, f"a relay says {line}") for line in world.log.complaints),
        *_unsettled(world),
        *_alarms(world),
        *_accepted(world),
        *_screens(world),
    ]


_OUT: Final = re.compile("removed|left")
"""Why a text may fail: its author is out of the conversation, and is told so."""


# --- has it come to rest? -------------------------------------------------------------------------


def _unsettled(world: World) -> Iterator[Violation]:
    for reason in unsettled(world):
        yield Violation(Verdict.UNSETTLED, reason)


def unsettled(world: World) -> Iterator[str]:
    """Say what still has to happen before the run is at rest."""
    if world.home is None or world.entry is None:
        yield "a relay is down"
    elif not world.network.has_link(world.home.process):
        yield "home has half a link"
    sizes = {}
    for machine in world.machines:
        if not machine.is_up or machine.engine is None:
            yield f"{machine.name} is down"
            continue
        if not machine.engine.is_quiet:
            yield f"{machine.name} is not quiet"
        if not world.network.has_link(machine.process):
            yield f"{machine.name} has half a link"
        if world.network.has_under_way(machine.process):
            yield f"{machine.name} has not been told all"
        state = machine.state
        if state.roster is not None:
            sizes[machine.name] = state.roster.size
        for channel in state.channels.values():
            for reason in _unsettled_channel(world, channel):
                yield f"{machine.name} in {channel.channel_id.hex()[:6]}: {reason}"
    if len(set(sizes.values())) > 1:
        yield f"logs differ in size: {sizes}"


def _unsettled_channel(world: World, channel: Channel) -> Iterator[str]:
    if channel.state is ChannelState.STUCK:
        yield f"stuck, {channel.reason}"
    if channel.state is ChannelState.OPENING:
        yield "is still being opened"
    if channel.state is not ChannelState.ACTIVE:
        return
    row = world.home_rows.channel(channel.channel_id)
    if row is None:
        yield "the relay does not have it"
    elif row.epoch != channel.group.epoch:
        yield f"epoch {channel.group.epoch}, at the relay {row.epoch}"
    elif row.next_n != channel.next_n:
        yield f"next item {channel.next_n}, at the relay {row.next_n}"
    if channel.outbox:
        yield f"{len(channel.outbox)} not sent"
    if channel.staged is not None:
        yield "a commit is staged"
    if channel.wishes or channel.wanted or channel.leaving:
        yield "a change is not made"


# --- alarms and what was accepted -----------------------------------------------------------------


def _alarms(world: World) -> Iterator[Violation]:
    for machine in world.machines:
        for alarm in machine.screen.alarms:
            if alarm.code not in WITH_CAUSE:
                yield Violation(Verdict.ALARMED, f"{machine.name}: {alarm.code}, {alarm.text}")


def _accepted(world: World) -> Iterator[Violation]:
    """What a vault has accepted is in it, and was sent or has failed with a reason."""
    machines = {machine.name: machine for machine in world.machines}
    for said in world.history.said.values():
        rows = [
            row
            for row in machines[said.author].vault.history(said.channel_id)
            if row.text == said.text
        ]
        if said.message_id and not rows:
            yield Violation(Verdict.LOST, f"{said.text} is not in the vault that accepted it")
        if len(rows) > 1:
            yield Violation(Verdict.DOUBLED, f"{said.text} is twice in its author's vault")
        for row in rows:
            if row.state is MessageState.QUEUED:
                yield Violation(Verdict.LOST, f"{said.text} was never sent")
            elif row.state is MessageState.FAILED and not _OUT.search(row.reason):
                yield Violation(Verdict.LOST, f"{said.text} failed: {row.reason}")


# --- screens --------------------------------------------------------------------------------------


def _screens(world: World) -> Iterator[Violation]:
    for channel_id in world.home_rows.channel_ids():
        items = [
            row
            for row in world.home_rows.envelopes(channel_id, 0, 2**62, 2**30, 2**60)
            if row.kind is EnvelopeKind.MESSAGE
        ]
        texts = {said.message_id: said for said in _stored_texts(world, channel_id)}
        for machine in world.machines:
            yield from _screen(world, machine, channel_id, items, texts)


def _stored_texts(world: World, channel_id: bytes) -> Iterator[Said]:
    """The texts of a channel, with the id that their author's vault gave them."""
    for machine in world.machines:
        for row in machine.vault.history(channel_id):
            if row.own and row.kind is MessageKind.TEXT:
                refused = row.reason if row.state is MessageState.FAILED else ""
                yield Said(row.text, machine.name, channel_id, row.message_id, refused)


def _screen(
    world: World,
    machine: Machine,
    channel_id: bytes,
    items: list[EnvelopeRow],
    texts: dict[bytes, Said],
) -> Iterator[Violation]:
    where = f"at {machine.name} in {channel_id.hex()[:6]}"
    rows = [row for row in machine.vault.history(channel_id) if row.kind is MessageKind.TEXT]
    received = [row for row in rows if not row.own]
    did = did_of(machine.state) if machine.state.identity is not None else b""
    expected = []
    failed = {said.text for said in texts.values() if said.refused}
    for item in items:
        said = texts.get(item.envelope_id)
        epoch = world.history.epochs.get((channel_id, item.epoch))
        if said is not None and epoch is not None and did in epoch.dids:
            if said.author != machine.name:
                expected.append(said.text)
        elif said is None and _is_text(world, channel_id, item):
            yield Violation(Verdict.UNEXPECTED, f"item {item.n} {where} is in no author's vault")
    shown = [row.text for row in received]
    for text in dict.fromkeys(shown):
        if text not in expected:
            yield Violation(Verdict.UNEXPECTED, f"{text} {where}")
        if text in failed:
            yield Violation(Verdict.UNEXPECTED, f"{text}, which failed at its author, {where}")
        if shown.count(text) > 1:
            yield Violation(Verdict.DOUBLED, f"{text} {where}")
    for text in expected:
        if text not in shown:
            yield Violation(Verdict.LOST, f"{text} {where}")
    if sorted(shown) == sorted(expected) and shown != expected:
        yield Violation(Verdict.REORDERED, f"{shown} instead of {expected} {where}")
    yield from _order(rows, where)
    for (channel, message_id), count in machine.screen.shown.items():
        if channel == channel_id and count > 1:
            said = texts.get(message_id)
            yield Violation(
                Verdict.DOUBLED, f"{said.text if said else '?'} announced {count} times {where}"
            )


def _is_text(world: World, channel_id: bytes, item: EnvelopeRow) -> bool:
    """Whether an item is a text for somebody: notices of leaving are not."""
    for machine in world.machines:
        for row in machine.vault.history(channel_id):
            if row.message_id == item.envelope_id and row.kind is not MessageKind.TEXT:
                return False
    return True


def _order(rows: list[Message], where: str) -> Iterator[Violation]:
    """Per author by the author's counter, over all by n."""
    newest: dict[bytes, tuple[int, str]] = {}
    for row in rows:
        counter, before = newest.get(row.sender, (0, ""))
        if row.counter <= counter:
            yield Violation(Verdict.REORDERED, f"{row.text} after {before} {where}")
        newest[row.sender] = (row.counter, row.text)
    by_author: dict[bytes, int] = {}
    for row in sorted((one for one in rows if one.n), key=lambda one: one.n):
        if row.counter <= by_author.get(row.sender, 0):
            yield Violation(Verdict.REORDERED, f"{row.text} stored late {where}")
        by_author[row.sender] = row.counter
