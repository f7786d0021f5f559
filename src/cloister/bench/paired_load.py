"""The discipline of every load: pairs of devices, one sends, the other checks every id.

Latency is from sending to delivery, by one clock.  Whoever derives from ``PairedLoad`` says how a
device of its protocol is connected.  A load runs in a process of its own, ``run_load``.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
import uvloop

from cloister.bench.process_cost import cpu_seconds, rss_kib
from cloister.errors import CloisterError

ENVELOPE_BYTES: Final = 1024


class BenchFailed(CloisterError):
    """The server did not do what it should: the figures would be worthless."""


class PairedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    mode: str
    """saturated, paced, or idle."""
    pid: int
    """Process whose CPU and memory are measured, with its descendants."""
    other_pid: int = 0
    pairs: int = 64
    in_flight: int = 16
    rate: float = 5000
    seconds: float = 5
    waits: bool = False
    """When all are connected, say ``ready`` and wait for a line before anything is sent."""


class Paired(Protocol):
    """A device of a pair: what of it is counted."""

    sent: int
    received: int

    def put(self, count: int) -> None:
        """Send so many messages; ids count up, so that the receiver can check."""


Device = TypeVar("Device", bound=Paired)
Config = TypeVar("Config", bound=PairedConfig)


class PairedLoad(ABC, Generic[Device]):
    """All connections and what they counted."""

    def __init__(self, config: PairedConfig) -> None:
        self.config = config
        self.senders: list[Device] = []
        self.receivers: list[Device] = []
        self.latencies: list[float] = []
        self.accepted = 0
        self.delivered = 0
        self.lost = 0
        self.is_running = False

    @abstractmethod
    async def set_up(self) -> None:
        """Connect ``config.pairs`` receivers and as many senders."""

    async def run(self) -> dict[str, Any]:
        """Do what the configuration says and return the figures."""
        config = self.config
        before = rss_kib(config.pid)
        entry_before = rss_kib(config.other_pid) if config.other_pid else 0
        await self.set_up()
        if config.waits:
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
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
            "cores_busy": cpu / elapsed,
            "other_cpu_us_per_message": other / delivered * 1e6,
            "other_cores_busy": other / elapsed,
            "load_cpu_us_per_message": own / delivered * 1e6,
            "p50_ms": latencies[len(latencies) // 2] * 1e3,
            "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
            "worst_ms": latencies[-1] * 1e3,
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
            if self.delivered >= sum(device.sent for device in self.senders):
                break
            await asyncio.sleep(0.01)
        self._check_lost()
        for sender, receiver in zip(self.senders, self.receivers, strict=True):
            if sender.sent != receiver.received:
                raise BenchFailed("a receiver did not get every message")

    def _check_lost(self) -> None:
        if self.lost > 0:
            raise BenchFailed(f"{self.lost} connections were lost while being measured")


def run_load(
    module: str, config: PairedConfig, *, meanwhile: AbstractContextManager[Any] | None = None
) -> dict[str, Any]:
    """Measure with a load in a process of its own.  Raises BenchFailed.

    ``meanwhile`` begins when all are connected (``config.waits``) and ends when it was measured."""
    command = [sys.executable, "-m", module, msgspec.json.encode(config).decode()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        try:
            if config.waits and (load.stdout is None or load.stdout.readline() != b"ready\n"):
                raise BenchFailed("the load could not connect; its reason stands above")
            with meanwhile or nullcontext():
                told, _ = load.communicate(b"go\n", timeout=60 + 3 * config.seconds)
                if load.returncode:
                    raise BenchFailed("the load could not be measured; its reason stands above")
        except subprocess.TimeoutExpired:
            raise BenchFailed(f"the load {module} did not come to an end") from None
        finally:
            load.kill()
    return dict(json.loads(told))


def main_of(config_class: type[Config], make: Callable[[Config], PairedLoad[Any]]) -> None:
    """Run the load that the command line configures, and print its figures."""
    config = msgspec.json.decode(sys.argv[1].encode(), type=config_class)

    async def measure() -> dict[str, Any]:
        failed: list[BaseException] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _loop, context: failed.append(context.get("exception") or BenchFailed("?"))
        )
        figures = await make(config).run()
        if failed:
            raise failed[0]
        return figures

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure())))
    # The connections need not be closed one by one.
    sys.stdout.flush()
    os._exit(0)
