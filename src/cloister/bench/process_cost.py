"""What a server costs by the kernel's account: the processor and memory of all its processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


def tree_of(pid: int) -> list[int]:
    """Return a process and all that it started, and they in turn."""
    found = [pid]
    for one in found:
        for task in (_PROC / str(one) / "task").glob("*/children"):
            found += [int(child) for child in task.read_text("ascii").split()]
    return found


def own_cpu_seconds(pid: int) -> float:
    """Return the CPU time of one process, user and system, in seconds."""
    stat = (_PROC / str(pid) / "stat").read_text("ascii")
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def own_rss_kib(pid: int) -> int:
    """Return the resident memory of one process, in KiB."""
    for line in (_PROC / str(pid) / "status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its descendants, in seconds."""
    return sum(map(own_cpu_seconds, tree_of(pid)))


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process and its descendants, in KiB.

    Pages that several of them share count once for each."""
    return sum(map(own_rss_kib, tree_of(pid)))
