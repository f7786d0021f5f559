"""What can be written, and how a write comes out.  The contract is in ``api``.

Rights are not checked here: the caller has done that.  Positions, epochs and quotas are, because
they must be compared and changed in one step.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cloister.wire.codes import Refusal

# --- outcomes --------------------------------------------------------------------------------


class Accepted:
    """The write is on disk.  ``n`` is the index, sequence number or size that it got."""

    __slots__ = ("fresh", "n")

    def __init__(self, n: int = 0, fresh: bool = True) -> None:
        self.n = n
        self.fresh = fresh


class Refused:
    """Nothing was changed."""

    __slots__ = ("code", "detail")

    def __init__(self, code: Refusal, detail: int = 0) -> None:
        self.code = code
        self.detail = detail


class Taken:
    """A key package that has left its pool for good."""

    __slots__ = ("package",)

    def __init__(self, package: bytes) -> None:
        self.package = package


class Bound:
    """The origin that an activation code stands for."""

    __slots__ = ("origin",)

    def __init__(self, origin: str) -> None:
        self.origin = origin


class Delivered:
    """A commit is on disk; ``mail`` names the inbox and index of each Welcome, in order."""

    __slots__ = ("fresh", "mail", "n")

    def __init__(self, n: int, fresh: bool, mail: tuple[tuple[bytes, int], ...]) -> None:
        self.n = n
        self.fresh = fresh
        self.mail = mail


Outcome = Accepted | Refused | Taken | Bound | Delivered


# --- writes ----------------------------------------------------------------------------------

NO_MEMBER: Final = bytes(32)
"""In the ladder of a commons that has ended: a point of small order, which verifies nothing."""


class Allowance(msgspec.Struct, frozen=True):
    """What an account may seat: its id in the operator's books, the seats it has bought, the
    handles that the operator set free.  A reservation counts until it ends, at ``now`` or later."""

    account: str
    seats: int
    freed: frozenset[bytes]
    now: int


class Reservation(msgspec.Struct, frozen=True):
    """Keep a seat free for whoever uses the ticket of ``key``, until ``expires``."""

    allowance: Allowance
    key: bytes
    expires: int


class BindCode(msgspec.Struct, frozen=True):
    """Bind an activation code to a setup key.  ``Bound``; ``WRONG_CODE`` with another key;
    ``NO_SEAT(seats)`` when it is bound for the first time and its account has none to reserve."""

    code_hash: bytes
    setup_key: bytes
    origin: str
    reservation: Reservation | None = None


class OpenCircle(msgspec.Struct, frozen=True):
    """Found a circle: log of one entry with its checkpoint, commons at epoch 0, founder's inbox.

    ``WRONG_CODE`` unless the code is bound to this setup key and origin; ``ID_CONFLICT`` when the
    origin or an id is there with other content."""

    code_hash: bytes
    setup_key: bytes
    origin: str
    genesis: bytes
    fold: bytes
    root: bytes
    note: bytes
    commons_id: bytes
    commons_key: bytes
    inbox_id: bytes
    inbox_key: bytes


class OpenChannel(msgspec.Struct, frozen=True):
    """Open a channel in an epoch, with its key and first index; no lower index is ever there.

    The same key of the same epoch again is no fresh one, wherever the channel has come since.  A
    later epoch takes the place of the first one as long as nothing was stored.  ``ID_CONFLICT``
    for anything else when the id is taken."""

    origin: str
    channel_id: bytes
    key: bytes
    epoch: int = 0
    first_n: int = 0


class AdoptCircle(msgspec.Struct, frozen=True):
    """Take over a circle from another home: log, checkpoint, commons in its epoch, inboxes.

    ``WRONG_CODE`` when the code is bound to another setup key or origin; ``ID_CONFLICT`` when an
    id is taken; not fresh when the circle is there with this log and commons.  One that is there
    otherwise, and of which no head was ever cosigned here, is dropped for it: it led nowhere."""

    code_hash: bytes
    setup_key: bytes
    origin: str
    entries: tuple[tuple[int, bytes], ...]
    fold: bytes
    root: bytes
    note: bytes
    commons: OpenChannel
    inboxes: tuple[tuple[bytes, bytes], ...]


class OpenInbox(msgspec.Struct, frozen=True):
    """Open the one inbox of a box.  ``ID_CONFLICT`` when box or id is taken, ``EXPIRED``."""

    box_id: bytes
    inbox_id: bytes
    key: bytes
    now: int


class OpenBox(msgspec.Struct, frozen=True):
    """Open an invite box.  ``ID_CONFLICT`` when the id is taken, ``NO_SEAT(seats)``."""

    origin: str
    box_id: bytes
    key: bytes
    expires: int
    reservation: Reservation | None = None


class ReserveSeat(msgspec.Struct, frozen=True):
    """Reserve a seat for a device that belongs to the circle already.  ``NO_SEAT(seats)``."""

    reservation: Reservation


class TakeSeat(msgspec.Struct, frozen=True):
    """Seat a handle in the place of the reservation of ``key``, of which nothing stays then: no
    row links a handle to an invitation.  ``BAD_TICKET`` without a reservation; ``NO_SEAT(seats)``
    when it had run out and every seat is taken."""

    allowance: Allowance
    key: bytes
    handle: bytes


class PutEnvelope:
    """Store an envelope (flows D4).  The hot path: a plain class, made once a message.

    The id is looked up first: known with the same bytes, the old index; with others,
    ``ID_CONFLICT``.  Then ``STALE_EPOCH`` unless ``epoch`` is current, ``QUOTA`` when full."""

    __slots__ = ("channel_id", "envelope", "envelope_id", "epoch", "now")

    def __init__(
        self, channel_id: bytes, epoch: int, envelope_id: bytes, envelope: bytes, now: int
    ) -> None:
        self.channel_id = channel_id
        self.epoch = epoch
        self.envelope_id = envelope_id
        self.envelope = envelope
        self.now = now


class Mail(msgspec.Struct, frozen=True):
    """A Welcome in a commit: its bytes, or the hash of an object staged under the channel."""

    inbox_id: bytes
    item: bytes
    staged: bytes


class PutCommit(msgspec.Struct, frozen=True):
    """End an epoch: envelope, ladder row of the next epoch and all Welcomes, in one record.

    As ``PutEnvelope``; also ``PARTS_MISSING`` for a staged object that is not complete and
    ``UNKNOWN_OBJECT`` for an inbox that does not exist.  The ladder row of ``epoch`` gets the
    present size of the circle's log."""

    channel_id: bytes
    epoch: int
    envelope_id: bytes
    envelope: bytes
    staged: bytes
    next_key: bytes
    mail: tuple[Mail, ...]
    tree: bytes
    now: int


