"""The same for scripts without coroutines: ``with sync.open("echo") as me: me.send(...)``.

Thin on purpose: what one script says and reads.  Whoever serves a bot, or waits for two things at
once, uses ``Client``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cloister.device import sdk
from cloister.device.facade import DEFAULT_TIMEOUT_S

T = TypeVar("T")


class Text(msgspec.Struct, frozen=True):
    """A text in a conversation."""

    client: Client
    received: sdk.Received

    @property
    def text(self) -> str:
        """What it says, cleaned of whatever a terminal would obey."""
        return self.received.text

    @property
    def sender(self) -> str:
        """The name of the member who wrote it."""
        return self.received.sender

    @property
    def conversation(self) -> str:
        """The title of the conversation."""
        return self.received.conversation.title

    def reply(self, text: str, *, wait_s: float = 0.0) -> str:
        """Say something in the same conversation; return "sent" or "queued"."""
        return self.client.wait(self.received.reply(text, wait_s=wait_s))

    def mark_read(self) -> None:
        """Note that everything up to here has been read."""
        self.client.wait(self.received.mark_read())


class Client:
    """A device that an agent holds open.  Made by ``open``; not for two threads at once."""

    def __init__(self, runner: asyncio.Runner, client: sdk.Client) -> None:
        self._runner = runner
        self._client = client

    def conversations(self) -> list[str]:
        """Return the titles of the commons and all conversations."""
        return [one.title for one in self.wait(self._client.conversations())]

    def send(self, conversation: str, text: str, *, wait_s: float = 0.0) -> str:
        """Queue a text; return "sent" or "queued".  Raises ``NotFoundError``, ``PolicyError``."""

        async def sending() -> str:
            found = await self._client.conversation(conversation)
            return await found.send(text, wait_s=wait_s)

        return self.wait(sending())

    def history(self, conversation: str, limit: int = 100) -> list[Text]:
        """Return the last texts of a conversation, own ones too, in order."""

        async def reading() -> list[sdk.Received]:
            return await (await self._client.conversation(conversation)).history(limit)

        return [Text(self, one) for one in self.wait(reading())]

    def messages(self, *, unread: bool = False) -> Generator[Text, None, None]:
        """Yield the texts of others as ``sdk.Client.messages`` does; waits between them."""
        messages = self._client.messages(unread=unread)

        async def following() -> sdk.Received:
            return await anext(messages)

        try:
            while True:
                yield Text(self, self.wait(following()))
        finally:
            self.wait(messages.aclose())

    def wait(self, asking: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the asynchronous interface to its end."""
        return self._runner.run(asking)


@contextmanager
def open(  # noqa: A001  (read as sync.open, like gzip.open)
    profile: str | Path = "default", *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> Iterator[Client]:
    """Use the agent of a profile, given by name or folder.  Raises ``LockedError``."""
    with asyncio.Runner() as runner:
        opening = sdk.Client.open(profile, timeout_s=timeout_s)
        client = runner.run(opening.__aenter__())
        try:
            yield Client(runner, client)
        finally:
            runner.run(opening.__aexit__(None, None, None))
