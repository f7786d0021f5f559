"""Honest devices in quiet, and under attack: what others' hostility costs them.

Real relays with the limits they come with, honest devices in pairs through the entry relay, attacks
of strangers and of members from a process of their own and other loopback addresses.  An attacker
on this machine takes its processors too; it yields to all others, which is as near as one machine
comes.
"""

from __future__ import annotations

import asyncio
import json as json_module
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import picows

from cloister.bench.hostile_attack import AttackConfig
from cloister.bench.hostile_process import ATTACKS
from cloister.bench.paired_load import BenchFailed
from cloister.bench.process_cost import rss_kib
from cloister.bench.relay import raise_file_limit
from cloister.bench.relay_load import LoadConfig, pinned
from cloister.bench.relay_process import ENTROPY, RelayProcess, measure
from cloister.wire.frame import HOME_PATH

PAIRS: Final = 16
_ATTACK: Final = "cloister.bench.hostile_process"
MEMBERS: Final = 1000
MEMBERS_STAND_S: Final = 50.0
"""Until all who stopped reading have been cut, and it has been seen."""
OF_MEMBERS: Final = frozenset({"readers", "stalled"})
P99_GOAL: Final = 2.0
"""Times the quiet one of the same run."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Some seconds, with or without an attack."""

    attack: str
    p50_ms: float
    p99_ms: float
    """Put to delivery between honest devices that were connected before."""
    newcomer_ms: float
    newcomer_worst_ms: float
    """A fresh connection through both relays, to its challenge: median and worst."""
    home_mib: float
    entry_mib: float
    """What the relays' processes grew by, at the most."""
    held_home: int
    held_entry: int
    """Connections at most, the honest ones among them; at the entry, handshakes too."""
    outcome: dict[str, Any] = field(default_factory=dict)
    """What became of the attacker's connections."""


