"""`cloister open`, the full-screen interface, and `cloister chat`, the line mode."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from cloister.cli.person import AFTERWARDS_S, SETTLE_S, Person, person_command
from cloister.errors import CloisterError, UsageError

if TYPE_CHECKING:
    from cloister.device.facade import Facade


@click.command()
@click.argument("name", default="commons")
@person_command
def chat(person: Person, *, name: str) -> None:
    """Talk in the conversation NAME, line by line; without NAME in the commons.

    A line that is typed is a text; lines are only ever added, so a screen reader can follow, and a
    pipe. Commands begin with a slash: /help lists them, and there is one for everything that the
    full-screen interface does. Piped lines are sent one by one; answers go to standard output. What
    is not done there is said, the lines after it are done all the same, and at their end the exit
    status is that of the first. After a /go, /new, /search, /people, /pin, /backup, /restore or
    /move-home that is not done, and after a command that there is not, nothing more is done: what
    follows could be said to others.

    \b
    Examples:
      cloister chat Newsdesk
      printf 'lead is confirmed\\n/react last ok\\n' | cloister chat Newsdesk
    """
    run_lines(person, name)


@click.command("open")
@click.argument("name", required=False)
@person_command
def open_interface(person: Person, *, name: str | None) -> None:
    """Open the full-screen interface; `cloister` without a command does the same.

    It uses the agent of the profile, or starts one that ends with it. Where there is no terminal,
    or one that cannot draw (TERM=dumb), and with ui = "line" or --plain, it is the line mode, in
    the conversation NAME; without NAME in the commons, but never from a pipe.

    \b
    Examples:
      cloister
      cloister open --profile ./amira
      printf 'lead is confirmed\\n' | cloister open Newsdesk
    """
    start(person, name)


def start(person: Person, name: str | None = None) -> None:
    """Start the interface that fits the terminal; in a pipe the line mode, if a conversation was
    named.  Raises ``UsageError`` otherwise: what stood in a pipe by accident would be said to the
    whole circle."""
    settings = person.settings
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
    if not has_terminal and name is None:
        raise UsageError(
            "there is no terminal, and no conversation was named",
            hint="talk through a pipe with: cloister open NAME; all commands: cloister --help",
        )
    is_dumb = os.environ.get("TERM", "dumb") == "dumb"
    if not has_terminal or settings.ui == "line" or settings.plain or is_dumb:
        run_lines(person, name or "commons")
        return
    run_screens(person)


def run_screens(person: Person) -> None:
    """Run the full-screen interface until the person leaves it.

    To lock is to replace this program by a fresh one: Python cannot wipe what it has shown, the
    end of a program can.
    """
    person.prepare()
    sys.stderr.write("Cloister..\r")
    sys.stderr.flush()
    from cloister.tui.quiet import quiet_toolkit

    colours_from = dict(os.environ)
    quiet_toolkit()
    from cloister.cli.access import AgentAccess
    from cloister.cli.settings_book import FileSettings
    from cloister.device.paths import config_file
    from cloister.tui.app import Interface
    from cloister.tui.keys import load_keys
    from cloister.tui.themes import colours_of

    settings = person.settings
    access = AgentAccess(person.folder, settings.lease_s)
    app = Interface(
        access,
        settings=FileSettings(config_file(), person),
        keys=load_keys(config_file().with_name("keys.toml")),
        colours=colours_of(settings.colours, colours_from),
    )
    sys.stderr.write("\r\x1b[K")
    ending = app.run()
    if app.failure is not None:
        _clear()
        raise app.failure
    if ending == "locked":
        _clear()
        asyncio.run(access.lock())
        again = [sys.executable, "-P", "-m", "cloister", *sys.argv[1:]]
        os.execv(sys.executable, again)  # noqa: S606 (ourselves, anew)


def _clear() -> None:
    """Clear the screen and what can be scrolled back to."""
    sys.stderr.write("\x1b[H\x1b[2J\x1b[3J")
    sys.stderr.flush()


def run_lines(person: Person, name: str) -> None:
    """Run the line mode until the person leaves it, or locks."""
    from cloister.cli.settings_book import FileSettings
    from cloister.device.errors import DeviceClosed
    from cloister.device.local import Device
    from cloister.device.paths import config_file
    from cloister.tui.line import LineMode
    from cloister.tui.line_input import Lines, PipedLines, TypedLines

    lines: Lines = (
        TypedLines()
        if sys.stdin.isatty() and sys.stdout.isatty()
        else PipedLines(sys.stdin.buffer, quiet=person.output.quiet)
    )

    failure: CloisterError | None = None

    async def talking(device: Facade) -> str:
        nonlocal failure
        if not lines.is_typed:
            await device.settle(SETTLE_S)
        # Whoever holds the vault shows alarms anyway.
        mode = LineMode(
            device,
            lines,
            timeout_s=person.settings.timeout_s,
            tells_alarms=not isinstance(device, Device),
            autolock_s=person.settings.autolock_s,
            settings=FileSettings(config_file(), person),
        )
        ending = await mode.run(name)
        failure = mode.failure
        if not lines.is_typed:
            # What was said of messages goes out as texts do, before the vault is closed.
            with suppress(DeviceClosed):
                await device.settle(AFTERWARDS_S)
        return ending

    with _terminal_as_it_was():
        ending = person.run(talking)
    if ending == "locked":
        _lock(person)
        person.output.talk("The vault is closed.")
    if failure is not None:
        # It was said where it happened: here only the status follows from it.
        click.get_current_context().exit(failure.exit_code)


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
