"""The facade of a profile whose vault another process holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from cloister.client.effects import AnnotationKind, Message
from cloister.client.inputs import Act
from cloister.device import agent_protocol as protocol
from cloister.device.errors import DeviceClosed
from cloister.device.facade import DEFAULT_TIMEOUT_S, FollowedNotice, View


class RemoteDevice:
    """Asks the agent; a connection for each call, so that calls may overlap."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def act(
        self, act: Act, timeout_s: float = DEFAULT_TIMEOUT_S, *, impatient: bool = False
    ) -> str:
        """Do an act; see ``Facade``."""
        arguments = protocol.act_arguments(act)
        result = await self._call("act", **arguments, timeout_s=timeout_s, impatient=impatient)
        return str(protocol.value_of(result))

    async def send(
        self, conversation: str, text: str, wait_s: float, *, reply_to: str = ""
    ) -> Message:
        """Queue a text; see ``Facade``."""
        arguments = {"conversation": conversation, "text": text, "reply_to": reply_to}
        return protocol.message_of(await self._call("send", **arguments, wait_s=wait_s))

    async def message(self, conversation: str, name: str) -> Message:
        """Return one message; see ``Facade``."""
        return protocol.message_of(
            await self._call("message", conversation=conversation, name=name)
        )

    async def annotate(
        self, conversation: str, message_id: str, kind: AnnotationKind, text: str = ""
    ) -> None:
        """Say something of a message; see ``Facade``."""
        arguments = {"conversation": conversation, "message_id": message_id, "text": text}
        await self._call("annotate", **arguments, kind=int(kind))

    async def versions(self, conversation: str, message_id: str) -> list[View]:
        """Return the texts that a message has had; see ``Facade``."""
        arguments = {"conversation": conversation, "message_id": message_id}
        return cast("list[View]", protocol.value_of(await self._call("versions", **arguments)))

    async def settle(self, timeout_s: float, *, required: bool = False) -> bool:
        """Wait until caught up; see ``Facade``."""
        result = await self._call("settle", timeout_s=timeout_s, required=required)
        return bool(protocol.value_of(result))

    async def status(self) -> View:
        """Return the state."""
        return cast("View", protocol.value_of(await self._call("status")))

    async def circle(self) -> View:
        """Return the circle."""
        return cast("View", protocol.value_of(await self._call("circle")))

    async def members(self) -> list[View]:
        """Return the members."""
        return cast("list[View]", protocol.value_of(await self._call("members")))

    async def requests(self) -> list[View]:
        """Return the open join requests."""
        return cast("list[View]", protocol.value_of(await self._call("requests")))

    async def conversations(self) -> list[View]:
        """Return the conversations."""
        return cast("list[View]", protocol.value_of(await self._call("conversations")))

    async def governance(self, what: str, about: str = "") -> list[View]:
        """Return a view of governance."""
        result = await self._call("governance", what=what, about=about)
        return cast("list[View]", protocol.value_of(result))

    async def exposure(self, device: str) -> View:
        """Return what a device could have read."""
        return cast("View", protocol.value_of(await self._call("exposure", device=device)))

    async def log(self, start: int, limit: int) -> list[View]:
        """Return entries of the circle's log in words."""
        result = await self._call("log", start=start, limit=limit)
        return cast("list[View]", protocol.value_of(result))

    async def verify_log(self) -> View:
        """Derive the log anew from the vault."""
        return cast("View", protocol.value_of(await self._call("verify_log")))

    async def history(
        self,
        conversation: str,
        limit: int = 100,
        after: int | None = None,
        before: int | None = None,
    ) -> list[Message]:
        """Return messages; see ``Facade``."""
        arguments = {"conversation": conversation, "limit": limit, "after": after, "before": before}
        return await self._messages("history", arguments)

    async def newest(self) -> list[Message]:
        """Return the last row of every timeline."""
        return await self._messages("newest", {})

    async def search(self, words: str, limit: int = 100) -> list[Message]:
        """Return the newest texts that hold every word."""
        return await self._messages("search", {"words": words, "limit": limit})

    async def drafts(self) -> dict[str, str]:
        """Return what has been begun."""
        return cast("dict[str, str]", protocol.value_of(await self._call("drafts")))

    async def keep_draft(self, conversation: str, text: str) -> None:
        """Keep what has been begun in a conversation."""
        await self._call("keep_draft", conversation=conversation, text=text)

    async def mark_read(self, conversation: str, position: int) -> None:
        """Move the read marker."""
        await self._call("mark_read", conversation=conversation, position=position)

    async def receipts(self, conversation: str) -> View:
        """Return how far the others have come; see ``Facade``."""
        result = await self._call("receipts", conversation=conversation)
        return cast("View", protocol.value_of(result))

    async def comparison(self, member: str) -> View:
        """Return what two people compare; see ``Facade``."""
        return cast("View", protocol.value_of(await self._call("comparison", member=member)))

    async def backup(
        self, path: str, passphrase: str, *, force: bool = False
    ) -> AsyncGenerator[View, None]:
        """Have the agent seal the whole history into a file; see ``Facade``."""
        arguments = {"path": path, "passphrase": passphrase, "force": force}
        async with self._stream("backup", arguments) as items:
            async for item in items:
                yield cast("View", protocol.value_of(item))

    async def restore(self, path: str, passphrase: str) -> AsyncGenerator[View, None]:
        """Have the agent read such a file as history; see ``Facade``."""
        async with self._stream("restore", {"path": path, "passphrase": passphrase}) as items:
            async for item in items:
                yield cast("View", protocol.value_of(item))

    async def follow(self) -> AsyncGenerator[FollowedNotice, None]:
        """Yield notices; see ``Facade``."""
        async with self._stream("follow", {}) as items:
            async for item in items:
                if bytes(item) != b"null":
                    yield protocol.notice_of(item)

    async def change_pin(self, old: str, new: str) -> None:
        """Change what opens the vault; see ``Facade``."""
        await self._call("change_pin", old=old, new=new)

    async def check_shares(self) -> None:
        """Ask the relays for the shares; see ``Facade``."""
        await self._call("check_shares")

    async def lock(self) -> None:
        """Ask the agent to close the vault and end."""
        await self._call("lock")

    async def _messages(self, op: str, arguments: dict[str, Any]) -> list[Message]:
        async with self._stream(op, arguments) as items:
            return [protocol.message_of(item) async for item in items]

    async def _call(self, op: str, **arguments: Any) -> msgspec.Raw:
        async with self._connected() as (reader, writer):
            writer.write(_line(op, arguments))
            reply = await _reply(reader)
            return reply.result

    @asynccontextmanager
    async def _stream(
        self, op: str, arguments: dict[str, Any]
    ) -> AsyncIterator[AsyncIterator[msgspec.Raw]]:
        async with self._connected() as (reader, writer):
            writer.write(_line(op, arguments))
            yield _items(reader)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        try:
            reader, writer = await asyncio.open_unix_connection(
                str(self._path), limit=protocol.MOST_LINE_BYTES
            )
        except OSError:
            raise _gone() from None
        try:
            yield reader, writer
        except OSError:
            raise _gone() from None
        finally:
            writer.close()


async def find_agent(path: Path) -> RemoteDevice | None:
    """Return the agent that answers on a socket, or ``None``."""
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return None
    writer.close()
    return RemoteDevice(path)


def _line(op: str, arguments: dict[str, Any]) -> bytes:
    return protocol.encode_line(protocol.Call(v=protocol.VERSION, id=1, op=op, args=arguments))


async def _items(reader: asyncio.StreamReader) -> AsyncIterator[msgspec.Raw]:
    while not (reply := await _reply(reader)).end:
        yield reply.item


async def _reply(reader: asyncio.StreamReader) -> protocol.Reply:
    try:
        line = await reader.readline()
    except ValueError:
        raise protocol.AgentProtocolError("the agent's answer is too long") from None
    if not line.endswith(b"\n"):
        raise _gone()  # killed, maybe in the middle of a line
    reply = protocol.decode_reply(line)
    if reply.error is not None:
        raise protocol.error_of(reply.error)
    return reply


def _gone() -> DeviceClosed:
    return DeviceClosed(
        "the process that holds this profile has ended",
        hint="what it had queued is in the vault; run the command again",
    )
