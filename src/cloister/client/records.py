"""The records a device keeps in its vault, one codec structure a table.

The vault encrypts them; here they are in the clear.  A new field is a new version of the record:
``Circle.version`` says which, and a program refuses a vault that is newer than itself.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, cast

from cloister.codec import (
    UINT64,
    FieldKind,
    Reader,
    Struct,
    Writer,
    enum8,
    fixed,
    flag,
    layout,
    opaque,
    optional,
    text,
    uint8,
    uint16,
    uint32,
    uint64,
    vector,
)
from cloister.crypto.secret import Secret
from cloister.ids import DeviceId, MemberId, RelayId
from cloister.roster.entry import EntryKind, SealedType
from cloister.roster.fields import DEVICE_ID, MEMBER_ID, RELAY_ID
from cloister.roster.readable import ReadableType

RECORD_VERSION: Final = 4


def secret(length: int) -> Secret:
    """A field of ``length`` secret bytes, which no repr shows."""

    def read(reader: Reader) -> Secret:
        return Secret(reader.raw(length))

    def write(writer: Writer, value: Secret) -> None:
        writer.raw(value.expose())

    return cast("Secret", FieldKind(read, write))


class FoundingStep(IntEnum):
    """Steps of flows 3.1, in order."""

    BEGINNING = 1
    ENROLLING = 2
    OPENING = 3
    SETTLING = 4


class JoiningStep(IntEnum):
    """Steps of flows 3.3 and 3.6, in order."""

    FETCHING_LETTER = 1
    CHECKING_HEAD = 2
    ENROLLING = 3
    OPENING_INBOX = 4
    ASKING = 5
    WAITING = 6
    ENTERING = 7


class InvitingStep(IntEnum):
    """Steps of flows 3.2, in order."""

    APPENDING = 1
    OPENING_BOX = 2
    PUTTING_LETTER = 3
    READY = 4


COMMONS_NAME: Final = "commons"
"""The name under which everybody talks to the commons, the circle's general room."""

FORMER_COMMONS: Final = "former commons"
"""A commons that a reset has ended; it is read by the start of its id."""


class ChannelKind(IntEnum):
    """The circle's own group, or a conversation."""

    COMMONS = 1
    CONVERSATION = 2


class ChannelState(IntEnum):
    """Where a channel stands on this device."""

    OPENING = 1
    ACTIVE = 2
    STUCK = 3
    LEFT = 4
    OUT = 5
    """For a time, with the device: others add it again when it is active again."""


@layout
class Identity(Struct):
    """Who this device is; made once, never changed."""

    version: int = uint8()
    member_id: bytes = fixed(16)
    name: str = text(64)
    device_seed: Secret = secret(32)
    hpke_seed: Secret = secret(32)
    inbox_id: bytes = fixed(16)
    inbox_seed: Secret = secret(32)
    steward: bool = flag()
    steward_ed25519_seed: Secret = secret(32)
    steward_ml_dsa_seed: Secret = secret(32)
    unlock_seed: Secret = secret(32)
    """Of the unlock key at each share relay (``share_keys``)."""
    confirm_seed: Secret = secret(32)
    """Of the confirm key at each share relay."""
    owner_secret: Secret = secret(32)
    """The member's, the same on all its devices: each can lock any other of them."""
    bot: bool = flag()


@layout
class Circle(Struct):
    """The circle this device belongs to (or asked to join)."""

    version: int = uint8()
    circle_id: bytes = fixed(32)
    commons_id: bytes = fixed(16)
    left: bool = flag()
    head: bytes = opaque()
    """The newest settled checkpoint, a signed note; empty before the first."""


@layout
class Founding(Struct):
    """A circle being founded."""

    step: FoundingStep = enum8(FoundingStep)
    code: str = text(256)
    home_card: bytes = opaque()
    entry_cards: tuple[bytes, ...] = vector(opaque(), max_items=8)
    test_circle: bool = flag()
    single_operator: bool = flag()
    unlock_shares: bool = flag()
    sells_seats: bool = flag()
    """What the home relay said to ``Begin``."""
    cool_off_s: int = uint32()
    change_delay_s: int = uint32()
    setup_seed: Secret = secret(32)
    origin: str = text(256)
    genesis: bytes = opaque()
    commons_id: bytes = fixed(16)


@layout
class Joining(Struct):
    """A circle being joined."""

    step: JoiningStep = enum8(JoiningStep)
    code: str = text(1024)
    letter: bytes = opaque()
    """Opened letter, empty before; the relay set in it routes until the roster does."""
    request: bytes = opaque()
    sealed_request: bytes = opaque()
    welcome: bytes = opaque()
    """The opened inbox item that carries the Welcome of the commons."""


@layout
class Enrolment(Struct):
    """A share relay at which this device enrols, or has."""

    ticket: bytes = opaque()
    ticket_seed: Secret = secret(32)
    opening: bytes = fixed(32)
    """r of the bind: drawn for each relay, so that two relays cannot compare their binds."""
    receipt: bytes = opaque()
    """Encoded ``ShareReceipt``, verified; empty until the relay has answered."""
    seat: bytes = opaque()
    """Encoded ``SeatTerm`` that came with it; empty where seats are not sold."""


@layout
class PendingOrder(Struct):
    """A lock on its way to the relays that keep the shares it names."""

    order: bytes = opaque()
    """Encoded ``SignedLock``."""
    waiting: tuple[RelayId, ...] = vector(RELAY_ID)
    """Relays that have not answered yet."""


@layout
class OwnInvitation(Struct):
    """An invitation that this device issued."""

    step: InvitingStep = enum8(InvitingStep)
    seed: Secret = secret(16)
    invite_id: bytes = fixed(32)
    expires: int = uint64()
    letter: bytes = opaque()
    code: str = text(1024)


