"""Two parts of what is compared are hidden, and typed as the other person reads them.

To ask "are they the same?" gets a yes too easily.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloister.errors import TrustError
from cloister.tui import words

HIDDEN: Final = 2


@dataclass(frozen=True, slots=True)
class Riddle:
    """Groups of digits, or words, two of which are to be typed."""

    parts: tuple[str, ...]
    hidden: tuple[int, ...]
    """Places of those that are, ascending."""

    @classmethod
    def of(cls, parts: Sequence[str]) -> Riddle:
        """Hide two parts, drawn anew each time."""
        drawn = secrets.SystemRandom().sample(range(len(parts)), HIDDEN)
        return cls(tuple(parts), tuple(sorted(drawn)))

    @property
    def rows(self) -> str:
        """What is shown: the other parts, in rows."""
        shown = [
            "." * len(part) if place in self.hidden else part
            for place, part in enumerate(self.parts)
        ]
        width = max(map(len, self.parts))
        return words.digit_rows((part.ljust(width) for part in shown), each=4 if width < 6 else 3)

    def question(self, place: int) -> str:
        """What is asked for."""
        what = "group" if self.parts[place].isdigit() else "word"
        return f"Type {what} {place + 1} of {len(self.parts)} as you hear it"

    def check(self, place: int, typed: str, otherwise: str) -> None:
        """Compare what was typed.  Raises ``TrustError``; ``otherwise``: what was not done."""
        wanted = self.parts[place]
        kept = "".join(one for one in typed if one.isdigit()) if wanted.isdigit() else typed
        if kept.strip().casefold() != wanted:
            what = "digits" if wanted.isdigit() else "words"
            raise TrustError(
                f"these are not the {what}: {otherwise}",
                hint="read again together; if they still differ, do not trust these keys",
            )
