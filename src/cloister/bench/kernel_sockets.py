"""TCP sockets as the kernel tells of them: whether a process holds one, and the bytes that wait.

What a relay's process has given to the kernel is no memory of its own, and memory all the same.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TABLE: Final = Path("/proc/net/tcp")
_ESTABLISHED: Final = "01"

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class KernelSocket:
    """One end of a connection of IPv4."""

    local: Address
    remote: Address
    is_held: bool
    """Established, and a process has it: not what the kernel still sends for one that closed it."""
    waiting_bytes: int
    """Sent and not acknowledged, to be sent, and received and not read."""


def sockets_of(*ports: int) -> list[KernelSocket]:
    """Return those that have one of these ports at either end."""
    wanted = {f"{port:04X}" for port in ports}
    found = []
    for line in _TABLE.read_text("ascii").splitlines()[1:]:
        fields = line.split(None, 10)
        local, remote, state, queues, inode = (fields[i] for i in (1, 2, 3, 4, 9))
        if local[-4:] in wanted or remote[-4:] in wanted:
            unsent, unread = queues.split(":")
            found.append(
                KernelSocket(
                    local=_address(local),
                    remote=_address(remote),
                    is_held=state == _ESTABLISHED and inode != "0",
                    waiting_bytes=int(unsent, 16) + int(unread, 16),
                )
            )
    return found


def _address(field: str) -> Address:
    host, port = field.split(":")
    return socket.inet_ntoa(bytes.fromhex(host)[::-1]), int(port, 16)
