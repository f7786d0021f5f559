"""From a text to lines of a given width: pure, so that a test reads it without a terminal.

A line is a tuple of spans; a span is a text and the role it is drawn in.  Every text that comes
from elsewhere passes ``safe_text`` here, whatever was done to it before.  All of it is in logical
order; a text that a person wrote is ``Written``, and is a span by itself, so that it is ordered by
itself when it is painted (``ordering``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len, chop_cells, set_cell_size

from cloister.client.safe_text import safe_line, safe_text
from cloister.tui.ordering import Written

Span = tuple[str, str]
Line = tuple[Span, ...]

TAB: Final = "    "


def fit(text: str, width: int) -> str:
    """Return a line cut to a width; what is cut off is shown by two dots."""
    if isinstance(text, Written):
        return Written(_fit(text, width), is_rtl=text.is_rtl)
    return _fit(text, width)


def _fit(text: str, width: int) -> str:
    text = safe_line(text)
    if cell_len(text) <= width:
        return text
    if width <= 2:
        return ""
    cut = set_cell_size(text, width - 2).rstrip()
    while cut and cell_len(cut + "..") > width:
        cut = cut[:-1]  # joiners measure differently in company
    return cut + ".."


def fit_row(spans: Sequence[Span], width: int) -> Line:
    """Return spans cut so that together they have a width, as if they were one text."""
    joined = "".join(text for text, _ in spans)
    whole = safe_line(joined)
    rest = _fit(whole, width)
    dots = ".." if rest != whole and rest.endswith("..") else ""
    one_text: Line = ((rest, spans[0][1]),)
    rest = rest.removesuffix(dots)
    if not joined.startswith(rest):
        return one_text  # the sanitiser found something
    row: list[Span] = []
    for text, role in spans:
        shown, rest = rest[: len(text)], rest[len(text) :]
        shown += "" if rest else dots
        row.append((text.part(shown) if isinstance(text, Written) else shown, role))
        if not rest:
            break
    # Joiners measure differently in company.
    return tuple(row) if sum(cell_len(text) for text, _ in row) <= width else one_text


def wrap_written(text: str, width: int) -> list[Written]:
    """Break what a person wrote, as ``wrap`` does; each line knows which way its paragraph runs."""
    lines: list[Written] = []
    for paragraph in safe_text(text).split("\n"):
        whole = Written(paragraph, is_aligned=True)
        lines += [whole.part(line) for line in wrap(paragraph, width)]
    return lines


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
    # Of a long text only what may stand in the line is measured: lines are many.
    start = text[: width + 64]
    if len(start) == len(text) and cell_len(text) <= width:
        return text, ""
    head = start[:width] if start.isascii() else chop_cells(start, width)[0]
    while len(head) > 1 and cell_len(head) > width:
        head = head[:-1]
    if text[len(head) : len(head) + 1] != " " and " " in head:
        head = head[: head.rindex(" ")]
    return head.rstrip(" "), text[len(head) :].lstrip(" ")


def plain_lines(text: str, width: int, role: str = "text", *, hang: int = 0) -> list[Line]:
    """Return a text as lines in one role; ``hang``: how far what is broken off is set in."""
    return [((line, role),) for line in wrap(text, width, hang)]


def written_lines(text: str, width: int, role: str, lead: str = "") -> list[Line]:
    """Return what a person wrote as lines; ``lead`` stands before each of them."""
    room = width - cell_len(lead)
    return [((lead, role), (line, role)) for line in wrap_written(text, room)]


def with_note(label: str, note: str, width: int, text: str = "") -> Line:
    """Return a label and, as far as there is room, a note beside it.

    ``text``: what somebody wrote; it belongs to the label.
    """
    named: Line = ((fit(label, width), "title"),)
    if text:
        said = Written(safe_line(text))
        named = fit_row(((safe_line(label) + " ", "title"), (said, "title")), width)
    room = width - sum(cell_len(shown) for shown, _ in named) - 2
    beside = f"  {fit(note, room)}" if note and room >= 4 else ""
    return (*named, (beside, "dim"))


def sentence(text: str) -> str:
    """Return words as a sentence: errors begin in lower case and end without a stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
