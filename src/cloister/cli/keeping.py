"""`cloister backup` and `cloister restore`: one's own history, sealed, to a file and from one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import when

if TYPE_CHECKING:
    from cloister.cli.output import Output
    from cloister.device.facade import Facade, View

TELL_EVERY: Final = 5000
"""Messages after which it is said how far it is."""

passphrase_option = click.option(
    "--backup-passphrase-fd",
    type=int,
    metavar="N",
    help="Read the passphrase of the backup from a descriptor.",
)


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@passphrase_option
@person_command
def backup(
    person: Person, *, file: str, force: bool, offline: bool, backup_passphrase_fd: int | None
) -> None:
    """Seal everything that was said, as this device has it, into FILE.

    With the passphrase that you choose, another device of yours reads it (`cloister restore`). It
    holds no key: nobody can send, or read on, with it. Whoever has file and passphrase reads all
    of it, and nobody counts the guesses: six random words are good.

    \b
    Examples:
      cloister backup history.cloister
    """
    from cloister.cli.secrets_input import as_text, backup_passphrase

    path = str(Path(file).absolute())
    passphrase = as_text(backup_passphrase(backup_passphrase_fd, new=True))

    async def backing_up(device: Facade) -> View:
        if not offline:
            await person.catch_up(device)
        return await _last(device.backup(path, passphrase, force=force), person.output)

    done = person.run(backing_up)
    person.output.data(
        done, f"{done['messages']} messages are in {file}, sealed. Only the passphrase opens it."
    )
    if done["entry"]:
        person.output.talk("It stands in the circle's log.")


@click.command()
@click.argument("file", metavar="FILE")
@passphrase_option
@person_command
def restore(person: Person, *, file: str, backup_passphrase_fd: int | None) -> None:
    """Read the backup FILE of your own into this device, as history.

    The device has to be in the same circle already, as yours. What is here stays as it is, nothing
    becomes unread, and nothing is ever sent. It can be done again.

    \b
    Examples:
      cloister restore history.cloister
    """
    from cloister.cli.secrets_input import as_text, backup_passphrase

    path = str(Path(file).absolute())
    passphrase = as_text(backup_passphrase(backup_passphrase_fd, new=False))

    async def restoring(device: Facade) -> View:
        return await _last(device.restore(path, passphrase), person.output)

    done = person.run(restoring)
    made = when(done["made_at"])
    person.output.data(
        done, f"{done['messages']} messages, {done['new']} of them new here (backup of {made})."
    )
    if done["unknown"]:
        person.output.talk(
            f"{done['unknown']} rows are of kinds that only a newer program knows: update, and"
            " restore again."
        )


async def _last(steps: AsyncGenerator[View, None], output: Output) -> View:
    """Say from time to time how far it is; return what was said last."""
    view: View = {}
    told = 0
    async with aclosing(steps):
        async for view in steps:
            if not view["done"] and view["messages"] >= told + TELL_EVERY:
                told = view["messages"]
                of = f" of about {view['of']}" if "of" in view else ""
                output.talk(f"{told}{of} messages ...")
    return view
