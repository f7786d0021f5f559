"""A part of the fleet in a process of its own: does what the bench tells it, line by line.

Run as ``python -m cloister.bench.fleet_load CONFIG``, a JSON object.  Each line of standard input
is a JSON object with ``do``; each gets one line of JSON in answer.  End of input ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from cloister.bench.fleet_device import LOST, FleetDevice, exit_with
from cloister.bench.paired_load import ENVELOPE_BYTES, BenchFailed
from cloister.bench.relay_circle import pair_key
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.signature import Ed25519Key
from cloister.limits import PING_INTERVAL_S
from cloister.pinning import pinned_context
from cloister.roster.relay_card import RelayCard

PER_ADDRESS: Final = 60
"""Devices behind one address; the entry takes 64."""
ENTER_AT_ONCE: Final = 24
"""Devices of one process that connect at once when the fleet is brought up."""
BEHIND_S: Final = 1.0
"""Puts that may be unanswered, in seconds of the rate; beyond, the rate is not kept."""
SETTLE_S: Final = 30.0


class FleetConfig(msgspec.Struct, frozen=True):
    """What a load process is."""

    home: str
    """Path of the home's card."""
    entry: str
    channels: str
    """Path of a file with the channels' ids, 16 bytes each."""
    first: int
    """Number of its first device; an even one."""
    count: int


