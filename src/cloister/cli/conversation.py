"""`cloister conversation`: open conversations, list them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View


@click.group()
def conversation() -> None:
    """Open a conversation, or list them.

    \b
    Examples:
      cloister conversation new "Front page" Jonas Mei
      cloister conversation list
    """


@conversation.command("new")
@click.argument("title")
@click.argument("names", nargs=-1, required=True)
@person_command
def new(person: Person, *, title: str, names: tuple[str, ...]) -> None:
    """Open a conversation called TITLE with the members NAMES.

    \b
    Examples:
      cloister conversation new Jonas Jonas
      cloister conversation new "Front page" Jonas Mei
    """
    from cloister.client.inputs import OpenConversation

    act = OpenConversation(ref=0, title=title, members=names)
    answer = person.act(lambda device: device.act(act, person.settings.timeout_s, impatient=True))
    person.output.data({"title": title, "members": list(names), "answer": answer}, answer)


@conversation.command("list")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def list_conversations(person: Person, *, offline: bool) -> None:
    """List the conversations with what is unread.

    \b
    Examples:
      cloister conversation list
      cloister conversation list --json
    """

    async def listing(device: Facade) -> list[View]:
        return await device.conversations()

    from cloister.cli.circle import word_of

    for view in person.view(listing, offline=offline):
        text = (
            f"{view['title']}: {view['unread']} unread, {view['state']}, {word_of(view['members'])}"
        )
        person.output.data(view, text)
