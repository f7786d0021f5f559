"""How tests start a relay: Python with arguments, an environment and a file for what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from integration.nursery import shared_nursery


class Process(Protocol):
    """What is used of a relay's process."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def send_signal(self, sig: int) -> None: ...


Launch = Callable[[Sequence[str], Mapping[str, str], Path], Process]
"""Starts Python with arguments and an environment; what it says goes to the end of a file."""


def launch_forked(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start it as a fork of a process that has loaded the modules: a quarter of a second less.

    A program that a test gives as ``-c`` changes them before they are loaded, and starts alone."""
    if arguments[0] == "-c":
        return launch_alone(arguments, environment, log)
    return shared_nursery().launch(arguments, environment, log)


def launch_alone(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start it as people do."""
    with log.open("ab") as stderr:
        return subprocess.Popen([sys.executable, *arguments], env=environment, stderr=stderr)
