"""Texts that are kept for a time, and those that were taken back, are deleted when they are due.

What a legal hold covers is deleted when the hold is released.  The clock is the device's: one that
is set forward deletes early (docs/security/limitations.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final, Protocol, TypeVar

T = TypeVar("T")

MOST_OFTEN_S: Final = 1.0
"""However much happens, the vault is looked through no more often."""
LOOK_S: Final = 60.0
"""A wall clock may be set: it is looked at this often while something will be due."""


class Sweepable(Protocol):
    """A vault, as far as this needs it."""

    def sweep(self, now: int, held: Collection[bytes]) -> set[bytes]:
        """Delete what is due; return the channels that have changed."""
        ...

    def next_expiry(self, held: Collection[bytes]) -> int | None:
        """Return when the next is due."""
        ...


class Expiry:
    """Deletes what is due, for as long as the device runs."""

    def __init__(
        self,
        vault: Sweepable,
        *,
        now: Callable[[], int],
        held: Callable[[], Collection[bytes]],
        on_disk: Callable[[Callable[[], object]], Awaitable[object]],
        tell: Callable[[set[bytes]], None],
    ) -> None:
        self._vault = vault
        self._now = now
        self._held = held
        self._on_disk = on_disk
        self._tell = tell
        self._changed = asyncio.Event()

    def touch(self) -> None:
        """Say that something has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Look at once, when something has changed, and when something is due."""
        while True:
            # What changes while it looks or rests is looked at afterwards: it may be due first.
            self._changed.clear()
            due = await self.look()
            await asyncio.sleep(MOST_OFTEN_S)
            wait_s = None if due is None else min(max(due - self._now(), 0), LOOK_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def look(self) -> int | None:
        """Delete what is due now; return when the next is, s since the Unix epoch."""
        held, now = self._held(), self._now()
        gone: set[bytes] = set()
        due: int | None = None

        def work() -> None:
            nonlocal due
            gone.update(self._vault.sweep(now, held))
            due = self._vault.next_expiry(held)

        await self._on_disk(work)
        if gone:
            self._tell(gone)
        return due
