"""How many processes a relay runs beside its main one."""

from __future__ import annotations

import resource
from typing import Final

from cloister.relay.processes.orders import SPARE_FILES
from cloister.relay.settings import Settings

FOR_ONE: Final = 10_000
"""Connections that ``auto`` gives one process: they come back within the two minutes promised after
an outage, and with both ends of a tunnel they have room in 20,000 open files."""
_LEAST: Final = 2
OWN_FILES: Final = 256
"""Open files of a main process that are no connections."""


def files_for(settings: Settings) -> int:
    """Return how many open files one connection takes: two at an entry relay."""
    return 2 if settings.relay.role == "entry" else 1


def granted_files() -> int | None:
    """Return how many files one process may open; None: any number."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if files == resource.RLIM_INFINITY else files


def process_count(settings: Settings, files: int | None) -> int:
    """Return the number of processes; 0: the main process does everything."""
    limits = settings.limits
    if limits.processes != "auto":
        return limits.processes
    each, most = files_for(settings), limits.max_connections
    needed = each * most + OWN_FILES
    if most <= FOR_ONE and (files is None or needed <= files):
        return 0
    return max(_LEAST, -(-most // min(FOR_ONE, held_by_one(settings, files))))


def held_by_one(settings: Settings, files: int | None) -> int:
    """Return how many connections one child may hold."""
    most = settings.limits.max_connections
    if files is None:
        return most
    return max(1, min(most, (files - SPARE_FILES) // files_for(settings)))
