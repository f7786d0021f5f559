"""Lines that are painted one by one: no markup, no renderables, nothing between text and cells."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cloister.tui.lines import Line, Span, plain_lines, written_lines
from cloister.tui.ordering import (
    Written,
    clusters_of,
    display_places,
    has_rtl,
    in_display_order,
    mirrored,
)
from cloister.tui.themes import palette


class Painted(ScrollView, can_focus=True):
    """A scrolling column of lines."""

    DEFAULT_CSS = """
    Painted { height: 1fr; width: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (the toolkit's name)
        super().__init__(id=id)
        self.lines: list[Line] = []
        self._laid_out_for = -1

    @property
    def room(self) -> int:
        """Cells across that lines may fill."""
        return max(self.size.width - 1, 8)

    def lay_out(self) -> None:
        """Make ``lines`` for the present width.  Overridden."""

    def relay(self) -> None:
        """Lay out anew and draw."""
        if self.size.width <= 0:
            self._laid_out_for = -1  # hidden: what changes meanwhile is laid out when it is shown
            return
        self._laid_out_for = self.size.width
        self.lay_out()
        self.virtual_size = Size(self.size.width, max(len(self.lines), 1))
        self.refresh()

    def _size_updated(self, *arguments: Any, **options: Any) -> bool:
        """Break lines anew when there is another width.

        The toolkit's event of it does not come to what was brought into sight between a scroll and
        the layout after it: such a line would stay empty.
        """
        is_told = super()._size_updated(*arguments, **options)
        if self.size.width != self._laid_out_for:
            self.call_later(self.fit)
        return is_told

    def fit(self) -> None:
        """Lay out anew if this is another width than before."""
        if self.size.width != self._laid_out_for:
            self.relay()

    def is_on(self, number: int) -> bool:
        """Tell whether a line belongs to the selected row.  Overridden."""
        return False

    def render_line(self, y: int) -> Strip:
        """Draw one line of the window."""
        styles = palette_of(self)
        number = y + round(self.scroll_offset.y)
        suffix = ":on" if self.is_on(number) else ""
        base = styles["text" + suffix]
        width = self.size.width
        if not 0 <= number < len(self.lines):
            return Strip.blank(width, base)
        line = self.lines[number]
        if is_ordering(self):
            line = ordered(line, width - 1)
        return strip_of(line, width, styles, suffix)

    def show_line(self, number: int) -> None:
        """Scroll as little as is needed to have a line in the window."""
        top, height = round(self.scroll_offset.y), self.size.height
        if number < top:
            self.scroll_to(y=number, animate=False, force=True)
        elif number >= top + height:
            self.scroll_to(y=number - height + 1, animate=False, force=True)


def strip_of(line: Line, width: int, styles: dict[str, Style], suffix: str = "") -> Strip:
    """Draw a line in a width."""
    base = styles["text" + suffix]
    segments = [Segment(text, styles.get(role + suffix, base)) for text, role in line if text]
    return Strip(segments).adjust_cell_length(width, base)


def ordered(line: Line, room: int) -> Line:
    """Return a line of so many cells as it is painted, each span ordered by itself.

    What a person wrote from right to left stands at the right side; what is before it stays.
    """
    if not any(has_rtl(text) or (isinstance(text, Written) and text.is_rtl) for text, _ in line):
        return line
    spare = room - sum(cell_len(text) for text, _ in line)
    spans: list[Span] = []
    for text, role in line:
        if isinstance(text, Written) and text.is_rtl and text.is_aligned and spare > 0:
            spans.append((" " * spare, role))
        spans.append((in_display_order(text), role))
    return tuple(spans)


def ordered_strip(strip: Strip, *, is_rtl: bool) -> Strip:
    """Return a strip that the toolkit drew with its cells in order, each in the style it had.

    The cursor and what is selected are styles: they stay with their characters.  ``is_rtl``: which
    way the paragraph runs; then the spaces that fill the line come to stand on the left.
    """
    styles = [segment.style for segment in strip for _ in segment.text]
    clusters = clusters_of(strip.text)
    starts = [0, *accumulate(map(len, clusters))]
    segments = [
        Segment(
            mirrored(clusters[number]) if is_turned else clusters[number], styles[starts[number]]
        )
        for number, is_turned in display_places(clusters, is_rtl=is_rtl)
    ]
    painted = Strip(segments).simplify()
    return painted if painted.cell_length == strip.cell_length else strip


def is_ordering(widget: object) -> bool:
    """Tell whether the running application orders what it paints, or leaves it to the terminal."""
    return bool(getattr(getattr(widget, "app", None), "is_ordering", True))


def palette_of(widget: object) -> dict[str, Style]:
    """Return the styles of the running application."""
    app = getattr(widget, "app", None)
    return getattr(app, "palette", None) or dict(palette("none"))


class Text(Painted):
    """A text that is read, and scrolled when it is long.

    A part that is ``Written`` is what somebody wrote; among others it is set in.
    """

    def __init__(
        self,
        *parts: str,
        role: str = "text",
        hang: int = 0,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._hang = hang
        self._parts = parts
        self._role = role

    def lay_out(self) -> None:
        """Break the text."""
        self.lines = []
        lead = "    " if len(self._parts) > 1 else ""
        for part in self._parts:
            if isinstance(part, Written):
                self.lines += written_lines(part, self.room, self._role, lead)
            else:
                self.lines += plain_lines(part, self.room, self._role, hang=self._hang)

    def show(self, text: str) -> None:
        """Show another text."""
        self._parts = (text,)
        self.relay()


class Row(Painted, can_focus=False):
    """One line that says something: state, title, keys."""

    DEFAULT_CSS = "Row { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._draw: Callable[[int], Line] = lambda width: ()

    def say(self, *spans: tuple[str, str]) -> None:
        """Show spans; what does not fit is cut off."""
        self.draw(lambda width: spans)

    def draw(self, draw: Callable[[int], Line]) -> None:
        """Show what is made of the width, now and whenever that changes."""
        self._draw = draw
        self.relay()

    def relay(self) -> None:
        """Draw only when something is different: the line is said again at every change."""
        before = self.lines if self._laid_out_for == self.size.width else None
        if self.size.width > 0:
            self.lay_out()
        if self.lines != before:
            super().relay()

    def lay_out(self) -> None:
        """One line, whatever it is."""
        self.lines = [self._draw(self.size.width)]
