"""What the fleet bench has found, and how it is printed."""

from __future__ import annotations

from typing import Final

import msgspec

GOAL_P99_MS: Final = 250
GOAL_RETURN_S: Final = 120
GOAL_ATTEMPTS: Final = 1.5
GOAL_LAG_MS: Final = 250
GOAL_KIB: Final = 44


class Side(msgspec.Struct, frozen=True):
    """CPU of each side."""

    core: float
    fronts: float
    entry: float
    load: float

    def less(self, other: Side) -> Side:
        """Return the difference."""
        return Side(
            self.core - other.core,
            self.fronts - other.fronts,
            self.entry - other.entry,
            self.load - other.load,
        )

    def times(self, factor: float) -> Side:
        """Return the product."""
        return self.by(1 / factor) if factor else Side(0, 0, 0, 0)

    def by(self, divisor: float) -> Side:
        """Return the quotient, with three decimals."""
        return Side(
            round(self.core / divisor, 3),
            round(self.fronts / divisor, 3),
            round(self.entry / divisor, 3),
            round(self.load / divisor, 3),
        )


class Rate(msgspec.Struct, frozen=True):
    """At one rate.  The CPU of a message is without that of the resting fleet."""

    asked_per_s: float
    accepted_per_s: float
    is_kept: bool
    """Whether the machine, with the load on it, could do it."""
    cpu_us: Side
    load_cores: float
    """Cores that the load itself took."""
    p50_ms: float
    """Put to delivery at the other device of the pair."""
    p99_ms: float
    lag_p99_ms: float


class Floor(msgspec.Struct, frozen=True):
    """The bare server with 64 pairs at the same rate: no entry, no fronts, delivered once."""

    cpu_us: float
    p50_ms: float
    p99_ms: float


class Return(msgspec.Struct, frozen=True):
    """After all were cut at once."""

    share_back: float
    half_s: float
    all_s: float
    attempts_per_device: float
    most_attempts: int
    failures: dict[str, int]
    core_lag_p99_ms: float
    cpu_us: Side
    """For one device that comes back, its tries that came to nothing among it."""
    relay_s: float
    """What the relays alone would take, with all cores of this machine for themselves."""


class Report(msgspec.Struct, frozen=True):
    """One run."""

    devices: int
    cores: int
    fronts: int
    tunnel_processes: int
    connect_s: float
    connect_floor_s: float
    """The TLS handshakes alone, outer and inner, both sides, on all cores."""
    connect_attempts: int
    connect_cpu_us: Side
    """For one device."""
    handshake_floor_us: float
    core_kib: float
    """Resident memory for one device."""
    fronts_kib: float
    entry_main_kib: float
    tunnels_kib: float
    floor_kib: float
    """The bare server, for one connection."""
    load_mib: int
    idle_cores: Side
    """Cores that the resting fleet takes: pings, every minute each."""
    rates: list[Rate]
    rate_floors: list[Floor]
    cut: Return


def table(report: Report) -> str:
    """Write a report for people."""
    home = f"home: 1 core process and {report.fronts} fronts"
    entry = f"entry: 1 main and {report.tunnel_processes} tunnel processes"
    lines = [
        f"{report.devices} devices, {report.cores} cores; {home}; {entry}",
        "",
        *_row("all connected", f"{report.connect_s} s", f"{report.connect_floor_s} s"),
        *_row("  attempts", report.connect_attempts),
        *_sides("  CPU us a device", report.connect_cpu_us, 2 * report.handshake_floor_us),
        *_row("home memory a device", f"{report.core_kib + report.fronts_kib:.1f} KiB",
              f"{report.floor_kib} KiB", f"{GOAL_KIB} KiB"),
        *_row("  core, fronts", f"{report.core_kib} + {report.fronts_kib} KiB"),
        *_row("entry memory a device", f"{report.entry_main_kib} + {report.tunnels_kib} KiB"),
        *_sides("resting: cores", report.idle_cores, None),
    ]  # fmt: skip
    for rate, floor in zip(report.rates, report.rate_floors, strict=True):
        said = "" if rate.is_kept else f": NOT KEPT, {rate.accepted_per_s} a second"
        goal = f"{GOAL_P99_MS} ms" if rate.asked_per_s == 1000 else ""
        head = f"{rate.asked_per_s:.0f} messages a second{said}"
        lines += [
            "",
            f"{head} (the load itself: {rate.load_cores} cores)",
            *_row("  p50", f"{rate.p50_ms} ms", f"{floor.p50_ms} ms"),
            *_row("  p99", f"{rate.p99_ms} ms", f"{floor.p99_ms} ms", goal),
            *_row("  core lag p99", f"{rate.lag_p99_ms} ms"),
            *_sides("  CPU us a message", rate.cpu_us, floor.cpu_us),
        ]
    cut = report.cut
    lines += [
        "",
        "all cut at once",
        *_row("  back", f"{100 * cut.share_back:.2f} %", "", "100 %"),
        *_row("  half of them", f"{cut.half_s} s"),
        *_row("  the last", f"{cut.all_s} s", f"{report.connect_floor_s} s", f"{GOAL_RETURN_S} s"),
        *_row("  attempts a device", cut.attempts_per_device, "1", str(GOAL_ATTEMPTS)),
        *_row("  most of one", cut.most_attempts),
        *_row("  core lag p99", f"{cut.core_lag_p99_ms} ms", "", f"{GOAL_LAG_MS} ms"),
        *_sides("  CPU us a device", cut.cpu_us, 2 * report.handshake_floor_us),
        *_row("  the relays' part", f"{cut.relay_s} s on all cores"),
        *_row("  failed", str(cut.failures or "none")),
    ]
    return "\n".join(lines)


def _row(name: str, value: object, floor: str = "", goal: str = "") -> list[str]:
    said = f"{name:26}{value!s:>18}"
    said += f"   floor {floor}" if floor else ""
    said += f"   goal {goal}" if goal else ""
    return [said]


def _sides(name: str, side: Side, floor: float | None) -> list[str]:
    digits = 2 if floor is None else 0
    values = ", ".join(
        f"{word} {value:.{digits}f}"
        for word, value in (
            ("core", side.core),
            ("fronts", side.fronts),
            ("entry", side.entry),
            ("load", side.load),
        )
    )
    return [f"{name:26}{values}" + (f"   floor {floor:.0f}" if floor is not None else "")]
