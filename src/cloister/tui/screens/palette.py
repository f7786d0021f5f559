"""Go anywhere, do anything: conversations with something unread first, then all, then actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from cloister.client.safe_text import safe_line
from cloister.tui import words
from cloister.tui.actions.table import ACTIONS
from cloister.tui.lines import Line, with_note
from cloister.tui.session import Session
from cloister.tui.widgets.choice_list import ChoiceList, Item
from cloister.tui.widgets.entry import Entry
from cloister.tui.widgets.painted import Row

if TYPE_CHECKING:
    from cloister.tui.app import Interface

Picked = tuple[str, str] | None
"""("go", conversation) or ("do", action)."""


class PaletteScreen(Screen[Picked]):
    """Type a part of a name; Enter takes the first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
    ]
    AUTO_FOCUS = "#answer"
    CSS = """
    PaletteScreen #asking { height: 1; }
    PaletteScreen #title { width: 16; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._entries: list[tuple[str, str, Item]] = []
        for view in session.conversations:
            unread = f"{view['unread']} unread" if view["unread"] else "conversation"
            self._add(f"go {view['channel_id']}", words.shown_title(view), unread)
        for action in ACTIONS:
            self._add(f"do {action.name}", action.title, f"/{action.name}")

    @property
    def interface(self) -> Interface:
        """The application."""
        return self.app  # type: ignore[return-value]

    def _add(self, value: str, title: str, note: str) -> None:
        item = Item(value, _row(title, note))
        self._entries.append((safe_line(f"{title} {note}").casefold(), value, item))

    def compose(self) -> ComposeResult:
        """The line, the list."""
        with Horizontal(id="asking"):
            yield Row(id="title")
            yield Entry(id="answer")
        yield ChoiceList(id="choices", empty="nothing is called that")
        yield Row(id="keys")

    def on_mount(self) -> None:
        """Show all of it."""
        self.query_one("#title", Row).say((" Go to, or do: ", "bar"))
        self.query_one("#keys", Row).say((" Type to find   Enter: go   Esc: back", "dim"))
        self.query_one("#choices", ChoiceList).can_focus = False
        self._fill("")

    def _fill(self, typed: str) -> None:
        wanted = safe_line(typed).casefold().split()
        found = [
            (not text.startswith(" ".join(wanted)), number, item)
            for number, (text, _, item) in enumerate(self._entries)
            if all(word in text for word in wanted)
        ]
        found.sort(key=lambda one: one[:2])
        chosen = self.query_one("#choices", ChoiceList)
        chosen.fill([item for _, _, item in found], keep=False)

    def on_input_changed(self, event: Entry.Changed) -> None:
        """Narrow down."""
        self._fill(event.value)

    def action_move(self, by: int) -> None:
        """Select another row."""
        self.query_one("#choices", ChoiceList).action_move(by)

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Take the selected row."""
        self._take(self.query_one("#choices", ChoiceList).value)

    def on_choice_list_picked(self, event: ChoiceList.Picked) -> None:
        """The same with the pointer."""
        self._take(event.value)

    def _take(self, value: str) -> None:
        if value:
            kind, _, rest = value.partition(" ")
            self.interface.expect(kind)
            _ = self.dismiss((kind, rest))


def _row(title: str, note: str) -> Callable[[int], list[Line]]:
    return lambda width: [with_note(title, note, width)]
