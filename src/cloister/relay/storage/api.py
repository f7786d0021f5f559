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

What can be written is in ``writes``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

import msgspec

from cloister.errors import LocalError
from cloister.relay.storage.writes import Outcome, Write
from cloister.wire.auth import ObjectKind


class StorageFailure(LocalError):
    """The relay's files cannot be read or written."""


class EnvelopeKind(IntEnum):
    """What an index of a channel holds."""

    MESSAGE = 1
    COMMIT = 2


# --- rows that reads give --------------------------------------------------------------------


class ChannelRow(msgspec.Struct, frozen=True):
    """A channel as it stands.  ``is_commons``: its proofs open the circle's log too."""

    origin: str
    is_commons: bool
    epoch: int
    next_n: int
    floor_n: int


class LadderRow(msgspec.Struct, frozen=True):
    """One epoch of a channel.  ``commit_n`` and ``log_size_end`` are None while it is current."""

    epoch: int
    key: bytes
    first_n: int
    commit_n: int | None
    log_size_end: int | None
    tree: bytes


class EnvelopeRow(msgspec.Struct, frozen=True, gc=False):
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


class MailboxRow(msgspec.Struct, frozen=True):
    """An inbox or a box.  ``expires`` is 0 for an inbox."""

    origin: str
    key: bytes
    next_n: int
    floor_n: int
    expires: int


class MailRow(msgspec.Struct, frozen=True):
    """An item of an inbox or a box."""

    n: int
    item: bytes
    object_hash: bytes
    parts: int


class LogRow(msgspec.Struct, frozen=True):
    """A circle's log: what is needed to take the next entry.

    ``note`` covers all of it; ``settled`` is the newest one with a cosignature, or empty."""

    origin: str
    size: int
    root: bytes
    note: bytes
    fold: bytes
    settled: bytes


class SeatRows(msgspec.Struct, frozen=True):
    """The seats of an account: the handles that have one, in order, and how many are reserved."""

    handles: tuple[bytes, ...]
    reserved: int


class Counts(msgspec.Struct, frozen=True):
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

    def proof_key(self, kind: ObjectKind, object_id: bytes, epoch: int) -> bytes | None:
        """Return the key that proves an object, or an epoch of a channel; None: nobody can.

        It takes the same time for every argument: strangers ask this."""

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

    def code_of(self, origin: str) -> bytes | None:
        """Return the hash of the activation code that a log was opened with."""

    def bound_key(self, code_hash: bytes) -> bytes | None:
        """Return the setup key that an activation code is bound to; None: nobody has used it."""

    def seats(self, account: str, now: int) -> SeatRows:
        """Return the seats of an account and the reservations that have not run out."""

    def account_of_seat(self, key: bytes, handle: bytes) -> str | None:
        """Return the account of a seated handle, else of the reservation of a ticket's key."""

    def counts(self) -> Counts:
        """Return how much is stored."""

    def close(self) -> None:
        """Finish all submitted writes, call their ``done`` and close.  Blocks."""
