"""`cloister message`: edit a text, take it back, react to one, read what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command

if TYPE_CHECKING:
    from cloister.client.effects import Message
    from cloister.device.facade import Facade, View


@click.group()
def message() -> None:
    """Edit a text of yours, take it back, react to a message, read its earlier texts.

    MESSAGE is the beginning of its id, as `cloister read NAME --ids` shows it, or "last" or "mine"
    for the newest text, or your own newest.

    \b
    Examples:
      cloister message edit Newsdesk mine "hold until seven"
      cloister message react Newsdesk last thanks
      cloister message versions Newsdesk 3f9a
    """


@message.command("edit")
@click.argument("name")
@click.argument("message_id", metavar="MESSAGE")
@click.argument("text", required=False)
@person_command
def edit(person: Person, *, name: str, message_id: str, text: str | None) -> None:
    """Put TEXT in the place of a text of yours; "-" or nothing takes it from standard input.

    Everybody sees that it was edited, and can read what stood there before.

    \b
    Examples:
      cloister message edit Newsdesk mine "hold until seven"
    """
    from cloister.cli.messages import body_from
    from cloister.client.effects import AnnotationKind

    _annotate(person, name, message_id, AnnotationKind.EDIT, body_from(text), "edited")


@message.command("retract")
@click.argument("name")
@click.argument("message_id", metavar="MESSAGE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def retract(person: Person, *, name: str, message_id: str, yes: bool) -> None:
    """Take a text of yours back: it is deleted with everybody whose program keeps the rules.

    That you wrote something stays visible, and who has read it has read it. Under a legal hold it
    is kept until the hold is released.

    \b
    Examples:
      cloister message retract Newsdesk mine
    """
    from cloister.cli.power import confirm
    from cloister.client.effects import AnnotationKind

    confirm(yes=yes, question=f"Take {message_id} in {name} back? It cannot be undone.")
    _annotate(person, name, message_id, AnnotationKind.RETRACTION, "", "taken back")


@message.command("react")
@click.argument("name")
@click.argument("message_id", metavar="MESSAGE")
@click.argument("mark", required=False, default="")
@click.option("--clear", is_flag=True, help="Take your reaction back.")
@person_command
def react(person: Person, *, name: str, message_id: str, mark: str, clear: bool) -> None:
    """Put MARK, a word or a sign, beside a message. A new one takes the old one's place.

    \b
    Examples:
      cloister message react Newsdesk last thanks
      cloister message react Newsdesk 3f9a --clear
    """
    from cloister.client.effects import AnnotationKind
    from cloister.errors import UsageError

    if bool(mark) is clear:
        raise UsageError("say the mark, or --clear", hint="cloister message react NAME MESSAGE ok")
    done = "taken away" if clear else mark
    _annotate(person, name, message_id, AnnotationKind.REACTION, mark, done)


@message.command("versions")
@click.argument("name")
@click.argument("message_id", metavar="MESSAGE")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def versions(person: Person, *, name: str, message_id: str, offline: bool) -> None:
    """Print the texts that a message has had, oldest first.

    \b
    Examples:
      cloister message versions Newsdesk last
    """
    from cloister.tui.plain import when

    async def reading(device: Facade) -> list[View]:
        return await device.versions(name, message_id)

    for number, view in enumerate(person.view(reading, offline=offline), 1):
        body = str(view["text"]).replace("\n", "\n    ")
        person.output.data({"version": number, **view}, f"{number}. {when(view['at'])}: {body}")


def _annotate(person: Person, name: str, message_id: str, kind: int, text: str, done: str) -> None:
    from cloister.client.effects import AnnotationKind

    async def acting(device: Facade) -> Message:
        row = await device.message(name, message_id)
        await device.annotate(name, row.message_id.hex(), AnnotationKind(kind), text)
        # Off it goes, if a relay is in reach; else it is queued, as a text is.
        await device.settle(person.settings.send_wait_s)
        return await device.message(name, row.message_id.hex())

    row = person.act(acting, online=False)
    pending = list(row.since.pending)
    view = {"message_id": row.message_id.hex(), "done": done, "pending": pending}
    person.output.data(view, "; ".join(pending) or done)
