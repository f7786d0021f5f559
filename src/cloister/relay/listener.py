"""The WebSocket listener for devices: sockets on one side, sessions on the other.

A connection is cut when it sends what is no frame of the protocol, takes nothing for
``STALLED_SESSION_S``, or says nothing for ``IDLE_TIMEOUT_S``.  Nothing about it is logged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Protocol

import picows

from cloister.crypto.entropy import Entropy
from cloister.limits import (
    IDLE_TIMEOUT_S,
    MAX_FRAME_BYTES,
    STALLED_SESSION_S,
)
from cloister.relay.delivery import Flusher
from cloister.relay.logsafe import Log
from cloister.relay.services.context import Context
from cloister.relay.session import Session, State, make_outbox
from cloister.wire.auth import NONCE_BYTES
from cloister.wire.commands import AnyRequest
from cloister.wire.events import Challenge
from cloister.wire.frame import (
    HOME_PATH,
    PROTOCOL_VERSION,
    SUBPROTOCOL,
    WireError,
    decode_requests,
)

READ_BUFFER_BYTES: Final = 2048
"""First size of a connection's read buffer; it grows with what comes.  16 KiB, the library's own,
would be a third of what an idle device costs."""
SWEEP_S: Final = 5.0
BINARY: Final = picows.WSMsgType.BINARY


class Requests(Protocol):
    """Who takes the requests of the connections: the home's whole protocol, or a part of it."""

    def take(self, session: Session, requests: list[AnyRequest]) -> None:
        """Handle the requests of one frame in order."""

    def resume(self, session: Session) -> None:
        """The socket takes something again."""

    def sweep(self, session: Session, now: float) -> None:
        """Take back rights that have run out."""

    def forget(self, session: Session) -> None:
        """A connection has ended: nothing of it stays."""


