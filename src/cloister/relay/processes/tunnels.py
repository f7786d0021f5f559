"""A child of an entry relay that carries tunnels; whom it lets in, the main process counts.

The limits for an address and for all hold over all children together: who has connected is counted
by the main process, before the handshake begins, and for a moment longer than he stays.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from pathlib import Path
from typing import Final

from cloister.relay.door import Door
from cloister.relay.entry import Proxy
from cloister.relay.folder import Folder
from cloister.relay.logsafe import Log
from cloister.relay.peers import Peers
from cloister.relay.processes.orders import FIRST_OWN_KIND, Orders
from cloister.relay.processes.pipe import Pipe
from cloister.relay.tls import server_context
from cloister.relay.waiting import ByAddress

# To the main process; payload of the first two: the address.
ENTER: Final = FIRST_OWN_KIND
LEAVE: Final = FIRST_OWN_KIND + 1
JOIN: Final = FIRST_OWN_KIND + 2
PART: Final = FIRST_OWN_KIND + 3
REFUSE: Final = FIRST_OWN_KIND + 4
# From the main process: the answers to ENTER.
COME: Final = FIRST_OWN_KIND
NO_PLACE: Final = FIRST_OWN_KIND + 1


class Tunnels:
    """The work of such a child."""

    def __init__(self, orders: Orders, sockets: list[socket.socket], pipe: Pipe) -> None:
        folder = Folder(Path(orders.folder))
        self._places = AskedPlaces(pipe)
        self._proxy = Proxy(
            Peers(folder, Log(lambda: int(time.time()))),
            self._places,
            unlock={(name, port): (host, own) for name, port, host, own in orders.unlock},
            tls=server_context(*orders.keys),
            handshake_s=orders.handshake_s,
        )
        self._most = orders.max_connections
        self._door = Door(
            sockets,
            self._proxy.take,
            self._may_take,
            ByAddress(orders.max_of_address),
            silent_s=orders.handshake_s,
        )

    def _may_take(self) -> bool:
        # Those who shake hands count twice: there are few of them.
        return self._proxy.held + self._door.outside < self._most

    def start(self) -> None:
        """Accept connections."""
        self._door.open()

    def shut(self) -> None:
        """Accept no more."""
        self._door.shut()

    def finish(self) -> None:
        """End all tunnels."""
        self._proxy.close()

    @property
    def is_idle(self) -> bool:
        """Tell whether all tunnels have ended."""
        return not self._proxy.held

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """The main process answers whether somebody may come in."""
        self._places.on_answer(number, kind == COME)

    def on_blocked(self, is_blocked: bool) -> None:
        """What is asked is little; the door bounds it."""


class AskedPlaces:
    """Has the main process count."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[bool]] = {}

    async def enter(self, address: str) -> bool:
        """Ask whether a connection may come in."""
        number = next(self._numbers)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._pipe.post(ENTER, number, address.encode())
        try:
            return await answer
        finally:
            del self._asked[number]

    def on_answer(self, number: int, may_enter: bool) -> None:
        """The main process has answered."""
        answer = self._asked.get(number)
        if answer is not None and not answer.done():
            answer.set_result(may_enter)

    def leave(self, address: str) -> None:
        """A connection has ended."""
        self._pipe.remark(LEAVE, 0, address.encode())

    def join(self) -> None:
        """A tunnel is open."""
        self._pipe.remark(JOIN, 0)

    def part(self) -> None:
        """A tunnel has ended."""
        self._pipe.remark(PART, 0)

    def refuse(self) -> None:
        """Somebody wanted to go where nobody is led."""
        self._pipe.remark(REFUSE, 0)
