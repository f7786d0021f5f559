"""What another needs to compare keys: digits and words to read out, a QR code to scan."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from cloister.client.safe_text import safe_line
from cloister.tui import words
from cloister.tui.lines import Line, fit, wrap
from cloister.tui.themes import Colours
from cloister.tui.widgets.painted import Painted
from cloister.tui.widgets.qr_code import QrCode


class Beside(Painted):
    """The same in digits and words, beside the code."""

    def __init__(self, view: dict[str, Any], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._view = view

    def lay_out(self) -> None:
        """Digits first, two groups a row where it is narrow; then words; then the code."""
        width = self.room
        name = safe_line(str(self._view["name"]))
        groups = words.groups_of(str(self._view["digits"]))
        each = 4 if width >= 26 else 2
        lines: list[Line] = [((fit(f"With {name}", width), "bar"),)]
        lines += _plain(words.digit_rows(groups, each=each), width)
        lines.append((("i: invert  Esc: back", "dim"),))
        for more in (" ".join(map(str, self._view["words"])), str(self._view["code"])):
            block = _plain(more, width)
            if len(lines) + 1 + len(block) <= max(self.size.height, 15):
                lines += [((" ", "text"),), *block]
        self.lines = lines


def _plain(text: str, width: int) -> list[Line]:
    return [((line, "text"),) for line in wrap(text, width)]


class CodeScreen(Screen[None]):
    """Show what is compared; nothing is asked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "go_back", show=False),
        Binding("enter", "go_back", show=False),
        Binding("i", "invert", show=False),
    ]
    AUTO_FOCUS = "#beside"

    def __init__(self, view: dict[str, Any], colours: Colours) -> None:
        super().__init__()
        self._view = view
        self._colours = colours

    def compose(self) -> ComposeResult:
        """The code on the left, from the first row to the fifteenth."""
        with Horizontal():
            yield QrCode(str(self._view["code"]), self._colours, id="code")
            yield Beside(self._view, id="beside")

    def action_invert(self) -> None:
        """Draw light for dark."""
        self.query_one("#code", QrCode).invert()

    def action_go_back(self) -> None:
        """Put it away."""
        _ = self.dismiss(None)
