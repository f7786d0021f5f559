"""The circle's home and a move to another one, in words; and the notices that people carry.

The command `cloister home` and the interface's actions say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cloister.client.powers import ALREADY_HOME, FORMER_HOME
from cloister.errors import NotFoundError, PolicyError, UsageError

if TYPE_CHECKING:
    from cloister.device.cards import CardFile

MAX_NOTICE_BYTES: Final = 256 * 1024
NOT_COMPLETE: Final = (
    "The notice is not complete: a second steward has to approve it, or the circle's delay has not"
    " passed. Then a steward follows it again."
)
APPROVED: Final = (
    "You have approved it. When the circle's delay has passed, a steward follows the notice again;"
    " then it is complete, and goes to everybody."
)
STOPPED: Final = "This device asks the circle's own home again."


def relay_line(row: Mapping[str, Any]) -> str:
    """Return a relay of the view "home" in a line."""
    said = f"{row['role']}: {row['name']} ({row['jurisdiction']}, {row['operator']})"
    if row["shares"]:
        said += "; keeps unlock shares"
    if row["move"]:
        said += f"; this device {row['move']}"
    if row["channels"]:
        said += f", {row['channels']} conversations to go"
    if row["brings"]:
        said += "; brings the circle there"
    return said


def consequences(card: CardFile, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what follows from a move, in paragraphs; ``rows``: the view "home"."""
    said = [
        (
            f"The circle would move to {card.name} ({card.jurisdiction}, {card.operator}). A"
            " second steward approves, and the circle's delay passes; then the old home stores"
            " nothing more, and the circle cannot move back there. Conversations go on with the"
            " same people and texts."
        ),
        (
            "Open invitations lapse, and who waits to be let in is invited again. Seats that were"
            " paid for at the old home are not moved: where the new operator sells seats, the"
            " activation code is of an account with one for each device."
        ),
    ]
    if any(row["shares"] for row in rows):
        said.append(
            "Devices get unlock shares at the new home by themselves, while their vaults are open."
            " Until then the old home must serve theirs. Where it is lost and the circle has one"
            " entry relay, a device that is locked by now cannot be opened any more once its lease"
            " has run out."
        )
    return said


def demand_new(card: CardFile, rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what the act would refuse, before anybody is told what would follow from it.

    Raises ``UsageError``, ``PolicyError``.
    """
    roles = {str(row["role"]) for row in rows if row["relay_id"] == card.relay_id}
    if "home" in roles:
        raise UsageError(ALREADY_HOME)
    if "former home" in roles:
        raise PolicyError(FORMER_HOME)


def home_of(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the home relay of the view "home"."""
    return next(row for row in rows if row["role"] == "home")


def moved(home: Mapping[str, Any]) -> str:
    """Say that this device is at its new home already."""
    return f"This device has moved to {home['name']}."


def followed(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the relay that this device follows a notice to, if it does."""
    return next((row for row in rows if row["role"] == "candidate"), None)


def read_notice(file: Path) -> bytes:
    """Return the notice in a file.  Raises ``NotFoundError``, ``UsageError``."""
    try:
        with file.open("rb") as opened:
            text = opened.read(2 * MAX_NOTICE_BYTES).decode("ascii").strip()
        return bytes.fromhex(text)
    except OSError as error:
        raise NotFoundError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{file} is not a move notice") from None


def write_notice(file: Path, notice: str) -> None:
    """Write a notice, in hexadecimal, also in the place of an earlier one.

    Raises ``UsageError``.
    """
    try:
        file.write_text(notice + "\n", encoding="ascii")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
