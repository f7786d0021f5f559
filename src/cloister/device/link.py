"""The link to the home relay: a WebSocket inside TLS inside the entry relay's TLS.

Each layer trusts exactly one certificate, the pinned one; names are never looked up: the entry's
address is an address, the home's is dialled by the entry.  The link knows frames and messages,
nothing of what they mean, except the ping that shows that the other side still answers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import picows
from picows.url import WSParsedURL
from python_socks import ProxyError

from cloister.client.effects import Route
from cloister.device.errors import EntryRefused, WrongCertificate, version_differs
from cloister.errors import CloisterError, LocalError, NetworkError
from cloister.limits import (
    CONNECT_TIMEOUT_S,
    MAX_FRAME_BYTES,
    MAX_FRAME_MESSAGES,
    PATIENCE_S,
    PING_INTERVAL_S,
    STALLED_SESSION_S,
)
from cloister.pinning import pinned_context
from cloister.wire.commands import AnyRequest, Ping
from cloister.wire.events import AnyEvent, Challenge, Done, Failed
from cloister.wire.frame import (
    HOME_PATH,
    PROTOCOL_VERSION,
    SUBPROTOCOL,
    WireError,
    decode_events,
    encode_frame,
)

PING_RID: Final = 2**32 - 1
"""The link's own request; the core counts its requests from 1 and never comes here."""

FAMILY: Final = "cloister.v"
"""Of every version: which ones the relay speaks stands in its first message, in words for people
when they differ."""

OnEvents = Callable[[list[AnyEvent]], None]
Dial = Callable[[Route, Callable[[], picows.WSListener]], Awaitable[picows.WSTransport]]
"""Opens the WebSocket along a route, for the listener made; raises OSError and the like."""


def _pinned(certificate: bytes | None) -> ssl.SSLContext:
    try:
        return pinned_context(certificate)
    except (ssl.SSLError, ValueError):
        raise WrongCertificate("a pinned certificate in the relay set is no certificate") from None


