"""What a relay's main process and its children say to each other about themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

SPARE_FILES: Final = 64
"""Open files of a child that are no connections."""

# From the main process, about no connection.
ORDERS: Final = 1
"""What to do: the first message."""
SHUT: Final = 2
"""Accept no more."""
END: Final = 3
"""Finish what is being sent, then end."""
# To the main process, about no connection.
READY: Final = 1
"""It accepts connections."""
BEAT: Final = 2
"""It is alive: every ``BEAT_S``."""

FIRST_OWN_KIND: Final = 16
"""Kinds from here on are of fronts and of tunnels."""
BEAT_S: Final = 2.0
LAST_WORDS_S: Final = 1.0
"""How long what is being sent may take in the end."""


class Orders(msgspec.Struct, frozen=True):
    """What a child is told first."""

    work: Literal["front", "tunnels"]
    folder: str
    """Path of the relay's folder."""
    listening: tuple[int, ...]
    """Descriptors of the sockets to accept from."""
    max_connections: int
    """How many this process may hold."""
    max_of_address: int
    """Tunnels: how many of one address may wait at the door of this process."""
    handshake_s: float
    unlock: tuple[tuple[str, int, str, int], ...] = ()
    """Tunnels: addresses of this relay's own unlock face, and where it listens."""

    @property
    def keys(self) -> tuple[Path, Path]:
        """Certificate and key of TLS."""
        keys = Path(self.folder) / "keys"
        return keys / "tls.crt", keys / "tls.key"
