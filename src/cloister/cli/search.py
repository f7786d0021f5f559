"""`cloister search`: texts of all conversations that hold some words, out of the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from cloister.client.effects import Message
    from cloister.device.facade import Facade

FORMER = "a former conversation"


@click.command()
@click.argument("wanted", metavar="WORDS...", nargs=-1, required=True)
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--ids", is_flag=True, help="Show how each message's id begins.")
@person_command
def search(person: Person, *, wanted: tuple[str, ...], limit: int, ids: bool) -> None:
    """Print the newest texts that hold all the WORDS, of every conversation, newest first.

    It looks into the vault and asks no relay. Texts of people whom you have blocked are left out.
    Exit status 3: no text holds them.

    \b
    Examples:
      cloister search second source
      cloister search minister --limit 5 --json
    """
    from cloister.tui.plain import message_text, message_view
    from cloister.tui.words import shown_title

    words = " ".join(wanted)
    if not words.strip():
        raise UsageError("say which words")

    async def searching(device: Facade) -> list[tuple[str, Message]]:
        members, views = await device.members(), await device.conversations()
        blocked = {
            bytes.fromhex(did) for one in members if one["blocked"] for did in one["devices"]
        }
        titles = {str(view["channel_id"]): shown_title(view) for view in views}
        return [
            (titles.get(row.channel_id.hex(), FORMER), row)
            for row in await device.search(words, limit)
            if row.own or row.sender not in blocked
        ]

    found = person.view(searching, offline=True)
    for title, row in found:
        text = f"{title}: {message_text(row)}"
        person.output.data(
            message_view(row, title), f"{row.message_id.hex()[:8]}  {text}" if ids else text
        )
    if not found:
        raise NotFoundError(f"no text holds: {words}")