class Link:
    """One standing connection.  ``on_events`` is called with each frame's events, in order."""

    def __init__(self, route: Route, on_events: OnEvents) -> None:
        self._route = route
        self._on_events = on_events
        self._transport: picows.WSTransport | None = None
        self._closed: asyncio.Future[CloisterError | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._stall_timer: asyncio.TimerHandle | None = None
        self._ping_timer: asyncio.TimerHandle | None = None
        self._ping_unanswered = False
        self._early: list[AnyEvent] | None = []

    @classmethod
    async def open(cls, route: Route, on_events: OnEvents, dial: Dial | None = None) -> Link:
        """Connect along a route; ``dial`` is a seam for simulated networks.

        Raises ``WrongCertificate`` (a TrustError), ``EntryRefused`` (a PolicyError),
        ``NetworkError``, or ``LocalError`` for a route that cannot be used.
        """
        link = cls(route, on_events)
        where = f"{route.entry_host}:{route.entry_port}"
        try:
            async with asyncio.timeout(PATIENCE_S):
                link._transport = await (dial or _dial)(route, lambda: _Listener(link))
                link._schedule_ping()
        except TimeoutError:
            raise NetworkError(
                f"the relays did not answer in time (entry {where})",
                hint="check the network; what is queued is sent as soon as they answer",
            ) from None
        except ssl.SSLCertVerificationError:
            raise WrongCertificate(
                f"a relay's certificate is not the pinned one (entry {where})",
                hint="do not go on: somebody may stand in between, or the relay was set up"
                " anew; ask the operator in person",
            ) from None
        except ProxyError as error:
            raise _refused(error, where) from None
        except (OSError, picows.WSError, TypeError, AttributeError) as error:
            # TypeError: Python 3.11 before 3.11.8 reports a failed inner handshake so (#113214).
            # AttributeError: a connection that is lost in the moment it is made has no socket, and
            # the library looks for one.
            raise NetworkError(
                f"the relays cannot be reached (entry {where}): {_reason(error)}",
                hint="check the network and that the relays run; what is queued is sent then",
            ) from None
        return link

    def start(self) -> None:
        """Begin to hand events on; those that came while the link was being opened come first."""
        early, self._early = self._early, None
        if early:
            self._on_events(early)

    def send(self, requests: Sequence[AnyRequest]) -> None:
        """Send requests, as few frames as the limits allow.  On a closed link: nothing."""
        if self._transport is None or self._closed.done():
            return
        for start in range(0, len(requests), MAX_FRAME_MESSAGES):
            self._send(requests[start : start + MAX_FRAME_MESSAGES])

    def pause(self) -> None:
        """Stop reading: the queue behind ``on_events`` is full."""
        if self._transport is not None and not self._closed.done():
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._closed.done():
            self._transport.underlying_transport.resume_reading()

    def close(self, reason: CloisterError | None = None) -> None:
        """Close; ``wait_closed`` returns the reason."""
        if not self._closed.done():
            self._closed.set_result(reason)
        for timer in (self._ping_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.disconnect(graceful=reason is None)

    async def wait_closed(self) -> CloisterError | None:
        """Wait for the end of the link; return why, or ``None`` when we closed it."""
        return await asyncio.shield(self._closed)

    def _send(self, requests: Sequence[AnyRequest]) -> None:
        frame = encode_frame(requests)
        if len(frame) > MAX_FRAME_BYTES:
            if len(requests) == 1:
                raise LocalError("a request is larger than a frame may be")
            half = len(requests) // 2
            self._send(requests[:half])
            self._send(requests[half:])
        elif self._transport is not None:
            self._transport.send(picows.WSMsgType.BINARY, frame)

    def _schedule_ping(self) -> None:
        loop = asyncio.get_running_loop()
        self._ping_timer = loop.call_later(PING_INTERVAL_S, self._ping)

    def _ping(self) -> None:
        if self._ping_unanswered:
            self.close(NetworkError("the relay stopped answering"))
            return
        self._ping_unanswered = True
        self.send([Ping(rid=PING_RID)])
        self._schedule_ping()

    def on_frame(self, frame: picows.WSFrame) -> None:
        """Take one frame of the home relay; anything but our protocol ends the link."""
        if self._closed.done() or frame.msg_type in {picows.WSMsgType.PING, picows.WSMsgType.PONG}:
            return
        if frame.msg_type is picows.WSMsgType.CLOSE:
            self.close(NetworkError("the relay closed the connection"))
            return
        if frame.msg_type is not picows.WSMsgType.BINARY or not frame.fin:
            self.close(NetworkError("the relay sent a frame that the protocol does not have"))
            return
        try:
            events = decode_events(frame.get_payload_as_memoryview())
        except WireError as error:
            self.close(NetworkError(f"the relay sent garbage: {error}"))
            return
        for event in events:
            if isinstance(event, Challenge) and PROTOCOL_VERSION not in event.versions:
                self.close(version_differs(event.versions))
                return
        own = [event for event in events if isinstance(event, Done | Failed)]
        if any(event.rid == PING_RID for event in own):
            self._ping_unanswered = False
            events = [e for e in events if not (isinstance(e, Done | Failed) and e.rid == PING_RID)]
        if self._early is not None:
            self._early.extend(events)
        elif events:
            self._on_events(events)

    def on_disconnected(self) -> None:
        """Note that the transport is gone."""
        self.close(NetworkError("the connection was lost"))

    def on_writable(self, writable: bool) -> None:
        """Note whether the other side takes what is sent; cut a link that takes nothing.

        What waits meanwhile is bounded by the core: it asks no more until it is answered.
        """
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        if not writable and not self._closed.done():
            loop = asyncio.get_running_loop()
            self._stall_timer = loop.call_later(STALLED_SESSION_S, self._on_stalled)

    def _on_stalled(self) -> None:
        self.close(NetworkError(f"the relay took nothing for {STALLED_SESSION_S} s"))


class _Listener(picows.WSListener):
    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self._link.on_frame(frame)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._link.on_disconnected()

    def pause_writing(self) -> None:
        self._link.on_writable(False)

    def resume_writing(self) -> None:
        self._link.on_writable(True)


async def _dial(route: Route, make_listener: Callable[[], picows.WSListener]) -> picows.WSTransport:
    address = _address(route.entry_host)
    home = f"wss://{_in_url(route.home_host)}:{route.home_port}{HOME_PATH}"
    transport, _ = await picows.ws_connect(
        make_listener,
        home,
        ssl_context=_pinned(route.home_certificate),
        proxy=f"https://{_in_url(route.entry_host)}:{route.entry_port}",
        proxy_ssl_context=_pinned(route.entry_certificate),
        socket_factory=lambda _url: _connected_socket(address, route.entry_port, _url),
        websocket_handshake_timeout=PATIENCE_S,
        max_redirects=0,
        max_frame_size=MAX_FRAME_BYTES,
        extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL},
    )
    try:
        check_relay(route, transport)
    except BaseException:
        transport.disconnect(graceful=False)
        raise
    return transport


def check_relay(route: Route, transport: picows.WSTransport) -> None:
    """Demand the protocol, in any version, and the very certificate of the route.

    Raises ``NetworkError``, ``ssl.SSLCertVerificationError``.
    """
    chosen = transport.response.headers.get("Sec-WebSocket-Protocol", "")
    if not chosen.startswith(FAMILY):
        raise NetworkError("the home relay does not speak this program's protocol")
    # The trust anchor could have signed another certificate: only itself is meant.
    if route.home_certificate is not None:
        inner = transport.underlying_transport.get_extra_info("ssl_object")
        if inner.getpeercert(binary_form=True) != route.home_certificate:
            raise ssl.SSLCertVerificationError("not the pinned certificate")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise LocalError(
            f"the entry relay's card gives a name ({host[:64]}), not an address",
            hint="a device asks no name server; the operator must put an address on the card",
        ) from None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _connected_socket(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, _url: WSParsedURL
) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # An address in numbers: the loop resolves nothing.
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(connecting, (str(address), port))
    except BaseException:
        connecting.close()
        raise
    return connecting


def _refused(error: ProxyError, where: str) -> CloisterError:
    text = str(error)
    if "403" in text:
        return EntryRefused(
            f"the entry relay {where} refuses to reach that home relay",
            hint="the two relays must be in each other's list of peers; ask the operators",
        )
    return NetworkError(
        f"the entry relay {where} did not open the way to the home relay",
        hint="the home relay may be down; what is queued is sent as soon as it answers",
    )


def _reason(error: Exception) -> str:
    """Name a cause without repeating what the other side said."""
    if isinstance(error, ssl.SSLError):
        return "TLS was not agreed"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, picows.WSError):
        return "no WebSocket there"
    return "TLS with the home relay failed"
