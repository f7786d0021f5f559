"""Members of a circle for the attacks that strangers cannot do: channels, who writes, connections.

Each connection goes through the entry relay, from a loopback address that few others use.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final

import picows
from picows.url import WSParsedURL

from cloister.bench.hostile_attack import Attack
from cloister.bench.paired_load import BenchFailed
from cloister.bench.relay_circle import found_circle, pair_key
from cloister.crypto.entropy import SystemEntropy
from cloister.limits import KIB, PATIENCE_S
from cloister.wire import commands, events
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.frame import HOME_PATH, decode_events, encode_frame

CHANNEL: Final = int(ObjectKind.CHANNEL)
ENVELOPE_BYTES: Final = 16 * KIB
"""Sixteen fill a window."""
_ENTER_AT_ONCE: Final = 24
_UNREAD_BYTES: Final = 32 * KIB
_TLS_BUFFER_BYTES: Final = 16 * KIB + 64
"""A record.  What a member does not read shall wait at the relays, and not here."""
_ANSWERED_S: Final = 60.0
_FIRST_PUT: Final = 16


class Line(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """One connection of a member."""

    def __init__(self, take: Callable[[events.AnyEvent], None]) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self._take = take
        self.got: asyncio.Queue[events.AnyEvent] = asyncio.Queue()
        """What has come while it is being set up."""
        self.is_set_up = False
        self.transport: picows.WSTransport | None = None
        self.local: tuple[str, int] = ("", 0)
        """Where it comes from, as the entry relay sees it."""
        self.closed: asyncio.Future[None] = loop.create_future()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The WebSocket is open."""
        self.transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Take what has come."""
        if frame.msg_type is picows.WSMsgType.BINARY:
            for event in decode_events(frame.get_payload_as_memoryview()):
                if self.is_set_up:
                    self._take(event)
                else:
                    self.got.put_nowait(event)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """The connection is gone."""
        self.transport = None
        self.got.put_nowait(events.Failed(0, 0))
        if not self.closed.done():
            self.closed.set_result(None)

    async def answer(self) -> events.AnyEvent:
        """Return the next event while it is being set up.  Raises ConnectionError."""
        event = await self.got.get()
        if isinstance(event, events.Failed):
            raise ConnectionError(f"a member was refused: {event}")
        return event

    def settle(self) -> None:
        """From here on events go to whoever made it, what has come already first."""
        self.is_set_up = True
        while not self.got.empty():
            self._take(self.got.get_nowait())

    def send(self, *requests: commands.AnyRequest) -> None:
        """Send requests in one frame."""
        self.send_frame(encode_frame(requests))

    def send_frame(self, frame: bytes) -> None:
        """Send a frame."""
        if self.transport is not None and not self.transport.is_disconnected:
            self.transport.send(picows.WSMsgType.BINARY, frame)

    def read(self, reads: bool) -> None:
        """Read on, or read nothing more."""
        if self.transport is not None:
            underlying = self.transport.underlying_transport
            if reads:
                underlying.resume_reading()
            else:
                underlying.pause_reading()

    def drop(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.disconnect(graceful=False)


class Rooms:
    """The channels that members follow, and the one device that writes into them."""

    def __init__(self, attack: Attack, count: int) -> None:
        self._attack = attack
        self._count = count
        self._gate = asyncio.Semaphore(_ENTER_AT_ONCE)
        self._envelope = SystemEntropy().random(ENVELOPE_BYTES)
        self._writer: Line | None = None
        self.channels: tuple[bytes, ...] = ()
        self.put_at: list[list[float]] = [[] for _ in range(count)]
        """Of each channel, when each of its messages was accepted (monotonic s)."""
        self._sent = [0] * count
        self.fault = ""
        """Why the writer's word is worth nothing, if it is."""

    # --- connecting ---------------------------------------------------------------------------

    async def found(self) -> None:
        """Found the circle and its channels, and connect the writer."""
        attack = self._attack
        line, challenge = await self.greet(self._on_answer)
        circle = await found_circle(
            attack.home,
            attack.entry,
            attack.config.code,
            self._count,
            challenge,
            line.send,
            line.got,
        )
        self.channels = circle.channels
        await self.prove(line, challenge, range(self._count))
        line.settle()
        self._writer = line

    async def greet(self, take: Callable[[events.AnyEvent], None]) -> tuple[Line, events.Challenge]:
        """Connect through the entry relay.  Raises OSError and what picows raises."""
        attack, line = self._attack, Line(take)

        async def connect(_url: WSParsedURL) -> socket.socket:
            connecting = socket.socket()
            try:
                connecting.setblocking(False)
                connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNREAD_BYTES)
                connecting.bind(attack.place())
                await asyncio.get_running_loop().sock_connect(
                    connecting, (attack.entry.host, attack.entry.port)
                )
            except BaseException:
                connecting.close()
                raise
            line.local = connecting.getsockname()
            return connecting

        async with self._gate:
            await picows.ws_connect(
                lambda: line,
                f"wss://{attack.home.host}:{attack.home.port}{HOME_PATH}",
                ssl_context=attack.home_tls,
                proxy=f"https://{attack.entry.host}:{attack.entry.port}",
                proxy_ssl_context=attack.entry_tls,
                socket_factory=connect,
                websocket_handshake_timeout=PATIENCE_S,
                ssl_incoming_bio_size=_TLS_BUFFER_BYTES,
            )
            challenge = await line.answer()
        if not isinstance(challenge, events.Challenge):
            raise BenchFailed("the relay did not begin with its challenge")
        return line, challenge

    async def prove(
        self, line: Line, challenge: events.Challenge, rooms: range | list[int]
    ) -> None:
        """Prove channels by their numbers."""
        relay_id = self._attack.home.relay_id
        for room in rooms:
            channel_id = self.channels[room]
            proof = prove(
                pair_key(room), relay_id, ObjectKind.CHANNEL, channel_id, 0, challenge.nonce
            )
            line.send(commands.Prove(1, CHANNEL, channel_id, 0, proof))
        for _ in rooms:
            await line.answer()

    # --- writing ------------------------------------------------------------------------------

    def put(self, room: int) -> None:
        """Put one message; ids count up in each channel."""
        n = self._sent[room]
        self._sent[room] = n + 1
        if self._writer is not None:
            request = commands.Put(
                _FIRST_PUT + room, self.channels[room], 0, n.to_bytes(16, "big"), self._envelope
            )
            self._writer.send(request)

    async def fill(self, each: int) -> None:
        """Put so many into each channel.  Raises TimeoutError."""
        for _ in range(each):
            for room in range(self._count):
                self.put(room)
            await self.settled()

    async def write(self, rate: float) -> None:
        """Put into all channels in turn, messages a second, until it is cancelled."""
        loop = asyncio.get_running_loop()
        began, count = loop.time(), 0
        while True:
            due = int((loop.time() - began) * rate)
            for number in range(count, due):
                self.put(number % self._count)
            count = max(count, due)
            await asyncio.sleep(0.005)

    async def settled(self) -> None:
        """Wait until all puts were answered.  Raises TimeoutError."""
        async with asyncio.timeout(_ANSWERED_S):
            while not self.is_settled:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def _on_answer(self, event: events.AnyEvent) -> None:
        if isinstance(event, events.Done) and event.rid >= _FIRST_PUT:
            put_at = self.put_at[event.rid - _FIRST_PUT]
            if event.n != len(put_at):
                self.fault = f"a put was given index {event.n} where {len(put_at)} was due"
            put_at.append(time.monotonic())
        else:
            self.fault = f"a put was refused: {event}"

    @property
    def is_settled(self) -> bool:
        """Tell whether all puts were answered."""
        return all(
            len(put_at) == sent for put_at, sent in zip(self.put_at, self._sent, strict=True)
        )
