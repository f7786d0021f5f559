"""WebSockets of devices: how one is made of an accepted connection, and what each can do.

What a frame means is not known here; whoever derives from ``Socket`` says where it goes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from traceback import clear_frames
from typing import Any, Final

import aiofastnet
import picows
from picows.picows import WSProtocol  # type: ignore[attr-defined, unused-ignore]

from cloister.limits import KIB, MAX_FRAME_BYTES
from cloister.relay.handshake_place import shortened
from cloister.wire.frame import HOME_PATH, SUBPROTOCOL

READ_BUFFER_BYTES: Final = 2048
"""First size of a connection's read buffer; it grows with what comes.  16 KiB, the library's own,
would be a third of what an idle device costs."""
TLS_BUFFER_BYTES: Final = 4 * (16 * KIB + 64)
"""Of each direction, four records.  The library's own are four times that, and once they have been
filled, which everybody can bring about who stops reading, they stay with the connection."""
BINARY: Final = picows.WSMsgType.BINARY
_SILENT: Final = logging.getLogger("picows.server")


class Socket(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """One WebSocket of a device."""

    __slots__ = ("_is_blocked", "_is_changing", "_is_held", "_send", "_transport", "speaks")

    def __init__(self) -> None:
        super().__init__()
        self.speaks = True
        """Whether the device's version of the protocol is this relay's."""
        self._transport: picows.WSTransport | None = None
        self._send: Callable[[picows.WSMsgType, bytes], None] | None = None
        self._is_blocked = False
        self._is_held = False
        self._is_changing = False
        """Whether reading is about to be stopped or begun again."""

    # --- for whoever derives ---------------------------------------------------------------

    def opened(self) -> None:
        """The WebSocket is open."""
        raise NotImplementedError

    def took(self, payload: memoryview) -> bool:
        """A frame has come; tell whether the connection may go on.  ``payload`` is lent."""
        raise NotImplementedError

    def took_garbage(self) -> None:
        """Something has come that is no frame of the protocol; the connection is cut."""
        raise NotImplementedError

    def ended(self) -> None:
        """The connection is gone; told once, unless it never was open."""
        raise NotImplementedError

    def blocked(self, is_blocked: bool) -> None:
        """The other side takes nothing more at present, or takes something again."""
        raise NotImplementedError

    @property
    def host(self) -> str:
        """The address that the connection comes from, or nothing when it is gone."""
        return host_of(self._transport)

    @property
    def waiting_bytes(self) -> int:
        """What it was given and has not taken."""
        if self._transport is None:
            return 0
        return int(self._transport.underlying_transport.get_write_buffer_size())

    # --- what the library calls ------------------------------------------------------------

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The WebSocket is open."""
        self._transport = transport
        self._send = transport.send
        self.opened()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """A frame has come."""
        if self._transport is None:
            return
        if frame.msg_type is BINARY and frame.fin:
            if not self.took(frame.get_payload_as_memoryview()):
                self.cut()
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            self.close()
        elif frame.msg_type not in {picows.WSMsgType.PING, picows.WSMsgType.PONG}:
            # The library answers pings of the WebSocket; they do not keep a connection, Ping does.
            self.took_garbage()
            self.cut()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """The socket is gone."""
        self._end()

    def pause_writing(self) -> None:
        """The socket takes nothing: read nothing that would need an answer."""
        self._is_blocked = True
        self._read()
        if self._transport is not None:
            self.blocked(True)

    def resume_writing(self) -> None:
        """The socket takes something again."""
        self._is_blocked = False
        self._read()
        if self._transport is not None:
            self.blocked(False)

    # --- what can be done ------------------------------------------------------------------

    def hold(self, is_held: bool) -> None:
        """Read nothing more, or read on."""
        self._is_held = is_held
        self._read()

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
        transport = self._transport
        self._end()
        if transport is not None:
            transport.disconnect(graceful=False)

    def _end(self) -> None:
        if self._transport is not None:
            self._transport = None
            self._send = None
            self.ended()

    def _read(self) -> None:
        """Stop reading or read on, when all that has come so far has been handled.

        Stopped in the middle of that, the TLS transport (aiofastnet 1.2.0) keeps what it has
        decrypted and forgets it when it is to read on, until more comes: whoever waits for an
        answer sends nothing more."""
        if not self._is_changing:
            self._is_changing = True
            asyncio.get_running_loop().call_soon(self._set_reading)

    def _set_reading(self) -> None:
        self._is_changing = False
        if self._transport is None or self._transport.is_disconnected:
            return
        underlying = self._transport.underlying_transport
        if self._is_held or self._is_blocked:
            underlying.pause_reading()
        else:
            underlying.resume_reading()


def host_of(transport: picows.WSTransport | None) -> str:
    """Return the address that a WebSocket comes from, or nothing when it is gone."""
    if transport is None:
        return ""
    peer = transport.underlying_transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def welcome(
    request: picows.WSUpgradeRequest, make: Callable[[], Socket] | None
) -> picows.WSUpgradeResponseWithListener | None:
    """Answer the request that opens a WebSocket; ``make`` None: there is no room."""
    if request.path.decode("latin-1") != HOME_PATH:
        return None
    if make is None:
        response = picows.WSUpgradeResponse.create_error_response(503)
        return picows.WSUpgradeResponseWithListener(response, None)
    response = picows.WSUpgradeResponse.create_101_response(
        extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL}
    )
    made = make()
    offered = request.headers.get("Sec-WebSocket-Protocol", SUBPROTOCOL)
    made.speaks = SUBPROTOCOL in offered.split(", ")
    return picows.WSUpgradeResponseWithListener(response, made)


async def shake_hands(
    connection: socket.socket,
    tls: ssl.SSLContext,
    accept: Callable[[picows.WSUpgradeRequest], Any],
    handshake_s: float,
    *,
    ping_s: float | None = None,
) -> None:
    """Do the TLS handshake; the WebSocket's follows, and whoever ``accept`` returns gets it.

    Each of the two may take half of ``handshake_s``: the library counts them one by one.
    ``ping_s``: after how much silence the other side is pinged, and cut if it does not answer in
    half of that; None: never.

    A handshake that fails ends the connection and is nobody's error: strangers connect here."""
    try:
        await aiofastnet.connect_accepted_socket(
            asyncio.get_running_loop(),
            # What picows.ws_create_server makes for each connection; it accepts on its own.
            lambda: WSProtocol(
                host_port=None,
                ws_path=None,
                is_client_side=False,
                ws_listener_factory=accept,
                logger=_SILENT,
                disconnect_on_exception=True,
                websocket_handshake_timeout=shortened(handshake_s / 2),
                enable_auto_ping=ping_s is not None,
                auto_ping_idle_timeout=ping_s or 60,
                auto_ping_reply_timeout=(ping_s or 60) / 2,
                auto_ping_strategy=picows.WSAutoPingStrategy.PING_WHEN_IDLE,
                enable_auto_pong=True,
                max_frame_size=MAX_FRAME_BYTES,
                extra_headers=None,
                read_buffer_init_size=READ_BUFFER_BYTES,
            ),
            connection,
            ssl=tls,
            ssl_handshake_timeout=shortened(handshake_s / 2),
            ssl_incoming_bio_size=TLS_BUFFER_BYTES,
            ssl_outgoing_bio_size=TLS_BUFFER_BYTES,
        )
    except (OSError, EOFError, TimeoutError) as error:
        connection.close()
        # What the library keeps of a handshake that failed would else wait, with its buffers, for
        # the collector of garbage.
        clear_frames(error.__traceback__)
    except asyncio.CancelledError:
        connection.close()
        raise
