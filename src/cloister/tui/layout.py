"""Messages and conversations as lines of a given width; pure, as ``lines`` is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.cells import cell_len

from cloister.client.effects import Message, MessageKind, MessageState
from cloister.client.safe_text import safe_line
from cloister.tui import words
from cloister.tui.lines import Line, Span, fit, fit_row, wrap, wrap_written
from cloister.tui.ordering import Written

SAME_BREATH_S: Final = 300
"""Texts of one author within this time stand under one name."""
INDENT: Final = 2


# --- a conversation -------------------------------------------------------------------------------


def message_block(
    message: Message,
    before: Message | None,
    width: int,
    *,
    state_of: Callable[[Message], str] = words.state_of,
    is_first_new: bool = False,
) -> list[Line]:
    """Return the lines of one message; ``before`` decides whether day and name stand above it.

    ``state_of``: where an own message stands, in words.  ``is_first_new``: a rule says that what
    follows was not read before.
    """
    lines: list[Line] = []
    if before is None or words.day_of(before.at) != words.day_of(message.at):
        lines.append(_rule(words.day_of(message.at), width, "dim"))
    if is_first_new:
        lines.append(_rule("new", width, "unread"))
    if message.kind is MessageKind.NOTICE:
        first, *rest = wrap(message.text, width - INDENT) or [""]
        return [*lines, (("* ", "dim"), (first, "dim")), *((("  " + one, "dim"),) for one in rest)]
    state = state_of(message)
    if lines or before is None or not _is_same_breath(before, message, state_of):
        lines.append(_header(message, state, width))
    mark = words.mark_of(message)
    role = "own" if message.own else "text"
    if quote := _quote(message):
        lines.append((("  ", "dim"), *fit_row(quote, width - INDENT)))
    for number, one in enumerate(wrap_written(words.body_of(message), width - INDENT)):
        lead = f"{mark} " if number == 0 else "  "
        mark_role = "fail" if message.state is MessageState.FAILED else "dim"
        lines.append(((lead, mark_role), (one, role)))
    for said in words.since_lines(message):
        lines += [((f"  {part}", "dim"),) for part in wrap(said, width - INDENT)]
    if message.own and message.state is MessageState.FAILED:
        lines += [((f"  {part}", "fail"),) for part in wrap(_why(message), width - INDENT)]
    return lines


def _quote(message: Message) -> list[Span]:
    """Return ``words.quote_line`` with name and text apart: neither moves the other."""
    line, quote = words.quote_line(message), message.since.quote
    if quote is None or not quote.text:
        return [(line, "dim")] if line else []
    said, name = safe_line(quote.text), safe_line(quote.name)
    rest = line.removeprefix(f"> {name}").removesuffix(said)
    return [("> ", "dim"), (Written(name), "dim"), (rest, "dim"), (Written(said), "dim")]


def _why(message: Message) -> str:
    return f"Not sent: {safe_line(message.reason) or 'no reason was given'}"


def _header(message: Message, state: str, width: int) -> Line:
    clock = words.clock_of(message.at)
    shown = "failed" if message.state is MessageState.FAILED and message.own else state
    tail = f" {clock}" + (f" {shown}" if shown else "")
    bot = words.bot_mark(message)
    name = fit(words.bare_name_of(message), max(width - len(tail) - len(bot), 4))
    role = "own-name" if message.own else "name"
    return ((name, role), (bot, role), (tail, "dim"))


def _is_same_breath(before: Message, message: Message, state_of: Callable[[Message], str]) -> bool:
    return (
        before.kind is message.kind
        and before.sender == message.sender
        and before.sender_name == message.sender_name
        and 0 <= message.at - before.at < SAME_BREATH_S
        and state_of(before) == state_of(message)
    )


def _rule(said: str, width: int, role: str) -> Line:
    shown = fit(said, max(width - 6, 4))
    dashes = max(width - cell_len(shown) - 4, 0)
    return ((f"-- {shown} " + "-" * dashes, role),)


# --- the list of conversations --------------------------------------------------------------------


def conversation_rows(
    view: Mapping[str, Any],
    newest: Message | None,
    trust: str,
    draft: str,
    width: int,
    now: float,
    calm: str = "",
) -> tuple[Line, Line]:
    """Return the two lines of a conversation in the list, without the marker before them.

    ``trust``: what must be known; ``calm``: what is said where there is room, and nothing is wrong.
    """
    unread = int(view.get("unread") or 0)
    count = f"({unread}) " if unread else ""
    at = words.when(newest.at, now) if newest is not None else ""
    room = max(width - len(count) - len(at) - 1, 4)
    title = fit(words.shown_title(view), room)
    left = room - cell_len(title) - 3
    note = f" [{fit(trust, left)}]" if trust and left >= min(cell_len(trust), 12) else ""
    note_role = "warn"
    if calm and not trust and left >= min(cell_len(calm), 12):
        note, note_role = f" [{fit(calm, left)}]", "dim"
    gap = " " * max(width - len(count) - cell_len(title) - cell_len(note) - len(at), 1)
    role = "unread" if unread else "title"
    first: Line = ((count, role), (title, role), (note, note_role), (gap + at, "dim"))
    if draft:
        return first, (("draft: ", "warn"), (fit(Written(draft), width - 7), "dim"))
    if note == "" and trust:
        return first, ((fit(trust, width), "warn"),)
    return first, fit_row(_preview(newest), width)


def _preview(newest: Message | None) -> list[Span]:
    if newest is None:
        return [("nothing yet", "dim")]
    if newest.kind is MessageKind.NOTICE:
        return [(safe_line(newest.text), "dim")]
    if newest.state is MessageState.FAILED:
        return [("failed: ", "dim"), (Written(safe_line(newest.text)), "dim")]
    said = Written(safe_line(words.body_of(newest)))
    name = words.bare_name_of(newest)
    return [(name, "dim"), (words.bot_mark(newest) + ": ", "dim"), (said, "dim")]


def title_row(title: str, trust: str, company: str, width: int) -> Line:
    """Return a conversation's title, and beside it a warning, or else who is there."""
    title = fit(title, width - 1)
    rest = width - cell_len(title) - 3
    if trust:
        shown = f" [{fit(trust, rest - 2)}]" if rest > 8 else ""
        return ((" ", "bar"), (title, "bar"), (shown, "warn"))
    beside = f"  {fit(company, rest)}" if rest > 4 else ""
    return ((" ", "bar"), (title, "bar"), (beside, "dim"))
