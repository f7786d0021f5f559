"""Honest devices in quiet, and under attack: what others' hostility costs them.

Real relays with the limits they come with, honest devices in pairs through the entry relay, attacks
of strangers and of members from a process of their own and other loopback addresses, on a processor
of their own where there are two (``hostile_cores``).  Before and after each attack the same devices
are measured in quiet, by relays that start anew each time.
"""

from __future__ import annotations

import json as json_module
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

from cloister.bench.hostile_attack import AttackConfig
from cloister.bench.hostile_cores import Cores, apart
from cloister.bench.hostile_process import ATTACKS
from cloister.bench.hostile_watch import Watch
from cloister.bench.paired_load import BenchFailed
from cloister.bench.relay import raise_file_limit
from cloister.bench.relay_load import LoadConfig
from cloister.bench.relay_process import ENTROPY, RelayProcess, measure
from cloister.limits import MAX_CONNECTIONS_PER_ADDRESS

PAIRS: Final = 16
OTHERS: Final = 2 * PAIRS + 2
"""Connections that are no attacker's at the most: a newcomer too, and one that just goes."""
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
    messages: int
    """Delivered between honest devices while it was measured."""
    p50_ms: float
    p99_ms: float
    """Put to delivery between honest devices that were connected before."""
    worst_ms: float
    newcomer_ms: float
    newcomer_worst_ms: float
    """A fresh connection through both relays, to its challenge: median and worst."""
    home_cores: float
    entry_cores: float
    """Processors' time that the relays took."""
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
        processes: int = 0,
        cores: Cores | None = None,
    ) -> None:
        """``stands_s``: how long an attack stands at the least: until what it holds is cut;
        ``members_stand_s``: the same for members who follow busy channels; ``processes``: of each
        relay, beside its main one; ``cores``: where attackers stay, None: anywhere."""
        self.processes = processes
        self.cores = cores or Cores()
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
        limits = {"processes": str(self.processes)}
        pids = self.home.start(**limits), self.entry.start(**limits)
        watch = Watch(self.home, self.entry, pids, self.cores)
        outcome: dict[str, Any] = {}
        try:
            figures = measure(
                self._config(pids, attack), meanwhile=self._attacked(attack, pids, watch, outcome)
            )
        finally:
            self.home.stop()
            self.entry.stop()
        if attack == "address" and watch.held[1] > MAX_CONNECTIONS_PER_ADDRESS + OTHERS:
            outcome["faults"] = [f"one address had {watch.held[1] - OTHERS} connections"]
        waits = sorted(watch.waits_ms) or [float("nan")]
        return Phase(
            attack=attack or "none",
            messages=figures["messages"],
            p50_ms=round(figures["p50_ms"], 1),
            p99_ms=round(figures["p99_ms"], 1),
            worst_ms=round(figures["worst_ms"], 1),
            newcomer_ms=round(waits[len(waits) // 2], 1),
            newcomer_worst_ms=round(waits[-1], 1),
            home_cores=round(figures["cores_busy"], 2),
            entry_cores=round(figures["other_cores_busy"], 2),
            home_mib=round(watch.grown_kib[0] / 1024, 1),
            entry_mib=round(watch.grown_kib[1] / 1024, 1),
            held_home=watch.held[0],
            held_entry=watch.held[1],
            outcome=outcome,
        )

    def _config(self, pids: tuple[int, int], attack: str) -> LoadConfig:
        card = str(self.entry.folder.card_path)
        return LoadConfig(
            mode="paced",
            pid=pids[0],
            other_pid=pids[1],
            pairs=PAIRS,
            rate=self.rate,
            seconds=self.members_stand_s if attack in OF_MEMBERS else self.seconds,
            card=str(self.home.folder.card_path),
            entry=card,
            peer=card,
            code=self.home.folder.add_code(ENTROPY),
            # Who is measured is there before the attacker is.
            waits=True,
        )

    @contextmanager
    def _attacked(
        self, kind: str, pids: tuple[int, int], watch: Watch, outcome: dict[str, Any]
    ) -> Iterator[None]:
        """Keep an attack up, and afterwards say what became of it."""
        if not kind:
            with watch:
                yield
            return
        config = AttackConfig(
            kind=kind,
            home=str(self.home.folder.card_path),
            entry=str(self.entry.folder.card_path),
            # The load warms up, measures and settles meanwhile.
            seconds=(
                self.members_stand_s + 3
                if kind in OF_MEMBERS
                else max(self.stands_s, self.seconds + 3)
            ),
            code=self.home.folder.add_code(ENTROPY),
            members=self.members,
            pids=pids,
            home_health=self.home.folder.settings({}).listen.health_port,
            others=OTHERS,
            cores=self.cores.attack,
        )
        command = [sys.executable, "-m", _ATTACK, msgspec.json.encode(config).decode()]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
            try:
                if attacker.stdout is None or attacker.stdout.readline() != b"ready\n":
                    raise BenchFailed("the attack of the bench did not begin")
                with watch:
                    yield
                outcome.update(json_module.loads(attacker.stdout.readline()))
            finally:
                attacker.kill()


@dataclass(frozen=True, slots=True)
class Report:
    """A run: quiet, then each attack and quiet again after it."""

    cores: Cores
    load_average: float
    """Of the machine over the minute before: what others did."""
    rate: float
    processes: int
    """Of each relay, beside its main one."""
    phases: tuple[Phase, ...]

    def ratio(self, place: int) -> float:
        """Of an attack: its p99 to that of quiet, the mean of before and after."""
        before, attacked, after = self.phases[place - 1 : place + 2]
        return round(2 * attacked.p99_ms / (before.p99_ms + after.p99_ms), 2)

    @property
    def attacks(self) -> Iterator[tuple[Phase, float]]:
        """Each attack with its ratio."""
        for place in range(1, len(self.phases), 2):
            yield self.phases[place], self.ratio(place)

    @property
    def missed(self) -> list[str]:
        """What is promised and was not kept."""
        missed = [
            f"{phase.attack}: {fault}"
            for phase, _ratio in self.attacks
            for fault in phase.outcome.get("faults", ())
        ]
        return missed + [
            f"{attack}: p99 is {ratio} times the quiet one"
            for attack, ratio in self.medians.items()
            if attack != "readers" and ratio > P99_GOAL
        ]

    @property
    def medians(self) -> dict[str, float]:
        """Of each attack the median of its ratios: one run of some thousand messages says little
        about the hundredth part of them."""
        ratios: dict[str, list[float]] = {}
        for phase, ratio in self.attacks:
            ratios.setdefault(phase.attack, []).append(ratio)
        return {attack: round(median(them), 2) for attack, them in ratios.items()}

    def json(self) -> str:
        """Write it as one object."""
        ratios = {place: self.ratio(place) for place in range(1, len(self.phases), 2)}
        phases = [
            {**asdict(phase), "p99_ratio": ratios.get(place)}
            for place, phase in enumerate(self.phases)
        ]
        return json_module.dumps(
            {
                "cores": str(self.cores),
                "load_average": self.load_average,
                "rate": self.rate,
                "pairs": PAIRS,
                "processes": self.processes,
                "phases": phases,
                "p99_ratio_medians": self.medians,
            }
        )

    def table(self) -> str:
        """Write it for people."""
        relays = f", each with {self.processes} processes beside" if self.processes else ""
        lines = [
            f"{self.cores}{relays}",
            f"load of the machine before: {self.load_average}",
            "".join(f"{name:>{max(len(name) + 2, 10)}}" for name in (*COLUMNS, "p99 to quiet")),
        ]
        for place, phase in enumerate(self.phases):
            ratio = self.ratio(place) if place % 2 else ""
            cells = [(name, getattr(phase, name)) for name in COLUMNS] + [("p99 to quiet", ratio)]
            lines.append("".join(f"{cell:>{max(len(name) + 2, 10)}}" for name, cell in cells))
        lines += [
            f"{phase.attack}: {json_module.dumps(phase.outcome)}" for phase, _ratio in self.attacks
        ]
        lines += [f"{attack}: p99 to quiet {ratio}" for attack, ratio in self.medians.items()]
        return "\n".join(lines)


COLUMNS: Final = (
    "attack",
    "messages",
    "p50_ms",
    "p99_ms",
    "worst_ms",
    "newcomer_ms",
    "newcomer_worst_ms",
    "home_cores",
    "entry_cores",
    "home_mib",
    "entry_mib",
    "held_home",
    "held_entry",
)


def run(
    json: bool = False,
    seconds: float = 30.0,
    rate: float = 200.0,
    attacks: Sequence[str] = tuple(ATTACKS),
    stands_s: float = 13.0,
    members: int = MEMBERS,
    processes: int = 0,
) -> Report:
    """Measure and print, as a table or as one JSON object.

    Raises BenchFailed, after printing, when something that is promised was not kept."""
    raise_file_limit()
    load_average = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder, apart() as cores:
        bench = HostileBench(
            Path(folder),
            seconds,
            rate,
            stands_s,
            members=members,
            processes=processes,
            cores=cores,
        )
        phases = [bench.phase("")]
        for kind in attacks:
            phases += [bench.phase(kind), bench.phase("")]
    report = Report(cores, load_average, rate, processes, tuple(phases))
    print(report.json() if json else report.table())
    if missed := report.missed:
        raise BenchFailed("not kept: " + "; ".join(missed))
    return report