@layout
class Intent(Struct):
    """Something to append to the log.  ``entry`` is empty until signed for ``seq``.

    ``entry_type`` is a ``SealedType`` or a ``ReadableType``, as ``kind`` says.
    """

    intent_id: bytes = fixed(16)
    kind: EntryKind = enum8(EntryKind)
    entry_type: int = uint16()
    content: bytes = opaque()
    entry: bytes = opaque()
    seq: int = uint64()
    appended: bool = flag()

    def is_of(self, entry_type: SealedType | ReadableType) -> bool:
        """Whether it becomes an entry of this type; the two families number theirs alike."""
        return (self.kind, self.entry_type) == (kind_of(entry_type), entry_type)


def kind_of(entry_type: SealedType | ReadableType) -> EntryKind:
    """Who will be able to read an entry of this type."""
    is_readable = isinstance(entry_type, ReadableType)
    return EntryKind.READABLE if is_readable else EntryKind.SEALED


@layout
class Counter(Struct):
    """The highest counter seen from a device in a channel."""

    did: DeviceId = DEVICE_ID
    counter: int = uint64()
    missing: tuple[int, ...] = vector(UINT64)
    """Lower counters that have not arrived (yet), the newest 64."""


@layout
class Wish(Struct):
    """A change of a conversation that a person wants, until a commit has made it (``changing``).

    Empty or 0: that stays as it is.  It says what is to differ and not what is to be, so that
    changes by others in the meantime stand.
    """

    wish_id: bytes = fixed(16)
    title: str = text(64)
    changing: int = uint8()
    posting: int = uint8()
    named: tuple[MemberId, ...] = vector(MEMBER_ID)
    """Who becomes an admin."""
    unnamed: tuple[MemberId, ...] = vector(MEMBER_ID)
    removes: tuple[MemberId, ...] = vector(MEMBER_ID)
    lifetime_s: int | None = optional(UINT64)


@layout
class ChannelRecord(Struct):
    """What is known of a channel and does not change with its items."""

    kind: ChannelKind = enum8(ChannelKind)
    state: ChannelState = enum8(ChannelState)
    title: str = text(64)
    reason: str = text(512)
    wanted: tuple[DeviceId, ...] = vector(DEVICE_ID)
    dropped: tuple[DeviceId, ...] = vector(DEVICE_ID)
    update_at: int = uint64()
    leaving: bool = flag()
    leavers: tuple[MemberId, ...] = vector(MEMBER_ID)
    wishes: tuple[Wish, ...] = vector(Wish)


@layout
class ChannelPlace(Struct):
    """What changes with every item of a channel, however many devices are in it."""

    next_n: int = uint64()
    chain: bytes = fixed(32)
    position: int = uint64()
    own_counter: int = uint64()


@layout
class Outgoing(Struct):
    """A message not yet acknowledged.  ``envelope`` is empty until encrypted for ``epoch``."""

    message_id: bytes = fixed(16)
    counter: int = uint64()
    at: int = uint64()
    position: int = uint64()
    kind: int = uint8()
    body: bytes = opaque()
    epoch: int = uint64()
    envelope: bytes = opaque()
    stale: bool = flag()
    """The relay proved that ``envelope`` was not stored: encrypt again after ``epoch``."""


@layout
class SealedDelivery(Struct):
    """A Welcome for one inbox, sealed to its device."""

    inbox_id: bytes = fixed(16)
    item: bytes = opaque()


@layout
class Staged(Struct):
    """An own commit, stored before it is sent, merged only on the echo of its own bytes."""

    envelope_id: bytes = fixed(16)
    epoch: int = uint64()
    envelope: bytes = opaque()
    next_group: bytes = opaque()
    deliveries: tuple[SealedDelivery, ...] = vector(SealedDelivery)
    tree: bytes = opaque()
    """The sealed ratchet tree of the next epoch; empty when the Welcome carries it."""


@layout
class InboxItem(Struct):
    """What an inbox item says once opened, before the zeros that pad it to an envelope size."""

    version: int = uint8()
    channel_id: bytes = fixed(16)
    welcome: bytes = opaque()


@layout
class LeafSpan(Struct):
    """When a device's leaf was in a group, in items of its channel (``exposure``)."""

    did: DeviceId = DEVICE_ID
    from_n: int | None = optional(UINT64)
    """First item it could read; nothing: it was there before this device came."""
    until_n: int | None = optional(UINT64)
    """The commit that removed it; nothing: it is still there."""
    until_at: int = uint64()
    """When this device merged that commit, s; 0: not yet."""


@layout
class LockMark(Struct):
    """How far a channel was when a lock of a device was ordered, or heard of."""

    did: DeviceId = DEVICE_ID
    n: int = uint64()
    at: int = uint64()


@layout
class ChannelExposure(Struct):
    """What this device knows of who could read a channel, and from when to when."""

    spans: tuple[LeafSpan, ...] = vector(LeafSpan)
    locks: tuple[LockMark, ...] = vector(LockMark)


@layout
class RelayAnswer(Struct):
    """What a relay answered to a lock: ``code`` 0 when it has locked, else a ``Refusal``."""

    relay_id: RelayId = RELAY_ID
    at: int = uint64()
    code: int = uint16()


@layout
class OwnLock(Struct):
    """A lock that this device ordered, kept to tell how far it is."""

    order: bytes = opaque()
    """Encoded ``SignedLock``."""
    dids: tuple[DeviceId, ...] = vector(DEVICE_ID)
    answers: tuple[RelayAnswer, ...] = vector(RelayAnswer)
