"""From states to records and back: which writes lead from one state to the next.

Frozen values make this a comparison by identity: what was not replaced was not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from cloister import mls
from cloister.client.effects import DeleteRecord, PutRecord, Write
from cloister.client.records import (
    RECORD_VERSION,
    ChannelExposure,
    ChannelRecord,
    Circle,
    Enrolment,
    Founding,
    Identity,
    Intent,
    Joining,
    Outgoing,
    OwnInvitation,
    OwnLock,
    PendingOrder,
    Staged,
)
from cloister.client.seam import Records
from cloister.client.state import CHAIN_WINDOW, NOTHING, Channel, State
from cloister.codec import DecodeError, Struct
from cloister.crypto.secret import Secret
from cloister.errors import LocalError
from cloister.roster.roster import Roster

V = TypeVar("V")
S = TypeVar("S", bound=Struct)

ONE: Final = b""
"""Key of a table that holds one record."""
_NUMBER_BYTES: Final = 8


class VaultContentError(LocalError):
    """The vault opened, but what is in it is not what this program wrote."""


def writes_between(old: State, new: State) -> tuple[Write, ...]:
    """Return what has to be stored to turn ``old`` into ``new``."""
    return tuple(_writes(old, new))


def _writes(old: State, new: State) -> Iterator[Write]:
    yield from _single("identity", old.identity, new.identity)
    yield from _single("circle", old.circle, new.circle)
    yield from _single("founding", old.founding, new.founding)
    yield from _single("joining", old.joining, new.joining)
    if new.roster is not None and new.roster is not old.roster:
        yield PutRecord(table="roster", key=ONE, value=new.roster.encode())
    if new.inbox_cursor != old.inbox_cursor:
        value = new.inbox_cursor.to_bytes(_NUMBER_BYTES, "big")
        yield PutRecord(table="inbox_cursor", key=ONE, value=value)
    yield from _mapping(
        "log_key",
        {g.to_bytes(4, "big"): key for g, key in old.log_keys.items()},
        {g.to_bytes(4, "big"): key for g, key in new.log_keys.items()},
        Secret.expose,
    )
    yield from _mapping(
        "announcement",
        {g.to_bytes(4, "big"): content for g, content in old.announcements.items()},
        {g.to_bytes(4, "big"): content for g, content in new.announcements.items()},
        bytes,
    )
    if new.intents is not old.intents:
        yield from _mapping("intent", _intents(old), _intents(new), Intent.encode)
    yield from _mapping("invitation", old.invitations, new.invitations, OwnInvitation.encode)
    yield from _mapping(
        "key_package", old.key_packages, new.key_packages, mls.KeyPackageSecrets.encode
    )
    yield from _mapping("welcome", old.welcomes, new.welcomes, bytes)
    yield from _mapping("enrolment", old.enrolments, new.enrolments, Enrolment.encode)
    yield from _mapping("order", old.orders, new.orders, PendingOrder.encode)
    yield from _mapping("lock", old.locks, new.locks, OwnLock.encode)
    yield from _mapping(
        "named_key", dict.fromkeys(old.named_keys, b""), dict.fromkeys(new.named_keys, b""), bytes
    )
    yield from _mapping("exposure", old.exposures, new.exposures, ChannelExposure.encode)
    if new.channels is not old.channels:
        for channel_id, channel in new.channels.items():
            before = old.channels.get(channel_id)
            if channel is not before:
                yield from _channel(before, channel)
        for channel_id, channel in old.channels.items():
            if channel_id not in new.channels:
                yield from _forget(channel)


def _single(table: str, old: Struct | None, new: Struct | None) -> Iterator[Write]:
    if new is old:
        return
    if new is None:
        yield DeleteRecord(table=table, key=ONE)
    else:
        yield PutRecord(table=table, key=ONE, value=new.encode())


def _mapping(
    table: str, old: Mapping[bytes, V], new: Mapping[bytes, V], encode: Callable[[V], bytes]
) -> Iterator[Write]:
    if new is old:
        return
    for key, value in new.items():
        if old.get(key) is not value:
            yield PutRecord(table=table, key=key, value=encode(value))
    for key in old:
        if key not in new:
            yield DeleteRecord(table=table, key=key)


def _intents(state: State) -> dict[bytes, Intent]:
    return {
        position.to_bytes(4, "big") + intent.intent_id: intent
        for position, intent in enumerate(state.intents)
    }


def _channel(old: Channel | None, new: Channel) -> Iterator[Write]:
    key = new.channel_id
    record = _record_of(new)
    if old is None or record != _record_of(old):
        yield PutRecord(table="channel", key=key, value=record.encode())
    if old is None or new.group is not old.group:
        if old is None or new.group.epoch != old.group.epoch:
            yield PutRecord(table="epoch", key=key, value=new.group.epoch_state())
        yield PutRecord(table="ratchet", key=key, value=new.group.ratchet_state())
    if (old.staged if old else None) is not new.staged:
        if new.staged is None:
            yield DeleteRecord(table="staged", key=key)
        else:
            yield PutRecord(table="staged", key=key, value=new.staged.encode())
    before = {key + one.message_id: one for one in (old.outbox if old else ())}
    after = {key + one.message_id: one for one in new.outbox}
    yield from _mapping("outbox", before, after, Outgoing.encode)
    yield from _mapping(
        "chain", _numbered(key, old.chains if old else {}), _numbered(key, new.chains), bytes
    )


def _forget(channel: Channel) -> Iterator[Write]:
    """A channel that was never opened: nothing of it is kept."""
    for table in ("channel", "epoch", "ratchet", "staged"):
        yield DeleteRecord(table=table, key=channel.channel_id)
    for outgoing in channel.outbox:
        yield DeleteRecord(table="outbox", key=channel.channel_id + outgoing.message_id)
    for key in _numbered(channel.channel_id, channel.chains):
        yield DeleteRecord(table="chain", key=key)


def _numbered(key: bytes, chains: Mapping[int, bytes]) -> dict[bytes, bytes]:
    return {key + n.to_bytes(_NUMBER_BYTES, "big"): chain for n, chain in chains.items()}


def _record_of(channel: Channel) -> ChannelRecord:
    return ChannelRecord(
        kind=channel.kind,
        state=channel.state,
        title=channel.title,
        reason=channel.reason,
        next_n=channel.next_n,
        chain=channel.chain,
        position=channel.position,
        own_counter=channel.own_counter,
        counters=tuple(one for _, one in sorted(channel.counters.items())),
        wanted=channel.wanted,
        dropped=channel.dropped,
        update_at=channel.update_at,
        leaving=channel.leaving,
        leavers=channel.leavers,
        wishes=channel.wishes,
    )


def load_state(records: Records) -> State:
    """Rebuild a state from the vault's records.  Raises ``VaultContentError``."""
    try:
        state = _load(records)
    except (DecodeError, mls.MLSError, KeyError) as error:
        raise VaultContentError(
            f"the vault holds a record that this program cannot read ({error})",
            hint="Was it written by a newer version?  Restore the profile, or join again.",
        ) from None
    for versioned in (state.identity, state.circle):
        if versioned is not None and versioned.version != RECORD_VERSION:
            raise VaultContentError(
                "the vault was written by another version of the program",
                hint="Use the version that wrote it, or join again from a new profile.",
            )
    return state


