"""The storage contract.  Every backend passes tests/contract.

Order: writes take effect in the order of submission, each as if alone; ``done`` callbacks run in
    the event loop's thread, in the same order.
Atomicity: a write happens as a whole or not at all.  A refused write changes nothing.
Durability: ``done`` is called with anything but ``Refused(STORAGE)`` only after the write is on
    disk (the memory backend, a reference and not for use, has no disk).  After ``STORAGE`` the
    write may or may not be there: the caller repeats it with the same ids.
Idempotence: the same write again has the same outcome, whatever happened in between, as long as
    its row is kept.  ``Accepted.fresh`` is false then, so that nothing is delivered twice.
Reads: synchronous, bounded by their arguments, and show every write whose ``done`` has been
    called.  They raise ``StorageFailure`` when the file cannot be read.
Failure: after an I/O error nothing more is written; all later writes get ``STORAGE`` and
    ``on_failure`` is called once.  The program stops: a file whose flush failed cannot be trusted
    before it is opened anew.  A full disk refuses the write and goes on.

Rights are not checked here: the caller has done that.  Positions, epochs and quotas are, because
they must be compared and changed in one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from cloister.errors import LocalError
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal


class StorageFailure(LocalError):
    """The relay's files cannot be read or written."""


class EnvelopeKind(IntEnum):
    """What an index of a channel holds."""

    MESSAGE = 1
    COMMIT = 2


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


@dataclass(frozen=True, slots=True)
class BindCode:
    """Bind an activation code to a setup key.  ``Bound``; ``WRONG_CODE`` with another key."""

    code_hash: bytes
    setup_key: bytes
    origin: str


@dataclass(frozen=True, slots=True)
class OpenCircle:
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


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """Open a channel with its key of epoch 0.  ``ID_CONFLICT`` when the id is taken."""

    origin: str
    channel_id: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class OpenInbox:
    """Open the one inbox of a box.  ``ID_CONFLICT`` when box or id is taken, ``EXPIRED``."""

    box_id: bytes
    inbox_id: bytes
    key: bytes
    now: int


@dataclass(frozen=True, slots=True)
class OpenBox:
    """Open an invite box.  ``ID_CONFLICT`` when the id is taken."""

    origin: str
    box_id: bytes
    key: bytes
    expires: int


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


@dataclass(frozen=True, slots=True)
class Mail:
    """A Welcome in a commit: its bytes, or the hash of an object staged under the channel."""

    inbox_id: bytes
    item: bytes
    staged: bytes


@dataclass(frozen=True, slots=True)
class PutCommit:
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


@dataclass(frozen=True, slots=True)
class StagePart:
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


@dataclass(frozen=True, slots=True)
class PutBoxItem:
    """Put an item into a box; equal bytes are stored once.  ``QUOTA``, ``EXPIRED``."""

    box_id: bytes
    item: bytes
    now: int


@dataclass(frozen=True, slots=True)
class AddKeyPackages:
    """Add key packages to a pool, each once.  ``Accepted(size)``; ``QUOTA`` and none added."""

    inbox_id: bytes
    packages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TakeKeyPackage:
    """Take the oldest key package out of a pool of the same circle.  ``NO_KEY_PACKAGE``."""

    origin: str
    inbox_id: bytes


@dataclass(frozen=True, slots=True)
class AppendEntry:
    """Append an entry with the checkpoint over it.  ``MOVED(size)`` unless ``seq`` is the size."""

    origin: str
    seq: int
    kind: int
    entry: bytes
    fold: bytes
    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class SetNote:
    """Replace the note of the size that it covers by one with cosignatures: it is settled.

    ``MOVED(size)`` when there is a newer checkpoint already."""

    origin: str
    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class Expire:
    """Delete what is older than ``before`` or has run out at ``now``; at most ``limit`` envelopes.

    Never the commit that opened a current epoch.  Ids of deleted envelopes are remembered until
    they are older than ``forget_before``.  ``Accepted(number of envelopes deleted)``."""

    before: int
    forget_before: int
    now: int
    limit: int


