"""`cloister export`: one's own history, readable, in a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.errors import UsageError

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View

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
    from cloister.tui.exporting import meant, permitted, write_out

    if everything is bool(name):
        raise UsageError("name a conversation, or say --all")

    async def exporting(device: Facade) -> View:
        if not offline:
            await person.catch_up(device)
        views = await meant(device, name)
        with _target(out, force=force) as write:
            entry = await permitted(device, person.settings.timeout_s, everything=everything)
            count, left = await write_out(device, views, form, write)
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
