"""A channel as rows of the vault, and back.

What a text changes is in rows of its own, so that it writes no more in a group of hundreds of
senders than in one of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from cloister import mls
from cloister.client.effects import DeleteRecord, PutRecord, Write
from cloister.client.records import ChannelPlace, ChannelRecord, Counter, Outgoing, Staged
from cloister.client.seam import Records
from cloister.client.sent_records import Sent, SentMark
from cloister.client.state import CHAIN_WINDOW, NOTHING, Channel
from cloister.ids import SHORT_ID_BYTES, DeviceId
from cloister.values import replace

V = TypeVar("V")

_NUMBER_BYTES: Final = 8


def rows_between(
    table: str, old: Mapping[bytes, V], new: Mapping[bytes, V], encode: Callable[[V], bytes]
) -> Iterator[Write]:
    """Return the writes that turn the rows of one table into others."""
    if new is old:
        return
    for key, value in new.items():
        if old.get(key) is not value:
            yield PutRecord(table=table, key=key, value=encode(value))
    for key in old:
        if key not in new:
            yield DeleteRecord(table=table, key=key)


def channel_writes(old: Channel | None, new: Channel) -> Iterator[Write]:
    """Return the writes that turn a channel into what it is now."""
    key = new.channel_id
    record = _record_of(new)
    if old is None or record != _record_of(old):
        yield PutRecord(table="channel", key=key, value=record.encode())
    place = _place_of(new)
    if old is None or place != _place_of(old):
        yield PutRecord(table="place", key=key, value=place.encode())
    if old is None or new.counters is not old.counters:
        before = _of_devices(key, old.counters if old else {})
        yield from rows_between("counter", before, _of_devices(key, new.counters), Counter.encode)
    if old is None or new.seen is not old.seen:
        before = _of_devices(key, old.seen if old else {})
        yield from rows_between("seen", before, _of_devices(key, new.seen), Counter.encode)
    if old is None or new.group is not old.group:
        yield from _group(key, old.group if old else None, new.group)
    if (old.staged if old else None) is not new.staged:
        if new.staged is None:
            yield DeleteRecord(table="staged", key=key)
        else:
            yield PutRecord(table="staged", key=key, value=new.staged.encode())
    if old is None or new.outbox is not old.outbox or new.sent is not old.sent:
        yield from rows_between("outbox", _outbox_of(old), _outbox_of(new), Outgoing.encode)
    if old is None or new.sent is not old.sent:
        yield from rows_between("sent", _marks_of(old), _marks_of(new), SentMark.encode)
    if old is None or new.chains is not old.chains:
        yield from _chains(key, old.chains if old else {}, new.chains)


def _group(channel_id: bytes, old: mls.Group | None, new: mls.Group) -> Iterator[Write]:
    """The tree once an epoch; of the ratchets what a message has changed (RFC 9420 9.2)."""
    if old is None or new.epoch_authenticator != old.epoch_authenticator:
        yield PutRecord(table="epoch", key=channel_id, value=new.epoch_state())
    for key, value in new.ratchet_changes(old).items():
        if value is None:
            yield DeleteRecord(table="ratchet", key=channel_id + key)
        else:
            yield PutRecord(table="ratchet", key=channel_id + key, value=value)


def channel_deletes(channel: Channel) -> Iterator[Write]:
    """A channel that was never opened: nothing of it is kept."""
    for table in ("channel", "place", "epoch", "staged"):
        yield DeleteRecord(table=table, key=channel.channel_id)
    for key in _of_devices(channel.channel_id, channel.counters):
        yield DeleteRecord(table="counter", key=key)
    for key in _of_devices(channel.channel_id, channel.seen):
        yield DeleteRecord(table="seen", key=key)
    for key in channel.group.ratchet_records():
        yield DeleteRecord(table="ratchet", key=channel.channel_id + key)
    for key in _outbox_of(channel):
        yield DeleteRecord(table="outbox", key=key)
    for key in _marks_of(channel):
        yield DeleteRecord(table="sent", key=key)
    for key in _numbered(channel.channel_id, channel.chains):
        yield DeleteRecord(table="chain", key=key)


def _chains(key: bytes, old: Mapping[int, bytes], new: Mapping[int, bytes]) -> Iterator[Write]:
    """An item adds one value and drops one of hundreds: keys are made of those two alone."""
    for n, chain in new.items():
        if old.get(n) is not chain:
            yield PutRecord(table="chain", key=key + n.to_bytes(_NUMBER_BYTES, "big"), value=chain)
    for n in old.keys() - new.keys():
        yield DeleteRecord(table="chain", key=key + n.to_bytes(_NUMBER_BYTES, "big"))


def _numbered(key: bytes, chains: Mapping[int, bytes]) -> dict[bytes, bytes]:
    return {key + n.to_bytes(_NUMBER_BYTES, "big"): chain for n, chain in chains.items()}


def _of_devices(key: bytes, counters: Mapping[DeviceId, Counter]) -> dict[bytes, Counter]:
    return {key + did: counter for did, counter in counters.items()}


def _outbox_of(channel: Channel | None) -> dict[bytes, Outgoing]:
    """What waits, and what was acknowledged and is kept: its row stays, so that it is not written
    once more for that; a mark tells the one from the other."""
    if channel is None:
        return {}
    kept = (one.outgoing for one in channel.sent)
    return {channel.channel_id + one.message_id: one for one in (*kept, *channel.outbox)}


def _marks_of(channel: Channel | None) -> dict[bytes, SentMark]:
    if channel is None:
        return {}
    return {channel.channel_id + one.outgoing.message_id: one.mark for one in channel.sent}


def _record_of(channel: Channel) -> ChannelRecord:
    return ChannelRecord(
        kind=channel.kind,
        state=channel.state,
        title=channel.title,
        reason=channel.reason,
        wanted=channel.wanted,
        dropped=channel.dropped,
        update_at=channel.update_at,
        leaving=channel.leaving,
        leavers=channel.leavers,
        wishes=channel.wishes,
    )


def _place_of(channel: Channel) -> ChannelPlace:
    return ChannelPlace(
        next_n=channel.next_n,
        chain=channel.chain,
        position=channel.position,
        own_counter=channel.own_counter,
    )


def load_channels(records: Records) -> dict[bytes, Channel]:
    """Read all channels.  Raises ``DecodeError``, ``MLSError``, ``KeyError``."""
    parts = {
        table: _by_channel(records.get(table, NOTHING))
        for table in ("ratchet", "counter", "seen", "outbox", "sent", "chain")
    }
    return {
        channel_id: _load_channel(
            records,
            channel_id,
            {table: found.get(channel_id, {}) for table, found in parts.items()},
        )
        for channel_id in records.get("channel", NOTHING)
    }


def _by_channel(rows: Mapping[bytes, bytes]) -> dict[bytes, dict[bytes, bytes]]:
    """Rows whose key begins with a channel's id, by channel and the rest of the key."""
    found: dict[bytes, dict[bytes, bytes]] = {}
    for key, value in rows.items():
        found.setdefault(key[:SHORT_ID_BYTES], {})[key[SHORT_ID_BYTES:]] = value
    return found


