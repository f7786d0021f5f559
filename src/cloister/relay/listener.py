"""The sessions of devices, and the listener that makes them of WebSockets.

A connection is cut when it sends what is no frame of the protocol, takes nothing for
``STALLED_SESSION_S``, or says nothing for ``IDLE_TIMEOUT_S``.  Nothing about it is logged.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

import picows

from cloister.crypto.entropy import Entropy
from cloister.limits import (
    IDLE_TIMEOUT_S,
    STALLED_SESSION_S,
    UNPROVEN_S,
    UNPROVEN_SILENT_S,
)
from cloister.relay.acquaintances import Acquaintances
from cloister.relay.delivery import Bounds, Flusher, Outbox
from cloister.relay.door import Door, bind
from cloister.relay.logsafe import Log
from cloister.relay.services.context import Context
from cloister.relay.session import (
    DRAIN_RETRY_S,
    Session,
    State,
    TooManyRequests,
    make_outbox,
    spread_of_returns,
)
from cloister.relay.sockets import Socket, shake_hands, welcome
from cloister.relay.waiting import FirstCome, Line
from cloister.relay.way_out import WayOut
from cloister.wire.auth import NONCE_BYTES
from cloister.wire.codes import Refusal
from cloister.wire.commands import AnyRequest
from cloister.wire.events import Challenge
from cloister.wire.frame import PROTOCOL_VERSION, WireError, decode_requests

SWEEP_S: Final = 5.0
SWEPT_AT_ONCE: Final = 16
"""Connections looked at in one turn of the loop."""
UNPROVEN_SWEEP_S: Final = 1.0
"""How often those are looked at that have proved nothing."""
FEW_UNPROVEN: Final = 16
UNPROVEN_SHARE: Final = 4
"""Of all connections, one in so many may be one that has proved nothing; then the oldest is cut."""


class Requests(Protocol):
    """Who takes the requests of the connections: the home's whole protocol, or a part of it."""

    def take(self, session: Session, requests: Sequence[AnyRequest]) -> None:
        """Handle the requests of one frame in order.  Raises TooManyRequests."""

    def resume(self, session: Session) -> None:
        """The socket takes something again."""

    def sweep(self, session: Session, now: float) -> None:
        """Take back rights that have run out."""

    def forget(self, session: Session) -> None:
        """A connection has ended: nothing of it stays."""


class Connection(Protocol):
    """What carries a session: a socket of this process, or one that another process holds."""

    speaks: bool
    """Whether the device's version of the protocol is this relay's."""

    @property
    def waiting_bytes(self) -> int:
        """What it was given and its socket has not taken, as far as is known."""

    def transmit(self, frame: bytes) -> None:
        """Send one frame."""

    def hold(self, is_held: bool) -> None:
        """Read nothing more, or read on."""

    def close(self) -> None:
        """Close politely."""

    def cut(self) -> None:
        """End the connection at once."""

    def proved(self) -> None:
        """Whoever is there has proved something for the first time."""


