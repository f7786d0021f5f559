"""The Python interface for scripts and bots: ``Client`` and ``Bot``.

Both ask the agent of a profile, which holds the vault: a script has no PIN and no key.  A bot is a
device like any other, vouched for and listed; others do not see that no person sits there, so say
so in its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloister.client.effects import Message, MessageKind, MessageState
from cloister.device.agent_client import find_agent
from cloister.device.errors import FellBehind
from cloister.device.facade import Facade
from cloister.device.paths import profile_folder, socket_path
from cloister.errors import LockedError, NotFoundError, PolicyError

PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that this device is in."""

    client: Client
    conversation_id: str
    title: str
    members: tuple[str, ...]

    async def send(self, text: str, *, wait_s: float = 0.0) -> str:
        """Queue a text; return "sent" or "queued".  Raises ``PolicyError`` where it is refused."""
        row = await self.client.device.send(self.conversation_id, text, wait_s)
        if row.state is MessageState.FAILED:
            raise PolicyError(f"it was not sent: {row.reason}")
        return row.state.name.lower()

    async def history(self, limit: int = 100) -> list[Received]:
        """Return the last texts, own ones too, in order."""
        rows = await self.client.device.history(self.conversation_id, limit=limit)
        return [Received(self, row) for row in rows if row.kind is MessageKind.TEXT]


@dataclass(frozen=True, slots=True)
class Received:
    """A text in a conversation."""

    conversation: Conversation
    row: Message

    @property
    def text(self) -> str:
        """What it says, cleaned of whatever a terminal would obey."""
        return self.row.text

    @property
    def sender(self) -> str:
        """The name of the member who wrote it."""
        return self.row.sender_name

    async def reply(self, text: str) -> str:
        """Say something in the same conversation."""
        return await self.conversation.send(text)

    async def mark_read(self) -> None:
        """Note that everything up to here has been read."""
        conversation = self.conversation
        await conversation.client.device.mark_read(conversation.conversation_id, self.row.position)


class Client:
    """A device that an agent holds open."""

    def __init__(self, device: Facade) -> None:
        self.device: Final = device
        """The whole facade, for what is not here."""

    @classmethod
    @asynccontextmanager
    async def open(cls, profile: str | Path = "default") -> AsyncIterator[Client]:
        """Use the agent of a profile, given by name or folder.  Raises ``LockedError``."""
        device = await find_agent(socket_path(profile_folder(str(profile))))
        if device is None:
            raise LockedError(
                "no agent of this profile has its vault open",
                hint="start one with: cloister agent run; open it with: cloister unlock",
            )
        yield cls(device)

    async def conversations(self) -> list[Conversation]:
        """Return the commons and all conversations."""
        return [
            Conversation(self, str(v["channel_id"]), str(v["title"]), tuple(v["members"]))
            for v in await self.device.conversations()
        ]

    async def conversation(self, title: str) -> Conversation:
        """Return the one conversation of that title.  Raises ``NotFoundError``."""
        found = [one for one in await self.conversations() if one.title == title]
        if len(found) != 1:
            raise NotFoundError(f"{len(found)} conversations are called “{title}”")
        return found[0]

    async def messages(self, *, unread: bool = False) -> AsyncIterator[Received]:
        """Yield the texts of others from now on, each once; ``unread``: those waiting first.
        Not those of members whom this device has blocked.

        A text is not marked as read by being yielded: a program that ends before it has answered
        gets it again with ``unread``.
        """
        last: dict[str, int] = {}
        for view in await self.device.conversations():
            rows = await self.device.history(str(view["channel_id"]), limit=1)
            last[str(view["channel_id"])] = rows[-1].position if rows else -1
        if unread:
            for one in await self._waiting():
                yield one
        while True:
            try:
                async with aclosing(self.device.follow()) as notices:
                    async for one in self._newer(last):
                        yield one
                    async for _ in notices:
                        async for one in self._newer(last):
                            yield one
            except FellBehind:
                continue

    async def _newer(self, last: dict[str, int]) -> AsyncIterator[Received]:
        blocked: set[bytes] | None = None
        for conversation in await self.conversations():
            channel = conversation.conversation_id
            while rows := await self.device.history(
                channel, limit=PAGE, after=last.setdefault(channel, -1)
            ):
                blocked = await self._blocked() if blocked is None else blocked
                for row in rows:
                    last[channel] = row.position
                    if _is_heard(row, blocked):
                        yield Received(conversation, row)

    async def _waiting(self) -> list[Received]:
        found: list[Received] = []
        blocked = await self._blocked()
        for view in await self.device.conversations():
            count = int(view["unread"])
            conversation = Conversation(
                self, str(view["channel_id"]), str(view["title"]), tuple(view["members"])
            )
            rows = await self.device.history(conversation.conversation_id, limit=count + PAGE)
            theirs = [row for row in rows if _is_heard(row, blocked)]
            found += [Received(conversation, row) for row in theirs[len(theirs) - count :] if count]
        return found

    async def _blocked(self) -> set[bytes]:
        """Return the dids of those whose texts are folded away."""
        views = await self.device.members()
        return {bytes.fromhex(did) for v in views if v["blocked"] for did in v["devices"]}


def _is_heard(row: Message, blocked: set[bytes]) -> bool:
    return not row.own and row.kind is MessageKind.TEXT and row.sender not in blocked


Handler = Callable[[Received], Awaitable[None]]


class Bot:
    """Answers commands, such as ``!status``, in every conversation that it is in."""

    def __init__(self, profile: str | Path = "default", *, prefix: str = "!") -> None:
        self._profile = profile
        self._prefix = prefix
        self._handlers: dict[str, Handler] = {}

    def command(self, name: str) -> Callable[[Handler], Handler]:
        """Decorate a coroutine function that answers ``!name``."""

        def decorate(handler: Handler) -> Handler:
            self._handlers[name] = handler
            return handler

        return decorate

    def run(self) -> None:
        """Serve until interrupted, or until the vault is closed: then raise ``DeviceClosed``."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        async with Client.open(self._profile) as client:
            await self.serve(client)

    async def serve(self, client: Client) -> None:
        """Answer what waits and what comes; each is marked as read when it is answered."""
        async for message in client.messages(unread=True):
            first = message.text.split(maxsplit=1)[:1]
            if first and first[0].startswith(self._prefix):
                handler = self._handlers.get(first[0].removeprefix(self._prefix))
                if handler is not None:
                    await handler(message)
            await message.mark_read()