class Fleet:
    """The devices of one process."""

    def __init__(self, config: FleetConfig) -> None:
        self._config = config
        self.home = RelayCard.decode(Path(config.home).read_bytes())
        self.entry = RelayCard.decode(Path(config.entry).read_bytes())
        self.home_tls = pinned_context(self.home.tls_certificate)
        self.entry_tls = pinned_context(self.entry.tls_certificate)
        self.envelope = SystemEntropy().random(ENVELOPE_BYTES)
        self.key_of = cache(_key_of)
        ids = Path(config.channels).read_bytes()
        self.devices = [
            FleetDevice(self, index, ids[16 * (index // 2) : 16 * (index // 2) + 16])
            for index in range(config.first, config.first + config.count)
        ]
        self.connected = 0
        self.accepted = 0
        self.delivered = 0
        self.latencies: list[float] = []
        self.failures: Counter[str] = Counter()
        self._entrance = asyncio.Semaphore(ENTER_AT_ONCE)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._pace: asyncio.Task[int] | None = None

    # --- for the devices ----------------------------------------------------------------------

    def address_of(self, index: int) -> str:
        """Return the address that a device connects from."""
        group = index // PER_ADDRESS
        return f"127.10.{group // 250}.{1 + group % 250}"

    def first_of(self, pair: int) -> FleetDevice:
        """Return the device of a pair that puts."""
        return self.devices[2 * pair - self._config.first]

    @contextlib.asynccontextmanager
    async def first_entrance(self, device: FleetDevice) -> AsyncIterator[None]:
        """When the fleet is brought up, devices come in one after another; later as they will."""
        if device.back_at:
            yield
        else:
            async with self._entrance:
                yield

    def on_back(self) -> None:
        """A device follows its channel."""
        self.connected += 1
        self._changed.set()

    def on_lost(self) -> None:
        """A device has lost its connection."""
        self.connected -= 1
        self._changed.set()

    # --- what the bench asks for --------------------------------------------------------------

    async def connect(self, seconds: float) -> dict[str, Any]:
        """Bring all devices up."""
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(device.live()) for device in self.devices]
        self._tasks.append(loop.create_task(self._ping()))
        await self._wait_for(len(self.devices), seconds)
        return {"seconds": time.monotonic() - began, **self._tries()}

    async def pace(self, rate: float, seconds: float) -> dict[str, Any]:
        """Put at a steady rate, one message a frame, the pairs in turn."""
        self.latencies.clear()
        accepted, delivered, own = self.accepted, self.delivered, time.process_time()
        put = await self._put(rate, seconds)
        accepted, delivered = self.accepted - accepted, self.delivered - delivered
        own = time.process_time() - own
        latencies = sorted(self.latencies)
        await self.settle()
        return {
            "put": put,
            "accepted": accepted,
            "delivered": delivered,
            "latencies_ms": [round(one * 1e3, 1) for one in latencies],
            "own_cpu_s": own,
        }

    async def _put(self, rate: float, seconds: float) -> int:
        loop = asyncio.get_running_loop()
        senders = [device for device in self.devices if device.is_first]
        began, count, at_start = loop.time(), 0, self.accepted
        while (elapsed := loop.time() - began) < seconds:
            due = int(elapsed * rate)
            behind = count - (self.accepted - at_start)
            for number in range(count, min(due, count + int(BEHIND_S * rate) + 1 - behind)):
                senders[number % len(senders)].put()
                count = number + 1
            # A few messages a second ask for no thousand looks at the clock.
            await asyncio.sleep(min(0.02, max(0.001, 0.25 / rate)))
        return count

    async def settle(self) -> dict[str, Any]:
        """Wait for what is under way; every device must have seen every id of its channel."""
        until = time.monotonic() + SETTLE_S
        while any(device.next_n != self.first_of(device.pair).sent for device in self.devices):
            if time.monotonic() > until:
                raise BenchFailed("a device did not get every message of its channel")
            await asyncio.sleep(0.02)
        return {"seen": sum(device.next_n for device in self.devices)}

    async def watch_return(self, rate: float) -> dict[str, Any]:
        """Get ready for the cut: go on putting, and count anew."""
        for device in self.devices:
            device.attempts = 0
            device.back_at = 1.0  # it was here: it comes back as it will
        self.failures.clear()
        self._pace = asyncio.get_running_loop().create_task(self._put(rate, 3600))
        await self._wait_for(len(self.devices), 5)
        return {"connected": self.connected}

    async def come_back(self, seconds: float, cut_at: float) -> dict[str, Any]:
        """Wait until all are back after the cut (monotonic clock, the same in all processes)."""
        was_lost = time.monotonic() + seconds
        while any(device.lost_at < cut_at for device in self.devices):
            if time.monotonic() > was_lost:
                raise BenchFailed("a device did not notice that its connection was cut")
            await asyncio.sleep(0.05)
        await self._wait_for(len(self.devices), seconds)
        times = sorted(round(device.back_at - cut_at, 2) for device in self.devices)
        if self._pace is not None:
            self._pace.cancel()
        tries = self._tries()
        await self.settle()
        return {"times_s": times, **tries}

    def _tries(self) -> dict[str, Any]:
        return {
            "connected": self.connected,
            "attempts": sum(device.attempts for device in self.devices),
            "most_attempts": max(device.attempts for device in self.devices),
            "failures": dict(self.failures),
        }

    async def _wait_for(self, count: int, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connected < count:
                    self._changed.clear()
                    await self._changed.wait()

    async def _ping(self) -> None:
        """All devices once in the interval of the product, evenly."""
        loop = asyncio.get_running_loop()
        began, count = loop.time(), 0
        while True:
            due = int((loop.time() - began) / PING_INTERVAL_S * len(self.devices))
            for number in range(count, due):
                self.devices[number % len(self.devices)].ping()
            count = due
            await asyncio.sleep(0.05)


def _key_of(pair: int) -> Ed25519Key:
    return pair_key(pair)


def _on_unexpected(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The library leaves the reasons of failed attempts lying about; anything else is a fault."""
    error = context.get("exception") or BenchFailed(str(context.get("message")))
    # uvloop gives the class alone where a write fails on a connection that was reset.
    kind = error if isinstance(error, type) else type(error)
    if not issubclass(kind, LOST):
        exit_with(error)


async def _serve(fleet: Fleet) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    does: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
        "connect": fleet.connect,
        "pace": fleet.pace,
        "settle": fleet.settle,
        "watch_return": fleet.watch_return,
        "come_back": fleet.come_back,
    }
    while line := await reader.readline():
        asked = json.loads(line)
        answer = await does[asked.pop("do")](**asked)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Run one part of the fleet."""
    config = msgspec.json.decode(sys.argv[1].encode(), type=FleetConfig)

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(_on_unexpected)
        # Thousands of devices in one process: looking at all of them again and again would take a
        # third of its time, which no device in a process of its own has to pay.
        gc.set_threshold(20_000, 50, 1000)
        await _serve(Fleet(config))

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
            # The connections need not be closed one by one.
            os._exit(0)
    except BenchFailed as error:
        exit_with(error)


if __name__ == "__main__":
    main()
