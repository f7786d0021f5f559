"""The timelines of an open device as they are shown: by today's names, read where the disk is."""

from __future__ import annotations

import functools
from typing import Final

from cloister.client.effects import Message, MessageKind
from cloister.device import annotating
from cloister.device.authors import all_named
from cloister.device.engine import Engine
from cloister.device.facade import BEFORE_ALL, View
from cloister.device.vault import Vault
from cloister.device.views import Views
from cloister.errors import NotFoundError

PAGE_ROWS: Final = 1000
"""Rows of a timeline read at once for a report."""


class Reading:
    """Reads timelines for the facade; channels are given by id."""

    def __init__(self, engine: Engine, vault: Vault, views: Views) -> None:
        self._engine = engine
        self._timeline = vault.timeline
        self._views = views

    async def history(
        self, channel_id: bytes, limit: int, after: int | None, before: int | None
    ) -> list[Message]:
        """Return the last rows (before a position), or the first ones after a position."""
        read = functools.partial(
            self._timeline.history, channel_id, limit=limit, after=after, before=before
        )
        return self._named(await self._engine.on_disk(read))

    async def newest(self) -> list[Message]:
        """Return the last row of every timeline."""
        return self._named(await self._engine.on_disk(self._timeline.newest))

    async def search(self, words: str, limit: int) -> list[Message]:
        """Return the newest texts that hold every word."""
        read = functools.partial(self._timeline.search, words, limit)
        return self._named(await self._engine.on_disk(read))

    async def message(self, channel_id: bytes, name: str) -> Message:
        """Return one row by the beginning of its id, "last" or "mine"; see ``Facade.message``."""
        if name in {"last", "mine"}:
            for row in reversed(await self.history(channel_id, PAGE_ROWS, None, None)):
                is_meant = row.kind is MessageKind.TEXT and not row.since.retracted
                if is_meant and (row.own or name == "last"):
                    return row
            raise NotFoundError("there is no such message in the conversation")
        digits = annotating.checked_digits(name)
        read = functools.partial(self._timeline.beginning, channel_id, digits)
        return annotating.only_one(self._named(await self._engine.on_disk(read)), digits)

    async def versions(self, row: Message) -> list[View]:
        """Return the texts that a message has had, oldest first."""
        read = functools.partial(self._timeline.versions, row.channel_id, row.message_id)
        return [{"at": at, "text": text} for at, text in await self._engine.on_disk(read)]

    async def own_row(self, channel_id: bytes, message_id: bytes) -> Message:
        """Return the row that an act has just written."""
        read = functools.partial(self._timeline.message, channel_id, message_id)
        row = await self._engine.on_disk(read)
        if row is None:
            raise NotFoundError("the message is not in the timeline", hint="report this")
        return self._named([row])[0]

    async def whole(self, channel_id: bytes) -> list[Message]:
        """Return a whole timeline, read page by page, with the names it was stored with."""
        return await self._engine.on_disk(functools.partial(self._pages, channel_id))

    def _pages(self, channel_id: bytes) -> list[Message]:
        rows: list[Message] = []
        while page := self._timeline.history(
            channel_id, limit=PAGE_ROWS, after=rows[-1].position if rows else BEFORE_ALL
        ):
            rows += page
        return rows

    def _named(self, rows: list[Message]) -> list[Message]:
        core = self._engine.core
        return all_named(rows, self._views.authors(core))
