"""Messages between a relay's main process and a child, over a pair of Unix stream sockets.

A message is a head and a payload: kind (1 byte), number of the connection it is about (8), length
of the payload (4).  What is posted in one turn of the loop leaves in one write, and with it, or
soon, what is only remarked: each write wakes the other process.  What comes is handed on in
portions, so that a full pipe does not keep the loop from anything else.

A pipe whose other side takes nothing says so (``on_blocked``); what is posted even then waits here,
so whoever posts must stop soon: both sides bound what one connection can have under way.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final, Protocol, cast

from cloister.limits import KIB, MAX_FRAME_BYTES

HEAD: Final = struct.Struct("!BQI")
MAX_MESSAGE_BYTES: Final = MAX_FRAME_BYTES + KIB
"""More is no message of ours: the pipe is given up."""
MAX_WAITING_BYTES: Final = 1024 * KIB
"""Bytes that wait to be written before the pipe counts as blocked."""
PORTION: Final = 256
"""Messages handed on in one turn of the loop."""
SOON_S: Final = 0.02
"""How long a remark may wait for others."""


class PipeUser(Protocol):
    """Who lives at one end of a pipe."""

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """A message has come."""

    def on_blocked(self, is_blocked: bool) -> None:
        """The other side takes nothing at present, or takes something again."""

    def on_pipe_lost(self) -> None:
        """The other process is gone; told once."""


class Pipe(asyncio.Protocol):
    """One end."""

    def __init__(self, user: PipeUser) -> None:
        self._user = user
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._flushing: asyncio.Handle | None = None
        self._is_urgent = False
        self._rest = b""
        self._is_held = False
        self._is_busy = False
        self._is_lost = False
        self.is_blocked = False

    async def connect(self, end: socket.socket) -> None:
        """Use one of a pair of connected sockets; messages may come before this returns."""
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self, sock=end)

    # --- out ---------------------------------------------------------------------------------

    def post(self, kind: int, number: int, payload: bytes = b"") -> None:
        """Send a message with all others of this turn.  To a process that is gone: nothing."""
        if not self._is_urgent:
            self._is_urgent = True
            self._stop_flushing()
            self._flushing = self._loop.call_soon(self.flush)
        self._add(kind, number, payload)

    def remark(self, kind: int, number: int, payload: bytes = b"") -> None:
        """Send a message that nobody waits for: with the next, or after ``SOON_S``."""
        if self._flushing is None:
            self._flushing = self._loop.call_later(SOON_S, self.flush)
        self._add(kind, number, payload)

    def _add(self, kind: int, number: int, payload: bytes) -> None:
        self._waiting.append(HEAD.pack(kind, number, len(payload)))
        if payload:
            self._waiting.append(payload)

    def _stop_flushing(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def flush(self) -> None:
        """Send now what has gathered; what is posted before the pipe is there waits for it."""
        self._stop_flushing()
        self._is_urgent = False
        if self._transport is None and not self._is_lost:
            return
        waiting, self._waiting = self._waiting, []
        if waiting and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(waiting))

    def pause_writing(self) -> None:
        """The other process takes nothing."""
        self.is_blocked = True
        self._user.on_blocked(True)

    def resume_writing(self) -> None:
        """The other process takes something again."""
        self.is_blocked = False
        self._user.on_blocked(False)

    # --- in ----------------------------------------------------------------------------------

    def hold(self, is_held: bool) -> None:
        """Take nothing more from the other process, or go on."""
        self._is_held = is_held
        self._read()
        if not is_held and self._rest and not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._go_on)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._rest = self._rest + data if self._rest else data
        if not self._is_busy:
            self._hand_on()

    def _go_on(self) -> None:
        self._is_busy = False
        self._hand_on()

    def _hand_on(self) -> None:
        """Hand on one portion of the messages that have come as a whole."""
        data, at, end = self._rest, 0, len(self._rest)
        on_message = self._user.on_message
        for _ in range(PORTION):
            start = at + HEAD.size
            if start > end or self._is_held:
                break
            kind, number, length = HEAD.unpack_from(data, at)
            if length > MAX_MESSAGE_BYTES:
                self.close()
                return
            if start + length > end:
                break
            at = start + length
            on_message(kind, number, data[start:at])
        else:
            # More may be here already: reading waits, and the rest has its turn after the others.
            self._is_busy = True
            self._loop.call_soon(self._go_on)
        self._rest = data[at:] if at else data
        self._read()

    def _read(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._is_held or self._is_busy:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # --- life --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The pipe is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(MAX_WAITING_BYTES, MAX_WAITING_BYTES // 4)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other process has ended."""
        self._transport = None
        self._is_lost = True
        self._waiting.clear()
        self._stop_flushing()
        self._user.on_pipe_lost()

    def close(self) -> None:
        """Give the pipe up; what waits is not sent."""
        if self._transport is not None:
            self._transport.abort()
