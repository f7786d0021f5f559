"""What a vouch is worth, in words: the same for the command, the line mode and the full screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloister.tui import words

View = Mapping[str, Any]


def worth_of_vouch(request: View) -> str:
    """Return from when a vouch for a request counts, or why it does not; nothing for at once."""
    worth = request["own_vouch"]
    match worth["why"]:
        case "probation":
            return (
                f"It counts from {_moment_of(worth['counts_from'])}: then your probation is over."
            )
        case "lapses":
            over = _moment_of(worth["probation_until"])
            return (
                f"It will not count: it lapses on {_moment_of(worth['lapses_at'])}, and your"
                f" probation is over on {over}. Vouch again from then on."
            )
        case "own device":
            return "It does not count: another member has to vouch for a device of yours."
        case "unvouched":
            return "It does not count until you have been vouched for anew yourself."
        case _:
            return ""


def _moment_of(at: int) -> str:
    return f"{words.day_of(at)}, {words.clock_of(at)}"
