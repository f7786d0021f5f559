"""``Bot``: answers commands such as ``!status`` in every conversation that its device is in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec

from cloister.device.sdk import Client, Conversation, Received
from cloister.errors import UsageError

AGENT_S: Final = 60.0
"""How long a bot waits for its agent when it starts."""
HANDLER_S: Final = 60.0
"""How long a handler may take unless the bot says otherwise."""

log: Final = logging.getLogger("cloister.bot")
"""For the operator: which command failed and of which kind the error is, never a text."""


class Context(msgspec.Struct, frozen=True):
    """One use of a command."""

    message: Received
    command: str
    """The command's name, without its prefix."""
    rest: str
    """What follows the command, as it was written, without white space around it."""
    arguments: tuple[str, ...]
    """The same, split at white space."""

    @property
    def sender(self) -> str:
        """The name of the member who asks."""
        return self.message.sender

    @property
    def conversation(self) -> Conversation:
        """Where it was asked."""
        return self.message.conversation

    async def reply(self, text: str, *, wait_s: float = 0.0) -> str:
        """Say something there; see ``Conversation.send``."""
        return await self.message.reply(text, wait_s=wait_s)


Handler = Callable[[Context], Awaitable[None]]


class Bot:
    """Commands and who answers them.  One text is handled after the other: who asks faster than
    handlers answer waits in the vault."""

    def __init__(
        self,
        profile: str | Path = "default",
        *,
        prefix: str = "!",
        handler_s: float = HANDLER_S,
        answers_bots: bool = False,
    ) -> None:
        """``handler_s``: how long a handler may take; then it is cancelled and counts as failed.

        ``answers_bots``: whether other bots are answered, too; two that answer each other go on.
        """
        self._profile = profile
        self._prefix = prefix
        self._handler_s = handler_s
        self._answers_bots = answers_bots
        self._handlers: dict[str, Handler] = {}

    def command(self, name: str) -> Callable[[Handler], Handler]:
        """Decorate a coroutine function that answers ``!name``.

        Raises ``UsageError`` for a name that cannot be typed as one word, or is taken.
        """
        if not name or name.split() != [name]:
            raise UsageError(f"a command is one word, not {name!r}")
        if name in self._handlers:
            raise UsageError(f"this bot has a command {name!r} already")

        def decorate(handler: Handler) -> Handler:
            self._handlers[name] = handler
            return handler

        return decorate

    def run(self, profile: str | Path | None = None, *, wait_s: float = AGENT_S) -> None:
        """Serve until interrupted, or until the vault is closed: then raise its error.

        ``profile``: another one than the bot was made with.  ``wait_s``: how long to wait for an
        agent that is just being started.
        """
        asyncio.run(self._run(self._profile if profile is None else profile, wait_s))

    async def _run(self, profile: str | Path, wait_s: float) -> None:
        async with Client.open(profile, wait_s=wait_s) as client:
            await self.serve(client)

    async def serve(self, client: Client) -> None:
        """Answer what waits and what comes; each text is marked as read after it was handled.

        A handler that fails is logged and its text is not tried again; what the device itself
        raises (it was locked, its agent has ended) ends the bot.
        """
        async with aclosing(client.messages(unread=True)) as messages:
            async for message in messages:
                context = self._context(message)
                if context is not None:
                    await self._handle(context)
                await message.mark_read()

    def _context(self, message: Received) -> Context | None:
        """Return the use of a command that a text is, if it is one."""
        word, *rest = message.text.split(maxsplit=1)[:2] or [""]
        name = word.removeprefix(self._prefix)
        if not word.startswith(self._prefix) or name not in self._handlers:
            return None
        if message.is_from_bot and not self._answers_bots:
            return None
        said = rest[0].strip() if rest else ""
        return Context(message=message, command=name, rest=said, arguments=tuple(said.split()))

    async def _handle(self, context: Context) -> None:
        try:
            async with asyncio.timeout(self._handler_s):
                await self._handlers[context.command](context)
        except Exception as error:  # noqa: BLE001  (somebody else's code: whatever it raises)
            # Not what it says: an error's words may hold what somebody wrote.
            name, place = type(error).__name__, _place(error)
            log.error("the handler of %s failed: %s at %s", context.command, name, place)  # noqa: TRY400


def _place(error: BaseException) -> str:
    """Return the file and line of the innermost frame."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    if frames is None:
        return "an unknown place"
    return f"{Path(frames.tb_frame.f_code.co_filename).name}:{frames.tb_lineno}"
