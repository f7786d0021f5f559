"""A QR code in half blocks: two modules to a cell, so that 29 of them fit fifteen rows.

Ink is a light module.  A code that is drawn so for a dark terminal does not decode on a light one:
where there are colours, black and white are said outright; where there are none, a person can have
it inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from cloister.tui.themes import Colours
from cloister.tui.widgets.painted import Painted

VERSION: Final = 2
"""25 modules across, 47 letters and digits."""
QUIET: Final = 2
"""Modules of quiet zone: half of what is advised, and all that fifteen rows have room for."""
COLUMNS: Final = 25 + 2 * QUIET
ROWS: Final = (COLUMNS + 1) // 2

_STYLES: Final = {
    "colour": Style(color="#ffffff", bgcolor="#000000"),
    "ansi": Style(color="bright_white", bgcolor="black"),
    "none": Style(),
}


def modules_of(text: str) -> list[list[bool]]:
    """Return the modules of a code with its quiet zone, row by row; True: dark.

    ``text``: capitals, digits and ``:`` alone, 47 at most.
    """
    import segno

    code = segno.make(text, version=VERSION, error="l", boost_error=False, micro=False)
    return [[bool(one) for one in row] for row in code.matrix_iter(border=QUIET)]


def half_blocks(modules: Sequence[Sequence[bool]], *, is_inverted: bool = False) -> list[str]:
    """Return rows of characters in which ink is a light module, or a dark one if inverted."""
    blank = [False] * len(modules[0])
    rows = [*modules, blank] if len(modules) % 2 else list(modules)
    ink = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
    return [
        "".join(
            ink[(above is is_inverted, below is is_inverted)]
            for above, below in zip(rows[place], rows[place + 1], strict=True)
        )
        for place in range(0, len(rows), 2)
    ]


class QrCode(Painted, can_focus=False):
    """A code, as large as it is."""

    DEFAULT_CSS = f"QrCode {{ width: {COLUMNS}; height: {ROWS}; }}"

    def __init__(self, text: str, colours: Colours, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._modules = modules_of(text)
        self._style = _STYLES[colours]
        self.is_inverted = False

    def invert(self) -> None:
        """Draw light for dark."""
        self.is_inverted = not self.is_inverted
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one row of it."""
        rows = half_blocks(self._modules, is_inverted=self.is_inverted)
        width = self.size.width
        if y >= len(rows):
            return Strip.blank(width, Style())
        return Strip([Segment(rows[y], self._style)]).adjust_cell_length(width, Style())
