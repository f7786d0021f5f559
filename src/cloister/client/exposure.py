"""What a lost device could have read: when its leaves came and went, message by message.

A device reads a channel from the item after the commit that added it up to the commit that removed
it, wherever it is and whoever holds it.  Each device notes for every channel it is in when leaves
came and went, and how far the channel was when a lock was ordered.  That is all a report can stand
on: what a device really fetched or showed leaves no trace anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from cloister import mls
from cloister.client.binding import dids_of
from cloister.client.effects import Message, MessageKind
from cloister.client.records import (
    COMMONS_NAME,
    ChannelExposure,
    ChannelKind,
    ChannelState,
    LeafSpan,
    LockMark,
)
from cloister.client.safe_text import safe_line
from cloister.client.state import UNPLACED, Channel, State, with_item
from cloister.client.turn import SettledEntry, Turn
from cloister.client.views import View
from cloister.ids import DeviceId
from cloister.roster.content import RevokeKind
from cloister.roster.entry import Entry
from cloister.roster.events import DeviceLocked, DeviceRevoked, DeviceUnlocked
from cloister.values import replace

NOTHING_KNOWN: Final = ChannelExposure(spans=(), locks=())

UNKNOWABLE: Final = (
    "whether anybody opened the device or read any of this",
    "conversations that this device is not in, or has left: their members can run this command",
    "what was said before this device came, and what its vault does not hold any more",
    "what the device kept of other circles, or outside Cloister",
)
"""What no report can say, in words."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a channel a device could read.  ``None``: before this device's time; still open."""

    channel: Channel
    from_n: int | None
    until_n: int | None
    lock_n: int | None
    """How far the channel was when this device ordered the lock or heard of it."""

    @property
    def is_still_inside(self) -> bool:
        """Whether the leaf is there now, in a channel that this device can still follow."""
        return self.until_n is None and self.channel.state is ChannelState.ACTIVE

    def covers(self, n: int) -> bool:
        """Whether the device could read item ``n``."""
        return (self.from_n or 0) <= n and (self.until_n is None or n < self.until_n)

    def is_after_lock(self, n: int) -> bool:
        """Whether item ``n`` came between the lock and the removal of the leaf."""
        return self.covers(n) and self.lock_n is not None and n >= self.lock_n


# --- facts ----------------------------------------------------------------------------------------


def on_merged(turn: Turn, channel: Channel, before: mls.Group, after: mls.Group, n: int) -> None:
    """Note which leaves came and which went with the commit at ``n``."""
    were, are = set(dids_of(before).values()), set(dids_of(after).values())
    if were == are:
        return
    known = turn.state.exposures.get(channel.channel_id, NOTHING_KNOWN)
    spans = list(known.spans)
    for did in sorted(were - are):
        span = _open_span(spans, did)
        if span is None:
            spans.append(LeafSpan(did=did, from_n=None, until_n=n, until_at=turn.now))
        else:
            spans[spans.index(span)] = replace(span, until_n=n, until_at=turn.now)
    for did in sorted(are - were):
        spans.append(LeafSpan(did=did, from_n=n + 1, until_n=None, until_at=0))
    _put(turn, channel.channel_id, replace(known, spans=tuple(spans)))


def on_lock(turn: Turn, dids: Sequence[DeviceId], at: int) -> None:
    """Note how far every channel is, now that a lock of these devices is ordered or heard of.

    ``at``: when it was ordered, s.  The first lock of a leaf counts until the leaf is gone.
    """
    for channel in turn.state.channels.values():
        known = turn.state.exposures.get(channel.channel_id, NOTHING_KNOWN)
        marked = {mark.did for mark in known.locks}
        next_n = 0 if channel.next_n == UNPLACED else channel.next_n
        inside = set(dids_of(channel.group).values())
        fresh = tuple(
            LockMark(did=did, n=next_n, at=at)
            for did in dids
            if did in inside and did not in marked
        )
        if fresh:
            _put(turn, channel.channel_id, replace(known, locks=(*known.locks, *fresh)))


