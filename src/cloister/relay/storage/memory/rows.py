"""What the reference backend keeps, and reading it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cloister.limits import QUOTA_RETRY_S
from cloister.relay.storage import api
from cloister.relay.storage.quotas import Quotas
from cloister.relay.storage.writes import NO_MEMBER, Refused
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal

T = TypeVar("T")
_HOUR_S = 3600


@dataclass(slots=True)
class Channel:
    """A channel with its ladder; ``ids`` gives (hash, n, time)."""

    origin: str
    is_commons: bool
    epoch: int = 0
    next_n: int = 0
    floor_n: int = 0
    size_bytes: int = 0
    ladder: dict[int, api.LadderRow] = field(default_factory=dict)
    envelopes: dict[int, api.EnvelopeRow] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    ids: dict[bytes, tuple[bytes, int, int]] = field(default_factory=dict)  # hash, n, time


@dataclass(slots=True)
class Mailbox:
    """An inbox or a box."""

    origin: str
    key: bytes
    expires: int
    next_n: int = 0
    floor_n: int = 0
    items: dict[int, api.MailRow] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    packages: list[bytes] = field(default_factory=list)
    inbox_id: bytes = b""


@dataclass(slots=True)
class Staged:
    """An object that comes in parts."""

    count: int
    until: int
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Tell whether every part is there."""
        return len(self.parts) == self.count


@dataclass(slots=True)
class Log:
    """A circle's log."""

    entries: list[bytes]
    root: bytes
    note: bytes
    fold: bytes
    settled: bytes = b""


class Rows:
    """The reading half of :class:`cloister.relay.storage.api.Store`."""

    def __init__(self, quotas: Quotas | None = None) -> None:
        self._quotas = quotas or Quotas()
        self._codes: dict[bytes, tuple[bytes, str]] = {}
        self._reserved: dict[bytes, tuple[str, int]] = {}  # account, end of the reservation
        self._seats: dict[bytes, str] = {}  # account by handle
        self._channels: dict[bytes, Channel] = {}
        self._mailboxes: dict[tuple[ObjectKind, bytes], Mailbox] = {}
        self._staged: dict[tuple[bytes, bytes], Staged] = {}
        self._kept: dict[tuple[bytes, bytes], Staged] = {}
        self._logs: dict[str, Log] = {}
        self._newest = 0
        """Time of the newest item: none is stamped with an earlier one (s)."""

    def _no_text(self, channel: Channel) -> Refused | None:
        """Why a channel takes no text now."""
        quotas = self._quotas
        held = sum(
            one.size_bytes for one in self._channels.values() if one.origin == channel.origin
        )
        if channel.size_bytes > quotas.channel_full_at or held > quotas.circle_full_at:
            return Refused(Refusal.QUOTA, QUOTA_RETRY_S)
        return Refused(Refusal.STORAGE, QUOTA_RETRY_S) if quotas.is_short() else None

    def _is_full(self, inbox_id: bytes) -> bool:
        items = self._mailboxes[ObjectKind.INBOX, inbox_id].items
        return len(items) >= self._quotas.inbox_items

    def _take_back_the_future(self, now: int) -> None:
        """Stamp with the present what a clock that ran ahead has stamped."""
        if self._newest > now + _HOUR_S:
            self._newest = now
            stamps = [one.times for one in self._channels.values()]
            stamps += [one.times for one in self._mailboxes.values()]
            for times in stamps:
                times.update((n, now) for n, at in times.items() if at > now + _HOUR_S)

    def channel(self, channel_id: bytes) -> api.ChannelRow | None:
        channel = self._channels.get(channel_id)
        if channel is None:
            return None
        return api.ChannelRow(
            channel.origin, channel.is_commons, channel.epoch, channel.next_n, channel.floor_n
        )

    def channel_ids(self) -> list[bytes]:
        """Return the ids of all channels, for tests."""
        return list(self._channels)

    def ladder(self, channel_id: bytes, epoch: int) -> api.LadderRow | None:
        channel = self._channels.get(channel_id)
        return channel.ladder.get(epoch) if channel is not None else None

    def envelopes(
        self, channel_id: bytes, from_n: int, to_n: int, max_items: int, max_bytes: int
    ) -> list[api.EnvelopeRow]:
        rows = self._channels[channel_id].envelopes
        wanted = [rows[n] for n in sorted(rows) if from_n <= n <= to_n]
        return _bounded(wanted[:max_items], lambda row: len(row.envelope), max_bytes)

    def proof_key(self, kind: ObjectKind, object_id: bytes, epoch: int) -> bytes | None:
        rung = self.ladder(object_id, epoch) if kind is ObjectKind.CHANNEL else None
        box = self._mailboxes.get((kind, object_id)) if epoch == 0 else None
        key = rung.key if rung is not None else box.key if box is not None else NO_MEMBER
        return key if key != NO_MEMBER else None

    def mailbox(self, kind: ObjectKind, object_id: bytes) -> api.MailboxRow | None:
        one = self._mailboxes.get((kind, object_id))
        if one is None:
            return None
        return api.MailboxRow(one.origin, one.key, one.next_n, one.floor_n, one.expires)

    def mail(
        self, kind: ObjectKind, object_id: bytes, from_n: int, max_items: int, max_bytes: int
    ) -> list[api.MailRow]:
        rows = self._mailboxes[kind, object_id].items
        wanted = [rows[n] for n in sorted(rows) if n >= from_n]
        return _bounded(wanted[:max_items], lambda row: len(row.item), max_bytes)

    def part(self, owner_id: bytes, object_hash: bytes, index: int) -> tuple[int, bytes] | None:
        kept = self._kept.get((owner_id, object_hash))
        if kept is None or index not in kept.parts:
            return None
        return kept.count, kept.parts[index]

    def log(self, origin: str) -> api.LogRow | None:
        log = self._logs.get(origin)
        if log is None:
            return None
        return api.LogRow(origin, len(log.entries), log.root, log.note, log.fold, log.settled)

    def entries(self, origin: str, from_seq: int, to_seq: int, max_bytes: int) -> list[bytes]:
        return _bounded(self._logs[origin].entries[from_seq:to_seq], len, max_bytes)

    def origins(self) -> list[str]:
        return list(self._logs)

    def code_of(self, origin: str) -> bytes | None:
        return next((code for code, (_, one) in self._codes.items() if one == origin), None)

    def bound_key(self, code_hash: bytes) -> bytes | None:
        bound = self._codes.get(code_hash)
        return bound[0] if bound is not None else None

    def seats(self, account: str, now: int) -> api.SeatRows:
        handles = sorted(handle for handle, one in self._seats.items() if one == account)
        reserved = [one for one, until in self._reserved.values() if until >= now]
        return api.SeatRows(tuple(handles), reserved.count(account))

    def account_of_seat(self, key: bytes, handle: bytes) -> str | None:
        return self._seats.get(handle, self._reserved.get(key, (None, 0))[0])

    def counts(self) -> api.Counts:
        return api.Counts(
            circles=len(self._logs),
            channels=len(self._channels),
            envelopes=sum(len(one.envelopes) for one in self._channels.values()),
            entries=sum(len(one.entries) for one in self._logs.values()),
            file_bytes=0,
        )


def _bounded(rows: list[T], size_of: Callable[[T], int], max_bytes: int) -> list[T]:
    """Cut a list where its bytes pass ``max_bytes``; the first row always stays."""
    total = 0
    for index, row in enumerate(rows):
        total += size_of(row)
        if total > max_bytes and index > 0:
            return rows[:index]
    return rows
