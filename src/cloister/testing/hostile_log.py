"""Lies of a home relay about the circle's log: rolled back, hidden, forked, begun anew."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cloister.roster.roster import Roster
from cloister.testing.hostile_lies import Lie
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.transparency import (
    Checkpoint,
    Frontier,
    UnverifiedNote,
    cosign,
    leaf_hash,
    sign_checkpoint,
    with_signatures,
)
from cloister.wire.codes import Refusal
from cloister.wire.commands import AnyRequest, Append, Put, ReadLog
from cloister.wire.events import AnyEvent, CommitItem, Done, Entries, Failed, Head, Item, Logged


def seen_by(device: SimulatedDevice) -> tuple[Roster, bytes]:
    """Return the roster of a member's device and the head that it stands on."""
    roster, circle = device.core.state.roster, device.core.state.circle
    if roster is None or circle is None:
        raise ValueError("only a member has a log that can be lied about")
    return roster, circle.head


class RollBack(Lie):
    """From now on the relay stands where it stood: the log ends there and channels get nothing.

    What is put is taken with thanks and lost, as by a relay that was restored from a backup.
    """

    def __init__(self, device: SimulatedDevice, *, by: int = 0) -> None:
        """``by``: how many entries before the newest of ``device`` the log ends."""
        roster, self._note = seen_by(device)
        self._size = roster.size - by
        self._next: dict[bytes, int] = {
            one.channel_id: one.next_n for one in device.core.state.channels.values()
        }

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        match event:
            case Head():
                is_older = _size_of(event.note) <= self._size
                return (event if is_older else msgspec.structs.replace(event, note=self._note),)
            case Logged() | Entries():
                return _cut(event, self._size)
            case Item() | CommitItem():
                return (event,) if event.n < self._next.get(event.channel_id, event.n + 1) else ()
            case _:
                return (event,)

    def take(self, request: AnyRequest) -> Iterable[AnyRequest | AnyEvent]:
        """See ``Lie``."""
        match request:
            case Append() if request.expected != self._size:
                return (Failed(request.rid, int(Refusal.MOVED), self._size),)
            case Append():
                return (Done(request.rid, self._size),)
            case Put():
                n = self._next.get(request.channel_id, 0)
                self._next[request.channel_id] = n + 1
                return (Done(request.rid, n),)
            case _:
                return (request,)


class HideLog(Lie):
    """The device is shown no more of the log than it has; the rest of the relay works on."""

    def __init__(self, device: SimulatedDevice) -> None:
        roster, self._note = seen_by(device)
        self._size = roster.size

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        match event:
            case Head():
                is_older = _size_of(event.note) <= self._size
                return (event if is_older else msgspec.structs.replace(event, note=self._note),)
            case Logged() | Entries():
                return _cut(event, self._size)
            case _:
                return (event,)


def _cut(event: Logged | Entries, size: int) -> Iterable[AnyEvent]:
    entries = event.entries[: max(size - event.from_seq, 0)]
    if isinstance(event, Entries):
        return (msgspec.structs.replace(event, entries=entries, size=size),)
    return (msgspec.structs.replace(event, entries=entries),) if entries else ()


def _size_of(note: bytes) -> int:
    return Checkpoint.parse(UnverifiedNote.parse(note).text).size


class Fork(Lie):
    """The device gets a log of its own from a size on, with what it appends itself.

    With ``colludes`` the mirror cosigns the second history too: both relays lie.
    """

    def __init__(self, circle: SimulatedCircle, device: SimulatedDevice, *, colludes: bool) -> None:
        roster, self._note = seen_by(device)
        self._circle = circle
        self._colludes = colludes
        self._origin = roster.origin
        self._frontier: Frontier = roster.frontier
        self._entries: list[bytes] = []
        self._base = roster.size

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        if isinstance(event, Head):
            return (msgspec.structs.replace(event, note=self._note),)
        if isinstance(event, Logged | Entries):
            return _cut(event, self._base)
        return (event,)

    def take(self, request: AnyRequest) -> Iterable[AnyRequest | AnyEvent]:
        """See ``Lie``."""
        size = self._base + len(self._entries)
        if isinstance(request, ReadLog) and request.from_seq >= self._base:
            entries = tuple(self._entries[request.from_seq - self._base :])
            return (Entries(request.rid, request.from_seq, entries, size),)
        if not isinstance(request, Append):
            return (request,)
        if request.expected != size:
            return (Failed(request.rid, int(Refusal.MOVED), size),)
        self._entries.append(request.entry)
        self._frontier = self._frontier.extend([leaf_hash(request.entry)])
        self._note = sign_head(
            self._circle, self._origin, size + 1, self._frontier.root, colludes=self._colludes
        )
        return (Done(request.rid, size), Logged(size, (request.entry,)), Head(0, self._note))


class RestartLog(Lie):
    """The relay's log begins anew: one entry, another root, signed by the home or by both."""

    def __init__(self, circle: SimulatedCircle, device: SimulatedDevice, *, colludes: bool) -> None:
        roster, _ = seen_by(device)
        self._note = sign_head(circle, roster.origin, 1, bytes(32), colludes=colludes)

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        match event:
            case Head():
                return (msgspec.structs.replace(event, note=self._note),)
            case Logged():
                return ()
            case Entries():
                return (msgspec.structs.replace(event, entries=(), size=1),)
            case _:
                return (event,)

    def take(self, request: AnyRequest) -> Iterable[AnyRequest | AnyEvent]:
        """See ``Lie``."""
        if isinstance(request, Append):
            return (Failed(request.rid, int(Refusal.MOVED), 1),)
        return (request,)


def sign_head(
    circle: SimulatedCircle, origin: str, size: int, root: bytes, *, colludes: bool
) -> bytes:
    """Sign a head as the home's operator can; with ``colludes`` as both operators can."""
    home, entry = circle.relays.keys
    note = sign_checkpoint(origin, size, root, circle.relays.home_card.name, home)
    if not colludes:
        return note
    lines = cosign(note, circle.relays.entry_card.name, entry, circle.now)
    return with_signatures(note, lines)
