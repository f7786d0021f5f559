"""Pushing items to connections: the window, what is behind it, and frames of one loop turn.

An item is encoded once and shared by all that follow its object.  A connection that has used up
its window, or whose socket takes nothing, is passed over; it catches up from storage as soon as
it says ``Seen``.  Nothing is queued for it meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from cloister.limits import (
    DELIVERY_WINDOW_BYTES,
    DELIVERY_WINDOW_ITEMS,
    MAX_FRAME_BYTES,
    MAX_FRAME_MESSAGES,
)
from cloister.relay.metrics import Metrics
from cloister.wire.frame import join_messages

_FRAME_ROOM: Final = MAX_FRAME_BYTES - 16
"""Bytes of messages in one frame, less its head."""


class Source(Protocol):
    """Where a follow gets what it has missed."""

    def read(self, follow: Follow, max_items: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """Return (n, encoded item) from ``follow.next_n`` on, as far as its rights go."""


class Behind(Protocol):
    """What a connection has to catch up with as soon as it takes something again."""

    @property
    def is_closed(self) -> bool:
        """Tell whether it waits for credit."""

    def pump(self) -> None:
        """Go on, as far as window and connection allow."""


class Follow:
    """One object that one connection follows: the next index, and what is not ``Seen`` yet.

    The window is the object's own: a device gives credit object by object, and a window shared by
    many objects could close with every one of them a little short of its next credit."""

    __slots__ = (
        "kind",
        "last_n",
        "next_n",
        "object_id",
        "outbox",
        "source",
        "unseen",
        "unseen_bytes",
    )

    def __init__(
        self, outbox: Outbox, source: Source, kind: int, object_id: bytes, next_n: int
    ) -> None:
        self.outbox = outbox
        self.source = source
        self.kind = kind
        self.object_id = object_id
        self.next_n = next_n
        self.last_n: int | None = None
        """Last index that the proof opens; None: no end."""
        self.unseen: deque[tuple[int, int]] = deque()
        self.unseen_bytes = 0

    @property
    def is_closed(self) -> bool:
        """Tell whether the window is used up."""
        return (
            len(self.unseen) >= DELIVERY_WINDOW_ITEMS or self.unseen_bytes >= DELIVERY_WINDOW_BYTES
        )

    def offer(self, n: int, item: bytes) -> None:
        """Push a new item if it is the next one and the window is open."""
        if n != self.next_n or (self.last_n is not None and n > self.last_n):
            return
        outbox = self.outbox
        unseen = self.unseen
        # The properties of both, written out: this runs once for each message and follower.
        if (
            outbox.is_blocked
            or outbox.pushed_bytes >= DELIVERY_WINDOW_BYTES
            or self.unseen_bytes >= DELIVERY_WINDOW_BYTES
            or len(unseen) >= DELIVERY_WINDOW_ITEMS
        ):
            outbox.behind[self] = None
            return
        self.next_n = n + 1
        unseen.append((n, len(item)))
        self.unseen_bytes += len(item)
        outbox.push(item)

    def pump(self) -> None:
        """Catch up from storage as far as window and connection allow."""
        outbox = self.outbox
        while not (outbox.is_full or self.is_closed):
            items = self.source.read(
                self,
                DELIVERY_WINDOW_ITEMS - len(self.unseen),
                DELIVERY_WINDOW_BYTES - self.unseen_bytes,
            )
            if not items:
                outbox.behind.pop(self, None)
                return
            for n, item in items:
                self._push(n, item)
        outbox.behind[self] = None

    def _push(self, n: int, item: bytes) -> None:
        self.next_n = n + 1
        self.unseen.append((n, len(item)))
        self.unseen_bytes += len(item)
        self.outbox.push(item)

    def seen(self, n: int) -> None:
        """Give credit for all items up to ``n``."""
        unseen = self.unseen
        while unseen and unseen[0][0] <= n:
            self.unseen_bytes -= unseen.popleft()[1]

    def drop(self) -> None:
        """Stop following."""
        self.outbox.behind.pop(self, None)


class Outbox:
    """What goes to one connection: answers at once, pushed items as their windows allow."""

    __slots__ = (
        "_flusher",
        "_messages",
        "_size",
        "behind",
        "is_blocked",
        "moved_at",
        "pushed_bytes",
        "transmit",
    )

    def __init__(self, flusher: Flusher, transmit: Callable[[bytes], None], now: float) -> None:
        self._flusher = flusher
        self.transmit = transmit
        self._messages: list[bytes] = []
        self._size = 0
        self.pushed_bytes = 0
        """Bytes of items and answers in this loop turn."""
        self.is_blocked = False
        """The socket takes nothing more at present."""
        self.moved_at = now
        """When the connection last took something (monotonic s)."""
        self.behind: dict[Behind, None] = {}  # in order, so that a simulation replays

    @property
    def is_full(self) -> bool:
        """Tell whether nothing more may be pushed in this loop turn."""
        return self.is_blocked or self.pushed_bytes >= DELIVERY_WINDOW_BYTES

    @property
    def is_stuck(self) -> bool:
        """Tell whether the other side ought to take something and has not."""
        return self.is_blocked or any(follow.is_closed for follow in self.behind)

    def push(self, item: bytes) -> None:
        """Send an item."""
        self._flusher.metrics.messages_delivered += 1
        self.send(item)

    def send(self, message: bytes) -> None:
        """Put an encoded message into the frame of this loop turn."""
        messages = self._messages
        if not messages:
            self._flusher.add(self)
        elif len(messages) == MAX_FRAME_MESSAGES or self._size + len(message) > _FRAME_ROOM:
            self.flush()
            self._flusher.add(self)
        messages = self._messages
        messages.append(message)
        self._size += len(message)
        self.pushed_bytes += len(message)

    def flush(self) -> None:
        """Send what has gathered as one frame."""
        if self._messages:
            messages, self._messages = self._messages, []
            self._size = 0
            self._flusher.metrics.frames_out += 1
            self.transmit(join_messages(messages))

    def catch_up(self) -> None:
        """Serve what is behind, as far as windows and socket allow now."""
        for follow in tuple(self.behind):
            follow.pump()


class Flusher:
    """Sends, at the end of a loop turn, the frames of all connections that have something."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._outboxes: list[Outbox] = []

    def add(self, outbox: Outbox) -> None:
        """Remember a connection until the end of this turn."""
        if not self._outboxes:
            self._loop.call_soon(self.flush)
        self._outboxes.append(outbox)

    def flush(self) -> None:
        """Send all frames that have gathered; who had its share goes on in the next turn."""
        outboxes, self._outboxes = self._outboxes, []
        for outbox in outboxes:
            outbox.flush()
            was_full = outbox.pushed_bytes >= DELIVERY_WINDOW_BYTES
            outbox.pushed_bytes = 0
            if was_full and outbox.behind:
                self._loop.call_soon(outbox.catch_up)
