"""The entry relay's proxy: HTTP CONNECT inside TLS, to the home relays of its list and to the
unlock face of its own, and to nothing else.

It sees addresses and no channels.  It keeps no log of requests, looks up no name that a request
brings, and holds at most two small buffers a tunnel: when one side takes nothing, the other is not
read.  What it carries is the device's TLS with the home relay.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from functools import partial
from typing import Any, Final, Protocol, cast

from cloister.limits import STALLED_SESSION_S
from cloister.relay.dialling import Dialling, local_ports
from cloister.relay.handshake_place import shortened
from cloister.relay.kernel_room import bound_unread, bound_unsent, keep_nothing
from cloister.relay.metrics import Metrics
from cloister.relay.peers import Peers
from cloister.relay.way_out import WayOut

Address = tuple[str, int]
"""Host and port."""

MAX_HEAD_BYTES: Final = 2048
"""A CONNECT request with its headers.  Larger ones are of no device of ours."""
BUFFER_BYTES: Final = 64 * 1024
"""Bytes that may wait in one direction of one tunnel before the other side is not read."""
LOOK_S: Final = 5.0
"""How often a direction is looked at that takes nothing more at present."""
LOOKS: Final = round(STALLED_SESSION_S / LOOK_S) - 1
"""After so many in which nothing moved the tunnel ends; the next would be too late."""
_END_OF_HEAD: Final = b"\r\n\r\n"


class Places(Protocol):
    """Who counts the connections of an entry relay, over all its processes."""

    async def enter(self, address: str) -> bool:
        """Count a connection; tell whether it may come in.  Who may not is not to leave."""

    def leave(self, address: str) -> None:
        """A connection has ended."""

    def join(self) -> None:
        """A tunnel is open."""

    def part(self) -> None:
        """A tunnel has ended."""

    def refuse(self) -> None:
        """Somebody wanted to go where nobody is led."""


class Counted:
    """Counts here; where an address has all it may have, not even a handshake begins."""

    def __init__(self, metrics: Metrics, max_connections: int, max_per_address: int) -> None:
        self.metrics = metrics
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._addresses: Counter[str] = Counter()

    def may_enter(self, address: str) -> bool:
        """Count a connection; tell whether it may come in."""
        metrics = self.metrics
        if (
            metrics.connections >= self._max_connections
            or self._addresses[address] >= self._max_per_address
        ):
            if not self._addresses[address]:
                del self._addresses[address]
            metrics.tunnels_refused += 1
            return False
        self._addresses[address] += 1
        metrics.connections += 1
        metrics.connections_total += 1
        return True

    def refuses(self, address: str) -> bool:
        """Tell, and count, that an address has all it may have: that is seen at the door."""
        if self._addresses.get(address, 0) < self._max_per_address:
            return False
        self.metrics.tunnels_refused += 1
        return True

    async def enter(self, address: str) -> bool:
        """Count a connection; tell whether it may come in."""
        return self.may_enter(address)

    def leave(self, address: str) -> None:
        """A connection has ended.  An address is known for as long as it is connected."""
        self.metrics.connections -= 1
        self._addresses[address] -= 1
        if self._addresses[address] <= 0:
            del self._addresses[address]

    def join(self) -> None:
        """A tunnel is open."""
        self.metrics.tunnels += 1
        self.metrics.tunnels_total += 1

    def part(self) -> None:
        """A tunnel has ended."""
        self.metrics.tunnels -= 1

    def refuse(self) -> None:
        """Somebody wanted to go where nobody is led."""
        self.metrics.tunnels_refused += 1


class Proxy:
    """Accepts devices and connects them with home relays, and with this relay's shares."""

    def __init__(
        self,
        peers: Peers,
        places: Places,
        *,
        unlock: dict[Address, Address],
        tls: ssl.SSLContext,
        handshake_s: float,
    ) -> None:
        """``unlock``: the address on this relay's own card, and where its unlock face listens."""
        self._peers = peers
        self.places = places
        self._unlock = unlock
        self._dialling = Dialling(local_ports())
        self._tls = tls
        self.handshake_s = handshake_s
        self.way_out = WayOut()
        self._outers: set[_Outer] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def held(self) -> int:
        """Connections of devices, those among them that are no tunnels yet."""
        return len(self._outers)

    async def take(self, connection: socket.socket, address: Any) -> asyncio.Future[None] | None:
        """Shake hands with a device that has connected; returns when that is over, what is done
        when it has its tunnel, or has gone."""
        host = str(address[0])
        if not await self.places.enter(host):
            connection.close()
            return None
        outer = _Outer(self, host)
        self._outers.add(outer)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: outer,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=shortened(self.handshake_s),
                ssl_shutdown_timeout=2,
            )
        except OSError:
            connection.close()
            self.release(outer, host)
            return None
        except asyncio.CancelledError:
            connection.close()
            self.release(outer, host)
            raise
        return outer.settled

    def release(self, outer: _Outer, address: str) -> None:
        """A connection has ended."""
        if outer in self._outers:
            self._outers.discard(outer)
            self.places.leave(address)

    def place_of(self, target: Address) -> Address | None:
        """Return where a target is dialled: the host of a peer's card, as the operator listed it,
        or this relay's own unlock face; None for all the rest of the world."""
        card = self._peers.homes().get(target)
        return self._unlock.get(target) if card is None else (card.host, card.port)

    def dial(self, outer: _Outer, place: Address) -> None:
        """Connect to a home relay, or to the unlock face."""
        task = asyncio.get_running_loop().create_task(self._dial(outer, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dial(self, outer: _Outer, place: Address) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.handshake_s):
                connected = await self._dialling.connect(*place)
                await loop.create_connection(lambda: _Inner(outer, self.way_out), sock=connected)
        except (OSError, TimeoutError):
            outer.refuse(502, "Bad Gateway")

    def close(self) -> None:
        """End all tunnels."""
        self.way_out.close()
        for outer in list(self._outers):
            outer.close()
        for task in list(self._tasks):
            task.cancel()


class _Half(asyncio.Protocol):
    """One socket of a tunnel: what comes goes to the other, no faster than that one takes it."""

    def __init__(self, way_out: WayOut) -> None:
        self._way_out = way_out
        self.transport: asyncio.Transport | None = None
        self.other: _Half | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._waiting = 0
        """Bytes that were waiting when it was last looked at."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()
        self._waiting = self._waits()
        self._stuck = asyncio.get_running_loop().call_later(LOOK_S, self._look, 1)

    def _waits(self) -> int:
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def _look(self, times: int) -> None:
        """End the tunnel when it has taken nothing for as long as may be."""
        waiting = self._waits()
        if waiting < self._waiting:
            times = 0
        self._waiting = waiting
        if times >= LOOKS:
            if self.transport is not None:
                connection = self.transport.get_extra_info("socket")
                if connection is not None:
                    keep_nothing(connection)
            self.close()
        else:
            self._stuck = asyncio.get_running_loop().call_later(LOOK_S, self._look, times + 1)

    def resume_writing(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        gone, self.transport = self.transport, None
        if self._stuck is not None:
            self._stuck.cancel()
        other, self.other = self.other, None
        if other is not None and other.transport is not None:
            self._way_out.put(partial(_follow_out, other.transport, gone))

    def close(self) -> None:
        """End the tunnel at once."""
        if self.transport is not None:
            self.transport.abort()


def _follow_out(transport: asyncio.Transport, _gone: asyncio.Transport | None) -> None:
    """Close the other side too; what it was sent already still goes out.

    ``_gone``, the side that has ended, is kept until now: to free its TLS takes as long."""
    transport.close()


class _Inner(_Half):
    """The socket to the home relay."""

    def __init__(self, outer: _Outer, way_out: WayOut) -> None:
        super().__init__(way_out)
        self._outer = outer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            bound_unsent(connection)
            bound_unread(connection)
        if not self._outer.join(self):
            self.close()


class _Outer(_Half):
    """The socket of a device: first the CONNECT request, then the tunnel."""

    def __init__(self, proxy: Proxy, address: str) -> None:
        super().__init__(proxy.way_out)
        self._proxy = proxy
        self._address = address
        self._head = bytearray()
        self._is_dialling = False
        self._timer: asyncio.TimerHandle | None = None
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it has its tunnel, or has gone."""
        self._until = asyncio.get_running_loop().time() + shortened(proxy.handshake_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        # Covers TLS, the request and the dialling: a slow one holds a socket, nothing else.
        self._timer = loop.call_at(self._until, self.close)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._head += data
        if self._is_dialling:
            # A device may send its TLS hello before it has our answer; no more than that.
            if len(self._head) > BUFFER_BYTES:
                self.close()
            return
        end = self._head.find(_END_OF_HEAD)
        if end < 0:
            if len(self._head) > MAX_HEAD_BYTES:
                self.refuse(431, "Request Header Fields Too Large")
            return
        if end > MAX_HEAD_BYTES:
            self.refuse(431, "Request Header Fields Too Large")
            return
        line = bytes(self._head[:end]).split(b"\r\n", 1)[0]
        del self._head[: end + len(_END_OF_HEAD)]
        target = parse_connect(line)
        if target is None:
            self.refuse(400, "Bad Request")
            return
        place = self._proxy.place_of(target)
        if place is None:
            self._proxy.places.refuse()
            self.refuse(403, "Forbidden")
            return
        self._is_dialling = True
        self._proxy.dial(self, place)

    def join(self, inner: _Inner) -> bool:
        """The home relay has answered; tell whether the device is still there."""
        if self.transport is None or inner.transport is None or self.transport.is_closing():
            return False
        if self._timer is not None:
            self._timer.cancel()
        self.other = inner
        inner.other = self
        self._proxy.places.join()
        self._settle()
        self.transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
        if self._head:
            inner.transport.write(bytes(self._head))
        self._head = bytearray()
        return True

    def refuse(self, status: int, reason: str) -> None:
        """Answer and close."""
        if self.transport is not None and not self.transport.is_closing():
            answer = f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.transport.write(answer.encode("ascii"))
            self.transport.close()

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._settle()
        self._proxy.release(self, self._address)
        if self.other is not None:
            self._proxy.places.part()
        super().connection_lost(exc)


def parse_connect(line: bytes) -> tuple[str, int] | None:
    """Take ``CONNECT host:port HTTP/1.1`` apart; None for anything else."""
    try:
        method, authority, version = line.decode("ascii").split(" ")
    except (UnicodeDecodeError, ValueError):
        return None
    if method != "CONNECT" or version not in {"HTTP/1.1", "HTTP/1.0"}:
        return None
    host, colon, port = authority.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdecimal() and len(port) <= 5):
        return None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    return host.lower(), int(port)
