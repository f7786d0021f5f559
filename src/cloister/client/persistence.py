"""From states to records and back: which writes lead from one state to the next.

Frozen values make this a comparison by identity: what was not replaced was not changed.  What a
text changes is in records of its own, so that it writes no more in a group of hundreds of senders
than in one of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from cloister import mls
from cloister.client.contact_records import Contact, Preference
from cloister.client.effects import DeleteRecord, PutRecord, Write
from cloister.client.home_records import Adoption, HomeMove
from cloister.client.receipt_records import Cover, Giving, Mark, Reading
from cloister.client.records import (
    RECORD_VERSION,
    ChannelExposure,
    Circle,
    Enrolment,
    Founding,
    Identity,
    Intent,
    Joining,
    OwnInvitation,
    OwnLock,
    PendingOrder,
)
from cloister.client.seam import Records
from cloister.client.state import NOTHING, State
from cloister.client.stored_channels import (
    channel_deletes,
    channel_writes,
    load_channels,
    rows_between,
)
from cloister.codec import DecodeError, Struct
from cloister.crypto.secret import Secret
from cloister.errors import CloisterError, LocalError
from cloister.roster.errors import SnapshotError
from cloister.roster.roster import Roster
from cloister.values import replace

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
        yield from rows_between("log_key", before, after, Secret.expose)
    if new.announcements is not old.announcements:
        written, wanted = _of_generations(old.announcements), _of_generations(new.announcements)
        yield from rows_between("announcement", written, wanted, bytes)
    if new.intents is not old.intents:
        yield from rows_between("intent", _intents(old), _intents(new), Intent.encode)
    yield from rows_between("invitation", old.invitations, new.invitations, OwnInvitation.encode)
    yield from rows_between(
        "key_package", old.key_packages, new.key_packages, mls.KeyPackageSecrets.encode
    )
    yield from rows_between("welcome", old.welcomes, new.welcomes, bytes)
    yield from rows_between("enrolment", old.enrolments, new.enrolments, Enrolment.encode)
    yield from rows_between("order", old.orders, new.orders, PendingOrder.encode)
    yield from rows_between("lock", old.locks, new.locks, OwnLock.encode)
    if new.named_keys is not old.named_keys:
        known, named = dict.fromkeys(old.named_keys, b""), dict.fromkeys(new.named_keys, b"")
        yield from rows_between("named_key", known, named, bytes)
    yield from rows_between("exposure", old.exposures, new.exposures, ChannelExposure.encode)
    yield from rows_between("giving", old.givings, new.givings, Giving.encode)
    yield from rows_between("mark", old.marks, new.marks, Mark.encode)
    yield from rows_between("reading", old.readings, new.readings, Reading.encode)
    yield from rows_between("contact", old.contacts, new.contacts, Contact.encode)
    yield from rows_between("preference", old.preferences, new.preferences, Preference.encode)
    yield from _single("cover", old.cover, new.cover)
    if new.channels is not old.channels:
        for channel_id, channel in new.channels.items():
            known_channel = old.channels.get(channel_id)
            if channel is not known_channel:
                yield from channel_writes(known_channel, channel)
        for channel_id, channel in old.channels.items():
            if channel_id not in new.channels:
                yield from channel_deletes(channel)


def _single(table: str, old: Struct | None, new: Struct | None) -> Iterator[Write]:
    if new is old:
        return
    if new is None:
        yield DeleteRecord(table=table, key=ONE)
    else:
        yield PutRecord(table=table, key=ONE, value=new.encode())


def _of_generations(mapping: Mapping[int, V]) -> dict[bytes, V]:
    return {generation.to_bytes(4, "big"): value for generation, value in mapping.items()}


def _intents(state: State) -> dict[bytes, Intent]:
    return {
        position.to_bytes(4, "big") + intent.intent_id: intent
        for position, intent in enumerate(state.intents)
    }


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
        channels=load_channels(records),
        key_packages=_all(records, "key_package", mls.KeyPackageSecrets.decode),
        welcomes=dict(records.get("welcome", NOTHING)),
        enrolments=_all(records, "enrolment", Enrolment.decode),
        orders=_all(records, "order", PendingOrder.decode),
        locks=_all(records, "lock", OwnLock.decode),
        named_keys=frozenset(records.get("named_key", NOTHING)),
        exposures=_all(records, "exposure", ChannelExposure.decode),
        givings=_all(records, "giving", Giving.decode),
        marks=_all(records, "mark", Mark.decode),
        readings=_all(records, "reading", Reading.decode),
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
