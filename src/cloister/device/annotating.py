"""What may be said of a message that is in the timeline; the core itself does not know its rows."""

from __future__ import annotations

from typing import Final

from cloister.client.effects import AnnotationKind, Message, MessageKind, MessageState
from cloister.errors import NotFoundError, PolicyError, UsageError

LEAST_DIGITS: Final = 4
"""Digits of a message's id that name it."""


def checked_digits(name: str) -> str:
    """Return the beginning of a message's id.  Raises ``UsageError``."""
    digits = name.strip().casefold()
    if len(digits) < LEAST_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise UsageError(
            f"“{name[:40]}” names no message",
            hint=f"give {LEAST_DIGITS} or more digits of its id (`cloister read NAME --ids`),"
            ' or "last" or "mine" for the newest text, or your own',
        )
    return digits


def only_one(rows: list[Message], digits: str) -> Message:
    """Return the message that digits name.  Raises ``NotFoundError``, ``UsageError``."""
    if not rows:
        raise NotFoundError(f"no message begins with {digits}", hint="`cloister read NAME --ids`")
    if len(rows) > 1:
        raise UsageError(f"several messages begin with {digits}", hint="give more digits")
    return rows[0]


def check(row: Message, kind: AnnotationKind) -> None:
    """Demand that this may be said of a message.  Raises ``PolicyError``."""
    if row.kind is not MessageKind.TEXT:
        raise PolicyError("that is a notice and no message of anybody")
    if row.since.retracted:
        raise PolicyError("that message was taken back")
    if row.state is MessageState.FAILED:
        raise PolicyError("that message was never sent", hint="send it again")
    if kind is not AnnotationKind.REACTION and not row.own:
        what = "edited" if kind is AnnotationKind.EDIT else "taken back"
        raise PolicyError(f"a message is {what} by its own author only")
