"""Texts of blocked members, folded away: one dim line for as many as stand in a row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from cloister.client.effects import Message, MessageKind
from cloister.client.safe_text import safe_line
from cloister.tui import words
from cloister.tui.lines import Line, fit

_DAY_S: Final = 86_400


def is_folded(message: Message, blocked: Collection[bytes]) -> bool:
    """Tell whether a message is a text of somebody blocked; ``blocked``: dids."""
    return message.kind is MessageKind.TEXT and not message.own and message.sender in blocked


def folded_line(name: str, count: int) -> str:
    """Return what stands in the place of blocked texts."""
    texts = "a text" if count == 1 else f"{count} texts"
    return f"{texts} of {safe_line(name)}, who is blocked"


def folded_block(
    messages: Sequence[Message], number: int, blocked: Collection[bytes], width: int
) -> list[Line] | None:
    """Return the lines of a message that is folded away; ``None``: it is not.

    The first of a row of them stands for all; the others have no lines.
    """
    message = messages[number]
    if not is_folded(message, blocked):
        return None
    if number and _is_same_row(messages[number - 1], message, blocked):
        return []
    count = 1
    while number + count < len(messages) and _is_same_row(
        messages[number + count - 1], messages[number + count], blocked
    ):
        count += 1
    return [(("* ", "dim"), (fit(folded_line(message.sender_name, count), width - 2), "dim"))]


def _is_same_row(before: Message, message: Message, blocked: Collection[bytes]) -> bool:
    return (
        is_folded(before, blocked)
        and is_folded(message, blocked)
        and before.sender_name == message.sender_name
        and abs(before.at - message.at) < _DAY_S
        and words.day_of(before.at) == words.day_of(message.at)
    )
