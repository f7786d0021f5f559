"""Relay processes that start in a few milliseconds: forked from one that has loaded the modules."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

PROGRAM = str(Path(__file__).with_name("nursery_program.py"))
SOURCE = str(Path(__file__).parents[2] / "src")


@cache
def shared_nursery() -> Nursery:
    """Return the one of this worker.  It ends with the worker, and whatever of it still runs."""
    made = Nursery()
    atexit.register(made.close)
    return made


class Nursery:
    """The process that is forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": SOURCE},
        )

    def launch(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
        """Start what ``python ARGUMENTS`` would; its standard error goes to the end of a file."""
        return Forked(self, self.ask("start", list(arguments), dict(environment), str(log)))

    def ask(self, *question: Any) -> int:
        """Ask for one thing; return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and whatever of it still runs."""
        self._process.communicate(timeout=60)


class Forked:
    """One process of a nursery, with what is used of ``subprocess.Popen``."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self._end = os.pidfd_open(pid)
        self._status: int | None = None
        self.pid = pid

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._status_within(0)

    def wait(self, timeout: float) -> int:
        """Return the exit status; raises ``subprocess.TimeoutExpired``, in seconds."""
        status = self._status_within(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._end, number)

    def _status_within(self, timeout: float) -> int | None:
        if self._status is None and select.select([self._end], [], [], timeout)[0]:
            self._status = self._nursery.ask("status", self.pid)
            os.close(self._end)
        return self._status
