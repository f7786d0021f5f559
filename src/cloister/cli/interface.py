"""`cloister chat`: the line mode."""

from __future__ import annotations

import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cloister.cli.person import SETTLE_S, Person, person_command

if TYPE_CHECKING:
    from cloister.device.facade import Facade


@click.command()
@click.argument("name", default="commons")
@person_command
def chat(person: Person, *, name: str) -> None:
    """Talk in the conversation NAME, line by line; without NAME in the commons.

    A line that is typed is a text; lines are only ever added, so a screen reader can follow, and a
    pipe. Commands begin with a slash: /help lists them, and there is one for everything that the
    full-screen interface does. Piped lines are sent one by one; answers go to standard output.

    \b
    Examples:
      cloister chat Newsdesk
      printf 'lead is confirmed\\n/search lead\\n' | cloister chat Newsdesk
    """
    run_lines(person, name)


def run_lines(person: Person, name: str) -> None:
    """Run the line mode until the person leaves it, or locks."""
    from cloister.device.local import Device
    from cloister.tui.line import LineMode
    from cloister.tui.line_input import Lines, PipedLines, TypedLines

    lines: Lines = (
        TypedLines()
        if sys.stdin.isatty() and sys.stdout.isatty()
        else PipedLines(sys.stdin.buffer, quiet=person.output.quiet)
    )

    async def talking(device: Facade) -> str:
        if not lines.is_typed:
            await device.settle(SETTLE_S)
        # Whoever holds the vault shows alarms anyway.
        mode = LineMode(
            device,
            lines,
            timeout_s=person.settings.timeout_s,
            tells_alarms=not isinstance(device, Device),
        )
        return await mode.run(name)

    with _terminal_as_it_was():
        ending = person.run(talking)
    if ending == "locked":
        _lock(person)
        person.output.talk("The vault is closed.")


def _lock(person: Person) -> None:
    """Have an agent lock; a vault that this command held is closed by now."""
    from cloister.device.keeper_client import find_keeper

    keeper = find_keeper(person.folder)
    if keeper is not None:
        keeper.lock(drop_lease=False)


@contextmanager
def _terminal_as_it_was() -> Iterator[None]:
    """Put the terminal back: the line editor may be stopped in the middle of a line."""
    try:
        before = termios.tcgetattr(sys.stdin.fileno()) if sys.stdin.isatty() else None
    except (termios.error, OSError, ValueError):
        before = None
    try:
        yield
    finally:
        if before is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
