"""What the writer remembers of a channel between writes, so that a put reads nothing.

The row of a channel is not touched by a put: its ``next_n`` and ``bytes`` are a saved point, and
what lies above it is added up when the channel is first needed.  The state is thrown away whenever
a transaction is rolled back.
"""

from __future__ import annotations

from typing import Final

import sqlcipher3.dbapi2 as sqlite

SAVE_EVERY: Final = 1024
"""Puts between two saves of the point; bounds the adding up after a restart."""
MAX_REMEMBERED: Final = 50_000
"""Channels remembered at once; about 200 bytes each."""


class CircleUse:
    """How much all channels of one circle hold."""

    __slots__ = ("size_bytes",)

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes


class ChannelState:
    """One channel as the transaction at hand sees it."""

    __slots__ = ("circle", "epoch", "key", "next_n", "saved_n", "size_bytes", "use")

    def __init__(
        self,
        key: int,
        circle: int,
        epoch: int,
        next_n: int,
        size_bytes: int,
        saved_n: int,
        use: CircleUse,
    ) -> None:
        self.key = key
        self.circle = circle
        self.epoch = epoch
        self.next_n = next_n
        self.size_bytes = size_bytes
        self.saved_n = saved_n
        self.use = use


class ChannelStates:
    """The states of the channels written lately."""

    def __init__(self, connection: sqlite.Connection) -> None:
        self._connection = connection
        self._states: dict[bytes, ChannelState] = {}
        self._uses: dict[int, CircleUse] = {}

    def get(self, channel_id: bytes) -> ChannelState | None:
        """Return the state of a channel, read from the file if need be."""
        state = self._states.get(channel_id)
        if state is None:
            state = self._load(channel_id)
            if state is not None:
                if len(self._states) >= MAX_REMEMBERED:
                    self.forget()
                    state = self._load(channel_id) or state
                self._states[channel_id] = state
        return state

    def forget(self) -> None:
        """Drop all states: the transaction that changed them was rolled back, or rows went."""
        self._states.clear()
        self._uses.clear()

    def save(self, state: ChannelState) -> None:
        """Move the saved point of a channel to its present state."""
        self._connection.execute(
            "UPDATE channel SET epoch = ?, next_n = ?, bytes = ? WHERE key = ?",
            (state.epoch, state.next_n, state.size_bytes, state.key),
        )
        state.saved_n = state.next_n

    def _load(self, channel_id: bytes) -> ChannelState | None:
        row = self._connection.execute(
            "SELECT key, circle, epoch, next_n, bytes FROM channel WHERE id = ?", (channel_id,)
        ).fetchone()
        if row is None:
            return None
        key, circle, epoch, next_n, size_bytes = row
        newest, added = self._connection.execute(
            "SELECT max(n), sum(length(bytes)) FROM envelope WHERE channel = ? AND n >= ?",
            (key, next_n),
        ).fetchone()
        return ChannelState(
            key,
            circle,
            epoch,
            next_n if newest is None else newest + 1,
            size_bytes + (added or 0),
            next_n,
            self._use(circle),
        )

    def _use(self, circle: int) -> CircleUse:
        use = self._uses.get(circle)
        if use is None:
            (saved, added) = self._connection.execute(
                "SELECT (SELECT sum(bytes) FROM channel WHERE circle = ?1),"
                " (SELECT sum(length(envelope.bytes)) FROM channel JOIN envelope"
                " ON envelope.channel = channel.key AND envelope.n >= channel.next_n"
                " WHERE circle = ?1)",
                (circle,),
            ).fetchone()
            use = self._uses[circle] = CircleUse((saved or 0) + (added or 0))
        return use
