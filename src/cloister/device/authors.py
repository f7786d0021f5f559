"""Who wrote a row, by the name that this device has for them now.

The vault keeps the name of the time when a text came; people rename, and newcomers bring names
that are taken.  That a device is a bot stands on its card and in no row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from cloister.client.effects import Message, Shown
from cloister.device.facade import FollowedNotice


def named(row: Message, names: Mapping[bytes, str], bots: Collection[bytes]) -> Message:
    """Return a row under its author's present name, and marked if that is a bot.

    ``names``: did -> name; ``bots``: dids.
    """
    name, bot = names.get(row.sender, row.sender_name), row.sender in bots
    is_so = name == row.sender_name and bot is row.bot
    return row if is_so else replace(row, sender_name=name, bot=bot)


def all_named(
    rows: Iterable[Message], names: Mapping[bytes, str], bots: Collection[bytes]
) -> list[Message]:
    """Return rows under their authors' present names."""
    return [named(row, names, bots) for row in rows]


def told_by_name(
    notice: FollowedNotice, names: Mapping[bytes, str], bots: Collection[bytes]
) -> FollowedNotice:
    """Return a notice in which the author of what it shows has the present name."""
    if isinstance(notice, Shown):
        return Shown(message=named(notice.message, names, bots))
    return notice
