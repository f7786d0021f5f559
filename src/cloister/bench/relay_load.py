"""The load of the relay bench: devices, connected, proven and subscribed, in a process of its own.

Run as ``python -m cloister.bench.relay_load CONFIG``, a JSON object; prints a JSON object.  Devices
come in pairs: one puts, the other follows and checks every id.  Latency is from the put to the
delivery, by one clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import picows

from cloister.bench.paired_load import (
    ENVELOPE_BYTES,
    BenchFailed,
    PairedConfig,
    PairedLoad,
    main_of,
)
from cloister.bench.relay_circle import BenchCircle, found_circle, pair_key
from cloister.crypto.entropy import SystemEntropy
from cloister.pinning import pinned_context
from cloister.roster.relay_card import RelayCard
from cloister.wire import commands, events
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.frame import HOME_PATH, decode_events, encode_frame

CHANNEL: Final = int(ObjectKind.CHANNEL)
CREDIT_EVERY: Final = 64


class LoadConfig(PairedConfig, frozen=True, kw_only=True):
    """What to do, and with which relays."""

    card: str
    """Path of the home's card."""
    entry: str
    """Path of the entry's card; empty: connect to the home without it."""
    peer: str
    """Path of the entry's card, for the genesis."""
    code: str
    floor_port: int = 0
    """Not 0: measure the bare server there instead."""


