"""`cloister export`: one's own history, readable, in a file or a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cloister.cli.person import Person, person_command
from cloister.errors import UsageError

if TYPE_CHECKING:
    from cloister.client.effects import Message
    from cloister.device.facade import Facade, View

PAGE: Final = 500
"""Rows that are in memory at once."""

Write = Callable[[str], object]


@click.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All conversations, the commons too.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--out", metavar="FILE", help="A file that is not there yet; else standard output.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def export(
    person: Person,
    *,
    name: str | None,
    everything: bool,
    form: str,
    out: str | None,
    force: bool,
    offline: bool,
) -> None:
    """Write out what this device has of the conversation NAME, or of all of them.

    Whoever has the file can read it: for a copy that stays sealed see `cloister backup`. The
    circle's rules may want it in the log first, or refuse it (`cloister policy show`). The form
    json has one object a line, as `cloister read --json` prints them.

    \b
    Examples:
      cloister export Newsdesk --out newsdesk.txt
      cloister export --all --format json --out history.jsonl
    """
    if everything is bool(name):
        raise UsageError("name a conversation, or say --all")

    async def exporting(device: Facade) -> View:
        if not offline:
            await person.catch_up(device)
        views = await _named(device, name)
        with _target(out, force=force) as write:
            entry = await _permitted(person, device, everything=everything)
            count, left = await _write(device, views, form, write)
        return {
            "messages": count,
            "left_out": left,
            "conversations": len(views),
            "file": out or "",
            "entry": entry,
        }

    done = person.run(exporting)
    words = f"{done['messages']} messages of {done['conversations']} conversation(s)"
    if out is None:
        person.output.talk(f"{words}.")
    else:
        person.output.data(done, f"{words} are in {out}; whoever has it can read it.")
    if done["left_out"]:
        person.output.talk(f"{done['left_out']} texts that are kept for a time only were left out.")
    if done["entry"]:
        person.output.talk("It stands in the circle's log.")


async def _named(device: Facade, name: str | None) -> list[View]:
    """The conversations that are meant, by the views of them."""
    views = await device.conversations()
    if name is None:
        return views
    rows = await device.history(name, limit=1)  # raises what is wrong with the name
    channel = rows[0].channel_id.hex() if rows else ""
    found = [view for view in views if view["channel_id"] == channel]
    return found or [{"title": name, "channel_id": "", "members": []}]


async def _permitted(person: Person, device: Facade, *, everything: bool) -> str:
    """Ask whether it may be written; return the entry that tells of it, or nothing."""
    from cloister.client.powers import TakeHistory
    from cloister.roster.content import ExportScope

    scope = ExportScope.EVERYTHING if everything else ExportScope.CONVERSATION
    act = TakeHistory(ref=0, scope=scope)
    return await device.act(act, person.settings.timeout_s, impatient=True)


@contextmanager
def _target(out: str | None, *, force: bool) -> Iterator[Write]:
    """Yield what takes the text: a file, complete or absent, or standard output."""
    from cloister.device.complete_file import complete_file

    if out is None:
        yield sys.stdout.write
        sys.stdout.flush()
        return
    with complete_file(Path(out), force=force) as file:
        yield lambda text: file.write(text.encode("utf-8"))


async def _write(device: Facade, views: list[View], form: str, write: Write) -> tuple[int, int]:
    """Write page by page; return how many messages there were, and how many were left out.

    A file would keep for ever what is kept for a time only.  Of what was taken back nothing is
    said: there is nothing left of it.
    """
    from cloister.cli.output import message_text, message_view
    from cloister.client.safe_text import safe_line, safe_text

    count = left = 0
    for view in views:
        title = str(view["title"])
        if form == "text":
            members = ", ".join(safe_line(str(one)) for one in view["members"])
            write(f"{safe_line(title)}" + (f" ({members})" if members else "") + "\n\n")
        async for message in _rows(device, view):
            if message.since.retracted or message.lifetime_s:
                left += not message.since.retracted
                continue
            if form == "text":
                write(safe_text(message_text(message)) + "\n")
            else:
                body = {"v": 1, **message_view(message, title)}
                write(json.dumps(body, ensure_ascii=True, separators=(",", ":")) + "\n")
            count += 1
        if form == "text":
            write("\n")
    return count, left


async def _rows(device: Facade, view: View) -> AsyncIterator[Message]:
    """Every row of a timeline, in order, a page at a time."""
    from cloister.device.facade import BEFORE_ALL

    last = BEFORE_ALL
    while view["channel_id"]:
        page = await device.history(str(view["channel_id"]), limit=PAGE, after=last)
        if not page:
            return
        for message in page:
            yield message
        last = page[-1].position
