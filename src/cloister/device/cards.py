"""Relay cards in files, as operators hand them out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from cloister.client.safe_text import safe_line
from cloister.codec import DecodeError
from cloister.errors import NotFoundError, UsageError
from cloister.roster.relay_card import RelayCard, RelayRole

MOST_BYTES: Final = 64 * 1024
"""Several times the longest card; what is longer is another file."""
ROLES: Final = {"home": RelayRole.HOME, "entry": RelayRole.ENTRY}


class CardFile(msgspec.Struct, frozen=True):
    """A card that was read, and what a person should know of the relay before using it."""

    card: bytes
    name: str
    operator: str
    jurisdiction: str
    relay_id: str
    """In hexadecimal, as views have it."""


def read_card(path: Path, role: str) -> CardFile:
    """Read the card of a relay that serves as "home" or "entry".  Raises ``NotFoundError``,
    ``UsageError``."""
    try:
        with path.expanduser().open("rb") as file:
            encoded = file.read(MOST_BYTES + 1)
        card = RelayCard.decode(encoded)
    except OSError as error:
        raise NotFoundError(f"the relay card {path} cannot be read: {error.strerror}") from None
    except DecodeError:
        raise UsageError(
            f"{path} is not a relay card", hint="the relay's operator has it"
        ) from None
    if not card.roles & ROLES[role]:
        raise UsageError(
            f"{path} is not the card of a relay that serves as {role}",
            hint=f"are two cards swapped? Else an operator has the card of a relay as {role}",
        )
    return CardFile(
        card=encoded,
        name=safe_line(card.name),
        operator=safe_line(card.operator),
        jurisdiction=card.jurisdiction,
        relay_id=card.relay_id.hex(),
    )