class Peer(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """One connection: a sender or a receiver."""

    def __init__(self, load: Load, index: int) -> None:
        super().__init__()
        self.load = load
        self.index = index
        self.transport: picows.WSTransport | None = None
        self.handle: Callable[[list[events.AnyEvent]], None] = self.on_setup
        self.got: asyncio.Queue[events.AnyEvent] = asyncio.Queue()
        self.sent = 0
        self.received = 0
        self.stamps: list[float] = []
        self.channel_id = b""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Take a frame."""
        if frame.msg_type is picows.WSMsgType.BINARY:
            if self.load.config.floor_port:
                self.on_floor(frame.get_payload_as_bytes())
            else:
                self.handle(decode_events(frame.get_payload_as_memoryview()))

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """A connection must not end while it is measured."""
        self.load.lost += 1

    def on_setup(self, got: list[events.AnyEvent]) -> None:
        """Hand answers to the coroutine that sets up."""
        for event in got:
            self.got.put_nowait(event)

    def send(self, *requests: commands.AnyRequest) -> None:
        """Send requests in one frame."""
        if self.transport is not None:
            self.transport.send(picows.WSMsgType.BINARY, encode_frame(requests))

    # --- measured -----------------------------------------------------------------------------

    def put(self, count: int) -> None:
        """Put ``count`` envelopes in one frame; ids count up, so that the receiver can check."""
        load = self.load
        now = time.perf_counter()
        start = self.sent
        self.sent += count
        for _ in range(count):
            self.stamps.append(now)
        if load.config.floor_port:
            data = b"".join(n.to_bytes(16, "big") + load.envelope for n in range(start, self.sent))
            if self.transport is not None:
                self.transport.send(picows.WSMsgType.BINARY, data)
            return
        self.send(
            *(
                commands.Put(n, self.channel_id, 0, n.to_bytes(16, "big"), load.envelope)
                for n in range(start, self.sent)
            )
        )

    def on_answers(self, got: list[events.AnyEvent]) -> None:
        """A sender in the closed loop: as many answers, as many new puts."""
        for event in got:
            if type(event) is not events.Done:
                raise BenchFailed(f"a put was refused: {event}")
        self.load.accepted += len(got)
        if self.load.is_running and self.load.config.mode == "saturated":
            self.put(len(got))

    def on_items(self, got: list[events.AnyEvent]) -> None:
        """A receiver: every id, in order, each once."""
        now = time.perf_counter()
        load = self.load
        stamps = load.senders[self.index].stamps
        for event in got:
            if type(event) is not events.Item:
                continue
            n = self.received
            if event.n != n or event.envelope_id != n.to_bytes(16, "big"):
                raise BenchFailed(f"item {event.n} came where {n} was due")
            self.received = n + 1
            load.latencies.append(now - stamps[n])
            if n % CREDIT_EVERY == CREDIT_EVERY - 1:
                self.send(commands.Seen(0, CHANNEL, self.channel_id, n))
        load.delivered += len(got)

    def on_floor(self, data: bytes) -> None:
        """The same for the bare server: ids back to the sender, ids and envelopes on."""
        load = self.load
        if self is load.senders[self.index]:
            count = len(data) // 16
            load.accepted += count
            if load.is_running and load.config.mode == "saturated":
                self.put(count)
            return
        now = time.perf_counter()
        stamps = load.senders[self.index].stamps
        step = 16 + ENVELOPE_BYTES
        for start in range(0, len(data), step):
            n = self.received
            if data[start : start + 16] != n.to_bytes(16, "big"):
                raise BenchFailed("the bare server mixed up its messages")
            self.received = n + 1
            load.latencies.append(now - stamps[n])
        load.delivered += len(data) // step


class Load(PairedLoad[Peer]):
    """All connections to the relays."""

    config: LoadConfig

    def __init__(self, config: LoadConfig) -> None:
        super().__init__(config)
        self.card = RelayCard.decode(Path(config.card).read_bytes())
        self.entry = RelayCard.decode(Path(config.entry).read_bytes()) if config.entry else None
        self.peer = RelayCard.decode(Path(config.peer).read_bytes())
        self.envelope = SystemEntropy().random(ENVELOPE_BYTES)
        self._tls = pinned_context(self.card.tls_certificate)
        self._entry_tls = (
            pinned_context(self.entry.tls_certificate) if self.entry is not None else None
        )
        self._gate = asyncio.Semaphore(32)

    async def connect(self, index: int, path: str = HOME_PATH) -> Peer:
        """Open one connection."""
        peer = Peer(self, index)
        port = self.config.floor_port or self.card.port
        extra: dict[str, Any] = {}
        if self.entry is not None:
            extra = {
                "proxy": f"https://{self.entry.host}:{self.entry.port}",
                "proxy_ssl_context": self._entry_tls,
            }
        async with self._gate:
            peer.transport, _ = await picows.ws_connect(
                lambda: peer,
                f"wss://{self.card.host}:{port}{path}",
                ssl_context=self._tls,
                websocket_handshake_timeout=30,
                read_buffer_init_size=4096,
                **extra,
            )
        return peer

    async def prove(self, peer: Peer, challenge: events.AnyEvent) -> None:
        """Prove the key of the pair's channel."""
        if not isinstance(challenge, events.Challenge):
            raise BenchFailed("the relay did not begin with its challenge")
        key = pair_key(peer.index)
        kind = ObjectKind.CHANNEL
        relay_id = self.card.relay_id
        signature = prove(key, relay_id, kind, peer.channel_id, 0, challenge.nonce)
        peer.send(commands.Prove(1, CHANNEL, peer.channel_id, 0, signature))
        if not isinstance(await peer.got.get(), events.Proved):
            raise BenchFailed("a proof was refused")

    async def add_device(self, circle: BenchCircle, index: int, follows: bool) -> Peer:
        """Connect a device, prove its channel, subscribe."""
        peer = await self.connect(index)
        peer.channel_id = circle.channels[index]
        await self.prove(peer, await peer.got.get())
        if follows:
            peer.send(commands.Follow(2, CHANNEL, peer.channel_id, 0))
            if not isinstance(await peer.got.get(), events.Done):
                raise BenchFailed("a follow was refused")
        return peer

    async def set_up(self) -> None:
        """Found a circle, open a channel for each pair, connect all devices."""
        config = self.config
        if config.floor_port:
            for index in range(config.pairs):
                self.receivers.append(await self.connect(index, f"/r/{index}"))
                self.senders.append(await self.connect(index, f"/s/{index}"))
            return
        founder = await self.connect(0)
        challenge = await founder.got.get()
        circle = await found_circle(
            self.card, self.peer, config.code, config.pairs, challenge, founder.send, founder.got
        )
        self.lost -= 1
        if founder.transport is not None:
            founder.transport.disconnect()
        idle = config.mode == "idle"
        self.receivers = list(
            await asyncio.gather(
                *(self.add_device(circle, index, True) for index in range(config.pairs))
            )
        )
        self.senders = list(
            await asyncio.gather(
                *(self.add_device(circle, index, idle) for index in range(config.pairs))
            )
        )
        for peer in self.receivers:
            peer.handle = peer.on_items
        for peer in self.senders:
            peer.handle = peer.on_answers


if __name__ == "__main__":
    main_of(LoadConfig, Load)
