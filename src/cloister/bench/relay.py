"""What a relay costs for each message and each device, with a bare server beside it as the floor.

Real processes, real TLS, loopback only, a folder that is removed again; stops by itself.
Figures of one machine are comparable with those of the same run, and with nothing else: above all
its disk decides the latency.
"""

from __future__ import annotations

import json as json_module
import resource
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cloister.bench.relay_load import LoadConfig
from cloister.bench.relay_process import ENTROPY, RelayProcess, measure, measure_floor

LIMITS: Final = {"max_connections_per_address": "20000", "max_connections": "20000"}


@dataclass(frozen=True, slots=True)
class Result:
    """Microseconds of CPU are of the relay's process alone, user and system, from /proc."""

    cpu_us_per_message: float
    """Home, saturated: accepted, on disk, delivered 1:1, each id checked by the receiver."""
    floor_cpu_us_per_message: float
    """The bare server, saturated by the same load."""
    messages_per_s: float
    messages_per_fsync: float
    p50_ms: float
    p99_ms: float
    """Put to delivery, at the paced rate."""
    saturated_p99_ms: float
    """The same when more is put than the relay takes: mostly the queue before it."""
    paced_rate: float
    paced_cpu_us_per_message: float
    paced_floor_cpu_us_per_message: float
    paced_messages_per_fsync: float
    entry_cpu_us_per_message: float
    """Entry, at the paced rate: what it costs to carry put, answer and delivery."""
    rss_kib_per_device: float
    """Home: idle devices, connected, proven, subscribed."""
    entry_rss_kib_per_device: float
    devices: int


class RelayBench:
    def __init__(self, folder: Path, seconds: float, pairs: int) -> None:
        self.home = RelayProcess(folder / "home", "home")
        self.entry = RelayProcess(folder / "entry", "entry")
        self.home.folder.add_peer(self.entry.folder.card_path)
        self.entry.folder.add_peer(self.home.folder.card_path)
        self.seconds = seconds
        self.pairs = pairs

    def config(self, mode: str, pid: int, **values: Any) -> LoadConfig:
        given: dict[str, Any] = {
            "mode": mode,
            "card": str(self.home.folder.card_path),
            "entry": "",
            "peer": str(self.entry.folder.card_path),
            "code": self.home.folder.add_code(ENTROPY),
            "pid": pid,
            "pairs": self.pairs,
            "seconds": self.seconds,
        }
        return LoadConfig(**{**given, **values})

    def with_home(self, mode: str, **values: Any) -> dict[str, Any]:
        """Measure a home relay that starts for it, and its batches."""
        pid = self.home.start(**LIMITS)
        try:
            before = self.home.counts()
            figures = measure(self.config(mode, pid, **values))
            after = self.home.counts()
        finally:
            self.home.stop()
        accepted = after["messages_accepted"] - before["messages_accepted"]
        figures["messages_per_fsync"] = accepted / max(1, after["batches"] - before["batches"])
        return figures

    def with_both(self, mode: str, **values: Any) -> dict[str, Any]:
        """Measure with the devices connected through the entry relay."""
        entry_pid = self.entry.start(**LIMITS)
        try:
            card = str(self.entry.folder.card_path)
            return self.with_home(mode, entry=card, other_pid=entry_pid, **values)
        finally:
            self.entry.stop()

    def with_floor(self, mode: str, **values: Any) -> dict[str, Any]:
        """Measure the bare server."""
        return measure_floor(self.home.folder.path, self.config(mode, 0, **values))


def raise_file_limit() -> None:
    """A connection is a file, in the load as in the server: take as many as the system grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(
    json: bool = False,
    seconds: float = 5.0,
    pairs: int = 64,
    rate: float = 5000.0,
    devices: int = 2000,
) -> Result:
    """Measure and print, as a table or as one JSON object."""
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        bench = RelayBench(Path(folder), seconds, pairs)
        saturated = bench.with_home("saturated")
        floor = bench.with_floor("saturated")
        paced = bench.with_home("paced", rate=rate)
        paced_floor = bench.with_floor("paced", rate=rate)
        carried = bench.with_both("paced", rate=rate / 2)
        idle = bench.with_both("idle", pairs=devices // 2, seconds=2.0)
    result = Result(
        cpu_us_per_message=round(saturated["cpu_us_per_message"], 1),
        floor_cpu_us_per_message=round(floor["cpu_us_per_message"], 1),
        messages_per_s=round(saturated["messages_per_s"]),
        messages_per_fsync=round(saturated["messages_per_fsync"], 1),
        p50_ms=round(paced["p50_ms"], 1),
        p99_ms=round(paced["p99_ms"], 1),
        saturated_p99_ms=round(saturated["p99_ms"], 1),
        paced_rate=round(paced["messages_per_s"]),
        paced_cpu_us_per_message=round(paced["cpu_us_per_message"], 1),
        paced_floor_cpu_us_per_message=round(paced_floor["cpu_us_per_message"], 1),
        paced_messages_per_fsync=round(paced["messages_per_fsync"], 1),
        entry_cpu_us_per_message=round(carried["other_cpu_us_per_message"], 1),
        rss_kib_per_device=round(idle["rss_kib_per_device"], 1),
        entry_rss_kib_per_device=round(idle["entry_rss_kib_per_device"], 1),
        devices=idle["devices"],
    )
    if json:
        print(json_module.dumps(asdict(result)))
    else:
        for name, value in asdict(result).items():
            print(f"{name:34}{value:>12}")
    return result
