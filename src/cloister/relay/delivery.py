"""Pushing items to connections: the window, what is behind it, and frames of one loop turn.

An item is encoded once and shared by all that follow its object.  A connection that has used up
its window, or whose socket takes nothing, is passed over; it catches up from storage as soon as
it says ``Seen``.  Nothing is queued for it meanwhile.

What is read for those who catch up is bounded for all of them together, in each turn of the loop:
they take turns, and who is up to date does not wait for them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from cloister.limits import (
    DELIVERY_WINDOW_BYTES,
    DELIVERY_WINDOW_ITEMS,
    KIB,
    MAX_FRAME_BYTES,
    MAX_FRAME_MESSAGES,
)
from cloister.relay.metrics import Metrics
from cloister.relay.turns import Turns
from cloister.wire.frame import join_messages

TURN_BYTES: Final = DELIVERY_WINDOW_BYTES
"""What all connections together may ask for in one turn of the loop, as bytes that take as long to
make: some three milliseconds."""
READ_BYTES: Final = 32 * KIB
"""Of it, what may come from storage.  Who reads can wait, and asks for a hundred times of what he
sends; a turn that gave each of a thousand his window would make everybody else wait for seconds."""
SHARE_BYTES: Final = 64 * KIB
"""What one connection gets of it before its socket has said whether it takes that: whoever reads
nothing makes the relay hold so much and one message more."""
REST_S: Final = 0.002
"""After a turn in which somebody caught up, for everybody else, while there is anybody else: what
they wait for at worst goes with how much of the time is left to them, and hardly with how much is
read at once.  All who catch up have some fifteen megabytes a second together."""
REST_ALONE_S: Final = 0.001
"""The same when nobody who is up to date was given anything in the last ``LIVE_TURNS``."""
LIVE_TURNS: Final = 128
"""Some 0.3 s."""
FLUSH_BYTES: Final = 256 * KIB
"""What is sent in one turn of the loop: half a millisecond.  A message to a thousand does not make
a message to one wait for all of them."""
FRAME_BYTES: Final = 6 * KIB
"""What a frame counts of it beside its bytes: a record of TLS and a call of the system."""
_FRAME_ROOM: Final = MAX_FRAME_BYTES - 16
"""Bytes of messages in one frame, less its head."""


class Bounds(msgspec.Struct, frozen=True):
    """What there is in a turn of the loop for all together, and how long it rests after it."""

    turn_bytes: int = TURN_BYTES
    read_bytes: int = READ_BYTES
    flush_bytes: int = FLUSH_BYTES
    rest_s: float = REST_S
    rest_alone_s: float = REST_ALONE_S


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

    @property
    def is_behind(self) -> bool:
        """Tell whether there is something that it may have and has not been given."""
        return self in self.outbox.behind

    def offer(self, n: int, item: bytes) -> None:
        """Push a new item if it is the next one and the window is open."""
        if n != self.next_n or (self.last_n is not None and n > self.last_n):
            return
        outbox = self.outbox
        unseen = self.unseen
        # The properties of both, written out: this runs once for each message and follower.
        if (
            outbox.is_blocked
            or outbox.pushed_bytes >= SHARE_BYTES
            or self.unseen_bytes >= DELIVERY_WINDOW_BYTES
            or len(unseen) >= DELIVERY_WINDOW_ITEMS
        ):
            outbox.behind[self] = None
            return
        self.next_n = n + 1
        unseen.append((n, len(item)))
        self.unseen_bytes += len(item)
        outbox.flusher.live_turns = LIVE_TURNS
        outbox.push(item)

    def pump(self) -> None:
        """Catch up from storage as far as window, connection and this turn of the loop allow."""
        outbox = self.outbox
        while not (outbox.is_full or self.is_closed):
            if outbox.flusher.has_read:
                outbox.flusher.wait(outbox)
                break
            items = self.source.read(
                self,
                DELIVERY_WINDOW_ITEMS - len(self.unseen),
                min(
                    DELIVERY_WINDOW_BYTES - self.unseen_bytes,
                    SHARE_BYTES - outbox.pushed_bytes,
                    outbox.flusher.bounds.read_bytes,
                ),
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
        self.outbox.flusher.read(len(item))
        self.outbox.push(item)

    def seen(self, n: int) -> bool:
        """Give credit for all items up to ``n``; tell whether that was any."""
        unseen = self.unseen
        before = len(unseen)
        while unseen and unseen[0][0] <= n:
            self.unseen_bytes -= unseen.popleft()[1]
        return len(unseen) < before

    def drop(self) -> None:
        """Stop following."""
        self.outbox.behind.pop(self, None)


class Outbox:
    """What goes to one connection: answers at once, pushed items as their windows allow."""

    __slots__ = (
        "_messages",
        "_size",
        "behind",
        "flusher",
        "is_blocked",
        "moved_at",
        "pushed_bytes",
        "taken",
        "transmit",
        "waiting_bytes",
    )

    def __init__(self, flusher: Flusher, transmit: Callable[[bytes], None], now: float) -> None:
        self.flusher = flusher
        self.transmit = transmit
        self._messages: list[bytes] = []
        self._size = 0
        self.pushed_bytes = 0
        """Bytes of items and answers in this loop turn."""
        self.taken = 0
        """Requests of it that were taken in this loop turn."""
        self.is_blocked = False
        """The socket takes nothing more at present."""
        self.moved_at = now
        """When the connection last took something (monotonic s)."""
        self.waiting_bytes = 0
        """What its socket had not taken when it was last looked at."""
        self.behind: dict[Behind, None] = {}  # in order, so that a simulation replays

    @property
    def is_full(self) -> bool:
        """Tell whether nothing more may be pushed in this loop turn."""
        return self.is_blocked or self.pushed_bytes >= SHARE_BYTES

    @property
    def is_stuck(self) -> bool:
        """Tell whether the other side ought to take something and has not."""
        return self.is_blocked or any(follow.is_closed for follow in self.behind)

    def push(self, item: bytes) -> None:
        """Send an item."""
        self.flusher.metrics.messages_delivered += 1
        self.send(item)

    def send(self, message: bytes) -> None:
        """Put an encoded message into the frame of this loop turn."""
        messages = self._messages
        if not messages:
            self.flusher.add(self)
        elif len(messages) == MAX_FRAME_MESSAGES or self._size + len(message) > _FRAME_ROOM:
            self.flush()
            self.flusher.add(self)
        messages = self._messages
        messages.append(message)
        self._size += len(message)
        self.pushed_bytes += len(message)

    def flush(self) -> int:
        """Send what has gathered as one frame; return its size."""
        size = self._size
        if self._messages:
            messages, self._messages = self._messages, []
            self._size = 0
            self.flusher.metrics.frames_out += 1
            self.transmit(join_messages(messages))
        return size

    def catch_up(self) -> None:
        """Serve what is behind, as far as windows and socket allow now."""
        for follow in tuple(self.behind):
            follow.pump()


class Flusher:
    """Sends, at the end of a loop turn, the frames of all connections that have something; and
    lets those go on that wait for their share, one after another, for a part of the time."""

    def __init__(
        self, metrics: Metrics, turns: Turns | None = None, bounds: Bounds | None = None
    ) -> None:
        """``turns``: None: of the running loop."""
        self.metrics = metrics
        self.bounds: Final = bounds or Bounds()
        self.on_bug: Callable[[Outbox, Exception], None] | None = None
        """Told what failed for one connection that caught up: the others go on."""
        self._turns: Turns = turns or asyncio.get_running_loop()
        self._outboxes: list[Outbox] = []
        self._late: deque[Outbox] = deque()
        """Those of earlier turns that have not been sent yet."""
        self._waiting: OrderedDict[Outbox, None] = OrderedDict()
        """Those that could take more from storage, in the order of their turns.  (Of a plain dict
        the first is found past the places of all that were taken out before.)"""
        self._takers: list[Outbox] = []
        self.live_turns = 0
        """Turns of those who wait for which they still leave time to those who are up to date."""
        self._spent = 0
        self._read = 0
        self._is_due = False
        self._serves = False

    @property
    def is_spent(self) -> bool:
        """Tell whether whoever makes work has to wait."""
        return self._spent >= self.bounds.turn_bytes

    @property
    def has_read(self) -> bool:
        """Tell whether whoever needs something from storage has to wait."""
        return self._read >= self.bounds.read_bytes or self.is_spent

    def spend(self, size: int) -> None:
        """Count work in this turn, as bytes from storage that take as long."""
        self._spent += size
        self._come()

    def read(self, size: int) -> None:
        """Count bytes from storage in this turn, or looking for them."""
        self._read += size
        self.spend(size)

    def take(self, outbox: Outbox, cost: int, *, reads: bool) -> None:
        """Count a request of a connection."""
        if not outbox.taken:
            self._takers.append(outbox)
        outbox.taken += 1
        if reads:
            self.read(cost)
        else:
            self.spend(cost)

    def add(self, outbox: Outbox) -> None:
        """Remember a connection until the end of this turn."""
        self._outboxes.append(outbox)
        self._come()

    def _come(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._turns.call_soon(self.flush)

    def flush(self) -> None:
        """Send the frames that have gathered; who had its share waits for the next one."""
        self._is_due = False
        self._spent = self._read = 0
        for outbox in self._takers:
            outbox.taken = 0
        self._takers.clear()
        outboxes, self._outboxes = self._outboxes, []
        room = self.bounds.flush_bytes
        sent = 0
        for outbox in outboxes:
            if room <= 0:
                break
            room -= self._send(outbox)
            sent += 1
        # Who comes later passes by the many of an earlier turn, for whom half is kept.
        room = max(room, self.bounds.flush_bytes // 2, 1)
        while self._late and room > 0:
            room -= self._send(self._late.popleft())
        self._late.extend(outboxes[sent:])
        if self._late:
            self._come()

    def flush_all(self) -> None:
        """Send everything that has gathered now: nothing more will come."""
        while self._outboxes or self._late:
            self.flush()

    def _send(self, outbox: Outbox) -> int:
        size = outbox.flush()
        was_full = outbox.pushed_bytes >= SHARE_BYTES
        outbox.pushed_bytes = 0
        if was_full and outbox.behind:
            self.wait(outbox)
        return size + FRAME_BYTES

    def wait(self, outbox: Outbox) -> None:
        """Let a connection catch up when the others who wait have had their turn."""
        self._waiting[outbox] = None
        if not self._serves:
            self._serves = True
            self._turns.call_soon(self._serve)

    def _serve(self) -> None:
        """Let some go on, then nobody for a while: whoever asks for much, or again and again,
        leaves most of the loop to those who do not."""
        self._spent = self._read = 0
        for _ in range(len(self._waiting)):
            if self.has_read:
                break
            outbox, _nothing = self._waiting.popitem(last=False)
            try:
                outbox.catch_up()
            except Exception as error:  # else nobody would ever catch up again
                if self.on_bug is None:
                    raise
                self.on_bug(outbox, error)
                # Cutting is no less work than reading; of a bad disk all who wait fail.
                self.read(self.bounds.read_bytes)
        is_live = self.live_turns > 0
        if is_live:
            self.live_turns -= 1
        self._serves = bool(self._waiting)
        if self._serves:
            rest_s = self.bounds.rest_s if is_live else self.bounds.rest_alone_s
            self._turns.call_later(rest_s, self._serve)