class Sessions:
    """Holds the sessions of all connections."""

    def __init__(
        self,
        context: Context,
        dispatch: Requests,
        *,
        entropy: Entropy,
        log: Log,
        max_connections: int,
        bounds: Bounds | None = None,
    ) -> None:
        self._context = context
        self._dispatch = dispatch
        self._entropy = entropy
        self._log = log
        self._max_connections = max_connections
        self.flusher = Flusher(context.metrics, bounds=bounds)
        self.flusher.on_bug = self._on_bug
        self._connections: dict[Session, Connection] = {}
        self._is_empty = asyncio.Event()
        self._way_out = WayOut()
        self._unproven: dict[Session, None] = {}
        """Those that had proved nothing when last looked at, the oldest first."""
        context.throttle = self._throttle
        context.retake = self._retake

    @property
    def is_full(self) -> bool:
        """Tell whether there are as many connections as there may be."""
        return len(self._connections) >= self._max_connections

    def on_connected(self, connection: Connection) -> Session:
        """Greet: the challenge is the first message."""
        context = self._context
        now = context.monotonic()
        session = Session(self._entropy.random(NONCE_BYTES), make_outbox(self.flusher, now), now)
        session.outbox.transmit = connection.transmit
        self._connections[session] = connection
        self._unproven[session] = None
        if len(self._unproven) > max(FEW_UNPROVEN, self._max_connections // UNPROVEN_SHARE):
            self._make_room()
        context.metrics.connections += 1
        context.metrics.connections_total += 1
        session.answer(
            Challenge((PROTOCOL_VERSION,), context.relay_id, session.nonce, context.now())
        )
        if not connection.speaks:
            # Said in the one form that every version reads, then over.
            session.refuse(0, Refusal.VERSION, PROTOCOL_VERSION)
            asyncio.get_running_loop().call_soon(self._end, connection)
        return session

    def _end(self, connection: Connection) -> None:
        self.flusher.flush_all()
        connection.close()

    def on_frame(self, session: Session, payload: bytes | memoryview) -> bool:
        """Take a frame; tell whether the connection may go on."""
        context = self._context
        context.metrics.frames_in += 1
        session.heard_at = context.monotonic()
        if session.state is State.CLOSED:
            return True
        try:
            requests = decode_requests(payload)
        except WireError:
            context.metrics.frames_refused += 1
            return False
        return self._take(session, requests)

    def _take(self, session: Session, requests: Sequence[AnyRequest]) -> bool:
        context = self._context
        try:
            self._dispatch.take(session, requests)
        except TooManyRequests:
            context.metrics.frames_refused += 1
            return False
        except Exception as error:  # noqa: BLE001  the wall: one session's bug ends one session
            self._log.bug("request-failed", error)
            return False
        if session in self._unproven and session.state is State.PROVEN:
            del self._unproven[session]
            connection = self._connections.get(session)
            if connection is not None:
                connection.proved()
        return True

    def _retake(self, session: Session, requests: deque[AnyRequest]) -> None:
        connection = self._connections.get(session)
        if connection is not None and not self._take(session, requests):
            connection.cut()

    def _on_bug(self, outbox: Outbox, error: Exception) -> None:
        """The wall again: it comes back, and catches up from where it is."""
        self._log.bug("catching-up-failed", error)
        for session in [one for one in self._connections if one.outbox is outbox]:
            self._cut(session)

    def on_garbage(self) -> None:
        """Count what was no frame of the protocol."""
        self._context.metrics.frames_in += 1
        self._context.metrics.frames_refused += 1

    def on_disconnected(self, session: Session) -> None:
        """Forget the connection."""
        self._unproven.pop(session, None)
        if self._connections.pop(session, None) is not None:
            self._context.metrics.connections -= 1
            self._dispatch.forget(session)
            if not self._connections:
                self._is_empty.set()

    def on_blocked(self, session: Session, is_blocked: bool) -> None:
        """The other side takes nothing: push nothing.  Or it takes something again."""
        session.outbox.is_blocked = is_blocked
        if not is_blocked and session.state is not State.DRAINING:
            self._dispatch.resume(session)

    def _throttle(self, session: Session, is_over: bool) -> None:
        connection = self._connections.get(session)
        if connection is not None:
            connection.hold(is_over)

    async def sweep_forever(self) -> None:
        """Cut what is stuck or silent, and take back proofs of ended epochs."""
        while True:
            for _ in range(max(1, round(SWEEP_S / UNPROVEN_SWEEP_S))):
                await asyncio.sleep(min(SWEEP_S, UNPROVEN_SWEEP_S))
                self.sweep_unproven(self._context.monotonic())
            await self.sweep(self._context.monotonic())

    def sweep_unproven(self, now: float) -> None:
        """Cut those that prove nothing."""
        for session in list(self._unproven):
            if session.state is not State.GREETED:
                del self._unproven[session]
            elif now - session.heard_at > UNPROVEN_SILENT_S or now - session.since > UNPROVEN_S:
                self._cut(session)

    def _make_room(self) -> None:
        """Cut the oldest connection that has proved nothing: whoever has a key uses it at once."""
        while self._unproven:
            oldest = next(iter(self._unproven))
            if oldest.state is State.GREETED:
                self._cut(oldest)
                return
            del self._unproven[oldest]

    def _cut(self, session: Session) -> None:
        connection = self._connections.get(session)
        if connection is not None:
            self._context.metrics.sessions_cut += 1
            connection.cut()

    async def sweep(self, now: float) -> None:
        """One sweep over all connections: a few, then everybody else, then a few more."""
        for place, session in enumerate(list(self._connections)):
            if place % SWEPT_AT_ONCE == SWEPT_AT_ONCE - 1:
                await asyncio.sleep(0)
            connection = self._connections.get(session)
            if connection is not None:
                self._look_after(session, connection, now)

    def _look_after(self, session: Session, connection: Connection, now: float) -> None:
        outbox = session.outbox
        waiting = connection.waiting_bytes
        is_held = session.backlog is not None and not outbox.is_blocked
        if is_held or not outbox.is_stuck or (outbox.is_blocked and waiting < outbox.waiting_bytes):
            # On a slow line it moves, before there is room again; and of whom nothing is read as
            # long as requests wait, what was taken is not known.
            outbox.moved_at = now
        outbox.waiting_bytes = waiting
        # The next sweep would be too late; none comes at the very second.
        is_stalled = now - outbox.moved_at > STALLED_SESSION_S - 1.5 * SWEEP_S
        if is_stalled or now - session.heard_at > IDLE_TIMEOUT_S:
            self._way_out.put(partial(self._cut, session))
        else:
            self._dispatch.sweep(session, now)

    def drain(self) -> None:
        """Take no more requests, and tell each device when to come back: not all at once."""
        spread = spread_of_returns(len(self._connections))
        for session in self._connections:
            session.drain(DRAIN_RETRY_S + random.randint(0, spread))

    async def wait_closed(self, within_s: float) -> None:
        """Wait until every connection has taken its last bytes, and is gone."""
        self._is_empty.clear()
        if self._connections:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._is_empty.wait()

    def close_all(self) -> None:
        """Send what has gathered and close all connections; nothing is read for them any more."""
        for session in self._connections:
            session.outbox.behind.clear()
        self.flusher.flush_all()
        for connection in list(self._connections.values()):
            connection.close()


class Listener:
    """Accepts connections in this process."""

    def __init__(
        self, sessions: Sessions, handshake_s: float, *, knows_addresses: bool = False
    ) -> None:
        """``knows_addresses``: whether an address from which nobody has proved anything comes
        last; not where all connections come from this machine."""
        self.sessions = sessions
        self._knows_addresses = knows_addresses
        self._handshake_s = handshake_s
        self._door: Door | None = None
        self._known: Acquaintances | None = None

    def start(self, host: str, port: int, tls: ssl.SSLContext) -> int:
        """Bind the socket; returns the port.  Raises OSError."""
        line: Line = FirstCome()
        if self._knows_addresses:
            line = self._known = Acquaintances(asyncio.get_running_loop().time)
        self._door = Door(
            bind(host, port),
            lambda connection, _address: shake_hands(
                connection, tls, self._welcome, self._handshake_s
            ),
            lambda: True,
            line,
            silent_s=self._handshake_s,
        )
        self._door.open()
        return self._door.port

    def shut(self) -> None:
        """Accept no more."""
        if self._door is not None:
            self._door.shut()

    def _welcome(
        self, request: picows.WSUpgradeRequest
    ) -> picows.WSUpgradeResponseWithListener | None:
        make = None if self.sessions.is_full else partial(OwnSocket, self.sessions, self._known)
        return welcome(request, make)


class OwnSocket(Socket):
    """A socket of this process, and the session that it carries."""

    __slots__ = ("_known", "_session", "_sessions")

    def __init__(self, sessions: Sessions, known: Acquaintances | None) -> None:
        super().__init__()
        self._known = known
        self._sessions = sessions
        self._session: Session | None = None

    def opened(self) -> None:
        """Begin the session."""
        self._session = self._sessions.on_connected(self)

    def took(self, payload: memoryview) -> bool:
        """Hand a frame to the session."""
        return self._session is None or self._sessions.on_frame(self._session, payload)

    def took_garbage(self) -> None:
        """Count it."""
        self._sessions.on_garbage()

    def proved(self) -> None:
        """Let the door know from where."""
        if self._known is not None:
            self._known.take_in(self, self.host)

    def ended(self) -> None:
        """End the session.  Each of the two would keep the other, until the collector came."""
        if self._known is not None:
            self._known.let_out(self)
        session, self._session = self._session, None
        if session is not None:
            self._sessions.on_disconnected(session)

    def blocked(self, is_blocked: bool) -> None:
        """Push nothing, or push on."""
        if self._session is not None:
            self._sessions.on_blocked(self._session, is_blocked)
