"""`relay check`: what would keep a relay from starting, or from serving, and what to do about it.

Nothing is changed by looking; a relay that runs is not disturbed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cloister.errors import LocalError
from cloister.finding import Finding, Grade, read_or_wrong
from cloister.relay.folder import Folder
from cloister.relay.inspection.files import look_at_rights
from cloister.relay.inspection.identity import look_at_identity, look_at_peers
from cloister.relay.inspection.machine import (
    look_at_clock,
    look_at_disk,
    look_at_limits,
    look_at_ways,
)
from cloister.relay.inspection.ports import look_at_ports
from cloister.relay.inspection.stored import look_at_databases
from cloister.relay.startable import demand_no_backup


def inspect_relay(path: Path, environment: Mapping[str, str], now: int) -> list[Finding]:
    """Look at all there is to see of a relay before it starts.

    Raises NotFoundError when the folder is no relay's. With settings that cannot be read, what
    depends on them is left out.
    """
    folder = Folder(path)
    settings, unread = read_or_wrong("settings", lambda: folder.settings(environment))
    if settings is None:
        return [*unread, *look_at_rights(path), *look_at_disk(path)]
    _, backup = read_or_wrong("folder", lambda: demand_no_backup(folder))
    identity, unreadable = read_or_wrong("keys", folder.identity, LocalError)
    return [
        *backup,
        Finding("settings", Grade.GOOD, "every setting can be read and is within its bounds"),
        *look_at_rights(path),
        *(unreadable if identity is None else look_at_identity(folder, settings, identity, now)),
        *look_at_peers(folder, settings, identity),
        *look_at_ports(folder, settings),
        *look_at_databases(folder),
        *look_at_disk(path),
        *look_at_limits(settings),
        *look_at_ways(settings),
        *look_at_clock(folder, now),
    ]
