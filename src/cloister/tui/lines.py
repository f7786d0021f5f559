"""From a text to lines of a given width: pure, so that a test reads it without a terminal.

A line is a tuple of spans; a span is a text and the role it is drawn in.  Every text that comes
from elsewhere passes ``safe_text`` here, whatever was done to it before.
"""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len, chop_cells, set_cell_size

from cloister.client.safe_text import safe_line, safe_text

Span = tuple[str, str]
Line = tuple[Span, ...]

TAB: Final = "    "


def fit(text: str, width: int) -> str:
    """Return a line cut to a width; what is cut off is shown by two dots."""
    text = safe_line(text)
    if cell_len(text) <= width:
        return text
    if width <= 2:
        return ""
    cut = set_cell_size(text, width - 2).rstrip()
    while cut and cell_len(cut + "..") > width:
        cut = cut[:-1]  # joiners measure differently in company
    return cut + ".."


def wrap(text: str, width: int, hang: int = 0) -> list[str]:
    """Break a text into lines of at most ``width`` cells, at spaces where there are any.

    A line that is set in stays so when it is broken; ``hang``: what is broken off goes further in.
    """
    width = max(width, 8)
    lines: list[str] = []
    for paragraph in safe_text(text).replace("\t", TAB).split("\n"):
        if cell_len(paragraph) <= width:
            lines.append(paragraph)
            continue
        body = paragraph.lstrip(" ")
        lead = min(len(paragraph) - len(body), width // 2)
        first, rest = _first_line(body, width - lead)
        lines.append(" " * lead + first)
        lead = min(lead + hang, width // 2)
        while rest:
            first, rest = _first_line(rest, width - lead)
            lines.append(" " * lead + first)
    return lines


def _first_line(text: str, width: int) -> tuple[str, str]:
    """Return what fits into the first line, and the rest."""
    if cell_len(text) <= width:
        return text, ""
    head = text[:width] if text.isascii() else chop_cells(text[: width + 64], width)[0]
    while len(head) > 1 and cell_len(head) > width:
        head = head[:-1]
    if text[len(head) : len(head) + 1] != " " and " " in head:
        head = head[: head.rindex(" ")]
    return head.rstrip(" "), text[len(head) :].lstrip(" ")


def plain_lines(text: str, width: int, role: str = "text", *, hang: int = 0) -> list[Line]:
    """Return a text as lines in one role; ``hang``: how far what is broken off is set in."""
    return [((line, role),) for line in wrap(text, width, hang)]


def with_note(label: str, note: str, width: int) -> Line:
    """Return a label and, as far as there is room, a note beside it."""
    shown = fit(label, width)
    room = width - cell_len(shown) - 2
    beside = f"  {fit(note, room)}" if note and room >= 4 else ""
    return ((shown, "title"), (beside, "dim"))


def sentence(text: str) -> str:
    """Return words as a sentence: errors begin in lower case and end without a stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
