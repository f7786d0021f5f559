"""What the full-screen interface costs: its first frame, many messages, a key, and doing nothing.

Programs of their own on a pty of 100 by 30; the bare toolkit stands beside the first frame.  Memory
and processor time are those of the program that draws, from ``/proc``.
"""

from __future__ import annotations

import json as json_module
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from cloister.bench.tui_stage import LAST, TITLE
from cloister.errors import LocalError
from cloister.testing.terminal import Terminal

SIZE: Final = (100, 30)
MESSAGES: Final = 20_000
KEYS: Final = 200
IDLE_S: Final = 10.0
STAGE: Final = ["-m", "cloister.bench.tui_stage"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its unit and its goal; ``floor`` where there is one to compare with."""

    name: str
    value: float
    unit: str
    goal: float
    floor: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached."""
        return self.value <= self.goal


def run(*, json: bool = False, rounds: int = 3) -> list[Figure]:
    """Measure all of it; print a table, or one object."""
    if not Path("/proc/self/stat").exists():
        raise LocalError("this measurement reads /proc, which is not here")
    figures = [*_first_frame(rounds), *_messages(), *_keys_and_idle()]
    if json:
        found = [asdict(one) | {"is_met": one.is_met} for one in figures]
        print(json_module.dumps({"v": 1, "bench": "tui", "figures": found}))
        return figures
    for one in figures:
        beside = "" if one.floor is None else f"   bare toolkit {one.floor:.2f}"
        mark = "met" if one.is_met else "MISSED"
        print(f"{one.name:<50}{one.value:>9.2f} {one.unit:<4} goal {one.goal:g}{beside}   {mark}")
    return figures


def _first_frame(rounds: int) -> list[Figure]:
    """From the start of the command to the question for a PIN, the median of some starts."""
    times, floors = [], []
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        for number in range(rounds):
            _tell(f"first frame, {number + 1} of {rounds}")
            profile = f"{folder}/p{number}"
            started = time.monotonic()
            arguments = ["-m", "cloister", "--profile", profile]
            terminal = Terminal(arguments, SIZE, XDG_CONFIG_HOME=folder, XDG_STATE_HOME=folder)
            try:
                terminal.until("There is no vault")
                times.append(time.monotonic() - started)
                terminal.read(0.5)
                terminal.type("\x1b")
                terminal.end()
            finally:
                terminal.close()
            floors.append(_bare())
    middle = rounds // 2
    return [Figure("first frame", sorted(times)[middle], "s", 0.6, sorted(floors)[middle])]


def _bare() -> float:
    """The toolkit's own first frame: one word on an empty screen."""
    program = (
        "from textual.app import App\nfrom textual.widgets import Static\n"
        "class A(App):\n def compose(self): yield Static('PRESENT')\nA().run()"
    )
    started = time.monotonic()
    terminal = Terminal(["-c", program], SIZE)
    try:
        terminal.until("PRESENT")
        return time.monotonic() - started
    finally:
        terminal.close()


def _messages() -> list[Figure]:
    figures = []
    for whole, name in ((0, "two hundred at a time"), (1, "all laid out")):
        _tell(f"{MESSAGES} messages, {name}")
        terminal = Terminal([*STAGE, str(MESSAGES), str(whole)], SIZE)
        try:
            terminal.until(TITLE)
            terminal.read(1.0)
            before, at = _memory_mb(terminal.pid), len(terminal.written)
            worked, started = _cpu_s(terminal.pid), time.monotonic()
            terminal.type("\r")
            terminal.until(LAST, since=at)
            took = time.monotonic() - started
            worked = _cpu_s(terminal.pid) - worked
            terminal.read(0.5)
            figures.append(Figure(f"{MESSAGES:,} messages, {name}: open", took, "s", 0.5))
            figures.append(Figure(f"{MESSAGES:,} messages, {name}: processor", worked, "s", 0.5))
            grown = _memory_mb(terminal.pid) - before
            figures.append(Figure(f"{MESSAGES:,} messages, {name}: memory", grown, "MB", 60))
        finally:
            terminal.close()
    return figures


def _keys_and_idle() -> list[Figure]:
    _tell("keys, and nothing")
    terminal = Terminal([*STAGE, "1000", "0"], SIZE)
    try:
        terminal.until(TITLE)
        terminal.type("\r")
        terminal.until(LAST)
        terminal.read(1.0)
        before = _cpu_s(terminal.pid)
        for number in range(KEYS):
            terminal.type("abcdefg "[number % 8])
            terminal.read(0.01)
        terminal.read(0.5)
        key_ms = (_cpu_s(terminal.pid) - before) / KEYS * 1000
        terminal.read(3.0)  # the draft is kept by now
        resting, before = _memory_mb(terminal.pid), _cpu_s(terminal.pid)
        written = len(terminal.written)
        deadline = time.monotonic() + IDLE_S
        while time.monotonic() < deadline:
            terminal.read(1.0)
        idle = (_cpu_s(terminal.pid) - before) / IDLE_S * 100
        silent = len(terminal.written) - written
    finally:
        terminal.close()
    return [
        Figure("a key: processor time", key_ms, "ms", 5),
        Figure("idle: processor", idle, "%", 0.3),
        Figure("idle: bytes written", float(silent), "B", 0),
        Figure("1,000 messages: memory of the program", resting, "MB", 60),
    ]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LocalError("the program has ended")


def _tell(text: str) -> None:
    print(f"{text} …", file=sys.stderr)