class HostileBench:
    """A home and an entry relay."""

    def __init__(
        self,
        folder: Path,
        seconds: float,
        rate: float,
        stands_s: float,
        *,
        members: int = MEMBERS,
        members_stand_s: float = MEMBERS_STAND_S,
    ) -> None:
        """``stands_s``: how long an attack stands at the least: until what it holds is cut;
        ``members_stand_s``: the same for members who follow busy channels."""
        self.members = members
        self.members_stand_s = members_stand_s
        self.home = RelayProcess(folder / "home", "home")
        self.entry = RelayProcess(folder / "entry", "entry")
        self.home.folder.add_peer(self.entry.folder.card_path)
        self.entry.folder.add_peer(self.home.folder.card_path)
        self.seconds = seconds
        self.rate = rate
        self.stands_s = stands_s

    def phase(self, attack: str) -> Phase:
        """Measure with relays that start for it."""
        pids = self.home.start(), self.entry.start()
        watch = _Watch(self, pids)
        try:
            with self._attacked(attack, pids) as outcome, watch:
                figures = measure(self._config(pids[0], attack))
        finally:
            self.home.stop()
            self.entry.stop()
        waits = sorted(watch.waits_ms) or [float("nan")]
        return Phase(
            attack=attack or "none",
            p50_ms=round(figures["p50_ms"], 1),
            p99_ms=round(figures["p99_ms"], 1),
            newcomer_ms=round(waits[len(waits) // 2], 1),
            newcomer_worst_ms=round(waits[-1], 1),
            home_mib=round(watch.grown_kib[0] / 1024, 1),
            entry_mib=round(watch.grown_kib[1] / 1024, 1),
            held_home=watch.held[0],
            held_entry=watch.held[1],
            outcome=outcome,
        )

    def _config(self, pid: int, attack: str) -> LoadConfig:
        card = str(self.entry.folder.card_path)
        return LoadConfig(
            mode="paced",
            pid=pid,
            pairs=PAIRS,
            rate=self.rate,
            seconds=self.members_stand_s if attack in OF_MEMBERS else self.seconds,
            card=str(self.home.folder.card_path),
            entry=card,
            peer=card,
            code=self.home.folder.add_code(ENTROPY),
        )

    @contextmanager
    def _attacked(self, kind: str, pids: tuple[int, int]) -> Iterator[dict[str, Any]]:
        """Keep an attack up, and afterwards say what became of it."""
        outcome: dict[str, Any] = {}
        if not kind:
            yield outcome
            return
        config = AttackConfig(
            kind=kind,
            home=str(self.home.folder.card_path),
            entry=str(self.entry.folder.card_path),
            # The load connects, warms up, measures and settles meanwhile.
            seconds=(
                self.members_stand_s + 3
                if kind in OF_MEMBERS
                else max(self.stands_s, self.seconds + 3)
            ),
            code=self.home.folder.add_code(ENTROPY),
            members=self.members,
            pids=pids,
            home_health=self.home.folder.settings({}).listen.health_port,
            # A newcomer, and one that just goes.
            others=2 * PAIRS + 2,
        )
        command = [sys.executable, "-m", _ATTACK, msgspec.json.encode(config).decode()]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
            try:
                if attacker.stdout is None or attacker.stdout.readline() != b"ready\n":
                    raise BenchFailed("the attack of the bench did not begin")
                yield outcome
                outcome.update(json_module.loads(attacker.stdout.readline()))
            finally:
                attacker.kill()


class _Watch:
    """Looks at both relays from aside: memory, connections, and how newcomers fare."""

    def __init__(self, bench: HostileBench, pids: tuple[int, int]) -> None:
        self._bench = bench
        self._pids = pids
        self._before = [rss_kib(pid) for pid in pids]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.grown_kib = [0, 0]
        self.held = [0, 0]
        self.waits_ms: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.5):
            for place, (pid, relay) in enumerate(
                zip(self._pids, (self._bench.home, self._bench.entry), strict=True)
            ):
                grown = rss_kib(pid) - self._before[place]
                self.grown_kib[place] = max(self.grown_kib[place], grown)
                held = int(relay.counts()["connections"])
                self.held[place] = max(self.held[place], held)
            self.waits_ms.append(1000 * asyncio.run(self._newcomer()))

    async def _newcomer(self) -> float:
        """Return how long a fresh connection takes, in seconds; 30 when it fails."""
        greeted = asyncio.Event()
        home, entry = self._bench.home.card, self._bench.entry.card
        began = time.monotonic()
        try:
            async with asyncio.timeout(30):
                transport, _ = await picows.ws_connect(
                    lambda: _Newcomer(greeted),
                    f"wss://{home.host}:{home.port}{HOME_PATH}",
                    ssl_context=pinned(home),
                    proxy=f"https://{entry.host}:{entry.port}",
                    proxy_ssl_context=pinned(entry),
                    websocket_handshake_timeout=30,
                )
                await greeted.wait()
        except (OSError, TimeoutError, picows.WSError):
            return 30.0
        waited = time.monotonic() - began
        transport.disconnect(graceful=False)
        return waited


class _Newcomer(picows.WSListener):  # type: ignore[misc, unused-ignore]
    def __init__(self, greeted: asyncio.Event) -> None:
        super().__init__()
        self._greeted = greeted

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self._greeted.set()


COLUMNS: Final = (
    "attack",
    "p50_ms",
    "p99_ms",
    "newcomer_ms",
    "newcomer_worst_ms",
    "home_mib",
    "entry_mib",
    "held_home",
    "held_entry",
)


def run(
    json: bool = False,
    seconds: float = 6.0,
    rate: float = 200.0,
    attacks: Sequence[str] = tuple(ATTACKS),
    stands_s: float = 13.0,
    members: int = MEMBERS,
) -> list[Phase]:
    """Measure and print, as a table or as one JSON object.

    Raises BenchFailed, after printing, when something that is promised was not kept."""
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        bench = HostileBench(Path(folder), seconds, rate, stands_s, members=members)
        phases = [bench.phase(kind) for kind in ("", *attacks)]
    quiet = phases[0]
    ratios = [round(phase.p99_ms / quiet.p99_ms, 2) for phase in phases]
    if json:
        rows = [
            {**asdict(phase), "p99_ratio": ratio}
            for phase, ratio in zip(phases, ratios, strict=True)
        ]
        print(json_module.dumps({"rate": rate, "pairs": PAIRS, "phases": rows}))
    else:
        print("".join(f"{name:>18}" for name in (*COLUMNS, "p99 to quiet")))
        for phase, ratio in zip(phases, ratios, strict=True):
            cells = [getattr(phase, name) for name in COLUMNS]
            print("".join(f"{cell:>18}" for cell in (*cells, ratio)))
        for phase in phases[1:]:
            print(f"{phase.attack}: {json_module.dumps(phase.outcome)}")
    missed = [
        f"{phase.attack}: {fault}" for phase in phases for fault in phase.outcome.get("faults", ())
    ]
    missed += [
        f"{phase.attack}: p99 is {ratio} times the quiet one"
        for phase, ratio in zip(phases, ratios, strict=True)
        if phase.attack != "readers" and ratio > P99_GOAL
    ]
    if missed:
        raise BenchFailed("not kept: " + "; ".join(missed))
    return phases
