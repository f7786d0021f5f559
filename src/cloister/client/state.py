"""The core's state: frozen values, what is persisted and what lives with the connection."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from cloister import mls
from cloister.client.contact_records import Contact, Preference
from cloister.client.home_records import Adoption, HomeMove
from cloister.client.receipt_records import Cover, Giving, Mark, Reading
from cloister.client.records import (
    ChannelExposure,
    ChannelKind,
    ChannelState,
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
    Wish,
)
from cloister.client.sent_records import Sent
from cloister.crypto.secret import Secret
from cloister.ids import DeviceId, MemberId
from cloister.roster.roster import Roster
from cloister.roster.voiding import Void
from cloister.transparency.merkle import Frontier
from cloister.transparency.quorum import Settled
from cloister.values import repr_without
from cloister.wire.events import CommitItem, Item, Seats

if TYPE_CHECKING:
    from cloister.client.welcomes import Waiting

K = TypeVar("K")
V = TypeVar("V")

NOTHING: Final[Mapping[bytes, bytes]] = MappingProxyType({})
UNPLACED: Final = 2**64 - 1
UNKNOWN: Final = b"unknown"
"""Evidence (``suspects``) that the relay does not know the epoch that this device is in."""
CHAIN_WINDOW: Final = 512
"""Chain values kept for each channel: how far behind a sender's view may be to be compared."""


class Work(IntEnum):
    """What an outstanding request is for; with its subject it is unique on a connection."""

    PROVE_CHANNEL = 1
    PROVE_INBOX = 2
    PROVE_BOX = 3
    FOLLOW = 4
    PUT = 5
    COMMIT = 6
    OPEN_CHANNEL = 7
    BEGIN = 8
    OPEN_CIRCLE = 9
    OPEN_INBOX = 10
    OPEN_BOX = 11
    PUT_BOX = 12
    POOL_SIZE = 13
    PUBLISH = 14
    TAKE_PACKAGE = 15
    APPEND = 16
    READ_LOG = 17
    READ_HEAD = 18
    READ_PROOF = 19
    FOLLOW_LOG = 20
    STAGE = 21
    READ_TREE = 22
    READ_PART = 23
    READ_SEATS = 24
    WITHDRAW = 25
    PROVE_STEWARD = 26
    MOVE_CHANNEL = 27
    BRING_LOG = 28
    ADOPT_CIRCLE = 29
    ASK_TICKETS = 30


