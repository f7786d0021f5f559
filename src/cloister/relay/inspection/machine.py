"""What the machine gives: room on the disk, open files, a clock that is right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cloister.clock import VARIABLE
from cloister.finding import Finding, Grade
from cloister.limits import KIB
from cloister.relay.dialling import local_ports
from cloister.relay.folder import Folder
from cloister.relay.processes.count import (
    OWN_FILES,
    files_for,
    granted_files,
    held_by_one,
    process_count,
)
from cloister.relay.settings import Settings

_MIB = KIB * KIB
_LEAST_FREE_MIB = 64
"""Below it the next burst of messages may be the one that fails."""
_GOOD_FREE_MIB = 1024
_GOOD_FREE_PART = 20
_BEHIND_S = 300
"""As much as retention takes for a jump of the clock."""


def look_at_disk(path: Path) -> Iterator[Finding]:
    """An acknowledgement is a write: without room the relay stops."""
    try:
        found = os.statvfs(path)
    except OSError as error:
        yield Finding("disk", Grade.WRONG, f"{path}: {error.strerror}", "look at the disk")
        return
    free = found.f_bavail * found.f_frsize // _MIB
    size = found.f_blocks * found.f_frsize // _MIB
    hint = "make room: a relay whose disk is full stops"
    if found.f_flag & os.ST_RDONLY:
        hint = "it fails so when the disk has: look at the kernel's log, then mount it anew"
        yield Finding("disk", Grade.WRONG, "the disk is mounted read-only", hint)
    elif free < _LEAST_FREE_MIB:
        yield Finding("disk", Grade.WRONG, f"{free} MiB are free", hint)
    elif free < min(_GOOD_FREE_MIB, size // _GOOD_FREE_PART):
        yield Finding("disk", Grade.DOUBTFUL, f"{free} MiB of {size} are free", hint)
    else:
        yield Finding("disk", Grade.GOOD, f"{free} MiB of {size} are free")


def look_at_limits(settings: Settings) -> Iterator[Finding]:
    """A connection is one open file at a home relay, two at an entry relay, in one process each."""
    files, most = granted_files(), settings.limits.max_connections
    count = process_count(settings, files)
    hold = count * held_by_one(settings, files)
    needed = files_for(settings) * most + OWN_FILES
    where = f"in {count} processes" if count else "in one process"
    if files is None or (hold >= most if count else files >= needed):
        yield Finding("files", Grade.GOOD, f"the system grants enough open files ({where})")
    elif count:
        yield Finding(
            "files",
            Grade.DOUBTFUL,
            f"limits.max_connections is {most}; {count} processes with {files} open files each"
            f" hold {hold}",
            'set limits.processes to "auto", or lower limits.max_connections',
        )
    else:
        yield Finding(
            "files",
            Grade.DOUBTFUL,
            f"limits.max_connections is {most}, which takes {needed} open files;"
            f" the system grants {files}",
            f'set limits.processes to "auto", raise it (LimitNOFILE={needed} in the unit), or lower'
            " limits.max_connections",
        )


def look_at_ways(settings: Settings) -> Iterator[Finding]:
    """To one home relay an entry relay has a tunnel for each port that its machine gives."""
    first, last = local_ports()
    ways, most = last - first + 1, settings.limits.max_connections
    if settings.relay.role == "entry" and ways < most:
        yield Finding(
            "ports",
            Grade.DOUBTFUL,
            f"limits.max_connections is {most}; to one home relay lead {ways} ports of this"
            " machine, less those that were in use a minute ago",
            "widen net.ipv4.ip_local_port_range, or lower limits.max_connections",
        )


def look_at_clock(folder: Folder, now: int) -> Iterator[Finding]:
    """No file of the relay can be newer than now; a drill's clock has no place in service."""
    if os.environ.get(VARIABLE):
        yield Finding(
            "clock",
            Grade.DOUBTFUL,
            f"a clock file is in force ({VARIABLE})",
            "unset it: it is for drills, never for service",
        )
        return
    places = (folder.settings_path, folder.database_path, folder.shares_path)
    newest = max(int(place.stat().st_mtime) for place in places if os.access(place, os.F_OK))
    if newest > now + _BEHIND_S:
        yield Finding(
            "clock",
            Grade.WRONG,
            f"the relay's files were written {newest - now} s after what the clock says now",
            "set the clock right (NTP): entries more than ten minutes off are refused",
        )
    else:
        yield Finding("clock", Grade.GOOD, "the clock is not behind the relay's own files")
