"""What receipts say of one text: how many members have it, and how many have read it.

Out of the view alone, so that a command that asks an agent loads nothing else for it.
"""

from __future__ import annotations

import msgspec

View = dict[str, object]


class Told(msgspec.Struct, frozen=True):
    """Of how many other members it is known that a text has arrived, or was read."""

    delivered: int
    read: int
    others: int
    """Members of the conversation besides one's own."""


def told_of(view: View, n: int) -> Told | None:
    """Return what a view says of the text at ``n``; nothing when nobody gives receipts there.

    A member has a text when one of its devices has it."""
    members = view["members"]
    if not isinstance(members, list) or not any(one["marks"] for one in members):
        return None
    covering = [[mark for mark in one["marks"] if _covers(mark, n)] for one in members]
    return Told(
        delivered=sum(bool(marks) for marks in covering),
        read=sum(any(n < mark["read_n"] for mark in marks) for marks in covering),
        others=len(members),
    )


class NamesTold(msgspec.Struct, frozen=True):
    """Of whom it is known that a text has arrived, or was read."""

    delivered: tuple[str, ...]
    read: tuple[str, ...]


def names_told(view: View, n: int) -> NamesTold | None:
    """Return who says to have the text at ``n``; nothing when nobody gives receipts there."""
    members = view["members"]
    if not isinstance(members, list) or not any(one["marks"] for one in members):
        return None
    covering = [(one, [mark for mark in one["marks"] if _covers(mark, n)]) for one in members]
    return NamesTold(
        delivered=tuple(str(one["name"]) for one, marks in covering if marks),
        read=tuple(
            str(one["name"]) for one, marks in covering if any(n < mark["read_n"] for mark in marks)
        ),
    )


def _covers(mark: dict[str, object], n: int) -> bool:
    from_n, until_n, missing = mark["from_n"], mark["until_n"], mark["missing"]
    return (
        isinstance(from_n, int)
        and isinstance(until_n, int)
        and from_n <= n < until_n
        and n not in (missing if isinstance(missing, list) else ())
    )