class Purpose(msgspec.Struct, frozen=True):
    """Why a request was sent: enough to act on its answer."""

    work: Work
    subject: bytes = b""
    number: int = 0


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel and its MLS group on this device."""

    channel_id: bytes
    kind: ChannelKind
    state: ChannelState
    title: str
    group: mls.Group
    next_n: int
    """n of the next item to be processed; ``UNPLACED`` until the relay has said where it starts."""
    chain: bytes
    """Chain value of the items before ``next_n`` in this epoch (content.chain_next)."""
    position: int = 0
    """Of the newest row in the timeline."""
    own_counter: int = 0
    counters: Mapping[DeviceId, Counter] = msgspec.field(default_factory=dict)
    wanted: tuple[DeviceId, ...] = ()
    """Devices that the opener wants in and that are not in yet."""
    dropped: tuple[DeviceId, ...] = ()
    """Devices that were members until they went out for a time; added again when they are back."""
    update_at: int = 0
    """When this device commits its first own update (flows 3.6.4), s; 0: done."""
    leaving: bool = False
    """Whether this device's member wants to be out of this conversation."""
    leavers: tuple[MemberId, ...] = ()
    """Who has said in this epoch that it leaves: all members of the epoch heard it alike."""
    wishes: tuple[Wish, ...] = ()
    """Changes that this device would commit."""
    reason: str = ""
    staged: Staged | None = None
    outbox: tuple[Outgoing, ...] = ()
    sent: tuple[Sent, ...] = ()
    """Own messages of this epoch that were acknowledged lately; those that are put again wait in
    ``outbox`` as well (``putting_again``)."""
    seen: Mapping[DeviceId, Counter] = msgspec.field(default_factory=dict)
    """What had come before the relay lost items: authors may repeat it, and that is no alarm."""
    chains: Mapping[int, bytes] = msgspec.field(default_factory=dict)
    """next_n -> chain value, the last ``CHAIN_WINDOW`` of this epoch."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the present connection; nothing of it is persisted."""

    up: bool = False
    relay_id: bytes = b""
    nonce: bytes = b""
    """Empty until the relay's Challenge has been accepted."""
    relay_ahead_s: int | None = None
    """By how much the relay's clock went before ours when it challenged us: for people alone."""
    next_rid: int = 1
    outstanding: Mapping[int, Purpose] = msgspec.field(default_factory=dict)
    asked: frozenset[Purpose] = frozenset()
    """The purposes in ``outstanding``."""
    proven: Mapping[tuple[int, bytes], int] = msgspec.field(default_factory=dict)
    """(object kind, id) -> epoch proved."""
    current: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    """channel -> the relay's current epoch, as of the last proof."""
    following: frozenset[tuple[int, bytes]] = frozenset()
    unseen: Mapping[tuple[int, bytes], tuple[int, int]] = msgspec.field(default_factory=dict)
    """(object kind, id) -> items and bytes stored since the relay was last told (``Seen``)."""
    done: frozenset[Purpose] = frozenset()
    """One-time requests that this connection needs no more."""
    not_before: Mapping[Purpose, int] = msgspec.field(default_factory=dict)
    pending: tuple[bytes, ...] = ()
    """Log entries beyond the settled roster, in order."""
    pending_bytes: int = 0
    ahead: Roster | None = None
    """The roster as it would be without settled entries that this device cannot open."""
    tail: Frontier | None = None
    """Tree over roster and ``pending``; ``None``: not computed yet."""
    moving: bytes = b""
    """Channel of a Welcome that was proved and says it is of the commons: maybe the new one."""
    readable: int = 0
    """Entries that the relay says this proof may read."""
    tail_hint: int = 0
    """The log's size as the relay last said (``MOVED``)."""
    heard_size: int = 0
    """The log's size as members say: reason to fetch, but nothing waits for what may be a lie."""
    head: bytes = b""
    head_later: bytes = b""
    """A head that fits no relays known yet: judged when the entries below it have come."""
    told_out: bool = False
    """Whether the person was told that this device is out, and by whose act."""
    home_step: int = 0
    """The step (``HomeStep``) of a move when the session began; 0: there was none.  In another
    step proofs are made anew: of a home that was left they say where it ends."""
    brought: int = 0
    """Entries of the log that the new home is known to hold while it takes the circle over."""
    head_settled: Settled | None = None
    """The newest head whose signatures hold, maybe ahead of the roster."""
    held: Mapping[bytes, tuple[Item | CommitItem, ...]] = msgspec.field(default_factory=dict)
    """Items of a channel whose first waits for the log to catch up (C1)."""
    commit_parts: Mapping[bytes, tuple[bytes, ...]] = msgspec.field(default_factory=dict)
    """channel and n -> parts read of a large commit."""
    box_items: int = 0
    """Items in the box proved last: the newcomer's only one."""
    tree_parts: Mapping[bytes, tuple[bytes, ...]] = msgspec.field(default_factory=dict)
    """channel -> parts read of the sealed ratchet tree that a Welcome needs."""
    tree_counts: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    full: frozenset[bytes] = frozenset()
    """Channels that the relay takes nothing more for: one message asks whether there is room."""
    pool_seen_at: int = 0
    """When the relay last said how many key packages are pooled, s."""
    pool_stale: int = 0
    """Own key packages in the pool that are to be taken out."""
    seats_seen_at: int = 0
    """When the relay last said how long the seats are paid for, s."""
    seats: Seats | None = None
    """What it said, verified."""
    lives: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    """channel -> life of the relay (``cloister.lives``) as of the last proof."""
    promised: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    """channel -> index up to which the relay has said that it has items for this proof."""
    behind: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    """hash of a Welcome -> size of the log that it waits for."""
    opened: Mapping[bytes, Waiting] = msgspec.field(default_factory=dict)
    """hash of a Welcome -> what is in it: to open it is work, and it may wait for ever."""
    was_caught_up: bool = False
    """Whether the log was read to its end when commits were last looked at."""
    waiting_since: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    moved_on: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    """channel -> since when a commit must be there that the relay does not show, s."""
    packages: Mapping[DeviceId, bytes] = msgspec.field(default_factory=dict)
    """did -> key package taken for the next commit."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything: persisted state, session, and what is owed to the person's program.

    What holds codes, seeds or group secrets as plain bytes is left out of ``repr``.
    """

    identity: Identity | None = None
    circle: Circle | None = None
    founding: Founding | None = None
    joining: Joining | None = None
    home_move: HomeMove | None = None
    """Set while the circle moves to another home and this device has not followed to the end."""
    adoption: Adoption | None = None
    roster: Roster | None = None
    log_keys: Mapping[int, Secret] = msgspec.field(default_factory=dict)
    intents: tuple[Intent, ...] = ()
    invitations: Mapping[bytes, OwnInvitation] = msgspec.field(default_factory=dict)
    channels: Mapping[bytes, Channel] = msgspec.field(default_factory=dict)
    key_packages: Mapping[bytes, mls.KeyPackageSecrets] = msgspec.field(default_factory=dict)
    welcomes: Mapping[bytes, bytes] = msgspec.field(default_factory=dict)
    """hash -> opened inbox item that could not be taken up yet."""
    inbox_cursor: int = 0
    enrolments: Mapping[bytes, Enrolment] = msgspec.field(default_factory=dict)
    """relay id -> where this device enrols, or has."""
    orders: Mapping[bytes, PendingOrder] = msgspec.field(default_factory=dict)
    """order hash -> a lock that not every relay has answered yet."""
    erasures: frozenset[tuple[bytes, bytes, bytes]] = frozenset()
    """(relay id, handle, hash of the order): asked about until erased (memory only: a duty)."""
    locks: Mapping[bytes, OwnLock] = msgspec.field(default_factory=dict)
    """order hash -> a lock that this device ordered."""
    exposures: Mapping[bytes, ChannelExposure] = msgspec.field(default_factory=dict)
    """channel -> who could read it from when to when, as far as this device knows."""
    named_keys: frozenset[bytes] = frozenset()
    """Stewards' keys that have stood in a set or been proposed: nobody is named again by itself."""
    givings: Mapping[bytes, Giving] = msgspec.field(default_factory=dict)
    """channel -> the receipts that this device gives there."""
    marks: Mapping[bytes, Mark] = msgspec.field(default_factory=dict)
    """channel id and did -> how far another device has come, by its receipts."""
    readings: Mapping[bytes, Reading] = msgspec.field(default_factory=dict)
    """channel -> how far the person has read, kept where the member has other devices."""
    contacts: Mapping[bytes, Contact] = msgspec.field(default_factory=dict)
    """member id -> what this device's person says of them."""
    preferences: Mapping[bytes, Preference] = msgspec.field(default_factory=dict)
    """channel -> whether it is muted or pinned on this device."""
    cover: Cover | None = None
    """Cover traffic, if a person wants it."""
    cover_at: int = 0
    """When the next cover message goes out, s; 0: not drawn (memory only: it depends on nothing
    before)."""
    cover_rate: int = 0
    """Messages a day for which ``cover_at`` was drawn (memory only)."""
    session: Session = msgspec.field(default_factory=Session)
    owed: Mapping[bytes, tuple[int, ...]] = msgspec.field(default_factory=dict)
    """What acts started (intent, invitation, channel id …) -> ``ref`` of each."""
    announcements: Mapping[int, bytes] = msgspec.field(default_factory=dict)
    """generation -> ``LogKey`` content that this device would append (flows 2, duty)."""
    found: Mapping[bytes, bytes] = msgspec.field(default_factory=dict)
    """H(J) -> join request found in a box and not yet in the log (memory only: it stays there)."""
    suspects: Mapping[bytes, bytes] = msgspec.field(default_factory=dict)
    """channel -> what the relay showed there that cannot be accepted (memory only)."""
    rewind: tuple[Void, ...] = ()
    """What a reset makes void of entries that are in the roster (memory only): fold them anew."""
    own_generations: frozenset[int] = frozenset()
    """Generations that a commit of this device began (memory only)."""
    newest_is_own: bool = False
    """Whether this device appended the newest settled entry: its duties come first (in memory)."""
    roots: tuple[bytes, ...] = ()
    """Root of the log's tree at size 0, 1, … up to the roster's; derived from the entries."""
    handled_at: int = 0
    """When the newest input was handled, s."""
    duties: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    """Duty id -> when this device may act (D1), s."""
    acknowledged: Mapping[tuple[bytes, int], bytes] = msgspec.field(default_factory=dict)
    """(channel, n) -> own message that the relay says is stored there, until it comes (memory
    only)."""
    log_ahead: tuple[int, int] = (0, 0)
    """A size of the log that a member went by and this device was not shown, and since when it
    waits, s (memory only)."""
    head_time: int = 0
    """Time of the newest cosignature of the settled head, s."""

    @property
    def commons(self) -> Channel | None:
        """The commons on this device, if it is in it."""
        return self.channels.get(self.circle.commons_id) if self.circle else None

    @property
    def roster_ahead(self) -> Roster | None:
        """The roster to act by: without a commons it goes on without what nobody can open.

        There a steward has to see what other stewards propose, which only a reset lets be folded.
        """
        return (self.session.ahead if self.has_lost_commons else None) or self.roster

    @property
    def cover_per_day(self) -> int:
        """Cover messages a day: what the person chose, and at the least what the circle asks."""
        own = self.cover.per_day if self.cover else 0
        return max(own, self.roster.policy.cover_per_day if self.roster else 0)

    @property
    def has_lost_commons(self) -> bool:
        """Whether the commons stands still, or a reset has left this device out so far."""
        commons, roster = self.commons, self.roster
        if commons is None or roster is None:
            return False
        is_moved = roster.commons_channel != commons.channel_id
        is_unknown = self.suspects.get(commons.channel_id) == UNKNOWN
        return is_moved or is_unknown or commons.state is ChannelState.STUCK

    def is_former_commons(self, channel: Channel) -> bool:
        """Whether a reset has put another channel in the place of this one."""
        is_present = self.circle is None or self.circle.commons_id == channel.channel_id
        return channel.kind is ChannelKind.COMMONS and not is_present

    def root_at(self, size: int) -> bytes:
        """Return the root of the settled log at ``size``, which is not above the roster's."""
        return self.roots[size]

    def __repr__(self) -> str:
        return repr_without(
            self,
            "founding",
            "joining",
            "adoption",
            "intents",
            "invitations",
            "channels",
            "key_packages",
            "welcomes",
            "enrolments",
            "announcements",
        )


def with_item(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """Return a copy with ``key`` set."""
    return {**mapping, key: value}


def without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    """Return a copy without ``key``; the same mapping when it is not there."""
    if key not in mapping:
        return mapping
    return {one: value for one, value in mapping.items() if one != key}
