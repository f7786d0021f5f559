"""The logs that a relay keeps, as its shares see them, and which handles their entries name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.errors import RemoteError
from cloister.ids import CircleId, Handle, RelayId
from cloister.roster.entry import Entry, EntryKind
from cloister.roster.orders import (
    CarriedConsent,
    Erase,
    Hold,
    SignedLock,
    Target,
    Unlock,
    verify_unlock_consent,
)
from cloister.roster.readable import ReadableBody, ReadableType
from cloister.roster.relay_fold import RelayFold
from cloister.roster.share import bind_of

NO_LOCK: Final = -1


class KeptLog(msgspec.Struct, frozen=True):
    """The fold of a log, and whether another relay has cosigned all of it."""

    fold: RelayFold
    is_settled: bool


class KeptLogs(Protocol):
    """The logs of a relay: its own as a home, the mirrored ones as an entry relay."""

    def origins(self) -> list[str]:
        """Return the origins of all logs."""

    def kept(self, origin: str) -> KeptLog | None:
        """Return a log as far as it is on disk."""

    def entries_of(self, origin: str, from_seq: int, to_seq: int) -> list[bytes]:
        """Return a page of entries, at least one of those that are there."""


class Consent(msgspec.Struct, frozen=True):
    """An owner's consent that an unlock carried for one target."""

    circle_id: CircleId
    target: Target
    encoded: bytes

    def is_by(self, owner_key: bytes) -> bool:
        """Tell whether the owner key has signed it."""
        try:
            carried = CarriedConsent.decode(self.encoded)
            verify_unlock_consent(carried, self.target, self.circle_id, owner_key)
        except (RemoteError, BadSignature, BadPublicKey):
            return False
        return True


class NamedHandles:
    """What the entries of one log have said of handles at this relay, read once each.

    The fold knows handles; only the entries show the openings that tie a handle to the log."""

    def __init__(self, relay_id: RelayId, origin: str) -> None:
        self._relay_id = relay_id
        self._origin = origin
        self.size = 0
        """Entries that were read."""
        self.binds: dict[Handle, set[bytes]] = {}
        """By handle: each bind that an entry claims for it."""
        self.consents: dict[tuple[int, Handle], Consent] = {}
        """By seq of the unlock and handle."""
        self.locks: dict[Handle, int] = {}
        """By handle: the log size of the newest lock. Also of one that the fold takes for undone:
        it cannot tell whether the owner has consented, the share can."""

    def read(self, entries: Sequence[bytes]) -> None:
        """Read the next entries.  They are in the log, so their form was checked."""
        for encoded in entries:
            entry = Entry.decode(encoded)
            if entry.header.kind is EntryKind.READABLE:
                self._read(entry)
            self.size += 1

    def _read(self, entry: Entry) -> None:
        body = ReadableBody.decode(entry.body)
        for target in targets_of(body):
            if target.relay_id == self._relay_id:
                bind = bind_of(self._origin, target.opening)
                self.binds.setdefault(target.handle, set()).add(bind)
                size = lock_size_of(body, entry.header.seq)
                if size > self.locks.get(target.handle, NO_LOCK):
                    self.locks[target.handle] = size
        if body.type == ReadableType.ORDER_UNLOCK:
            unlock = Unlock.decode(body.content)
            if len(unlock.consents) != len(unlock.targets):
                # Not every owner has consented: two stewards decide, whoever of them signed.
                return
            for target, consent in zip(unlock.targets, unlock.consents, strict=True):
                place = (entry.header.seq, target.handle)
                self.consents[place] = Consent(entry.header.circle_id, target, consent)


def lock_size_of(body: ReadableBody, seq: int) -> int:
    """The log size at which an entry locks what it names; NO_LOCK for all that do not.

    An order's own, not that of its entry: for a handle unlocked since, it is a replay."""
    match body.type:
        case ReadableType.ORDER_LOCK:
            return SignedLock.decode(body.content).order.log_size
        case ReadableType.ORDER_ERASE:
            return seq
        case _:
            return NO_LOCK


def targets_of(body: ReadableBody) -> Iterator[Target]:
    """The handles that a readable entry names."""
    match body.type:
        case ReadableType.ORDER_LOCK:
            yield from SignedLock.decode(body.content).order.targets
        case ReadableType.ORDER_UNLOCK:
            yield from Unlock.decode(body.content).targets
        case ReadableType.ORDER_ERASE:
            yield from Erase.decode(body.content).targets
        case ReadableType.HOLD:
            yield from Hold.decode(body.content).targets
        case _:
            return
