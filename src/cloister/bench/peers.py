"""The relays beside a broker and a chat server that others run: Mosquitto and ejabberd.

One after the other, each alone with the same load on the same machine: real processes, real TLS,
loopback only, folders that are removed again.  Figures of two runs are not comparable; the ratios
of one run are what this is for.  It installs nothing: a peer that is absent is left out, with the
reason.
"""

from __future__ import annotations

import json as json_module
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from cloister.bench.paired_load import BenchFailed, run_load
from cloister.bench.peer_load import PeerConfig
from cloister.bench.peer_servers import PEERS, PeerAbsent, PeerServer
from cloister.bench.relay import RelayBench, raise_file_limit
from cloister.values import replace

LOAD: Final = "cloister.bench.peer_load"
PACE_KEPT: Final = 0.95
"""A server whose deliveries fall below this part of the rate did not keep up with it."""
HOME: Final = "Cloister home"
MODES: Final = ("saturated", "paced", "idle")


@dataclass(frozen=True, slots=True)
class Row:
    """One server.  CPU and memory are of all its processes; None: not measured."""

    name: str
    guarantees: str
    """What the acknowledgement to the sender says."""
    cpu_us: float | None = None
    """CPU a message, more being sent than it takes; microseconds."""
    messages_per_s: float | None = None
    """In that measurement: bounded by the load's own process and by the machine too."""
    paced_cpu_us: float | None = None
    """CPU a message at the rate of the run."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    """Sending to delivery, at that rate."""
    rss_kib: float | None = None
    """Memory of an idle device: connected, authenticated, subscribed."""
    is_peer: bool = True
    """Whether it does what the home does; False for the entry, which only carries."""
    keeps_pace: bool = True
    skipped: str = ""
    """Why it was not measured."""

    def measured(self, mode: str, figures: dict[str, Any], rate: float) -> Row:
        """Return the row with the figures of one more measurement."""
        if mode == "idle":
            return replace(self, rss_kib=round(figures["rss_kib_per_device"], 1))
        if mode == "saturated":
            return replace(
                self,
                cpu_us=round(figures["cpu_us_per_message"], 1),
                messages_per_s=round(figures["messages_per_s"]),
            )
        return replace(
            self,
            paced_cpu_us=round(figures["cpu_us_per_message"], 1),
            p50_ms=round(figures["p50_ms"], 1),
            p99_ms=round(figures["p99_ms"], 1),
            keeps_pace=figures["messages_per_s"] >= PACE_KEPT * rate,
        )


COLUMNS: Final = {
    "cpu_us": "µs, saturated",
    "messages_per_s": "messages/s",
    "paced_cpu_us": "µs, paced",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "rss_kib": "KiB a device",
}
MORE_IS_BETTER: Final = frozenset({"messages_per_s"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows of one run; the home is the first."""

    rate: float
    devices: int
    pairs: int
    rows: tuple[Row, ...]

    def ratio(self, row: Row, column: str) -> float | None:
        """Return what a peer needs for one of what the home needs."""
        if not row.is_peer:
            return None
        ours, theirs = getattr(self.rows[0], column), getattr(row, column)
        return theirs / ours if ours and theirs else None

    def is_ahead(self, row: Row, column: str) -> bool:
        """Tell whether the peer is better than the home."""
        ratio = self.ratio(row, column)
        return ratio is not None and (ratio > 1 if column in MORE_IS_BETTER else ratio < 1)

    def as_json(self) -> dict[str, Any]:
        """Return all figures, with the ratios of the peers."""
        rows = []
        for row in self.rows:
            ratios = {column: self.ratio(row, column) for column in COLUMNS}
            rows.append({**asdict(row), "ratio_to_home": ratios})
        head = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "rows"}
        return {**head, "rows": rows}

    def lines(self) -> list[str]:
        """Return the table."""
        lines = [f"{'':18}" + "".join(f"{title:>17}" for title in COLUMNS.values())]
        for row in self.rows:
            if row.skipped:
                lines.append(f"{row.name:18}  left out: {row.skipped}")
                continue
            cells = "".join(f"{self._cell(row, column):>17}" for column in COLUMNS)
            lines.append(f"{row.name:18}{cells}" + ("" if row.keeps_pace else "  too slow: paced"))
        lines += [
            "",
            f"{self.pairs} pairs of devices, 1 KiB a message.",
            f"Paced: {self.rate:g} messages a second.  Memory: {self.devices} idle devices.",
            "In brackets: how many times the home's.  * the peer is ahead.",
            "What the acknowledgement to the sender says:",
        ]
        return lines + [f"  {row.name:18}{row.guarantees}" for row in self.rows]

    def _cell(self, row: Row, column: str) -> str:
        value = getattr(row, column)
        if value is None:
            return "-"
        ratio = None if row is self.rows[0] else self.ratio(row, column)
        if ratio is None:
            return f"{value:g}"
        return f"{value:g} ({ratio:.2g}){'*' if self.is_ahead(row, column) else ' '}"


