"""When the vault is looked through for what is due: whenever something changed, however soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import pytest

from cloister.device import app, expiry
from cloister.device.expiry import Expiry

REST_S = 0.05


class Paper:
    """A vault in which one text may be due, and the parts of a device around it."""

    def __init__(self) -> None:
        self.changed = asyncio.Condition()
        self.looks = 0
        self.due: int | None = None
        self.is_gone = False

    def sweep(self, now: int, _held: Collection[bytes]) -> set[bytes]:
        self.looks += 1
        if self.due is not None and self.due <= now:
            self.due, self.is_gone = None, True
        return set()

    def next_expiry(self, _held: Collection[bytes]) -> int | None:
        return self.due

    async def on_disk(self, work: Callable[[], object]) -> None:
        work()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def look(self) -> None:
        """What is owed to the shares is looked at elsewhere."""

    async def change(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def test_what_comes_while_it_rests_is_deleted_when_it_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing else happens on the device afterwards that would have it look again."""
    monkeypatch.setattr(expiry, "MOST_OFTEN_S", REST_S)

    async def story() -> None:
        paper: Any = Paper()
        looking = Expiry(
            paper, now=lambda: 100, held=tuple, on_disk=paper.on_disk, tell=lambda _gone: None
        )
        running = asyncio.ensure_future(app._run(paper, paper, looking))
        try:
            await asyncio.sleep(REST_S / 5)
            assert paper.looks == 1
            paper.due = 100
            await paper.change()
            async with asyncio.timeout(10):
                while not paper.is_gone:  # noqa: ASYNC110
                    await asyncio.sleep(REST_S)
            # And it rests: nothing has changed since.
            await asyncio.sleep(4 * REST_S)
            assert paper.looks == 2
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(story())
