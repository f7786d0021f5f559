"""A fleet of devices on one relay machine: what it costs to hold them, to serve them, and to have
all of them back when all were cut off at once.

Real processes, real TLS through the CONNECT entry and the home, loopback only, each sixty devices
at an address of their own.  Every device is proven and follows its channel.  A message lost,
doubled or out of order fails the run.  It stops by itself and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json as json_module
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from cloister.bench.fleet_figures import Group, Lag, children_of, cores, handshake_us, part_of
from cloister.bench.fleet_load import FleetConfig
from cloister.bench.fleet_report import Floor, Rate, Report, Return, Side, table
from cloister.bench.paired_load import BenchFailed
from cloister.bench.relay_circle import found_circle
from cloister.bench.relay_load import Load, LoadConfig
from cloister.bench.relay_process import ENTROPY, RelayProcess, measure_floor
from cloister.errors import UsageError

DEVICES_OF_ONE_LOAD: Final = 5000
CONNECT_S: Final = 300.0
RETURN_S: Final = 240.0
TRICKLE: Final = 50.0
"""Messages a second while all are cut and come back."""
FLOOR_PAIRS: Final = 64
KEPT: Final = 0.97
"""Part of a rate that must be acknowledged by the end of its seconds for it to count as kept."""
_DEAD_S: Final = 15.0


class LoadProcesses:
    """The processes that are the devices."""

    def __init__(self, configs: Sequence[FleetConfig]) -> None:
        self.processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    *("-m", "cloister.bench.fleet_load", msgspec.json.encode(one).decode()),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for one in configs
        ]

    def begin(self, what: str, **values: Any) -> None:
        """Ask all to do something."""
        line = json_module.dumps({"do": what, **values}).encode() + b"\n"
        for process in self.processes:
            if process.stdin is not None:
                process.stdin.write(line)
                process.stdin.flush()

    def answers(self) -> list[dict[str, Any]]:
        """Wait until all have done it.  Raises BenchFailed when one has ended instead."""
        got = []
        for process in self.processes:
            line = process.stdout.readline() if process.stdout is not None else b""
            if not line:
                raise BenchFailed("a part of the fleet has failed; its reason stands above")
            got.append(dict(json_module.loads(line)))
        return got

    def ask(self, what: str, **values: Any) -> list[dict[str, Any]]:
        """Ask all, and wait."""
        self.begin(what, **values)
        return self.answers()

    def kill(self) -> None:
        """End all."""
        for process in self.processes:
            process.kill()
            process.wait()


class FleetBench:
    """One run."""

    def __init__(self, folder: Path, devices: int, processes: int | None) -> None:
        self.folder = folder
        self.devices = devices
        self.home = RelayProcess(folder / "home", "home")
        self.entry = RelayProcess(folder / "entry", "entry")
        self.home.folder.add_peer(self.entry.folder.card_path)
        self.entry.folder.add_peer(self.home.folder.card_path)
        self._limits = {
            "max_connections": str(devices + 64),
            "processes": "auto" if processes is None else str(processes),
        }
        self._load: LoadProcesses | None = None
        self.lag = Lag(self.home.folder.settings({}).listen.health_port)

    @contextlib.contextmanager
    def running(self) -> Iterator[LoadProcesses]:
        """Start the relays, found a circle with a channel for each pair, start the load."""
        try:
            home, entry = self.home.start(**self._limits), self.entry.start(**self._limits)
            self.core, self.fronts = Group([home]), Group(children_of(home))
            self.entry_main, self.tunnels = Group([entry]), Group(children_of(entry))
            self.lag.start()
            channels = self.folder / "channels"
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                channels.write_bytes(b"".join(runner.run(self._found())))
            count = -(-self.devices // DEVICES_OF_ONE_LOAD)
            count = max(count, min(2, self.devices // 2))
            share = self.devices // count // 2 * 2
            load = self._load = LoadProcesses(
                [
                    FleetConfig(
                        home=str(self.home.folder.card_path),
                        entry=str(self.entry.folder.card_path),
                        channels=str(channels),
                        first=number * share,
                        count=share if number < count - 1 else self.devices - share * (count - 1),
                    )
                    for number in range(count)
                ]
            )
            self.clients = Group([process.pid for process in load.processes])
            yield load
        finally:
            if self._load is not None:
                self._load.kill()
            self.lag.end()
            self.entry.stop()
            self.home.stop()

    async def _found(self) -> tuple[bytes, ...]:
        card, peer = str(self.home.folder.card_path), str(self.entry.folder.card_path)
        code = self.home.folder.add_code(ENTROPY)
        load = Load(LoadConfig(mode="idle", card=card, entry=peer, peer=peer, code=code, pid=0))
        founder = await load.connect(0)
        challenge = await founder.got.get()
        pairs = self.devices // 2
        circle = await found_circle(
            load.card, load.peer, code, pairs, challenge, founder.send, founder.got
        )
        if founder.transport is not None:
            founder.transport.disconnect()
        return circle.channels

    def floor(self, mode: str, **values: Any) -> dict[str, Any]:
        """Measure the bare server: no entry, no rights, one receiver for each message."""
        given: dict[str, Any] = {
            "card": str(self.home.folder.card_path),
            "entry": "",
            "peer": str(self.entry.folder.card_path),
            "code": "",
            "pid": 0,
            "pairs": FLOOR_PAIRS,
        }
        config = LoadConfig(mode=mode, **{**given, **values})
        return measure_floor(self.home.folder.path, config)

    def memory(self) -> tuple[int, int, int, int]:
        """Resident memory: home core, fronts, entry's main process, entry's others (KiB)."""
        groups = (self.core, self.fronts, self.entry_main, self.tunnels)
        return tuple(one.rss_kib() for one in groups)  # type: ignore[return-value]

    def cpu(self) -> Side:
        """CPU time so far (s)."""
        return Side(
            core=self.core.cpu_s(),
            fronts=self.fronts.cpu_s(),
            entry=self.entry_main.cpu_s() + self.tunnels.cpu_s(),
            load=self.clients.cpu_s(),
        )

    def idle(self, seconds: float) -> Side:
        """Let the fleet rest, pings apart; returns seconds of CPU a second."""
        before = self.cpu()
        time.sleep(seconds)
        return self.cpu().less(before).by(seconds)

    def at_rate(self, load: LoadProcesses, rate: float, seconds: float, idle: Side) -> Rate:
        """Put at a rate, all devices in turn; each message reaches both devices of its pair."""
        self.lag.take_ms()
        before, began = self.cpu(), time.monotonic()
        answers = load.ask("pace", rate=rate / len(load.processes), seconds=seconds)
        elapsed = time.monotonic() - began
        spent = self.cpu().less(before)
        accepted = sum(one["accepted"] for one in answers)
        latencies = sorted(ms for one in answers for ms in one["latencies_ms"])
        return Rate(
            asked_per_s=rate,
            accepted_per_s=round(accepted / seconds),
            is_kept=accepted >= KEPT * rate * seconds,
            # All that were put have come by now, those that were late as well.
            cpu_us=spent.less(idle.times(elapsed)).by(
                max(1, sum(one["put"] for one in answers)) / 1e6
            ),
            load_cores=round(spent.load / elapsed, 2),
            p50_ms=part_of(latencies, 0.5),
            p99_ms=part_of(latencies, 0.99),
            lag_p99_ms=part_of(self.lag.take_ms(), 0.99),
        )

    def floor_at(self, rate: float, seconds: float) -> Floor:
        """Measure the bare server at a rate."""
        found = self.floor("paced", rate=rate, seconds=seconds)
        return Floor(
            cpu_us=round(found["cpu_us_per_message"], 1),
            p50_ms=round(found["p50_ms"], 1),
            p99_ms=round(found["p99_ms"], 1),
        )

    def cut_and_return(self, load: LoadProcesses) -> Return:
        """Kill what carries the tunnels of all devices, and time their return."""
        load.ask("watch_return", rate=TRICKLE / len(load.processes))
        self.lag.take_ms()
        if self.tunnels.pids:
            killed, self.tunnels.pids = self.tunnels.pids, []
            before, cut_at = self.cpu(), time.monotonic()
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
        else:
            self.entry_main.pids = []
            before, cut_at = self.cpu(), time.monotonic()
            self.entry.kill()
            self.entry_main.pids = [self.entry.start(**self._limits)]
        answers = load.ask("come_back", seconds=RETURN_S, cut_at=cut_at)
        times = sorted(one for part in answers for one in part["times_s"])
        failures: dict[str, int] = {}
        for part in answers:
            for name, count in part["failures"].items():
                failures[name] = failures.get(name, 0) + count
        back = sum(part["connected"] for part in answers)
        self.tunnels.pids = children_of(self.entry_main.pids[0])
        spent = self.cpu().less(before).by(self.devices / 1e6)
        return Return(
            share_back=round(back / self.devices, 4),
            half_s=part_of(times, 0.5),
            all_s=times[-1],
            attempts_per_device=round(sum(part["attempts"] for part in answers) / self.devices, 2),
            most_attempts=max(part["most_attempts"] for part in answers),
            failures=failures,
            core_lag_p99_ms=part_of(self.lag.take_ms(), 0.99),
            cpu_us=spent,
            relay_s=round(
                (spent.core + spent.fronts + spent.entry) * self.devices / cores() / 1e6, 1
            ),
        )


def _say(text: str) -> None:
    """A run of many devices takes minutes: say where it stands."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def run(
    json: bool = False,
    devices: int = 2000,
    processes: int | None = None,
    rates: Sequence[float] = (100, 1000, 5000),
    seconds: float = 6.0,
) -> Report:
    """Measure and print, as a table or as one JSON object.  Raises UsageError, BenchFailed."""
    if sys.platform != "linux":
        raise UsageError(
            "a fleet needs Linux: loopback with many addresses, and /proc",
            hint="measure one relay instead: cloister bench relay",
        )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Told to go, it takes its processes with it, as at Ctrl-C.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        bench = FleetBench(Path(folder), devices, processes)
        card = bench.home.card
        shake = handshake_us(bench.home.folder.server_context(), card.tls_certificate)
        bare = bench.floor("idle", pairs=min(devices // 2, 500), seconds=1.0)
        with bench.running() as load:
            before, spent = bench.memory(), bench.cpu()
            began = time.monotonic()
            connected = load.ask("connect", seconds=CONNECT_S)
            connect_s = time.monotonic() - began
            _say(f"all connected after {connect_s:.1f} s")
            if sum(one["connected"] for one in connected) < devices:
                raise BenchFailed(f"not all devices could connect: {connected}")
            cost = bench.cpu().less(spent).by(devices / 1e6)
            idle = bench.idle(seconds)
            memory = [
                round((now - then) / devices, 1)
                for now, then in zip(bench.memory(), before, strict=True)
            ]
            load_mib = bench.clients.rss_kib() // 1024
            served = []
            for rate in rates:
                served.append(bench.at_rate(load, rate, seconds, idle))
                _say(f"{rate:.0f} messages a second: p99 {served[-1].p99_ms} ms")
            floors = [bench.floor_at(rate, min(seconds, 3.0)) for rate in rates]
            _say("cutting all at once")
            back = bench.cut_and_return(load)
            load.ask("settle")
            report = Report(
                devices=devices,
                cores=cores(),
                fronts=len(bench.fronts.pids),
                tunnel_processes=len(bench.tunnels.pids),
                connect_s=round(connect_s, 1),
                connect_floor_s=round(2 * shake * devices / cores() / 1e6, 1),
                connect_attempts=sum(one["attempts"] for one in connected),
                connect_cpu_us=cost,
                handshake_floor_us=round(shake),
                core_kib=memory[0],
                fronts_kib=memory[1],
                entry_main_kib=memory[2],
                tunnels_kib=memory[3],
                floor_kib=round(bare["rss_kib_per_device"], 1),
                load_mib=load_mib,
                idle_cores=idle,
                rates=served,
                rate_floors=floors,
                cut=back,
            )
    print(json_module.dumps(msgspec.to_builtins(report)) if json else table(report))
    return report
