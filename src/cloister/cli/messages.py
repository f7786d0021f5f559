"""`cloister send` and `cloister read`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from cloister.cli.person import Person, person_command
from cloister.errors import NetworkError, NotFoundError, PolicyError, UsageError

if TYPE_CHECKING:
    from cloister.client.effects import Message
    from cloister.client.told import Told
    from cloister.device.facade import Facade, View

PAGE: Final = 500


@click.command()
@click.argument("name")
@click.argument("text", required=False)
@click.option("--wait", is_flag=True, help="Fail (4) if the relay does not confirm it in time.")
@click.option("--reply-to", metavar="MESSAGE", default="", help="The message that it answers.")
@person_command
def send(person: Person, *, name: str, text: str | None, wait: bool, reply_to: str) -> None:
    """Send TEXT to the conversation NAME; "-" or nothing takes it from standard input.

    Without a relay in reach the text is queued (exit 0, "queued") and goes out later. For a text
    that other users of this machine must not see in the list of processes, use standard input.

    \b
    Examples:
      cloister send Newsdesk "lead is confirmed"
      git log -1 | cloister send Newsdesk
      cloister send Newsdesk - < note.txt
      cloister send Newsdesk "I take it" --reply-to last
    """
    from cloister.client.effects import MessageState

    body = body_from(text)
    settings = person.settings
    wait_s = settings.timeout_s if wait else settings.send_wait_s

    async def sending(device: Facade) -> Message:
        try:
            return await device.send(name, body, wait_s, reply_to=reply_to)
        except NotFoundError:
            # Opened elsewhere since this device was last connected?
            if not await device.settle(settings.send_wait_s):
                raise
            return await device.send(name, body, wait_s, reply_to=reply_to)

    message = person.act(sending, online=False)
    state = message.state.name.lower()
    view: View = {"conversation": name, "state": state, "message_id": message.message_id.hex()}
    view |= {"channel_id": message.channel_id.hex(), "n": message.n, "reason": message.reason}
    person.output.data(view, state)
    if message.state is MessageState.FAILED:
        raise PolicyError(f"it was not sent: {message.reason}")
    if message.state is MessageState.QUEUED:
        person.output.talk("The relay has not confirmed it yet; it goes out when it can.")
        if wait:
            raise NetworkError("the relay did not confirm it in time", hint="it stays queued")


@click.command()
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Stay and print what comes.")
@click.option("--limit", "-n", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@click.option("--ids", is_flag=True, help="Show how each message's id begins.")
@person_command
def read(person: Person, *, name: str, follow: bool, limit: int, offline: bool, ids: bool) -> None:
    """Print the last messages of the conversation NAME, oldest first.

    With --follow each message is printed once, when it has come (own ones when queued).

    \b
    Examples:
      cloister read Newsdesk
      cloister read Newsdesk --follow --json
    """
    reader = _Reader(person, name, ids=ids)

    async def reading(device: Facade) -> None:
        await reader.print_last(device, limit)
        if follow:
            await reader.follow(device)

    person.view(reading, offline=offline)


class _Reader:
    """One `cloister read`, through every process that holds the vault meanwhile."""

    def __init__(self, person: Person, name: str, *, ids: bool) -> None:
        self._person = person
        self._ids = ids
        self._name = name
        self._last: int | None = None
        """Position of the last row printed: whichever process is asked next goes on after it."""

    async def print_last(self, device: Facade, limit: int) -> None:
        """Print the last ``limit`` messages, unless that was begun with another process."""
        if self._last is None:
            page = await device.history(self._name, limit=limit)
            self._last = -1
            await self._print(device, page)

    async def follow(self, device: Facade) -> None:
        """Print what comes, each row once."""
        from contextlib import aclosing, nullcontext

        from cloister.cli.wakeups import telling_alarms, wakeups
        from cloister.device.local import Device

        # Who holds the vault shows alarms anyway; who asks an agent does so while he stays.
        output = self._person.output
        alarms = nullcontext() if isinstance(device, Device) else telling_alarms(device, output)
        async with alarms, aclosing(wakeups(device)) as moments:
            async for _ in moments:
                while page := await device.history(self._name, limit=PAGE, after=self._last):
                    await self._print(device, page, is_new=True)

    async def _print(
        self, device: Facade, messages: list[Message], *, is_new: bool = False
    ) -> None:
        told = await self._told(device, messages)
        blocked = await self._blocked(device, messages)
        for message in messages:
            self._person.output.message(
                message,
                self._name,
                is_new=is_new,
                told=told.get(message.message_id),
                is_blocked=message.sender in blocked,
                with_id=self._ids,
            )
            # Noted before anything is asked: the process may end in between.
            self._last = message.position
        if messages and self._last is not None:
            await device.mark_read(self._name, self._last)

    async def _blocked(self, device: Facade, messages: list[Message]) -> set[bytes]:
        """The authors among these whose texts are folded away."""
        if all(one.own for one in messages):
            return set()
        views = await device.members()
        return {bytes.fromhex(did) for v in views if v["blocked"] for did in v["devices"]}

    async def _told(self, device: Facade, messages: list[Message]) -> dict[bytes, Told]:
        """What receipts say of the own texts among these, by message id."""
        from cloister.client.effects import MessageState
        from cloister.client.kept import is_kept
        from cloister.client.told import told_of

        sent = [
            one
            for one in messages
            if one.own and one.state is MessageState.SENT and not is_kept(one)
        ]
        if not sent:
            return {}
        view = await device.receipts(self._name)
        found = {one.message_id: told_of(view, one.n) for one in sent}
        return {key: told for key, told in found.items() if told is not None}


def body_from(text: str | None) -> str:
    """Return a text from the argument, or from standard input.  Raises ``UsageError``."""
    if text is not None and text != "-":
        return text
    if text is None and sys.stdin.isatty():
        raise UsageError("no text given", hint='cloister send NAME "text", or "-" to type it')
    from cloister.limits import MAX_TEXT_BYTES

    # A little more than allowed is enough to know that it is too long.
    given = sys.stdin.buffer.read(MAX_TEXT_BYTES + 3)
    given = given[:-2] if given.endswith(b"\r\n") else given.removesuffix(b"\n")
    if len(given) > MAX_TEXT_BYTES:
        raise UsageError(
            f"the text is longer than {MAX_TEXT_BYTES} bytes", hint="send it in several parts"
        )
    try:
        return given.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("the text is not UTF-8") from None
