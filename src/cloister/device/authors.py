"""Who wrote a row and what is said of it, by the names that this device has for them now.

The vault keeps the name of the time when a text came; people rename, and newcomers bring names
that are taken.  That a device is a bot stands on its card and in no row.  What a blocked member
wrote is not quoted, and their marks are not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from cloister.client.effects import Message, Quote, Shown, Since
from cloister.device.facade import FollowedNotice
from cloister.values import replace


class Authors(msgspec.Struct, frozen=True):
    """What is known of authors; devices and members are both looked up by their ids."""

    names: Mapping[bytes, str] = msgspec.field(default_factory=dict)
    bots: frozenset[bytes] = frozenset()
    """dids, of former devices too."""
    blocked: frozenset[bytes] = frozenset()


def named(row: Message, authors: Authors) -> Message:
    """Return a row under its author's present name, and marked if that is a bot."""
    name = authors.names.get(row.sender, row.sender_name)
    bot = row.sender in authors.bots
    since = _since(row.since, authors)
    is_so = name == row.sender_name and bot is row.bot and since is row.since
    return row if is_so else replace(row, sender_name=name, bot=bot, since=since)


def _since(since: Since, authors: Authors) -> Since:
    quote = since.quote
    if quote is not None and quote.sender:
        is_blocked = quote.sender in authors.blocked
        name = authors.names.get(quote.sender, quote.name)
        text, bot = "" if is_blocked else quote.text, quote.sender in authors.bots
        quote = Quote(sender=quote.sender, name=name, text=text, bot=bot)
    reactions = tuple(
        replace(one, name=authors.names.get(one.member_id, one.name))
        for one in since.reactions
        if one.member_id not in authors.blocked
    )
    if (quote, reactions) == (since.quote, since.reactions):
        return since
    return replace(since, quote=quote, reactions=reactions)


def all_named(rows: Iterable[Message], authors: Authors) -> list[Message]:
    """Return rows under their authors' present names."""
    return [named(row, authors) for row in rows]


def told_by_name(notice: FollowedNotice, authors: Authors) -> FollowedNotice:
    """Return a notice in which the author of what it shows has the present name."""
    return Shown(message=named(notice.message, authors)) if isinstance(notice, Shown) else notice