class Listener:
    """Accepts connections and holds the sessions."""

    def __init__(
        self,
        context: Context,
        dispatch: Requests,
        *,
        entropy: Entropy,
        log: Log,
        max_connections: int,
        handshake_s: float,
    ) -> None:
        self._context = context
        self._dispatch = dispatch
        self._entropy = entropy
        self._log = log
        self._max_connections = max_connections
        self._handshake_s = handshake_s
        self.flusher = Flusher(context.metrics)
        self._connections: dict[Session, Connection] = {}
        context.throttle = self._throttle

    async def start(self, host: str, port: int, tls: ssl.SSLContext) -> asyncio.Server:
        """Bind the socket.  Raises OSError."""
        return await picows.ws_create_server(
            self._accept,
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=self._handshake_s,
            websocket_handshake_timeout=self._handshake_s,
            max_frame_size=MAX_FRAME_BYTES,
            read_buffer_init_size=READ_BUFFER_BYTES,
            enable_auto_ping=False,
            backlog=1024,
        )

    def _accept(
        self, request: picows.WSUpgradeRequest
    ) -> picows.WSListener | picows.WSUpgradeResponseWithListener | None:
        if request.path.decode("latin-1") != HOME_PATH:
            return None
        if len(self._connections) >= self._max_connections:
            response = picows.WSUpgradeResponse.create_error_response(503)
            return picows.WSUpgradeResponseWithListener(response, None)
        response = picows.WSUpgradeResponse.create_101_response(
            extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL}
        )
        return picows.WSUpgradeResponseWithListener(response, Connection(self))

    def on_connected(self, connection: Connection) -> Session:
        """Greet: the challenge is the first message."""
        context = self._context
        now = context.monotonic()
        session = Session(self._entropy.random(NONCE_BYTES), make_outbox(self.flusher, now), now)
        session.outbox.transmit = connection.transmit
        self._connections[session] = connection
        context.metrics.connections += 1
        context.metrics.connections_total += 1
        session.answer(
            Challenge((PROTOCOL_VERSION,), context.relay_id, session.nonce, context.now())
        )
        return session

    def on_frame(self, session: Session, frame: picows.WSFrame) -> bool:
        """Take a frame; tell whether the connection may go on."""
        context = self._context
        context.metrics.frames_in += 1
        session.heard_at = context.monotonic()
        if frame.msg_type is not BINARY or not frame.fin:
            return self._refuse()
        try:
            requests = decode_requests(frame.get_payload_as_memoryview())
        except WireError:
            return self._refuse()
        try:
            self._dispatch.take(session, requests)
        except Exception as error:  # noqa: BLE001  the wall: one session's bug ends one session
            self._log.bug("request-failed", error)
            return False
        return True

    def _refuse(self) -> bool:
        self._context.metrics.frames_refused += 1
        return False

    def on_disconnected(self, session: Session) -> None:
        """Forget the connection."""
        if self._connections.pop(session, None) is not None:
            self._context.metrics.connections -= 1
            self._dispatch.forget(session)

    def resume(self, session: Session) -> None:
        """The socket takes something again."""
        self._dispatch.resume(session)

    def _throttle(self, session: Session, is_over: bool) -> None:
        connection = self._connections.get(session)
        if connection is not None:
            connection.throttle(is_over)

    async def sweep_forever(self) -> None:
        """Cut what is stuck or silent, and take back proofs of ended epochs."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(self._context.monotonic())

    def sweep(self, now: float) -> None:
        """One sweep over all connections."""
        for session, connection in list(self._connections.items()):
            outbox = session.outbox
            if not outbox.is_stuck:
                outbox.moved_at = now
            is_stalled = now - outbox.moved_at > STALLED_SESSION_S
            if is_stalled or now - session.heard_at > IDLE_TIMEOUT_S:
                self._context.metrics.sessions_cut += 1
                connection.cut()
            else:
                self._dispatch.sweep(session, now)

    def drain(self) -> None:
        """Take no more requests; what is under way is answered."""
        for session in self._connections:
            if session.state is not State.CLOSED:
                session.state = State.DRAINING

    def close_all(self) -> None:
        """Send what has gathered and close all connections."""
        self.flusher.flush()
        for connection in list(self._connections.values()):
            connection.close()


class Connection(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """One socket."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener
        self._transport: picows.WSTransport | None = None
        self._session: Session | None = None
        self._send: Callable[[picows.WSMsgType, bytes], None] | None = None
        self._is_throttled = False
        self._on_frame = listener.on_frame

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The WebSocket is open."""
        self._transport = transport
        self._send = transport.send
        self._session = self._listener.on_connected(self)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """A frame has come."""
        session = self._session
        if session is None or session.state is State.CLOSED:
            return
        if frame.msg_type is BINARY:
            if not self._on_frame(session, frame):
                self.cut()
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            self.close()
        elif frame.msg_type not in {picows.WSMsgType.PING, picows.WSMsgType.PONG}:
            # The library answers pings of the WebSocket; they do not keep a connection, Ping does.
            self._listener.on_frame(session, frame)
            self.cut()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """The socket is gone."""
        self._transport = None
        if self._session is not None:
            self._listener.on_disconnected(self._session)

    def pause_writing(self) -> None:
        """The socket takes nothing: push nothing, and read nothing that would need an answer."""
        if self._session is not None:
            self._session.outbox.is_blocked = True
            self._read(False)

    def resume_writing(self) -> None:
        """The socket takes something again."""
        session = self._session
        if session is not None:
            session.outbox.is_blocked = False
            self._read(not self._is_throttled)
            self._listener.resume(session)

    def throttle(self, is_over: bool) -> None:
        """Stop reading while too much of this connection waits for the disk."""
        self._is_throttled = is_over
        blocked = self._session is not None and self._session.outbox.is_blocked
        self._read(not is_over and not blocked)

    def _read(self, on: bool) -> None:
        if self._transport is None or self._transport.is_disconnected:
            return
        underlying = self._transport.underlying_transport
        if on:
            underlying.resume_reading()
        else:
            underlying.pause_reading()

    def transmit(self, frame: bytes) -> None:
        """Send one frame."""
        if self._transport is not None and self._send is not None:
            self._send(BINARY, frame)

    def close(self) -> None:
        """Close politely."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send_close(picows.WSCloseCode.GOING_AWAY)
            self._transport.disconnect()

    def cut(self) -> None:
        """End the connection at once."""
        if self._session is not None:
            self._listener.on_disconnected(self._session)
        if self._transport is not None:
            self._transport.disconnect(graceful=False)
