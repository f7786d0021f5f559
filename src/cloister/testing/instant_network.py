"""Connections in one process on an ordinary event loop: whatever is sent arrives at once.

The same ends as in simulated time (``simulation.network``), so the real ``Link`` and the real
connections of a relay use them; nothing is lost but what a test cuts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from cloister.testing.simulation.faults import QUIET
from cloister.testing.simulation.loop import Process
from cloister.testing.simulation.network import End, Network
from cloister.testing.simulation.trace import Trace


class InstantNetwork(Network):
    """All connections of one circle."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, random.Random(0), Trace(loop.time), QUIET)
        self._away: set[str] = set()

    async def connect(
        self,
        client: Process,
        find_server: Callable[[], tuple[Process, Callable[[], Any]] | None],
        server_name: str,
        make_listener: Callable[[], Any],
    ) -> End:
        """Open a connection.  Raises ``OSError`` for a client that is cut off."""
        if client.name in self._away:
            raise ConnectionRefusedError(111, "connection refused")
        return await super().connect(client, find_server, server_name, make_listener)

    def cut(self, process: Process) -> None:
        """Break what a process has open, and let it open nothing more."""
        self._away.add(process.name)
        for end in [one for one in self._ends if one.owner is process]:
            self.close(end)

    def is_cut(self, process: Process) -> bool:
        """Whether it can connect to nobody."""
        return process.name in self._away

    def mend(self, process: Process) -> None:
        """Let it connect again."""
        self._away.discard(process.name)

    def _delay(self, sender: str, receiver: str) -> float:
        return 0.0
