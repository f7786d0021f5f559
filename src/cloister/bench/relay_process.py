"""The processes of the relay benches: relays in folders of their own, the load, the bare server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from cloister.bench.paired_load import run_load
from cloister.bench.relay_load import LoadConfig
from cloister.crypto.entropy import SystemEntropy
from cloister.errors import LocalError
from cloister.relay.folder import Folder
from cloister.relay.health import ask_status
from cloister.relay.settings import Role

ENTROPY = SystemEntropy()
START_S = 20.0
FLOOR_PORT = 19_871
LOAD = "cloister.bench.relay_load"


class RelayProcess:
    """A relay process in a folder of its own."""

    def __init__(self, folder: Path, role: Role) -> None:
        self.folder = Folder(folder)
        self.card = self.folder.init(
            role=role,
            host="127.0.0.1",
            port=0,
            jurisdiction="HK" if role == "home" else "PA",
            operator=f"Bench {role}",
            name=None,
            now=int(time.time()),
            entropy=ENTROPY,
        )
        self._log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **limits: str) -> int:
        """Start, with settings of [limits]; returns the process id."""
        named = {f"CLOISTER__LIMITS__{name.upper()}": value for name, value in limits.items()}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cloister", "relay", "run", str(self.folder.path)],
                env={**os.environ, **named},
                stderr=log,
            )
        until = time.monotonic() + START_S
        while b'"ready"' not in self._log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > until:
                raise LocalError("a relay of the bench did not start")
            time.sleep(0.02)
        return self.process.pid

    def counts(self) -> dict[str, Any]:
        """Ask for the counters."""
        return ask_status(self.folder.settings({}).listen.health_port)

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Stop the process."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def measure(
    config: LoadConfig, *, meanwhile: AbstractContextManager[Any] | None = None
) -> dict[str, Any]:
    """Run a load process (``paired_load.run_load``)."""
    return run_load(LOAD, config, meanwhile=meanwhile)


def measure_floor(folder: Path, config: LoadConfig) -> dict[str, Any]:
    """Run the bare server in the folder of a home relay, and a load process beside it."""
    (folder / "floor.sqlite3").unlink(missing_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "cloister.bench.relay_floor", str(folder), str(FLOOR_PORT)],
        stdout=subprocess.PIPE,
    ) as floor:
        try:
            if floor.stdout is None or floor.stdout.readline() != b"ready\n":
                raise LocalError("the bare server of the bench did not start")
            return measure(msgspec.structs.replace(config, pid=floor.pid, floor_port=FLOOR_PORT))
        finally:
            floor.kill()
