"""How long a program takes to load: every command of a person pays it, on a handheld tenfold.

Processes of their own, one after the other; the shortest of some starts counts, as others on the
machine only ever make one longer.  The floor is Python with the libraries and nothing of ours.
"""

from __future__ import annotations

import json as json_module
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Final

from cloister.errors import LocalError

_LIBRARIES: Final = (
    "import asyncio, aiofastnet, cryptography.hazmat.primitives.asymmetric.x25519, "
    "click, msgspec, picows, python_socks, sqlcipher3, ssl, uvloop"
)
PROGRAMS: Final = {
    "Python alone": ("-c", "pass"),
    "with the libraries of a device": ("-c", _LIBRARIES),
    "a device's agent, loaded": ("-c", "import cloister.device.agent"),
    "a relay, loaded": ("-c", "import cloister.relay.app"),
    "cloister --help": ("-m", "cloister", "--help"),
    "cloister status, no vault": ("-m", "cloister", "status"),
}


@dataclass(frozen=True, slots=True)
class Start:
    """What starting and ending one program took, s: until it was gone, and of the processor."""

    program: str
    elapsed_s: float
    cpu_s: float


def run(*, json: bool = False, rounds: int = 10) -> list[Start]:
    """Start each program some times; print a table, or one object."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        environment = {**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder}
        environment |= {"XDG_STATE_HOME": folder, "XDG_DATA_HOME": folder}
        # Compiled once and kept, as it is for people.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        starts = [_start(name, rounds, environment) for name in PROGRAMS]
    if json:
        found = [asdict(one) for one in starts]
        print(json_module.dumps({"v": 1, "bench": "start", "starts": found}))
        return starts
    print(f"{'':<34}{'until it is gone':>18}{'processor':>12}")
    for one in starts:
        print(f"{one.program:<34}{one.elapsed_s * 1000:>15.0f} ms{one.cpu_s * 1000:>9.0f} ms")
    return starts


def _start(name: str, rounds: int, environment: dict[str, str]) -> Start:
    command = [sys.executable, "-P", *PROGRAMS[name]]
    elapsed, cpu = [], []
    # One more, which compiles what was never loaded before.
    for _ in range(rounds + 1):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        elapsed.append(time.monotonic() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if b"Traceback" in ended.stderr:
            raise LocalError(f"{name} did not start: {ended.stderr.decode(errors='replace')}")
    return Start(program=name, elapsed_s=min(elapsed[1:]), cpu_s=min(cpu[1:]))
