"""How an action talks with the person: questions, consequences, answers.

An action is a coroutine over a :class:`Talk`.  The full-screen interface answers it with screens,
the line mode with lines, so both offer the same actions in the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cloister.device.facade import Facade, View
from cloister.errors import CloisterError, UsageError
from cloister.tui.setting import SettingsBook

NOTHING: Final = "there is nothing to choose from"


class Cancelled(UsageError):
    """The person thought better of it; nothing was done."""

    def __init__(self) -> None:
        super().__init__("nothing was done")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several answers: its value, and what a person reads."""

    value: str
    label: str
    note: str = ""
    text: str = ""
    """What somebody wrote; it stands behind the label."""
    also: tuple[str, ...] = ()
    """Words that mean it where it is named and not seen, as in a pipe."""
    depth: int = 0
    """How far it is set in: it belongs to one above it that is set in less."""

    @property
    def whole(self) -> str:
        """Label and text."""
        return f"{self.label} {self.text}" if self.text else self.label


class Talk(Protocol):
    """The person, as an action meets them.  Asking raises ``Cancelled``."""

    device: Facade
    conversation: str
    """Id of the open conversation in hex, or nothing."""
    title: str
    """Its title."""
    timeout_s: float
    """How long an act may take."""
    settings: SettingsBook | None
    """The person's settings, where they are at hand."""

    def now(self) -> float:
        """Return this machine's time, in seconds since 1970."""
        ...

    async def ask(
        self, question: str, *, about: str = "", secret: bool = False, text: str = ""
    ) -> str:
        """Ask for a line of text, which is not empty.

        ``about`` is shown above the question; ``text``: what stands there to begin with.
        """
        ...

    async def ask_again(self, error: CloisterError) -> None:
        """Tell what was refused, before the same is asked again with what was typed.

        Raises the error where nothing could be corrected by typing.
        """
        ...

    async def write(self, title: str, *, about: str, text: str, draft_of: str = "") -> str:
        """Ask for a text of several lines, beginning with ``text``; it is not empty.

        ``draft_of``: the id of the conversation that keeps as a draft what is left unfinished.
        """
        ...

    async def ask_optional(self, question: str, *, text: str = "") -> str:
        """Ask for a line of text, or nothing; ``text``: what stands there to begin with."""
        ...

    async def choose(
        self, question: str, choices: Sequence[Choice], *, about: str = "", nothing: str = NOTHING
    ) -> str:
        """Have one of the choices picked; return its value.

        Raises ``NotFoundError`` when there are none (``nothing`` says so), or none that was meant.
        """
        ...

    async def browse(self, question: str, choices: Sequence[Choice], *, act: str) -> str:
        """Show a list that one may act on; return the value that was picked.

        Where a list is read and not pointed at, nothing is returned, unless one was named with the
        command; ``act`` says how.
        """
        ...

    async def choose_many(self, question: str, choices: Sequence[Choice]) -> tuple[str, ...]:
        """Have one or more picked."""
        ...

    async def confirm(self, consequences: str, do: str) -> None:
        """Name the consequences, and go on only when the person says so; ``do`` is the verb."""
        ...

    async def show_code(self, view: View) -> None:
        """Show what another needs to compare keys: digits, words, and a code to scan."""
        ...

    def tell(self, *parts: str) -> None:
        """Show what came of it; lines of any number.

        A part that is ``Written`` is what somebody wrote, and is set in.
        """
        ...

    def open(self, conversation: str, at: int | None = None) -> None:
        """Go to a conversation, by its id; ``at``: to the message at that position."""
        ...

    def lock(self) -> None:
        """Close the vault and clear the screen, at once."""
        ...

    def leave(self) -> None:
        """End the interface."""
        ...