def _load(records: Records) -> State:
    roster = records.get("roster", NOTHING).get(ONE)
    cursor = records.get("inbox_cursor", NOTHING).get(ONE, b"")
    return State(
        identity=_one(records, "identity", Identity),
        circle=_one(records, "circle", Circle),
        founding=_one(records, "founding", Founding),
        joining=_one(records, "joining", Joining),
        roster=None if roster is None else Roster.decode(roster),
        log_keys={
            int.from_bytes(key, "big"): Secret(value)
            for key, value in records.get("log_key", NOTHING).items()
        },
        intents=tuple(
            Intent.decode(value) for _, value in sorted(records.get("intent", NOTHING).items())
        ),
        invitations=_all(records, "invitation", OwnInvitation.decode),
        channels={key: _load_channel(records, key) for key in records.get("channel", NOTHING)},
        key_packages=_all(records, "key_package", mls.KeyPackageSecrets.decode),
        welcomes=dict(records.get("welcome", NOTHING)),
        enrolments=_all(records, "enrolment", Enrolment.decode),
        orders=_all(records, "order", PendingOrder.decode),
        locks=_all(records, "lock", OwnLock.decode),
        named_keys=frozenset(records.get("named_key", NOTHING)),
        exposures=_all(records, "exposure", ChannelExposure.decode),
        announcements={
            int.from_bytes(key, "big"): value
            for key, value in records.get("announcement", NOTHING).items()
        },
        inbox_cursor=int.from_bytes(cursor, "big"),
    )


def _one(records: Records, table: str, kind: type[S]) -> S | None:
    value = records.get(table, NOTHING).get(ONE)
    return None if value is None else kind.decode(value)


def _all(records: Records, table: str, decode: Callable[[bytes], V]) -> dict[bytes, V]:
    return {key: decode(value) for key, value in records.get(table, NOTHING).items()}


def _load_channel(records: Records, channel_id: bytes) -> Channel:
    record = ChannelRecord.decode(records["channel"][channel_id])
    staged = records.get("staged", NOTHING).get(channel_id)
    outbox = [
        Outgoing.decode(value)
        for key, value in records.get("outbox", NOTHING).items()
        if key.startswith(channel_id)
    ]
    chains = {
        int.from_bytes(key[len(channel_id) :], "big"): value
        for key, value in records.get("chain", NOTHING).items()
        if key.startswith(channel_id)
    }
    return Channel(
        channel_id=channel_id,
        kind=record.kind,
        state=record.state,
        title=record.title,
        group=mls.Group.restore(records["epoch"][channel_id], records["ratchet"][channel_id]),
        next_n=record.next_n,
        chain=record.chain,
        position=record.position,
        own_counter=record.own_counter,
        counters={counter.did: counter for counter in record.counters},
        wanted=record.wanted,
        dropped=record.dropped,
        update_at=record.update_at,
        leaving=record.leaving,
        leavers=record.leavers,
        wishes=record.wishes,
        reason=record.reason,
        staged=None if staged is None else Staged.decode(staged),
        outbox=tuple(sorted(outbox, key=lambda one: one.counter)),
        chains=chains,
    )


def with_chain(channel: Channel, next_n: int, chain: bytes) -> Channel:
    """Return the channel at ``next_n``, remembering the chain value there."""
    chains = {**channel.chains, next_n: chain}
    chains.pop(next_n - CHAIN_WINDOW, None)
    return replace(channel, next_n=next_n, chain=chain, chains=chains)
