"""From states to records and back: which writes lead from one state to the next.

Frozen values make this a comparison by identity: what was not replaced was not changed.  What a
text changes is in records of its own, so that it writes no more in a group of hundreds of senders
than in one of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from cloister import mls
from cloister.client.contact_records import Contact, Preference
from cloister.client.effects import DeleteRecord, PutRecord, Write
from cloister.client.home_records import Adoption, HomeMove
from cloister.client.receipt_records import Cover, Giving, Mark
from cloister.client.records import (
    RECORD_VERSION,
    ChannelExposure,
    ChannelPlace,
    ChannelRecord,
    Circle,
    Counter,
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
from cloister.errors import CloisterError, LocalError
from cloister.ids import SHORT_ID_BYTES, DeviceId
from cloister.roster.errors import SnapshotError
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
    yield from _single("home_move", old.home_move, new.home_move)
    yield from _single("adoption", old.adoption, new.adoption)
    if new.roster is not None and new.roster is not old.roster:
        yield PutRecord(table="roster", key=ONE, value=new.roster.encode())
    if new.inbox_cursor != old.inbox_cursor:
        value = new.inbox_cursor.to_bytes(_NUMBER_BYTES, "big")
        yield PutRecord(table="inbox_cursor", key=ONE, value=value)
    if new.log_keys is not old.log_keys:
        before, after = _of_generations(old.log_keys), _of_generations(new.log_keys)
        yield from _mapping("log_key", before, after, Secret.expose)
    if new.announcements is not old.announcements:
        written, wanted = _of_generations(old.announcements), _of_generations(new.announcements)
        yield from _mapping("announcement", written, wanted, bytes)
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
    if new.named_keys is not old.named_keys:
        known, named = dict.fromkeys(old.named_keys, b""), dict.fromkeys(new.named_keys, b"")
        yield from _mapping("named_key", known, named, bytes)
    yield from _mapping("exposure", old.exposures, new.exposures, ChannelExposure.encode)
    yield from _mapping("giving", old.givings, new.givings, Giving.encode)
    yield from _mapping("mark", old.marks, new.marks, Mark.encode)
    yield from _mapping("contact", old.contacts, new.contacts, Contact.encode)
    yield from _mapping("preference", old.preferences, new.preferences, Preference.encode)
    yield from _single("cover", old.cover, new.cover)
    if new.channels is not old.channels:
        for channel_id, channel in new.channels.items():
            known_channel = old.channels.get(channel_id)
            if channel is not known_channel:
                yield from _channel(known_channel, channel)
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


def _of_generations(mapping: Mapping[int, V]) -> dict[bytes, V]:
    return {generation.to_bytes(4, "big"): value for generation, value in mapping.items()}


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
    place = _place_of(new)
    if old is None or place != _place_of(old):
        yield PutRecord(table="place", key=key, value=place.encode())
    if old is None or new.counters is not old.counters:
        yield from _mapping("counter", _of_devices(old), _of_devices(new), Counter.encode)
    if old is None or new.group is not old.group:
        yield from _group(key, old.group if old else None, new.group)
    if (old.staged if old else None) is not new.staged:
        if new.staged is None:
            yield DeleteRecord(table="staged", key=key)
        else:
            yield PutRecord(table="staged", key=key, value=new.staged.encode())
    if old is None or new.outbox is not old.outbox:
        before = {key + one.message_id: one for one in (old.outbox if old else ())}
        after = {key + one.message_id: one for one in new.outbox}
        yield from _mapping("outbox", before, after, Outgoing.encode)
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


def _forget(channel: Channel) -> Iterator[Write]:
    """A channel that was never opened: nothing of it is kept."""
    for table in ("channel", "place", "epoch", "staged"):
        yield DeleteRecord(table=table, key=channel.channel_id)
    for key in _of_devices(channel):
        yield DeleteRecord(table="counter", key=key)
    for key in channel.group.ratchet_records():
        yield DeleteRecord(table="ratchet", key=channel.channel_id + key)
    for outgoing in channel.outbox:
        yield DeleteRecord(table="outbox", key=channel.channel_id + outgoing.message_id)
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


def _of_devices(channel: Channel | None) -> dict[bytes, Counter]:
    if channel is None:
        return {}
    return {channel.channel_id + did: counter for did, counter in channel.counters.items()}


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
        home_move=_one(records, "home_move", HomeMove),
        adoption=_one(records, "adoption", Adoption),
        roster=_roster_in(roster),
        log_keys={
            int.from_bytes(key, "big"): Secret(value)
            for key, value in records.get("log_key", NOTHING).items()
        },
        intents=tuple(
            Intent.decode(value) for _, value in sorted(records.get("intent", NOTHING).items())
        ),
        invitations=_all(records, "invitation", OwnInvitation.decode),
        channels=_load_channels(records),
        key_packages=_all(records, "key_package", mls.KeyPackageSecrets.decode),
        welcomes=dict(records.get("welcome", NOTHING)),
        enrolments=_all(records, "enrolment", Enrolment.decode),
        orders=_all(records, "order", PendingOrder.decode),
        locks=_all(records, "lock", OwnLock.decode),
        named_keys=frozenset(records.get("named_key", NOTHING)),
        exposures=_all(records, "exposure", ChannelExposure.decode),
        givings=_all(records, "giving", Giving.decode),
        marks=_all(records, "mark", Mark.decode),
        contacts=_all(records, "contact", Contact.decode),
        preferences=_all(records, "preference", Preference.decode),
        cover=_one(records, "cover", Cover),
        announcements={
            int.from_bytes(key, "big"): value
            for key, value in records.get("announcement", NOTHING).items()
        },
        inbox_cursor=int.from_bytes(cursor, "big"),
    )


def _roster_in(data: bytes | None) -> Roster | None:
    """Read the roster; one of another layout is folded anew from the log (``fold_anew``)."""
    try:
        return None if data is None else Roster.decode(data)
    except SnapshotError:
        return None


def fold_anew(state: State, records: Records, entries: tuple[bytes, ...]) -> State:
    """Fold the log where its roster was stored by another version of the program."""
    if state.roster is not None or not entries or "roster" not in records:
        return state
    try:
        founded = Roster.found(entries[0], state.log_keys[0])
        roster, _ = founded.extend(entries[1:], state.log_keys)
    except (CloisterError, KeyError) as error:
        raise VaultContentError(f"the log in the vault cannot be folded anew: {error}") from None
    return replace(state, roster=roster)


def _one(records: Records, table: str, kind: type[S]) -> S | None:
    value = records.get(table, NOTHING).get(ONE)
    return None if value is None else kind.decode(value)


def _all(records: Records, table: str, decode: Callable[[bytes], V]) -> dict[bytes, V]:
    return {key: decode(value) for key, value in records.get(table, NOTHING).items()}


def _load_channels(records: Records) -> dict[bytes, Channel]:
    parts = {
        table: _by_channel(records.get(table, NOTHING))
        for table in ("ratchet", "counter", "outbox", "chain")
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
        wanted=record.wanted,
        dropped=record.dropped,
        update_at=record.update_at,
        leaving=record.leaving,
        leavers=record.leavers,
        wishes=record.wishes,
        reason=record.reason,
        staged=None if staged is None else Staged.decode(staged),
        outbox=tuple(sorted(outbox, key=lambda one: one.counter)),
        chains={int.from_bytes(n, "big"): value for n, value in parts["chain"].items()},
    )


def with_chain(channel: Channel, next_n: int, chain: bytes) -> Channel:
    """Return the channel at ``next_n``, remembering the chain value there."""
    chains = {**channel.chains, next_n: chain}
    chains.pop(next_n - CHAIN_WINDOW, None)
    return replace(channel, next_n=next_n, chain=chain, chains=chains)
