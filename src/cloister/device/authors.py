"""Who wrote a row, by the name that this device has for them now.

The vault keeps the name of the time when a text came; people rename, and newcomers bring names
that are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cloister.client.effects import Message, Shown
from cloister.device.facade import FollowedNotice


def named(row: Message, names: Mapping[bytes, str]) -> Message:
    """Return a row under its author's present name; ``names``: did -> name."""
    name = names.get(row.sender, row.sender_name)
    return row if name == row.sender_name else replace(row, sender_name=name)


def all_named(rows: Iterable[Message], names: Mapping[bytes, str]) -> list[Message]:
    """Return rows under their authors' present names."""
    return [named(row, names) for row in rows]


def told_by_name(notice: FollowedNotice, names: Mapping[bytes, str]) -> FollowedNotice:
    """Return a notice in which the author of what it shows has the present name."""
    if isinstance(notice, Shown):
        return Shown(message=named(notice.message, names))
    return notice
