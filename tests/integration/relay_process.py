"""How tests start a relay: Python with arguments, an environment and a file for what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Process(Protocol):
    """What is used of a relay's process."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def send_signal(self, sig: int) -> None: ...


Launch = Callable[[Sequence[str], Mapping[str, str], Path], Process]
"""Starts Python with arguments and an environment; what it says goes to the end of a file."""


def launch(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    with log.open("ab") as stderr:
        return subprocess.Popen([sys.executable, *arguments], env=environment, stderr=stderr)
