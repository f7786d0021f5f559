"""The agent: whatever process holds a vault serves its facade to the person's other commands.

A Unix socket (0600) in the profile's folder; a peer of another user is turned away even if it
could open the socket.  So `cloister send` works while `cloister read --follow` runs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from cloister.client.effects import AnnotationKind, Message
from cloister.device import agent_protocol as protocol
from cloister.device.facade import DEFAULT_TIMEOUT_S, Facade, View
from cloister.device.local import Device
from cloister.device.private_socket import bound_socket, peer_uid, remove_stale
from cloister.errors import CloisterError, UsageError

MOST_CONNECTIONS: Final = 64
STREAMS: Final = frozenset({"history", "newest", "search"})
"""Operations that are answered message by message."""
PROGRESS: Final = frozenset({"backup", "restore"})
"""Operations that say how far they are."""
FINISH_S: Final = 20.0
"""How long the calls of others may go on when the command that served them has done its own."""
LOCK_S: Final = 1.0
"""The same when the vault is to be closed."""


@asynccontextmanager
async def serve(device: Device, path: Path) -> AsyncIterator[None]:
    """Serve a device on a socket while the body runs.

    When the body ends well, calls of others that are under way are finished first.  Only the
    process that holds the profile's lock calls this, so a socket that lies there is a dead one's.
    """
    agent = _Agent(device)
    with bound_socket(path) as listening:
        server = await asyncio.start_unix_server(
            agent.on_connection, sock=listening, limit=protocol.MOST_LINE_BYTES
        )
        patience_s = 0.0
        try:
            yield
            patience_s = LOCK_S if device.locked.is_set() else FINISH_S
        finally:
            server.close()
            remove_stale(path)
            await agent.finish(patience_s)
            with suppress(TimeoutError):
                # For connections that were only just accepted.
                async with asyncio.timeout(LOCK_S):
                    await server.wait_closed()


class _Agent:
    def __init__(self, device: Facade) -> None:
        self._device = device
        self._is_ended = False
        self._serving: dict[asyncio.Task[None], bool] = {}
        """Open connections; True while a call that must be finished is under way."""

    async def on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._serving[task] = False
        peer = writer.get_extra_info("socket")
        try:
            if self._is_ended or len(self._serving) > MOST_CONNECTIONS:
                return
            if peer_uid(peer) != os.geteuid():
                return
            while line := await reader.readline():
                self._serving[task] = True
                await self._on_line(line, reader, writer)
                self._serving[task] = False
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # the client has gone, sent a line beyond the limit, or the agent ends
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._serving.pop(task, None)

    async def finish(self, patience_s: float) -> None:
        """Let the calls under way end, but not for long; cut the rest."""
        self._is_ended = True
        busy = {task for task, is_busy in self._serving.items() if is_busy}
        for task in set(self._serving) - busy:
            task.cancel()
        if busy and patience_s:
            await asyncio.wait(busy, timeout=patience_s)
        left = list(self._serving)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _on_line(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        call_id = 0
        try:
            call = protocol.decode_call(line)
            call_id = call.id
            if call.v != protocol.VERSION:
                raise UsageError("the agent is of another version; stop it and start it anew")
            if call.op == "follow":
                await self._follow(call_id, reader, writer)
                return
            if call.op in PROGRESS:
                async with aclosing(self._progress(call)) as views:
                    async for view in views:
                        writer.write(_line(call_id, item=protocol.raw(view)))
                        await writer.drain()
                writer.write(protocol.encode_line(protocol.Reply(id=call_id, end=True)))
            elif call.op in STREAMS:
                for message in await self._messages(call):
                    writer.write(_line(call_id, item=protocol.raw(message)))
                    await writer.drain()
                writer.write(protocol.encode_line(protocol.Reply(id=call_id, end=True)))
            else:
                result = await self._result(call)
                writer.write(_line(call_id, result=protocol.raw(result)))
        except CloisterError as error:
            body = protocol.error_body(error)
            writer.write(protocol.encode_line(protocol.Reply(id=call_id, error=body)))
        await writer.drain()

    def _progress(self, call: protocol.Call) -> AsyncGenerator[View, None]:
        path, passphrase = _text(call.args, "path"), _text(call.args, "passphrase")
        match call.op:
            case "backup":
                force = call.args.get("force") is True
                return self._device.backup(path, passphrase, force=force)
            case "restore":
                return self._device.restore(path, passphrase)
            case _:
                raise UsageError(f"the agent does not say how far {call.op[:32]!r} is")

    async def _messages(self, call: protocol.Call) -> list[Message]:
        device, args = self._device, call.args
        match call.op:
            case "newest":
                return await device.newest()
            case "search":
                return await device.search(_text(args, "words"), int(_number(args, "limit", 100)))
            case "history":
                return await device.history(**_history(args))
            case _:
                raise UsageError(f"the agent does not stream {call.op[:32]!r}")

    async def _result(self, call: protocol.Call) -> object:
        device, args = self._device, call.args
        match call.op:
            case "act":
                act = protocol.act_of(args)
                timeout_s = _number(args, "timeout_s", DEFAULT_TIMEOUT_S)
                return await device.act(
                    act, timeout_s, impatient=bool(args.get("impatient", False))
                )
            case "send":
                return await device.send(
                    _text(args, "conversation"),
                    _text(args, "text"),
                    _number(args, "wait_s", 0),
                    reply_to=_text(args, "reply_to"),
                )
            case "message":
                return await device.message(_text(args, "conversation"), _text(args, "name"))
            case "annotate":
                kind = _annotation(args)
                target = _text(args, "message_id")
                await device.annotate(
                    _text(args, "conversation"), target, kind, _text(args, "text")
                )
                return None
            case "versions":
                return await device.versions(_text(args, "conversation"), _text(args, "message_id"))
            case "settle":
                return await device.settle(
                    _number(args, "timeout_s", 0), required=bool(args.get("required", False))
                )
            case "status":
                return await device.status()
            case "circle":
                return await device.circle()
            case "members":
                return await device.members()
            case "requests":
                return await device.requests()
            case "conversations":
                return await device.conversations()
            case "governance":
                return await device.governance(_text(args, "what"), _text(args, "about"))
            case "exposure":
                return await device.exposure(_text(args, "device"))
            case "log":
                start, limit = _number(args, "start", 0), _number(args, "limit", 100)
                return await device.log(int(start), int(limit))
            case "verify_log":
                return await device.verify_log()
            case "drafts":
                return await device.drafts()
            case "keep_draft":
                await device.keep_draft(_text(args, "conversation"), _text(args, "text"))
                return None
            case "mark_read":
                position = int(_number(args, "position", 0))
                await device.mark_read(_text(args, "conversation"), position)
                return None
            case "receipts":
                return await device.receipts(_text(args, "conversation"))
            case "comparison":
                return await device.comparison(_text(args, "member"))
            case "change_pin":
                await device.change_pin(_text(args, "old"), _text(args, "new"))
                return None
            case "check_shares":
                await device.check_shares()
                return None
            case "lock":
                await device.lock()
                return None
            case _:
                raise UsageError(f"the agent does not know {call.op[:32]!r}")

    async def _follow(
        self, call_id: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Stream notices until the client hangs up.  Nothing of it must be finished at the end."""
        task = asyncio.current_task()
        if task is not None:
            self._serving[task] = False
        # The empty item says that from here on nothing is missed.
        writer.write(_line(call_id, item=protocol.raw(None)))
        streaming = asyncio.ensure_future(self._stream(call_id, writer))
        hung_up = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({streaming, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            if streaming.done():
                streaming.result()
        finally:
            streaming.cancel()
            hung_up.cancel()
            await asyncio.gather(streaming, hung_up, return_exceptions=True)

    async def _stream(self, call_id: int, writer: asyncio.StreamWriter) -> None:
        async with aclosing(self._device.follow()) as notices:
            async for notice in notices:
                writer.write(_line(call_id, item=protocol.notice_item(notice)))
                await writer.drain()


def _line(call_id: int, **parts: Any) -> bytes:
    return protocol.encode_line(protocol.Reply(id=call_id, **parts))


def _history(args: dict[str, Any]) -> dict[str, Any]:
    after, before = args.get("after"), args.get("before")
    return {
        "conversation": _text(args, "conversation"),
        "limit": int(_number(args, "limit", 100)),
        "after": after if isinstance(after, int) else None,
        "before": before if isinstance(before, int) else None,
    }


def _annotation(args: dict[str, Any]) -> AnnotationKind:
    number = int(_number(args, "kind", 0))
    if number not in set(AnnotationKind):
        raise UsageError("a message is edited, taken back or reacted to")
    return AnnotationKind(number)


def _text(args: dict[str, Any], name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str):
        raise UsageError(f"the call lacks {name}")
    return value


def _number(args: dict[str, Any], name: str, default: float) -> float:
    value = args.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UsageError(f"the call's {name} is no number")
    return float(value)
