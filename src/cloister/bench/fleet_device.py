"""One device of the fleet: connects through the entry, proves, follows, checks, and comes back.

Devices come in pairs with a channel of their own.  Both follow it; the first of the two puts, with
ids that count up, and sends again, with the same id, what was not acknowledged when its connection
was lost.  So each of the two must see every id once and in order, whatever happens between.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from random import uniform
from typing import TYPE_CHECKING, Final

import picows
from picows.url import WSParsedURL
from python_socks import ProxyError

from cloister.bench.paired_load import BenchFailed
from cloister.device.backoff import Backoff
from cloister.limits import CONNECT_TIMEOUT_S, PATIENCE_S
from cloister.wire import commands, events
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.frame import HOME_PATH, SUBPROTOCOL, decode_events, encode_frame

if TYPE_CHECKING:
    from cloister.bench.fleet_load import Fleet

CHANNEL: Final = int(ObjectKind.CHANNEL)
CREDIT_EVERY: Final = 32
PROVE_RID, FOLLOW_RID, PING_RID, FIRST_PUT_RID = 1, 2, 3, 16
LOST: Final = (OSError, TimeoutError, picows.WSError, ProxyError, TypeError, AttributeError)
"""What an attempt may fail with (as in ``device.link``)."""


class Lost(Exception):
    """The connection ended while it was being set up."""


class FleetDevice:
    """A device that stays over many connections."""

    __slots__ = (
        "_acknowledged",
        "_line",
        "attempts",
        "back_at",
        "channel_id",
        "fleet",
        "index",
        "lost_at",
        "next_n",
        "pair",
        "sent",
        "stamps",
    )

    def __init__(self, fleet: Fleet, index: int, channel_id: bytes) -> None:
        self.fleet = fleet
        self.index = index
        self.pair = index // 2
        self.channel_id = channel_id
        self._line: Line | None = None
        self.attempts = 0
        self.lost_at = 0.0
        self.back_at = 0.0
        self.next_n = 0
        """The next index that is due; also how many ids were seen."""
        self.sent = 0
        self._acknowledged = 0
        self.stamps: dict[int, float] = {}
        """Of the first of a pair: when each id that is under way was put first."""

    @property
    def is_connected(self) -> bool:
        """Tell whether the device follows its channel now."""
        return self._line is not None

    @property
    def is_first(self) -> bool:
        """Tell whether this is the one of its pair that puts."""
        return self.index % 2 == 0

    # --- connecting ---------------------------------------------------------------------------

    async def live(self) -> None:
        """Connect, stay, come back: with the product's own delays."""
        backoff = Backoff(uniform)
        while True:
            self.attempts += 1
            try:
                async with self.fleet.first_entrance(self):
                    line = await self._connect()
            except (*LOST, Lost) as error:
                self.fleet.failures[type(error).__name__] += 1
            else:
                began = time.monotonic()
                await line.closed
                self._line = None
                self.lost_at = time.monotonic()
                self.fleet.on_lost()
                backoff.stood(self.lost_at - began)
            await asyncio.sleep(backoff.next_delay())

    async def _connect(self) -> Line:
        fleet = self.fleet
        line = Line(self)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await picows.ws_connect(
                    lambda: line,
                    f"wss://{fleet.home.host}:{fleet.home.port}{HOME_PATH}",
                    ssl_context=fleet.home_tls,
                    proxy=f"https://{fleet.entry.host}:{fleet.entry.port}",
                    proxy_ssl_context=fleet.entry_tls,
                    socket_factory=self._socket,
                    websocket_handshake_timeout=PATIENCE_S,
                    read_buffer_init_size=2048,
                    max_redirects=0,
                    extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL},
                )
                await line.follows
        except BaseException:
            line.give_up()
            raise
        self._line = line
        self.back_at = time.monotonic()
        fleet.on_back()
        # What was not acknowledged before: the same ids again.
        for n in range(self._acknowledged, self.sent):
            self._send_put(n)
        return line

    async def _socket(self, _url: WSParsedURL) -> socket.socket:
        connecting = socket.socket()
        try:
            connecting.setblocking(False)
            if hasattr(socket, "IP_BIND_ADDRESS_NO_PORT"):
                # The port is chosen for both ends together: an address has more than its share.
                connecting.setsockopt(socket.SOL_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
            connecting.bind((self.fleet.address_of(self.index), 0))
            entry = self.fleet.entry
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().sock_connect(connecting, (entry.host, entry.port))
        except BaseException:
            connecting.close()
            raise
        return connecting

    def requests_at(self, challenge: events.Challenge) -> list[commands.AnyRequest]:
        """Prove the channel and follow it from where this device stands, in one frame."""
        key, relay_id = self.fleet.key_of(self.pair), self.fleet.home.relay_id
        proof = prove(key, relay_id, ObjectKind.CHANNEL, self.channel_id, 0, challenge.nonce)
        return [
            commands.Prove(PROVE_RID, CHANNEL, self.channel_id, 0, proof),
            commands.Follow(FOLLOW_RID, CHANNEL, self.channel_id, self.next_n),
        ]

    # --- connected ----------------------------------------------------------------------------

    def put(self) -> None:
        """Put one envelope."""
        n = self.sent
        self.sent = n + 1
        self.stamps[n] = time.perf_counter()
        self._send_put(n)

    def _send_put(self, n: int) -> None:
        if self._line is not None:
            envelope = self.fleet.envelope
            request = commands.Put(
                FIRST_PUT_RID + n, self.channel_id, 0, n.to_bytes(16, "big"), envelope
            )
            self._line.send(request)

    def ping(self) -> None:
        """Say that this device is there, as each does every minute."""
        if self._line is not None:
            self._line.send(commands.Ping(PING_RID))

    def take(self, line: Line, event: events.AnyEvent) -> None:
        """Take an event of the standing connection."""
        if type(event) is events.Item:
            self._take_item(line, event)
        elif type(event) is events.Done:
            if event.rid >= FIRST_PUT_RID:
                n = event.rid - FIRST_PUT_RID
                if event.n != n:
                    raise BenchFailed(f"put {n} was given index {event.n}")
                self._acknowledged = max(self._acknowledged, n + 1)
                self.fleet.accepted += 1
        elif type(event) is events.Failed:
            raise BenchFailed(f"a device was refused: {event}")

    def _take_item(self, line: Line, item: events.Item) -> None:
        n = self.next_n
        if item.n != n or item.envelope_id != n.to_bytes(16, "big"):
            raise BenchFailed(f"item {item.n} of a channel came where {n} was due")
        self.next_n = n + 1
        self.fleet.delivered += 1
        if not self.is_first:
            stamp = self.fleet.first_of(self.pair).stamps.pop(n, None)
            if stamp is not None:
                self.fleet.latencies.append(time.perf_counter() - stamp)
        if n % CREDIT_EVERY == CREDIT_EVERY - 1:
            line.send(commands.Seen(0, CHANNEL, self.channel_id, n))


class Line(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """One connection of a device."""

    __slots__ = ("_device", "_is_given_up", "_transport", "closed", "follows")

    def __init__(self, device: FleetDevice) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self._device = device
        self._transport: picows.WSTransport | None = None
        self._is_given_up = False
        self.follows: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The WebSocket is open."""
        self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Take a frame: first the challenge, then the answers, then whatever comes."""
        if frame.msg_type is picows.WSMsgType.BINARY and not self._is_given_up:
            try:
                self._take(frame)
            except Exception as error:  # noqa: BLE001  the library would only close the connection
                exit_with(error)

    def _take(self, frame: picows.WSFrame) -> None:
        for event in decode_events(frame.get_payload_as_memoryview()):
            if type(event) is events.Challenge:
                self.send(*self._device.requests_at(event))
            elif type(event) is events.Done and event.rid == FOLLOW_RID:
                if not self.follows.done():
                    self.follows.set_result(None)
            else:
                self._device.take(self, event)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """The connection is gone."""
        self._transport = None
        if not self.follows.done():
            self.follows.set_exception(Lost())
            self.follows.exception()
        if not self.closed.done():
            self.closed.set_result(None)

    def send(self, *requests: commands.AnyRequest) -> None:
        """Send requests in one frame."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(picows.WSMsgType.BINARY, encode_frame(requests))

    def give_up(self) -> None:
        """End a connection that was not set up in time; what still comes of it counts for nothing.

        As it was never there, the next one begins where this one did."""
        self._is_given_up = True
        if self._transport is not None:
            self._transport.disconnect(graceful=False)


def exit_with(error: BaseException) -> None:
    """End a load process at once, with the reason."""
    os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(1)