def measure_relays(
    folder: Path, *, seconds: float, pairs: int, rate: float, devices: int
) -> list[Row]:
    """Measure our home, and the entry that stands before it."""
    bench = RelayBench(folder, seconds, pairs)
    home = Row(HOME, "accepted, and flushed to the disk")
    for mode in ("saturated", "paced"):
        home = home.measured(mode, bench.with_home(mode, rate=rate), rate)
    carried = bench.with_both("paced", rate=rate)
    idle = bench.with_both("idle", pairs=devices // 2, seconds=min(seconds, 3.0))
    entry = Row(
        "Cloister entry",
        "(carries; keeps nothing)",
        paced_cpu_us=round(carried["other_cpu_us_per_message"], 1),
        rss_kib=round(idle["entry_rss_kib_per_device"], 1),
        is_peer=False,
    )
    return [home.measured("idle", idle, rate), entry]


def measure_peer(
    kind: type[PeerServer],
    folder: Path,
    *,
    seconds: float,
    pairs: int,
    rate: float,
    devices: int,
    modes: Sequence[str] = MODES,
) -> Row:
    """Measure one peer, started anew for each measurement."""
    server = kind(folder)
    row = Row(server.name, server.guarantees)
    try:
        for mode in modes:
            pid = server.start()
            try:
                config = PeerConfig(
                    mode=mode,
                    pid=pid,
                    pairs=devices // 2 if mode == "idle" else pairs,
                    rate=rate,
                    seconds=min(seconds, 3.0) if mode == "idle" else seconds,
                    protocol=server.protocol,
                    port=server.port,
                    certificate=str(server.certificate),
                )
                row = row.measured(mode, run_load(LOAD, config), rate)
            finally:
                server.stop()
    except PeerAbsent as absent:
        return replace(row, skipped=f"{absent}; {absent.hint}")
    except BenchFailed as failed:
        return replace(row, skipped=str(failed))
    return row


def run(
    json: bool = False,
    seconds: float = 4.0,
    pairs: int = 64,
    rate: float = 1000.0,
    devices: int = 2000,
    peers: Sequence[type[PeerServer]] = PEERS,
) -> Comparison:
    """Measure and print, as a table or as one JSON object."""
    raise_file_limit()
    values: dict[str, Any] = {
        "seconds": seconds,
        "pairs": pairs,
        "rate": rate,
        "devices": devices,
    }
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        rows = measure_relays(Path(folder) / "relays", **values)
        rows += [measure_peer(kind, Path(folder) / "peer", **values) for kind in peers]
    comparison = Comparison(rate, devices, pairs, tuple(rows))
    if json:
        print(json_module.dumps(comparison.as_json()))
    else:
        print("\n".join(comparison.lines()))
    return comparison
