"""Screens as pictures: what the program draws, cell by cell, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from cloister.tui.app import Interface
from cloister.tui.themes import BACKGROUND, RGB, Colours

WIDE: Final = 8.4
HIGH: Final = 18
SIZE: Final = 14
MARGIN: Final = 12
PAPER: Final = ("#dfe3d6", "#14181a")
"""Ground and ink of a panel that has one bit."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A scene in one size and one kind of colour, and what it shows, in words."""

    file: str
    scene: str
    size: tuple[int, int]
    colours: Colours
    title: str
    words: str


PICTURES: Final = (
    Picture(
        "conversation.svg",
        "what was said of messages",
        (100, 30),
        "colour",
        "The interface on a wide terminal",
        "Conversations on the left, unread first, each with the state of trust in words. On the"
        " right a conversation with answers, reactions and an edited text; below it the line to"
        " write in, and one line that says where things stand.",
    ),
    Picture(
        "handheld.svg",
        "a conversation",
        (50, 15),
        "none",
        "The interface in 50 columns and 15 rows, in one bit",
        "A conversation on a handheld's panel without colours or grey: names and what is unread"
        " are bold, and everything else is said in words.",
    ),
)


def svg_of(app: Interface, picture: Picture) -> str:
    """Draw what stands on the screen of an application."""
    columns, rows = picture.size
    ground, ink = (BACKGROUND, RGB["text"]) if picture.colours == "colour" else PAPER
    width, height = round(columns * WIDE + 2 * MARGIN), rows * HIGH + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"',
        f'     font-size="{SIZE}" xml:space="preserve"',
        "     font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\">",
        f"<title>{escape(picture.title)}</title>",
        f"<desc>{escape(picture.words)}</desc>",
        f'<rect width="{width}" height="{height}" rx="8" fill="{ground}"/>',
    ]
    for row, segments in enumerate(_rows(app)):
        column = 0
        for segment in segments:
            lines += _drawn(segment, column, row, ground, ink)
            column += cell_len(segment.text)
    return "\n".join([*lines, "</svg>", ""])


def _rows(app: Interface) -> list[list[Segment]]:
    found = []
    for strip in app.screen._compositor.render_strips():
        segments = list(strip)
        for line_filter in app.get_line_filters():
            segments = line_filter.apply(segments, app.screen.styles.background)
        found.append(list(Segment.simplify(segments)))
    return found


def _drawn(segment: Segment, column: int, row: int, ground: str, ink: str) -> list[str]:
    style = segment.style or Style()
    front, back = _hex(style.color, ink), _hex(style.bgcolor, ground)
    if style.reverse:
        front, back = back, front
    left, top = MARGIN + column * WIDE, MARGIN + row * HIGH
    cells = cell_len(segment.text)
    drawn = []
    if back != ground:
        drawn.append(
            f'<rect x="{left:.1f}" y="{top}" width="{cells * WIDE:.1f}" height="{HIGH}"'
            f' fill="{back}"/>'
        )
    text = segment.text.rstrip()
    if text:
        lead = len(text) - len(text.lstrip())
        text = text.lstrip()
        weight = ' font-weight="bold"' if style.bold else ""
        line = ' text-decoration="underline"' if style.underline else ""
        # The length is given, so that columns stand below each other in any font.
        drawn.append(
            f'<text x="{left + lead * WIDE:.1f}" y="{top + SIZE}" fill="{front}"{weight}{line}'
            f' textLength="{cell_len(text) * WIDE:.1f}" lengthAdjust="spacingAndGlyphs">'
            f"{escape(text)}</text>"
        )
    return drawn


def _hex(color: Color | None, otherwise: str) -> str:
    if color is None or color.is_default or color.triplet is None:
        return otherwise
    return color.triplet.hex
