"""One connection of a device: what it has proved, what it follows, what it may do.

The states are few because nearly all rights hang on objects, not on the connection:

    GREETED  --first proof-->  PROVEN  --stop-->  DRAINING  -->  CLOSED
       '-----------------------stop---------------^

Which request is taken in which state is one table, in ``dispatch``.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from cloister.errors import RemoteError
from cloister.limits import MAX_UNPROVEN_REQUESTS
from cloister.relay.backlog import Backlog
from cloister.relay.delivery import Flusher, Follow, Outbox
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal
from cloister.wire.events import Done, Failed
from cloister.wire.frame import encode_message

DRAIN_RETRY_S: Final = 5
"""After how many seconds the first devices come back to a relay that is being restarted."""
RETURNS_A_SECOND: Final = 500
"""How many are told to come back in one second: a handshake costs about a millisecond."""
MAX_PENDING_BYTES: Final = 4 * 1024 * 1024
"""Bytes of writes of one connection that are not on disk yet; beyond, nothing more is read."""


class TooManyRequests(RemoteError):
    """A connection that has proved nothing asks too much; it is cut."""


class State(Enum):
    """Where a connection stands."""

    GREETED = "greeted"
    PROVEN = "proven"
    DRAINING = "draining"
    CLOSED = "closed"


class Grant:
    """What one proof opens.

    For a channel: the segment of the proven epoch.  ``last_n`` and ``log_limit`` are None while
    that epoch is current; a commit sets them, and from then on the grant runs out.
    """

    __slots__ = (
        "epoch",
        "first_n",
        "is_commons",
        "kind",
        "lapses_at",
        "last_n",
        "log_limit",
        "object_id",
        "origin",
    )

    def __init__(
        self, kind: ObjectKind, object_id: bytes, origin: str, epoch: int, first_n: int
    ) -> None:
        self.kind = kind
        self.object_id = object_id
        self.origin = origin
        self.epoch = epoch
        self.first_n = first_n
        self.last_n: int | None = None
        self.log_limit: int | None = None
        self.is_commons = False
        self.lapses_at: float | None = None

    @property
    def is_current(self) -> bool:
        """Tell whether the proven epoch has not ended."""
        return self.last_n is None


class LogFollow:
    """The log that a connection follows: the next entry, and the last head it was sent."""

    __slots__ = ("head_sent", "next_seq", "origin")

    def __init__(self, origin: str, next_seq: int) -> None:
        self.origin = origin
        self.next_seq = next_seq
        self.head_sent = b""


class Session:
    """Values of one connection.  What happens to them is in the services."""

    __slots__ = (
        "backlog",
        "commons",
        "follows",
        "grants",
        "heard_at",
        "log_follow",
        "nonce",
        "outbox",
        "pending_bytes",
        "pending_writes",
        "retry_s",
        "since",
        "state",
        "steward_keys",
        "unproven_requests",
    )

    def __init__(self, nonce: bytes, outbox: Outbox, now: float) -> None:
        self.nonce = nonce
        self.outbox = outbox
        self.state = State.GREETED
        self.grants: dict[tuple[int, bytes], Grant] = {}
        self.follows: dict[tuple[int, bytes], Follow] = {}
        self.commons: dict[str, Grant] = {}
        """Grants of commons, by the origin of their log."""
        self.steward_keys: dict[str, bytes] = {}
        """Key ids that were proved, by the origin of the log: each as long as it is obeyed."""
        self.log_follow: LogFollow | None = None
        self.backlog: Backlog | None = None
        self.since = now
        self.heard_at = now
        self.unproven_requests = 0
        self.pending_writes = 0
        self.pending_bytes = 0
        self.retry_s = DRAIN_RETRY_S
        """While draining: after how long this device comes back."""

    def drain(self, retry_s: int) -> None:
        """Take no more requests, and say now when to come back; what is under way is answered."""
        if self.state is not State.CLOSED:
            self.state = State.DRAINING
            self.retry_s = retry_s
            self.refuse(0, Refusal.DRAINING, retry_s)

    def count_unproven(self, count: int = 1) -> None:
        """Count a request before the first proof.  Raises TooManyRequests."""
        self.unproven_requests += count
        if self.unproven_requests > MAX_UNPROVEN_REQUESTS:
            raise TooManyRequests("too many requests without a proof")

    def grant_time(self, now: float) -> None:
        """It has shown a right that is no proof of an object, an activation code: it may go on."""
        self.since = now
        self.unproven_requests = 0

    def answer(self, event: msgspec.Struct) -> None:
        """Send an event."""
        if self.state is not State.CLOSED:
            self.outbox.send(encode_message(event))

    def done(self, rid: int, n: int = 0) -> None:
        """Answer ``Done``."""
        self.answer(Done(rid, n))

    def refuse(self, rid: int, code: Refusal, detail: int = 0) -> None:
        """Answer ``Failed``."""
        self.answer(Failed(rid, int(code), detail))

    def channel_grant(self, channel_id: bytes) -> Grant | None:
        """Return the proof of a channel, if there is one."""
        return self.grants.get((ObjectKind.CHANNEL, channel_id))

    def current_commons(self, commons_id: bytes) -> Grant | None:
        """Return the proof of a commons' current epoch, if there is one."""
        grant = self.channel_grant(commons_id)
        if grant is None or not grant.is_commons or not grant.is_current:
            return None
        return grant

    def reads_heads_of(self, origin: str) -> bool:
        """Tell whether heads and proofs of this log may be read: by its commons, or a box."""
        if origin in self.commons:
            return True
        return any(
            grant.origin == origin
            for grant in self.grants.values()
            if grant.kind is not ObjectKind.CHANNEL
        )

    def remove_grant(self, grant: Grant) -> None:
        """Take a proof back, with what it carried.

        The log that it opened stays followed, and shows nothing until another proof opens it: a
        device that was asleep proves the next epoch, and does not know that this one had lapsed."""
        key = (int(grant.kind), grant.object_id)
        self.grants.pop(key, None)
        follow = self.follows.pop(key, None)
        if follow is not None:
            follow.drop()
        if self.commons.get(grant.origin) is grant:
            del self.commons[grant.origin]


def spread_of_returns(connections: int) -> int:
    """Return over how many seconds the return of so many connections is spread."""
    return connections // RETURNS_A_SECOND


def make_outbox(flusher: Flusher, now: float) -> Outbox:
    """Make the outbox of a connection that is not connected to its socket yet."""
    return Outbox(flusher, _discard, now)


def _discard(_frame: bytes) -> None:
    """A closed connection takes nothing."""
