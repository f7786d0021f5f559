"""Connecting to a home relay that most of this machine's connections already go to.

From one address to one other there are some 28,000 ports.  When half of them are taken the kernel,
which tries them one after another, needs four milliseconds for each connection more, and a relay
that everybody comes back to at once is busy with nothing else.  So a connection is given a few
neighbouring ports to choose from, anywhere among all.  (Linux 6.3 and later; where the option does
not exist the kernel searches by itself.)
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_IP_LOCAL_PORT_RANGE: Final = 51
"""From ``linux/in.h``; the socket module does not have it."""
PORTS: Final = 256
"""To choose from.  With nine tenths of all ports taken some 25 of them are free."""
_TRIES: Final = 4
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_RANGE: Final = (32768, 60999)


def local_ports() -> tuple[int, int]:
    """Return the first and the last port that the kernel gives to connections.

    Where it does not show them, as in a relay's unit, these are the usual ones; what lies outside
    of its own it does not give."""
    try:
        first, last = map(int, _RANGE.read_text("ascii").split())
    except (OSError, ValueError):
        return _USUAL_RANGE
    return first, last


class Dialling:
    """Connects sockets, each from a port of a small part of all."""

    def __init__(self, ports: tuple[int, int]) -> None:
        """``ports``: the first and the last one that there are."""
        self._first, self._last = ports

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket that is connected.  Raises OSError."""
        loop = asyncio.get_running_loop()
        error = OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
        for family, _, _, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            for part in (*(True,) * _TRIES, False):
                try:
                    return await self._connect(family, address, part=part)
                except OSError as caught:
                    error = caught
                    if caught.errno != errno.EADDRNOTAVAIL:
                        break
        raise error

    async def _connect(
        self, family: int, address: tuple[object, ...], *, part: bool
    ) -> socket.socket:
        connecting = socket.socket(family, socket.SOCK_STREAM)
        try:
            connecting.setblocking(False)
            if part:
                self._choose_part(connecting)
            await asyncio.get_running_loop().sock_connect(connecting, address)
        except BaseException:
            connecting.close()
            raise
        return connecting

    def _choose_part(self, connecting: socket.socket) -> None:
        if sys.platform != "linux":
            return
        first = random.randint(self._first, max(self._first, self._last - PORTS + 1))
        last = min(first + PORTS - 1, self._last)
        # The kernel's form of it: the last one in the upper half of an integer.
        bounds = (last << 16 | first).to_bytes(4, sys.byteorder)
        # An older kernel, or a sandbox, may refuse it; then the kernel searches by itself.
        with suppress(OSError):
            connecting.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, bounds)