def _load_channel(
    records: Records, channel_id: bytes, parts: Mapping[str, Mapping[bytes, bytes]]
) -> Channel:
    record = ChannelRecord.decode(records["channel"][channel_id])
    place = ChannelPlace.decode(records["place"][channel_id])
    staged = records.get("staged", NOTHING).get(channel_id)
    outbox = [Outgoing.decode(value) for value in parts["outbox"].values()]
    outbox.sort(key=lambda one: one.counter)
    marks = {key: SentMark.decode(value) for key, value in parts["sent"].items()}
    return Channel(
        channel_id=channel_id,
        kind=record.kind,
        state=record.state,
        title=record.title,
        group=mls.Group.restore(records["epoch"][channel_id], parts["ratchet"]),
        next_n=place.next_n,
        chain=place.chain,
        position=place.position,
        own_counter=place.own_counter,
        counters={DeviceId(did): Counter.decode(value) for did, value in parts["counter"].items()},
        seen={DeviceId(did): Counter.decode(value) for did, value in parts["seen"].items()},
        wanted=record.wanted,
        dropped=record.dropped,
        update_at=record.update_at,
        leaving=record.leaving,
        leavers=record.leavers,
        wishes=record.wishes,
        reason=record.reason,
        staged=None if staged is None else Staged.decode(staged),
        outbox=tuple(
            one for one in outbox if one.message_id not in marks or marks[one.message_id].again
        ),
        sent=tuple(
            Sent(outgoing=one, mark=marks[one.message_id])
            for one in outbox
            if one.message_id in marks
        ),
        chains={int.from_bytes(n, "big"): value for n, value in parts["chain"].items()},
    )


def with_chain(channel: Channel, next_n: int, chain: bytes) -> Channel:
    """Return the channel at ``next_n``, remembering the chain value there."""
    chains = {**channel.chains, next_n: chain}
    chains.pop(next_n - CHAIN_WINDOW, None)
    return replace(channel, next_n=next_n, chain=chain, chains=chains)
