"""Talking with the person line by line: the line mode's side of every action."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from cloister.client.safe_text import safe_line
from cloister.clock import wall_time
from cloister.device.facade import Facade, View
from cloister.errors import CloisterError, NotFoundError, UsageError
from cloister.tui import words
from cloister.tui.line_input import Lines
from cloister.tui.ordering import Written
from cloister.tui.setting import SettingsBook
from cloister.tui.talk import NOTHING, Cancelled, Choice

REST = "--"
"""In a command: the list of names ends here."""


class LineTalk:
    """A ``Talk`` over lines.  What was given with the command is not asked for."""

    def __init__(
        self,
        device: Facade,
        lines: Lines,
        timeout_s: float,
        settings: SettingsBook | None = None,
    ) -> None:
        self.settings = settings
        self.device = device
        self.conversation = ""
        self.title = ""
        self.timeout_s = timeout_s
        self.going_to = ""
        """The conversation that an action went to, until the line mode has gone there."""
        self.going_at: int | None = None
        """The position of the message that it went to."""
        self.ending = ""
        """"locked" or "left" once an action has asked for it."""
        self._lines = lines
        self._given: list[str] = []
        self._had_some = False

    def give(self, given: list[str]) -> None:
        """Take the words after a command's name as the first answers."""
        self._given = given
        self._had_some = bool(given)

    def now(self) -> float:
        """Return the time."""
        return wall_time()

    async def ask(
        self, question: str, *, about: str = "", secret: bool = False, text: str = ""
    ) -> str:
        """Ask for a line."""
        if self._given and not secret:
            return self._rest()
        if about:
            self._lines.say(about)
        self._lines.say(f"{question}:")
        return await self._line(secret=secret)

    async def ask_again(self, error: CloisterError) -> None:
        """A line that was refused is typed anew, with its command: lines may come from a pipe."""
        raise error

    async def write(self, title: str, *, about: str, text: str, draft_of: str = "") -> str:
        """Ask for a text; what stands there now is shown, for who wants to copy it."""
        if self._given:
            return self._rest()
        self._lines.say(about)
        if text:
            self._lines.say(f"It says now: {text}")
        self._lines.say(f"{title}:")
        return await self._line()

    async def ask_optional(self, question: str, *, text: str = "") -> str:
        """Ask for a line, or nothing; a command that came with its answers is asked no more."""
        if self._given:
            return self._rest()
        if self._had_some:
            return ""
        self._lines.say(f"{question}:")
        return (await self._lines.next() or "").strip()

    async def choose(
        self, question: str, choices: Sequence[Choice], *, about: str = "", nothing: str = NOTHING
    ) -> str:
        """Have a choice named or numbered."""
        if not choices:
            raise NotFoundError(nothing)
        if self._given:
            return _meant(self._given.pop(0), choices).value
        if about:
            self._lines.say(about)
        self._offer(question, choices)
        return _meant(await self._line(), choices).value

    async def browse(self, question: str, choices: Sequence[Choice], *, act: str) -> str:
        """Say the list, or return the one that was named with the command."""
        if self._given:
            return _meant(self._given.pop(0), choices).value
        lines = [
            "  " * one.depth + safe_line(one.label) + (f" ({safe_line(one.note)})" * bool(one.note))
            for one in choices
        ]
        self._lines.say("\n".join([*lines, act]))
        return ""

    async def choose_many(self, question: str, choices: Sequence[Choice]) -> tuple[str, ...]:
        """Have choices named or numbered, with commas between them."""
        if self._given:
            named, self._given = self._given, []
            if REST in named:
                place = named.index(REST)
                named, self._given = named[:place], named[place + 1 :]
        else:
            self._offer(f"{question} (several: with commas between them)", choices)
            named = [one for one in (await self._line()).split(",") if one.strip()]
        return tuple(dict.fromkeys(_meant(one, choices).value for one in named))

    async def confirm(self, consequences: str, do: str) -> None:
        """Name the consequences, and wait for a "yes"."""
        self._lines.say(consequences)
        self._lines.say(f'Type "yes" to {do}, anything else to leave it:')
        if (await self._line()).casefold() != "yes":
            raise Cancelled

    async def show_code(self, view: View) -> None:
        """Say digits, words and the code; a drawing says nothing here."""
        digits = words.digit_rows(words.groups_of(str(view["digits"])))
        spoken = words.digit_rows(map(str, view["words"]), each=6)
        self._lines.say(f"With {view['name']}:\n{digits}\n\n{spoken}\n\n{view['code']}")

    def tell(self, *parts: str) -> None:
        """Show what came of it."""
        self._lines.say(
            "\n".join(indent(p, "    ") if isinstance(p, Written) else p for p in parts)
        )

    def open(self, conversation: str, at: int | None = None) -> None:
        """Go to a conversation, and show it from around a message."""
        self.going_to = conversation
        self.going_at = at

    def lock(self) -> None:
        """Close the vault."""
        self.ending = "locked"

    def leave(self) -> None:
        """End the line mode."""
        self.ending = "left"

    async def _line(self, *, secret: bool = False) -> str:
        line = await self._lines.next(secret=secret)
        if line is None or not line.strip():
            raise Cancelled
        return line.strip()

    def _rest(self) -> str:
        given, self._given = self._given, []
        return " ".join(given)

    def _offer(self, question: str, choices: Sequence[Choice]) -> None:
        if not choices:
            raise NotFoundError(NOTHING)
        lines = [question]
        for number, choice in enumerate(choices, 1):
            note = f" ({safe_line(choice.note)})" if choice.note else ""
            lines.append(f"  {number}. {safe_line(choice.whole)}{note}")
        lines.append("Type the number or the name, or nothing to leave it:")
        self._lines.say("\n".join(lines))


def _meant(typed: str, choices: Sequence[Choice]) -> Choice:
    """Return the choice that was typed: by name or value, by number, or by how it begins.

    A name goes before a number: somebody may be called 2.
    """
    wanted = safe_line(typed).casefold()
    named = [
        one for one in choices if wanted in {one.whole.casefold(), one.value.casefold(), *one.also}
    ]
    if not named and wanted.isdecimal() and 1 <= int(wanted) <= len(choices):
        return choices[int(wanted) - 1]
    begun = [one for one in choices if wanted and one.whole.casefold().startswith(wanted)]
    found = named or begun
    if len(found) > 1:
        raise UsageError(f"{safe_line(typed)!r} could be several", hint="type its number, or more")
    if not found:
        raise NotFoundError(f"there is no {safe_line(typed)[:64]!r} to choose")
    return found[0]