class StagePart(msgspec.Struct, frozen=True):
    """Park a part of an object until ``until``.  ``Accepted(parts present)``.

    When it was the last one and the hash of the whole is wrong, all parts are dropped:
    ``PARTS_MISSING``.  ``QUOTA`` when the owner holds too many objects."""

    owner_id: bytes
    object_hash: bytes
    index: int
    count: int
    part: bytes
    until: int
    now: int


class PutBoxItem(msgspec.Struct, frozen=True):
    """Put an item into a box; equal bytes are stored once.  ``QUOTA``, ``EXPIRED``."""

    box_id: bytes
    item: bytes
    now: int


class AddKeyPackages(msgspec.Struct, frozen=True):
    """Add key packages to a pool, each once.  ``Accepted(size)``; ``QUOTA`` and none added."""

    inbox_id: bytes
    packages: tuple[bytes, ...]


class TakeKeyPackage(msgspec.Struct, frozen=True):
    """Take the oldest key package out of a pool of the same circle.  ``NO_KEY_PACKAGE``."""

    origin: str
    inbox_id: bytes


class AppendEntry(msgspec.Struct, frozen=True):
    """Append an entry with the checkpoint over it.  ``MOVED(size)`` unless ``seq`` is the size."""

    origin: str
    seq: int
    kind: int
    entry: bytes
    fold: bytes
    root: bytes
    note: bytes


class MoveCommons(msgspec.Struct, frozen=True):
    """Make a new channel the commons of a circle, at epoch 0 with ``key`` (flows 4.3).

    The old one, if the circle has it, ends where it stands: it opens the log no more, its present
    epoch is over, and the one that follows has no key and no member.  The ladder row of the last
    epoch gets ``log_size``.  ``ID_CONFLICT`` when the new id is taken, ``UNKNOWN_OBJECT`` without
    the circle."""

    origin: str
    old_id: bytes
    new_id: bytes
    key: bytes
    log_size: int


class SetNote(msgspec.Struct, frozen=True):
    """Replace the note of the size that it covers by one with cosignatures: it is settled.

    ``MOVED(size)`` when there is a newer checkpoint already."""

    origin: str
    size: int
    note: bytes


class Expire(msgspec.Struct, frozen=True):
    """Delete what is older than ``before`` or has run out at ``now``; at most ``limit`` envelopes.

    ``now`` is believed: what a clock that ran ahead has stamped with a later time is stamped with
    it.  Never the commit that opened a current epoch, and nothing that is under a legal hold:
    neither what lies in the channels of ``held_channels``, nor anything of the circles of
    ``held_origins``.  Ids of deleted envelopes are remembered until they are older than
    ``forget_before``.  ``Accepted(number of envelopes deleted)``."""

    before: int
    forget_before: int
    now: int
    limit: int
    held_channels: frozenset[bytes] = frozenset()
    held_origins: frozenset[str] = frozenset()


class Tidy(msgspec.Struct, frozen=True):
    """Let nothing of deleted rows stay in the store's files.  ``Accepted``."""


class MirrorEntries(msgspec.Struct, frozen=True):
    """Mirror: store entries from ``from_seq`` and the note of ``size``.  ``MOVED(size held)``."""

    origin: str
    from_seq: int
    entries: tuple[bytes, ...]
    root: bytes
    note: bytes


Write = (
    PutEnvelope
    | PutCommit
    | StagePart
    | BindCode
    | OpenCircle
    | AdoptCircle
    | OpenChannel
    | OpenInbox
    | OpenBox
    | ReserveSeat
    | TakeSeat
    | PutBoxItem
    | AddKeyPackages
    | TakeKeyPackage
    | AppendEntry
    | MoveCommons
    | SetNote
    | Expire
    | Tidy
    | MirrorEntries
)
