"""Where the vault is used: one thread beside the event loop, one thing after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from cloister.client.effects import Write

T = TypeVar("T")


class Disk(Protocol):
    """Carries out what touches the vault.  A seam: in a simulation nothing runs in a thread."""

    async def run(self, work: Callable[[], T]) -> T:
        """Carry ``work`` out after all that was asked before, and return what it returns."""
        ...

    def close(self) -> None:
        """Wait for what is under way; nothing is asked afterwards."""
        ...


class StoredState(Protocol):
    """What the engine wants of a vault; see :class:`cloister.device.vault.Vault`."""

    def commit(self, writes: Iterable[Write]) -> None:
        """Store all writes in one transaction that is on disk when this returns."""
        ...

    def entries(self) -> tuple[bytes, ...]:
        """Return the log's entries in order of seq."""
        ...

    def close(self) -> None:
        """Give the vault up."""
        ...


class DiskThread:
    """The one thread of a real device."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vault")

    async def run(self, work: Callable[[], T]) -> T:
        """Carry ``work`` out in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Wait for the thread to end."""
        self._executor.shutdown(wait=True)
