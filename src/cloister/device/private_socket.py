"""A socket in a profile's folder: for processes of the same person only.

Apart from what is served on it: the keeper and the commands that ask it load nothing that reads a
vault.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cloister.device.paths import ensure_private_folder
from cloister.errors import LocalError


@contextmanager
def bound_socket(path: Path) -> Iterator[socket.socket]:
    """Bind a private socket in the place of a dead one's.  Raises ``LocalError``."""
    ensure_private_folder(path.parent)
    remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        except OSError as error:
            raise LocalError(f"the agent's socket cannot be made: {error.strerror}") from None
        finally:
            os.umask(before)
        yield listening


def remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens to any more.  Raises ``LocalError`` for another file."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise LocalError(f"{path} is in the way: it is not the agent's socket")
        path.unlink()


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end of a Unix socket."""
    if sys.platform == "darwin":
        level, option = 0, 1  # SOL_LOCAL, LOCAL_PEERCRED: struct xucred, version then uid
        return int(struct.unpack_from("=II", connection.getsockopt(level, option, 76))[1])
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("=iII", credentials)[1])