def on_settled(turn: Turn, settled: SettledEntry) -> None:
    """Note locks and unlocks that the log brings; what this device ordered is noted already."""
    at = Entry.decode(settled.entry).header.ts
    for event in settled.events:
        match event:
            case DeviceLocked():
                on_lock(turn, (event.did,), at)
            case DeviceRevoked() if event.kind is RevokeKind.LOST:
                on_lock(turn, (event.did,), at)
            case DeviceUnlocked():
                on_unlock(turn, (event.did,))
            case _:
                pass


def on_unlock(turn: Turn, dids: Sequence[DeviceId]) -> None:
    """Forget the marks of devices that have been unlocked: another lock marks anew."""
    for channel_id, known in turn.state.exposures.items():
        left = tuple(mark for mark in known.locks if mark.did not in dids)
        if left != known.locks:
            _put(turn, channel_id, replace(known, locks=left))


def _open_span(spans: Sequence[LeafSpan], did: DeviceId) -> LeafSpan | None:
    return next((one for one in spans if one.did == did and one.until_n is None), None)


def _put(turn: Turn, channel_id: bytes, known: ChannelExposure) -> None:
    turn.change(exposures=with_item(turn.state.exposures, channel_id, known))


def channels_of(state: State, did: DeviceId) -> list[bytes]:
    """Return the channels whose timelines a report needs."""
    return list(dict.fromkeys(window.channel.channel_id for window in windows_of(state, did)))


# --- the report -----------------------------------------------------------------------------------


def windows_of(state: State, did: DeviceId) -> Iterator[Window]:
    """Return where a device could read, in the channels that this device is or was in."""
    for channel in state.channels.values():
        known = state.exposures.get(channel.channel_id, NOTHING_KNOWN)
        lock_n = next((mark.n for mark in known.locks if mark.did == did), None)
        spans = [span for span in known.spans if span.did == did]
        if did in dids_of(channel.group).values() and _open_span(spans, did) is None:
            # There before this device came, and never gone since.
            spans.append(LeafSpan(did=did, from_n=None, until_n=None, until_at=0))
        for span in spans:
            yield Window(channel=channel, from_n=span.from_n, until_n=span.until_n, lock_n=lock_n)


def report(state: State, did: DeviceId, rows: Mapping[bytes, Sequence[Message]]) -> View:
    """Say what a device could have read.  ``rows``: the timeline of each channel."""
    conversations = [
        _of_channel(window, rows.get(window.channel.channel_id, ()))
        for window in windows_of(state, did)
    ]
    return {
        "device": did.hex(),
        "locked_at": _locked_at(state, did),
        "conversations": conversations,
        "messages": sum(int(str(one["messages"])) for one in conversations),
        "after_lock": sum(int(str(one["after_lock"])) for one in conversations),
        "still_inside": [one["title"] for one in conversations if one["still_inside"]],
        "cannot_know": list(UNKNOWABLE),
    }


def _of_channel(window: Window, rows: Sequence[Message]) -> View:
    channel = window.channel
    read = [row for row in rows if row.n and row.kind is MessageKind.TEXT and window.covers(row.n)]
    late = [row for row in read if window.is_after_lock(row.n)]
    times = [row.at for row in read]
    is_commons = channel.kind is ChannelKind.COMMONS
    return {
        "title": COMMONS_NAME if is_commons else safe_line(channel.title),
        "channel_id": channel.channel_id.hex(),
        "from_n": window.from_n,
        "until_n": window.until_n,
        "messages": len(read),
        "first_at": min(times, default=None),
        "last_at": max(times, default=None),
        "message_ids": [row.message_id.hex() for row in read],
        "still_inside": window.is_still_inside,
        "after_lock": len(late),
        "after_lock_ids": [row.message_id.hex() for row in late],
        "since_before_this_device": window.from_n is None,
    }


def _locked_at(state: State, did: DeviceId) -> int | None:
    times = [
        mark.at for known in state.exposures.values() for mark in known.locks if mark.did == did
    ]
    return min(times, default=None)
