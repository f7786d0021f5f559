"""Asking a profile's keeper, from another process of the same person."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

import msgspec

from cloister.device.agent_protocol import error_of
from cloister.device.errors import DeviceClosed
from cloister.device.keeper_protocol import MOST_CALL_BYTES, Call, State
from cloister.device.paths import KEEPER_SOCKET_NAME, socket_path

SOON_S: Final = 30.0
"""The keeper answers at once, but for ending: the last calls of others may take a while."""
UNLOCK_S: Final = 120.0
"""Two relays, each over several routes, and a stretch of the PIN."""


class KeeperClient:
    """Blocks; a connection for each call."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def state(self) -> State:
        """Return where the vault stands."""
        return self._ask(Call(op="state"), SOON_S)

    def lock(self, *, drop_lease: bool) -> State:
        """End the process that holds the vault."""
        return self._ask(Call(op="lock", drop_lease=drop_lease), SOON_S)

    def unlock(self, secret_fd: int) -> State:
        """Have the vault opened with the PIN that can be read from a descriptor."""
        return self._ask(Call(op="unlock"), UNLOCK_S, secret_fd)

    def stop(self) -> State:
        """End the agent."""
        return self._ask(Call(op="stop"), SOON_S)

    def _ask(self, call: Call, within_s: float, secret_fd: int | None = None) -> State:
        """Raises the error that the keeper answers with, or ``DeviceClosed``."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(within_s)
                connection.connect(str(self._path))
                line = msgspec.json.encode(call) + b"\n"
                descriptors = [] if secret_fd is None else [secret_fd]
                socket.send_fds(connection, [line], descriptors)
                answer = b""
                while part := connection.recv(MOST_CALL_BYTES):
                    answer += part
            state = msgspec.json.decode(answer, type=State)
        except (OSError, msgspec.MsgspecError):
            raise DeviceClosed("the agent of this profile has ended", hint="try again") from None
        if state.error is not None:
            raise error_of(state.error)
        return state


def find_keeper(folder: Path) -> KeeperClient | None:
    """Return the keeper of a profile, or ``None`` when none answers."""
    path = socket_path(folder, KEEPER_SOCKET_NAME)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SOON_S)
            connection.connect(str(path))
    except OSError:
        return None
    return KeeperClient(path)
