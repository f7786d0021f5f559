"""How much the kernel keeps of one connection: memory that no process has, and a relay has to bear.

Left alone, a socket to somebody who reads nothing takes four megabytes before it says that it is
full, and as much again where it is read from a relay that sends.  Where an option does not exist
the kernel's own bounds hold.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from cloister.limits import KIB, STALLED_SESSION_S

UNSENT_BYTES: Final = 64 * KIB
"""What a socket takes beyond what is on its way; that decides how fast a connection is."""
UNREAD_BYTES: Final = 64 * KIB
"""For what comes from a home relay to an entry relay; the kernel takes twice that.  Each device has
its own: at 200 ms from one relay to the other it still gets 640 KiB a second."""
UNTAKEN_S: Final = STALLED_SESSION_S - 3
"""How long what was sent may wait while nothing of it is taken; the kernel looks now and then, and
ends the connection.  It also sees those who have stopped while there is room for more here."""
_UNTAKEN: Final = getattr(socket, "TCP_USER_TIMEOUT", None)
_UNSENT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_AT_ONCE: Final = struct.pack("ii", 1, 0)


def bound_untaken(connection: socket.socket) -> None:
    """Bound how long what was sent may wait; a listening socket hands it on to what it accepts."""
    if _UNTAKEN is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _UNTAKEN, UNTAKEN_S * 1000)


def bound_unsent(connection: socket.socket) -> None:
    """Bound what waits to be sent; a listening socket hands it on to what it accepts."""
    if _UNSENT is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _UNSENT, UNSENT_BYTES)


def bound_unread(connection: socket.socket) -> None:
    """Bound what waits to be read.  (``TCP_WINDOW_CLAMP`` does not: the kernel widens it again.)"""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)


def keep_nothing(connection: socket.socket) -> None:
    """Have closing end the connection at once: nothing is kept for somebody who takes nothing."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
