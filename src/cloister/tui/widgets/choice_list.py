"""A list from which one row is picked: a ``>`` and bold mark it, so one bit is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message as Posted

from cloister.tui.lines import Line, wrap
from cloister.tui.widgets.painted import Painted


@dataclass(frozen=True, slots=True)
class Item:
    """A row: its value, and what it looks like in a given width (without the marker)."""

    value: str
    lines: Callable[[int], Sequence[Line]]


class ChoiceList(Painted):
    """Rows of one or more lines, one of them selected."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("home", "move(-100000)", show=False),
        Binding("end", "move(100000)", show=False),
        Binding("enter", "pick", show=False),
    ]

    class Picked(Posted):
        """A row was picked; nothing of a list that has none."""

        def __init__(self, sender: ChoiceList, value: str) -> None:
            super().__init__()
            self.sender = sender
            self.value = value

        @property
        def control(self) -> ChoiceList:
            """The list."""
            return self.sender

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:  # noqa: A002
        super().__init__(id=id)
        self.items: list[Item] = []
        self.index = 0
        self.ticked: set[str] = set()
        self._is_moved = False
        """Whether somebody chose the row: until then the first one stays selected."""
        self.empty = empty
        """What stands there while there are no rows."""
        self._starts: list[int] = []

    @property
    def value(self) -> str:
        """The value of the selected row, or nothing."""
        return self.items[self.index].value if self.items else ""

    def fill(self, items: Sequence[Item], *, keep: bool = True) -> None:
        """Show other rows; ``keep``: the selected value stays selected where it is still there."""
        chosen = self.value if keep and self._is_moved else ""
        self.items = list(items)
        places = [n for n, item in enumerate(self.items) if item.value == chosen]
        self.index = places[0] if places else 0
        self.relay()

    def select(self, value: str) -> None:
        """Select the row of a value, if there is one."""
        for number, item in enumerate(self.items):
            if item.value == value:
                self.index = number
                self._moved()

    def lay_out(self) -> None:
        """Lay every row out, the marker before its first line."""
        self.lines, self._starts = [], []
        for number, item in enumerate(self.items):
            self._starts.append(len(self.lines))
            marker = ">" if number == self.index else " "
            tick = "*" if item.value in self.ticked else ""
            for place, line in enumerate(item.lines(self.room - 1 - len(tick))):
                lead = (marker if place == 0 else " ") + (tick if place == 0 else " " * len(tick))
                self.lines.append(((lead, "text"), *line))
        if not self.items and self.empty:
            self.lines = [((f" {one}", "dim"),) for one in wrap(self.empty, self.room - 1)]

    def is_on(self, number: int) -> bool:
        """Tell whether a line belongs to the selected row."""
        if not self._starts:
            return False
        start = self._starts[self.index]
        end = (
            self._starts[self.index + 1] if self.index + 1 < len(self._starts) else len(self.lines)
        )
        return start <= number < end

    def action_move(self, by: int) -> None:
        """Select another row."""
        if self.items:
            self.index = min(max(self.index + by, 0), len(self.items) - 1)
            self._moved()

    def _moved(self) -> None:
        self._is_moved = True
        self.relay()
        if self.index < len(self._starts):
            last = [*self._starts[1:], len(self.lines)][self.index] - 1
            self.show_line(last)
            self.show_line(self._starts[self.index])

    def action_pick(self) -> None:
        """Pick the selected row."""
        self.post_message(self.Picked(self, self.value))

    def on_click(self, event: events.Click) -> None:
        """Pick the row under the pointer."""
        line = event.y + round(self.scroll_offset.y)
        for number, start in enumerate(self._starts):
            if start <= line:
                self.index = number
        self._moved()
        self.action_pick()