@dataclass(frozen=True, slots=True)
class MirrorEntries:
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
    | OpenChannel
    | OpenInbox
    | OpenBox
    | PutBoxItem
    | AddKeyPackages
    | TakeKeyPackage
    | AppendEntry
    | SetNote
    | Expire
    | MirrorEntries
)


# --- rows that reads give --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as it stands.  ``is_commons``: its proofs open the circle's log too."""

    origin: str
    is_commons: bool
    epoch: int
    next_n: int
    floor_n: int


@dataclass(frozen=True, slots=True)
class LadderRow:
    """One epoch of a channel.  ``commit_n`` and ``log_size_end`` are None while it is current."""

    epoch: int
    key: bytes
    first_n: int
    commit_n: int | None
    log_size_end: int | None
    tree: bytes


@dataclass(frozen=True, slots=True)
class EnvelopeRow:
    """An envelope; ``parts`` > 0 when its bytes are an object of that many parts.

    ``next_key`` is empty unless it is a commit."""

    n: int
    kind: int
    epoch: int
    envelope_id: bytes
    envelope: bytes
    object_hash: bytes
    parts: int
    next_key: bytes


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """An inbox or a box.  ``expires`` is 0 for an inbox."""

    origin: str
    key: bytes
    next_n: int
    floor_n: int
    expires: int


@dataclass(frozen=True, slots=True)
class MailRow:
    """An item of an inbox or a box."""

    n: int
    item: bytes
    object_hash: bytes
    parts: int


@dataclass(frozen=True, slots=True)
class LogRow:
    """A circle's log: what is needed to take the next entry.

    ``note`` covers all of it; ``settled`` is the newest one with a cosignature, or empty."""

    origin: str
    size: int
    root: bytes
    note: bytes
    fold: bytes
    settled: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is stored, for the status page: numbers and nothing else."""

    circles: int
    channels: int
    envelopes: int
    entries: int
    file_bytes: int


Done = Callable[[Outcome], None]


class Store(Protocol):
    """What the services need of a backend."""

    def submit(self, write: Write, done: Done) -> None:
        """Queue a write.  ``done`` is called later, never inside this call."""

    def channel(self, channel_id: bytes) -> ChannelRow | None:
        """Return a channel as it stands."""

    def ladder(self, channel_id: bytes, epoch: int) -> LadderRow | None:
        """Return one epoch of a channel, as long as its commit has not aged out."""

    def envelopes(
        self, channel_id: bytes, from_n: int, to_n: int, max_items: int, max_bytes: int
    ) -> list[EnvelopeRow]:
        """Return envelopes with from_n <= n <= to_n in order: at most ``max_items``, and as many
        as fit ``max_bytes``, but one at least if there is any."""

    def mailbox(self, kind: ObjectKind, object_id: bytes) -> MailboxRow | None:
        """Return an inbox or a box."""

    def mail(
        self, kind: ObjectKind, object_id: bytes, from_n: int, max_items: int, max_bytes: int
    ) -> list[MailRow]:
        """Return items with n >= from_n in order, bounded as ``envelopes``."""

    def part(self, owner_id: bytes, object_hash: bytes, index: int) -> tuple[int, bytes] | None:
        """Return (count, bytes) of a part that is named by an item or a ladder row."""

    def log(self, origin: str) -> LogRow | None:
        """Return the head of a circle's log, or of its mirror."""

    def entries(self, origin: str, from_seq: int, to_seq: int, max_bytes: int) -> list[bytes]:
        """Return entries with from_seq <= seq < to_seq in order, bounded as ``envelopes``."""

    def origins(self) -> list[str]:
        """Return the origins of all logs."""

    def counts(self) -> Counts:
        """Return how much is stored."""

    def close(self) -> None:
        """Finish all submitted writes, call their ``done`` and close.  Blocks."""
