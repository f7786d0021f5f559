"""The load of the relay bench: devices, connected, proven and subscribed, in a process of its own.

Run as ``python -m cloister.bench.relay_load CONFIG``, a JSON object; prints a JSON object.  Devices
come in pairs: one puts, the other follows and checks every id.  Latency is from the put to the
delivery, by one clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import picows
import uvloop

from cloister.bench.relay_circle import BenchCircle, found_circle, pair_key
from cloister.crypto.entropy import SystemEntropy
from cloister.errors import CloisterError
from cloister.roster.relay_card import RelayCard
from cloister.wire import commands, events
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.frame import HOME_PATH, decode_events, encode_frame

CHANNEL: Final = int(ObjectKind.CHANNEL)
ENVELOPE_BYTES: Final = 1024
CREDIT_EVERY: Final = 64
TICKS: Final = os.sysconf("SC_CLK_TCK")


class BenchFailed(CloisterError):
    """The relay did not do what it should: the figures would be worthless."""


class LoadConfig(msgspec.Struct, frozen=True):
    """What to do."""

    mode: str
    """saturated, paced, or idle."""
    card: str
    """Path of the home's card."""
    entry: str
    """Path of the entry's card; empty: connect to the home without it."""
    peer: str
    """Path of the entry's card, for the genesis."""
    code: str
    pid: int
    """Process whose CPU is measured."""
    other_pid: int = 0
    pairs: int = 64
    in_flight: int = 16
    rate: float = 5000
    seconds: float = 5
    floor_port: int = 0
    """Not 0: measure the bare server there instead."""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def pinned(card: RelayCard) -> ssl.SSLContext:
    """Trust the certificate of one card."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=card.tls_certificate)
    return context


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


class Load:
    """All connections and what they counted."""

    def __init__(self, config: LoadConfig) -> None:
        self.config = config
        self.card = RelayCard.decode(Path(config.card).read_bytes())
        self.entry = RelayCard.decode(Path(config.entry).read_bytes()) if config.entry else None
        self.peer = RelayCard.decode(Path(config.peer).read_bytes())
        self.envelope = SystemEntropy().random(ENVELOPE_BYTES)
        self.senders: list[Peer] = []
        self.receivers: list[Peer] = []
        self.latencies: list[float] = []
        self.accepted = 0
        self.delivered = 0
        self.lost = 0
        self.is_running = False
        self._tls = pinned(self.card)
        self._entry_tls = pinned(self.entry) if self.entry is not None else None
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

    async def run(self) -> dict[str, Any]:
        """Do what the configuration says and return the figures."""
        config = self.config
        before = rss_kib(config.pid)
        entry_before = rss_kib(config.other_pid) if config.other_pid else 0
        await self.set_up()
        if config.mode == "idle":
            await asyncio.sleep(config.seconds)
            self._check_lost()
            devices = 2 * config.pairs
            return {
                "devices": devices,
                "rss_kib_per_device": (rss_kib(config.pid) - before) / devices,
                "entry_rss_kib_per_device": (
                    (rss_kib(config.other_pid) - entry_before) / devices if config.other_pid else 0
                ),
            }
        self.is_running = True
        pacing = asyncio.create_task(self._pace()) if config.mode == "paced" else None
        if pacing is None:
            for sender in self.senders:
                sender.put(config.in_flight)
        await asyncio.sleep(min(1.0, config.seconds / 3))
        figures = await self._measure()
        self.is_running = False
        if pacing is not None:
            await pacing
        await self._settle()
        return figures

    async def _measure(self) -> dict[str, Any]:
        config = self.config
        self.latencies.clear()
        accepted, delivered = self.accepted, self.delivered
        cpu, began = cpu_seconds(config.pid), time.perf_counter()
        other = cpu_seconds(config.other_pid) if config.other_pid else 0.0
        own = time.process_time()
        await asyncio.sleep(config.seconds)
        cpu, elapsed = cpu_seconds(config.pid) - cpu, time.perf_counter() - began
        other = cpu_seconds(config.other_pid) - other if config.other_pid else 0.0
        own = time.process_time() - own
        accepted, delivered = self.accepted - accepted, self.delivered - delivered
        latencies = sorted(self.latencies)
        if not delivered:
            raise BenchFailed("nothing was delivered")
        return {
            "messages": delivered,
            "accepted": accepted,
            "messages_per_s": delivered / elapsed,
            "cpu_us_per_message": cpu / delivered * 1e6,
            "other_cpu_us_per_message": other / delivered * 1e6,
            "load_cpu_us_per_message": own / delivered * 1e6,
            "p50_ms": latencies[len(latencies) // 2] * 1e3,
            "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        }

    async def _pace(self) -> None:
        """Put at a steady rate, the devices in turn: one message in a frame, as people write."""
        loop = asyncio.get_running_loop()
        began, count = loop.time(), 0
        while self.is_running:
            due = int((loop.time() - began) * self.config.rate)
            for number in range(count, due):
                self.senders[number % len(self.senders)].put(1)
            count = max(count, due)
            await asyncio.sleep(0.001)

    async def _settle(self) -> None:
        """Wait for what is under way, and check that nothing is missing."""
        for _ in range(2000):
            if self.delivered >= sum(peer.sent for peer in self.senders):
                break
            await asyncio.sleep(0.01)
        self._check_lost()
        for sender, receiver in zip(self.senders, self.receivers, strict=True):
            if sender.sent != receiver.received:
                raise BenchFailed("a receiver did not get every message")

    def _check_lost(self) -> None:
        if self.lost > 0:
            raise BenchFailed(f"{self.lost} connections were lost while being measured")


def main() -> None:
    """Run one configuration."""
    config = msgspec.json.decode(sys.argv[1].encode(), type=LoadConfig)

    async def measure() -> dict[str, Any]:
        failed: list[BaseException] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _loop, context: failed.append(context.get("exception") or BenchFailed("?"))
        )
        figures = await Load(config).run()
        if failed:
            raise failed[0]
        return figures

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure())))
    # The connections need not be closed one by one.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
