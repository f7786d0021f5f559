"""One's own history written out, readable: by the command and by the interface."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from cloister.client.effects import Message
from cloister.client.powers import TakeHistory
from cloister.client.safe_text import safe_line, safe_text
from cloister.device.facade import BEFORE_ALL
from cloister.tui.plain import message_text, message_view

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View

PAGE: Final = 500
"""Rows that are in memory at once."""
ONE_CONVERSATION: Final = 1
EVERYTHING: Final = 2
"""Values of ``roster.content.ExportScope``."""

Write = Callable[[str], object]


async def meant(device: Facade, name: str | None) -> list[View]:
    """Return the views of the conversations that are meant: one by its name, or all.

    Raises what is wrong with the name.
    """
    views = await device.conversations()
    if name is None:
        return views
    rows = await device.history(name, limit=1)
    channel = rows[0].channel_id.hex() if rows else ""
    found = [view for view in views if view["channel_id"] == channel]
    return found or [{"title": name, "channel_id": "", "members": []}]


async def permitted(device: Facade, timeout_s: float, *, everything: bool) -> str:
    """Ask whether it may be written; return the entry that tells of it, or nothing.

    Raises ``PolicyError`` where the circle refuses it, or cannot be told.
    """
    act = TakeHistory(ref=0, scope=EVERYTHING if everything else ONE_CONVERSATION)
    return await device.act(act, timeout_s, impatient=True)


async def write_out(device: Facade, views: list[View], form: str, write: Write) -> tuple[int, int]:
    """Write page by page; return how many messages there were, and how many were left out.

    A file would keep for ever what is kept for a time only.  Of what was taken back nothing is
    said: there is nothing left of it.
    """

    count = left = 0
    for view in views:
        title = str(view["title"])
        if form == "text":
            members = ", ".join(safe_line(str(one)) for one in view["members"])
            write(f"{safe_line(title)}" + (f" ({members})" if members else "") + "\n\n")
        async for message in _rows(device, view):
            if message.since.retracted or message.lifetime_s:
                left += not message.since.retracted
                continue
            if form == "text":
                write(safe_text(message_text(message)) + "\n")
            else:
                body = {"v": 1, **message_view(message, title)}
                write(json.dumps(body, ensure_ascii=True, separators=(",", ":")) + "\n")
            count += 1
        if form == "text":
            write("\n")
    return count, left


async def _rows(device: Facade, view: View) -> AsyncIterator[Message]:
    """Every row of a timeline, in order, a page at a time."""
    last = BEFORE_ALL
    while view["channel_id"]:
        page = await device.history(str(view["channel_id"]), limit=PAGE, after=last)
        if not page:
            return
        for message in page:
            yield message
        last = page[-1].position
