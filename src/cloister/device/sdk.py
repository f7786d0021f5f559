"""The Python interface for scripts: ``Client`` and what it gives.  ``device.bot`` answers commands.

A client asks the agent of a profile, which holds the vault: a script has no PIN and no key.  It
takes any facade, so that what is written for an agent can be tried on ``cloister.testing.circle``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from cloister.client.effects import Message, MessageKind, MessageState
from cloister.device.agent_client import find_agent
from cloister.device.errors import FellBehind, NotAnswered
from cloister.device.facade import DEFAULT_TIMEOUT_S, Facade, View
from cloister.device.paths import profile_folder, socket_path
from cloister.errors import LockedError, NotFoundError, PolicyError

PAGE: Final = 200
"""Rows that are read at once, and the most that lie in memory."""

LOOK_S: Final = 0.2
"""How often a waiting script looks for an agent, or for a conversation."""
RECHECK_S: Final = 2.0
"""How often the vault is asked although nothing was told: a notice may be lost, a text may not."""

T = TypeVar("T")


class Conversation(msgspec.Struct, frozen=True):
    """A conversation that this device is in."""

    client: Client
    conversation_id: str
    title: str
    members: tuple[str, ...]
    bots: tuple[str, ...]
    """Those members who are in it with bots only."""

    async def send(self, text: str, *, wait_s: float = 0.0) -> str:
        """Queue a text; return "sent" if a relay confirmed it in ``wait_s``, else "queued".

        A queued text is in the vault and goes out when a relay is in reach.  Raises
        ``PolicyError`` where it is refused, ``UsageError`` where it is too long.
        """
        sending = self.client.device.send(self.conversation_id, text, wait_s)
        row = await self.client.bounded(sending, extra_s=wait_s)
        if row.state is MessageState.FAILED:
            raise PolicyError(f"it was not sent: {row.reason}")
        return row.state.name.lower()

    async def history(self, limit: int = 100) -> list[Received]:
        """Return the last texts, own ones too, in order."""
        reading = self.client.device.history(self.conversation_id, limit=limit)
        rows = await self.client.bounded(reading)
        return [Received(self, row) for row in rows if row.kind is MessageKind.TEXT]


class Received(msgspec.Struct, frozen=True):
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

    @property
    def is_from_bot(self) -> bool:
        """Whether its author is a bot."""
        return self.row.bot

    @property
    def is_own(self) -> bool:
        """Whether this device wrote it."""
        return self.row.own

    async def reply(self, text: str, *, wait_s: float = 0.0) -> str:
        """Say something in the same conversation; see ``Conversation.send``."""
        return await self.conversation.send(text, wait_s=wait_s)

    async def mark_read(self) -> None:
        """Note that everything up to here has been read."""
        client = self.conversation.client
        marking = client.device.mark_read(self.conversation.conversation_id, self.row.position)
        await client.bounded(marking)


class Client:
    """A device, by its facade."""

    def __init__(self, device: Facade, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.device: Final = device
        """The whole facade, for what is not here; it waits as long as it is told."""
        self.timeout_s: Final = timeout_s
        """How long anything that is here may take; beyond it ``NotAnswered`` (exit 4) is raised."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        profile: str | Path = "default",
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        wait_s: float = 0.0,
    ) -> AsyncIterator[Client]:
        """Use the agent of a profile, given by name or folder.

        ``wait_s``: how long to wait for one that is just being started.  Raises ``LockedError``.
        """
        device = await _agent(socket_path(profile_folder(str(profile))), wait_s)
        if device is None:
            raise LockedError(
                "no agent of this profile has its vault open",
                hint="start one with: cloister agent run; open it with: cloister unlock",
            )
        yield cls(device, timeout_s=timeout_s)

    async def conversations(self) -> list[Conversation]:
        """Return the commons and all conversations."""
        views = await self.bounded(self.device.conversations())
        return [self._conversation(view) for view in views]

    async def conversation(self, title: str, *, wait_s: float = 0.0) -> Conversation:
        """Return the one conversation of that title.  Raises ``NotFoundError``.

        ``wait_s``: how long to wait for somebody to open it, or for the device to hear of it.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            found = [one for one in await self.conversations() if one.title == title]
            if len(found) == 1:
                return found[0]
            if found or loop.time() >= until:
                raise NotFoundError(f"{len(found)} conversations are called “{title}”")
            await asyncio.sleep(LOOK_S)

    async def messages(self, *, unread: bool = False) -> AsyncGenerator[Received, None]:
        """Yield the texts of others, each once: those from now on; ``unread``: and those before
        that are not marked as read.  Not those of members whom this device has blocked.

        Nothing is read ahead but a page: who takes long to answer finds the rest in the vault.
        A text is not marked as read by being yielded: a program that ends before it has answered
        gets it again with ``unread``.
        """
        last: dict[str, int] = {}
        for view in await self.bounded(self.device.conversations()):
            channel = str(view["channel_id"])
            if unread:
                last[channel] = int(view["read_to"])
            else:
                rows = await self.bounded(self.device.history(channel, limit=1))
                last[channel] = rows[-1].position if rows else -1
        woken = asyncio.Event()
        listening = asyncio.ensure_future(_listen(self.device, woken))
        listening.add_done_callback(lambda _: woken.set())
        try:
            while True:
                if listening.done():
                    listening.result()
                woken.clear()
                async with aclosing(self._newer(last)) as newer:
                    async for one in newer:
                        yield one
                with suppress(TimeoutError):
                    async with asyncio.timeout(RECHECK_S):
                        await woken.wait()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def bounded(self, asking: Awaitable[T], *, extra_s: float = 0.0) -> T:
        """Wait for an answer of the device.  Raises ``NotAnswered`` after ``timeout_s`` more than
        ``extra_s``."""
        try:
            async with asyncio.timeout(self.timeout_s + extra_s):
                return await asking
        except TimeoutError:
            raise NotAnswered(
                f"the device did not answer within {self.timeout_s + extra_s:.0f} s",
                hint="its agent is overloaded or stopped; look with: cloister status",
            ) from None

    async def _newer(self, last: dict[str, int]) -> AsyncGenerator[Received, None]:
        # One question is enough while nothing has come.
        newest = await self.bounded(self.device.newest())
        ends = {row.channel_id.hex(): row.position for row in newest}
        grown = [channel for channel, end in ends.items() if end > last.setdefault(channel, -1)]
        if not grown:
            return
        blocked = await self._blocked()
        known = {one.conversation_id: one for one in await self.conversations()}
        for conversation in (known[channel] for channel in grown if channel in known):
            channel = conversation.conversation_id
            while rows := await self.bounded(
                self.device.history(channel, limit=PAGE, after=last[channel])
            ):
                for row in rows:
                    last[channel] = row.position
                    if _is_heard(row, blocked):
                        yield Received(conversation, row)

    def _conversation(self, view: View) -> Conversation:
        return Conversation(
            client=self,
            conversation_id=str(view["channel_id"]),
            title=str(view["title"]),
            members=tuple(view["members"]),
            bots=tuple(view["bots"]),
        )

    async def _blocked(self) -> set[bytes]:
        """Return the dids of those whose texts are folded away."""
        views = await self.bounded(self.device.members())
        return {bytes.fromhex(did) for v in views if v["blocked"] for did in v["devices"]}


def _is_heard(row: Message, blocked: set[bytes]) -> bool:
    is_theirs = not row.own and row.sender not in blocked
    return is_theirs and row.kind is MessageKind.TEXT and not row.since.retracted


async def _agent(path: Path, wait_s: float) -> Facade | None:
    """Find an agent; one that is just being started is another process, so look again and again."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        device = await find_agent(path)
        if device is not None or loop.time() >= until:
            return device
        await asyncio.sleep(LOOK_S)


async def _listen(device: Facade, woken: asyncio.Event) -> None:
    """Note that something was told; what it is stands in the vault."""
    while True:
        with suppress(FellBehind):
            async with aclosing(device.follow()) as notices:
                async for _ in notices:
                    woken.set()
        woken.set()
