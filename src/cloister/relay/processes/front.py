"""A front of a home relay: TLS and WebSocket of devices, and nothing of what the frames mean.

It has a number for each connection, passes frames to the main process as they come, and sends what
that gives it.  It decides nothing, but that what does not belong to WebSocket ends a connection.

What one connection can have waiting is bounded.  To the device: the main process counts what it
gave, and waits when ``CREDIT_BYTES`` of it have not been reported as taken; the front reports them
as long as the socket takes them.  From the device: when the main process takes nothing, whoever
sends something is not read any more until it does.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import picows

from cloister.limits import DELIVERY_WINDOW_BYTES
from cloister.relay.acquaintances import Acquaintances
from cloister.relay.door import Door
from cloister.relay.processes.orders import FIRST_OWN_KIND, Orders
from cloister.relay.processes.pipe import Pipe
from cloister.relay.sockets import Socket, shake_hands, welcome
from cloister.relay.tls import server_context

CREDIT_BYTES: Final = DELIVERY_WINDOW_BYTES
"""Bytes that a connection may have been given and not taken."""
REPORT_BYTES: Final = CREDIT_BYTES // 4
"""Bytes taken after which the main process is told."""

# To the main process.
CONNECTED: Final = FIRST_OWN_KIND
"""A payload says that the device speaks another version of the protocol."""
FRAME: Final = FIRST_OWN_KIND + 1
GARBAGE: Final = FIRST_OWN_KIND + 2
GONE: Final = FIRST_OWN_KIND + 3
BLOCKED: Final = FIRST_OWN_KIND + 4
UNBLOCKED: Final = FIRST_OWN_KIND + 5
TAKEN: Final = FIRST_OWN_KIND + 6
"""The payload says how many bytes, four bytes long."""
# From the main process.
SEND: Final = FIRST_OWN_KIND
HOLD: Final = FIRST_OWN_KIND + 1
UNHOLD: Final = FIRST_OWN_KIND + 2
CLOSE: Final = FIRST_OWN_KIND + 3
CUT: Final = FIRST_OWN_KIND + 4
FULL: Final = FIRST_OWN_KIND + 5
ROOM: Final = FIRST_OWN_KIND + 6
"""About no connection: whether one more may come."""
PROVED: Final = FIRST_OWN_KIND + 7
"""Whoever is there has proved something: its address is known."""


class Front:
    """The work of a front."""

    def __init__(self, orders: Orders, sockets: list[socket.socket], pipe: Pipe) -> None:
        self.pipe = pipe
        self.clients: dict[int, Client] = {}
        self.numbers = itertools.count(1)
        self._most = orders.max_connections
        self._is_full = False
        self._waiting: set[Client] = set()
        """Not read, because the main process takes nothing."""
        tls = server_context(*orders.keys)
        accept = partial(_welcome, self)
        self._known = Acquaintances(asyncio.get_running_loop().time)
        self._door = Door(
            sockets,
            lambda connection, _address: shake_hands(connection, tls, accept, orders.handshake_s),
            self._may_take,
            self._known,
            silent_s=orders.handshake_s,
        )
        self._do: dict[int, Callable[[Client, bytes], None]] = {
            SEND: Client.send,
            HOLD: lambda client, _: client.hold(True),
            UNHOLD: lambda client, _: client.hold(False),
            CLOSE: lambda client, _: client.close(),
            CUT: lambda client, _: client.cut(),
            PROVED: lambda client, _: self._known.take_in(client, client.host),
        }

    def start(self) -> None:
        """Accept connections."""
        self._door.open()

    def shut(self) -> None:
        """Accept no more."""
        self._door.shut()

    def finish(self) -> None:
        """The main process has closed all connections; what they were sent still leaves."""

    @property
    def is_idle(self) -> bool:
        """Tell whether all connections have ended."""
        return not self.clients

    def _may_take(self) -> bool:
        return len(self.clients) + self._door.outside < self._most

    def make(self) -> Callable[[], Socket] | None:
        """Return what makes a connection, or None when the relay has as many as it takes."""
        return None if self._is_full else partial(Client, self)

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """Do what the main process wants done with a connection, if it still is there."""
        client = self.clients.get(number)
        if client is not None:
            self._do[kind](client, payload)
        elif kind in {FULL, ROOM}:
            self._is_full = kind == FULL

    def on_blocked(self, is_blocked: bool) -> None:
        """When the main process takes something again, so does everybody."""
        if not is_blocked:
            waiting, self._waiting = self._waiting, set()
            for client in waiting:
                client.wait(False)

    def on_frame(self, client: Client, payload: memoryview) -> None:
        """Pass a frame on."""
        self.pipe.post(FRAME, client.number, bytes(payload))
        if self.pipe.is_blocked:
            self._waiting.add(client)
            client.wait(True)

    def forget(self, client: Client) -> None:
        """A connection has ended."""
        self._waiting.discard(client)
        if self.clients.pop(client.number, None) is not None:
            self.pipe.post(GONE, client.number)
            self._known.let_out(client)


def _welcome(front: Front, request: picows.WSUpgradeRequest) -> Any:
    return welcome(request, front.make())


class Client(Socket):
    """A device's connection."""

    __slots__ = ("_front", "_is_told_to_hold", "_is_waiting", "_taken", "number")

    def __init__(self, front: Front) -> None:
        super().__init__()
        self._front = front
        self.number = 0
        self._taken = 0
        self._is_waiting = False
        self._is_told_to_hold = False

    def opened(self) -> None:
        """Tell the main process, which greets."""
        front = self._front
        self.number = next(front.numbers)
        front.clients[self.number] = self
        front.pipe.post(CONNECTED, self.number, b"" if self.speaks else b"other")

    def took(self, payload: memoryview) -> bool:
        """Pass a frame on."""
        self._front.on_frame(self, payload)
        return True

    def took_garbage(self) -> None:
        """Have it counted."""
        self._front.pipe.post(GARBAGE, self.number)

    def ended(self) -> None:
        """Tell the main process."""
        self._front.forget(self)

    def blocked(self, is_blocked: bool) -> None:
        """Tell the main process whether the device takes anything."""
        if is_blocked:
            self._front.pipe.post(BLOCKED, self.number)
        else:
            self._report()
            self._front.pipe.post(UNBLOCKED, self.number)

    def send(self, frame: bytes) -> None:
        """Send a frame of the main process, and report it when it is taken."""
        self._taken += len(frame)
        self.transmit(frame)
        if self._taken >= REPORT_BYTES and not self._is_blocked:
            self._report()

    def _report(self) -> None:
        taken, self._taken = self._taken, 0
        if taken:
            self._front.pipe.post(TAKEN, self.number, taken.to_bytes(4, "big"))

    def hold(self, is_held: bool) -> None:
        """The main process has enough of this connection's writes, or takes more."""
        self._is_told_to_hold = is_held
        super().hold(is_held or self._is_waiting)

    def wait(self, is_waiting: bool) -> None:
        """The main process takes nothing of anybody, or takes something again."""
        self._is_waiting = is_waiting
        super().hold(is_waiting or self._is_told_to_hold)
