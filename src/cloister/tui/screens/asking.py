"""Screens that ask one thing: a line, a choice, a yes.  And one that tells something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from cloister.client.safe_text import safe_line, safe_text
from cloister.errors import CloisterError
from cloister.tui.lines import Line, sentence, with_note, wrap
from cloister.tui.talk import Choice
from cloister.tui.widgets.choice_list import ChoiceList, Item
from cloister.tui.widgets.entry import Entry, Prompted
from cloister.tui.widgets.painted import Row, Text

DEEPEST: Final = 8
"""Steps that a row is set in at the most: a third of the narrowest screen."""
Answer = tuple[str, ...] | None
"""What was answered; ``None``: the person went back."""


class Asked(Screen[Answer]):
    """Base: a title above, keys below."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "go_back", show=False)]
    AUTO_FOCUS = "#answer"

    def __init__(self, title: str, keys: str) -> None:
        super().__init__()
        self._title = title
        self._keys = keys

    def on_mount(self) -> None:
        """Say what is asked."""
        self.query_one("#title", Row).say((" " + safe_line(self._title), "bar"))
        self.query_one("#keys", Row).say((" " + self._keys, "dim"))

    def action_go_back(self) -> None:
        """Leave it."""
        _ = self.dismiss(None)


class AskScreen(Asked):
    """Ask for a line."""

    def __init__(
        self,
        question: str,
        *,
        about: str = "",
        secret: bool = False,
        optional: bool = False,
        text: str = "",
    ) -> None:
        super().__init__(question, "Enter: go on   Esc: leave it")
        self._text = text
        self._about = safe_text(about)
        self._secret = secret
        self._optional = optional

    def compose(self) -> ComposeResult:
        """Title, what it is about, the line."""
        yield Row(id="title")
        if self._about:
            yield Text(self._about, id="about")
        yield Row(id="gap")
        yield Prompted(secret=self._secret, id="answer")
        yield Row(id="keys")

    def on_mount(self) -> None:
        """What it is about takes the lines it needs, and scrolls beyond that."""
        super().on_mount()
        self.query_one("#answer", Entry).fill(self._text)
        for text in self.query("#about").results(Text):
            text.can_focus = False
            text.styles.height = "auto"
            text.styles.height = min(len(wrap(self._about, self.size.width - 1)), 9)

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Take the line."""
        if event.value.strip() or self._optional:
            _ = self.dismiss((safe_line(event.value) if not self._secret else event.value,))


class ChooseScreen(Asked):
    """Have one or several of a list picked; typing narrows it down."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
    ]

    def __init__(
        self, question: str, choices: Sequence[Choice], *, about: str = "", many: bool = False
    ) -> None:
        keys = "Type to find   Enter: choose   Esc: leave it"
        if many:
            keys = "Enter: mark or unmark   Ctrl+D: done   Esc"
        super().__init__(question, keys)
        self._choices = choices
        self._about = safe_text(about)
        self._many = many

    def compose(self) -> ComposeResult:
        """Title, what to know, the filter, the list."""
        yield Row(id="title")
        if self._about:
            yield Text(self._about, role="warn", id="about")
        yield Prompted(id="answer")
        yield ChoiceList(id="choices", empty="nothing is called that")
        yield Row(id="keys")

    def on_mount(self) -> None:
        """Show all of them."""
        super().on_mount()
        self.query_one("#choices", ChoiceList).can_focus = False
        for text in self.query("#about").results(Text):
            text.can_focus = False
            text.styles.height = min(len(wrap(self._about, self.size.width - 1)), 4)
        self._fill("")

    def _fill(self, typed: str) -> None:
        wanted = safe_line(typed).casefold().split()
        found = [
            one for one in self._choices if all(word in one.whole.casefold() for word in wanted)
        ]
        chosen = self.query_one("#choices", ChoiceList)
        chosen.fill([choice_item(one) for one in found])

    def on_input_changed(self, event: Entry.Changed) -> None:
        """Narrow down."""
        self._fill(event.value)

    def action_move(self, by: int) -> None:
        """Select another row."""
        self.query_one("#choices", ChoiceList).action_move(by)

    def key_ctrl_d(self) -> None:
        """Go on with what is marked."""
        self._done()

    def _done(self) -> None:
        chosen = self.query_one("#choices", ChoiceList)
        if self._many and chosen.ticked:
            marked = [one.value for one in self._choices if one.value in chosen.ticked]
            _ = self.dismiss(tuple(marked))

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Pick, or mark."""
        chosen = self.query_one("#choices", ChoiceList)
        if chosen.value:
            self._picked(chosen.value)

    def on_choice_list_picked(self, event: ChoiceList.Picked) -> None:
        """The same with the pointer."""
        self._picked(event.value)

    def _picked(self, value: str) -> None:
        if not self._many:
            _ = self.dismiss((value,))
            return
        chosen = self.query_one("#choices", ChoiceList)
        chosen.ticked ^= {value}
        self.query_one("#answer", Entry).value = ""  # the next name is typed from its beginning
        chosen.relay()
        marked = len(chosen.ticked)
        self.query_one("#keys", Row).say(
            (f" {marked} marked.  Ctrl+D: done   Enter: mark or unmark   Esc", "dim")
        )


def choice_item(choice: Choice) -> Item:
    """Return a choice as a row of a list."""
    return Item(choice.value, _lines_of(choice))


def _lines_of(choice: Choice) -> Callable[[int], list[Line]]:
    def lines(width: int) -> list[Line]:
        room = "  " * min(choice.depth, DEEPEST)
        return [
            ((room, "text"), *with_note(choice.label, choice.note, width - len(room), choice.text))
        ]

    return lines


class ConfirmScreen(Asked):
    """Name the consequences; going on takes an arrow and Enter, going back Enter alone."""

    def __init__(self, consequences: str, do: str) -> None:
        super().__init__("Before you go on", "Arrows, Enter   Esc: leave it")
        self._consequences = safe_text(consequences)
        self._do = safe_line(do)

    def compose(self) -> ComposeResult:
        """What happens, then the two ways."""
        yield Row(id="title")
        yield Text(self._consequences, id="about")
        yield ChoiceList(id="answer")
        yield Row(id="keys")

    def on_mount(self) -> None:
        """The harmless way is selected."""
        super().on_mount()
        choices = self.query_one("#answer", ChoiceList)
        choices.styles.height = 2
        ways = (Choice("no", "No, leave it"), Choice("yes", f"Yes, {self._do}"))
        choices.fill([choice_item(way) for way in ways])

    def on_choice_list_picked(self, event: ChoiceList.Picked) -> None:
        """Take the way that was picked."""
        _ = self.dismiss(("yes",) if event.value == "yes" else None)


class TellScreen(Asked):
    """Tell something that is read and put away.

    What nobody has asked for comes while somebody types: the Enter of a text does not put it away.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "put_away", show=False)]

    def __init__(
        self, title: str, *parts: str, role: str = "text", hang: int = 0, is_asked_for: bool = True
    ) -> None:
        ways = "Enter or Esc: back" if is_asked_for else "Esc: I have read it"
        super().__init__(title, f"{ways}   arrows: scroll")
        self._is_asked_for = is_asked_for
        self._parts = parts
        self._role = role
        self._hang = hang

    def compose(self) -> ComposeResult:
        """Title and text."""
        yield Row(id="title")
        yield Text(*self._parts, role=self._role, hang=self._hang, id="answer")
        yield Row(id="keys")

    def action_put_away(self) -> None:
        """Leave it with Enter, where it was asked for."""
        if self._is_asked_for:
            self.action_go_back()


def refusal(error: CloisterError) -> TellScreen:
    """Return the screen that tells what was not done, why, and what to do."""
    text = sentence(str(error))
    text += f"\n\n{sentence(error.hint)}" if error.hint else ""
    return TellScreen("Not done", text, role="warn")
