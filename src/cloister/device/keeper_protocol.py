"""The call and the answer on the keeper's socket: one of each a connection, as JSON.

-> {"op":"unlock"} and, beside it, the descriptor from which the child reads the PIN
<- {"phase":"open","lease_s":28799}  or  {"phase":"locked","lease_s":0,"error":{...}}
"""

from __future__ import annotations

from typing import Final

import msgspec

from cloister.device.agent_protocol import ErrorBody

MOST_CALL_BYTES: Final = 4096


class Call(msgspec.Struct):
    """What a client asks: state, lock, unlock, stop."""

    op: str
    drop_lease: bool = False


class State(msgspec.Struct, kw_only=True):
    """Every answer: where the vault stands, how long the lease lasts, what went wrong."""

    phase: str
    """open, opening or locked."""
    lease_s: int
    error: ErrorBody | None = None
