"""What a home relay sends to a device: answers (``rid`` of the request) and pushed items.

Unknown trailing fields are tolerated: a newer relay may say more.
"""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, array_like=True, tag_field="t", gc=False):
    """Base of all events.  They are nothing for the collector of garbage, as requests are."""


class Challenge(Event, frozen=True, tag=1):
    """First message on a connection: who the relay is, what it speaks, the nonce for proofs."""

    versions: tuple[int, ...]
    relay_id: bytes
    nonce: bytes
    now: int
    """The relay's time, s since the Unix epoch; a label, no rule is decided by it."""


class Done(Event, frozen=True, tag=2):
    """The request is done; ``n`` is what the request's docstring says, else 0."""

    rid: int
    n: int = 0


class Failed(Event, frozen=True, tag=3):
    """The request is refused; nothing was changed unless the code says otherwise."""

    rid: int
    code: int
    detail: int = 0


class Proved(Event, frozen=True, tag=4):
    """The proof stands.  For a channel: its segment and the bounds of what is stored."""

    rid: int
    epoch: int
    """The channel's current epoch (0 for inboxes and boxes).  To a proof of an epoch that has
    ended, the epoch after it: how far the channel has gone since is not for a removed device."""
    first_n: int
    """First index that this proof opens."""
    next_n: int
    """Index that the next item of the object will get; to a proof of an epoch that has ended,
    the index after the commit that ended it."""
    floor_n: int
    """Lower indices are aged out: their absence is no alarm."""


class Item(Event, frozen=True, tag=5):
    """An envelope of a channel."""

    channel_id: bytes
    n: int
    epoch: int
    envelope_id: bytes
    envelope: bytes


class CommitItem(Event, frozen=True, tag=6):
    """The commit that ended ``epoch``; ``parts`` > 0 when it must be read in parts."""

    channel_id: bytes
    n: int
    epoch: int
    envelope_id: bytes
    envelope: bytes
    next_key: bytes
    parts: int = 0
    object_hash: bytes = b""


class MailItem(Event, frozen=True, tag=7):
    """An item of an inbox or a box; ``parts`` > 0 when it must be read in parts."""

    kind: int
    object_id: bytes
    n: int
    item: bytes
    parts: int = 0
    object_hash: bytes = b""


class Part(Event, frozen=True, tag=8):
    """One part of a large object."""

    rid: int
    count: int
    part: bytes


class Begun(Event, frozen=True, tag=9):
    """The origin that the circle's log will have, and what the founder's device enrols with."""

    rid: int
    origin: str
    tickets: tuple[bytes, ...] = ()
    """Encoded tickets for the setup key, one for each relay of the founder's choice."""
    sells_seats: bool = False
    """Whether the operator sells seats: the genesis says so then, and every device needs one."""


class Package(Event, frozen=True, tag=10):
    """A key package, taken out of its pool."""

    rid: int
    package: bytes


class Entries(Event, frozen=True, tag=11):
    """Entries from ``from_seq`` on; ``size`` is how many this proof may read in all."""

    rid: int
    from_seq: int
    entries: tuple[bytes, ...]
    size: int


class Head(Event, frozen=True, tag=12):
    """The newest settled checkpoint, a signed note with all its signatures (the newest one while
    none is settled yet); ``rid`` 0 when pushed."""

    rid: int
    note: bytes


class Proof(Event, frozen=True, tag=13):
    """A consistency proof, RFC 9162 order, 32 bytes each."""

    rid: int
    hashes: tuple[bytes, ...]


class Logged(Event, frozen=True, tag=14):
    """New entries, pushed."""

    from_seq: int
    entries: tuple[bytes, ...]


class Enrolled(Event, frozen=True, tag=15):
    """An encoded ``ShareReceipt``; at a home with seats an encoded ``SeatTerm``, else empty."""

    rid: int
    receipt: bytes
    seat: bytes = b""


class Evaluated(Event, frozen=True, tag=16):
    """The evaluated element, 32 bytes; ``left`` tries until the share is sealed."""

    rid: int
    element: bytes
    left: int


class Opened(Event, frozen=True, tag=17):
    """A box is open; encoded tickets for its key, one for each share relay."""

    rid: int
    tickets: tuple[bytes, ...] = ()


class Erasure(Event, frozen=True, tag=18):
    """``state``: 1 nothing known, 2 pending, 3 erased; then ``receipt`` is an encoded
    ``ErasureReceipt``."""

    rid: int
    state: int
    receipt: bytes = b""


class Seats(Event, frozen=True, tag=19):
    """An encoded ``SeatTerm`` of all the circle's handles; empty where seats are not sold.
    ``seats`` are bought, ``used`` are taken or reserved."""

    rid: int
    term: bytes
    seats: int
    used: int
    term_end: int
    """s since the Unix epoch; 0 where seats are not sold."""


AnyEvent = (
    Challenge
    | Done
    | Failed
    | Proved
    | Item
    | CommitItem
    | MailItem
    | Part
    | Begun
    | Package
    | Entries
    | Head
    | Proof
    | Logged
    | Enrolled
    | Evaluated
    | Opened
    | Erasure
    | Seats
)
