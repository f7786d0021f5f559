"""Connections between processes: what WebSockets over TCP can do to a frame, and no more.

Within one direction of one connection frames arrive in order or not at all.  Between connections
there is no order.  A connection may break with frames under way; one end may hear of that late, or
not before it grows impatient; and what was under way may still arrive after the other side has
connected anew.

    client process --End-- Connection --End-- server process

An ``End`` looks to its owner like ``picows.WSTransport``, so that the real ``Link`` and the real
``Connection`` of a relay use it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import picows

from cloister.testing.simulation.faults import Faults
from cloister.testing.simulation.loop import Process
from cloister.testing.simulation.trace import Trace

CLOSE: Final = b"\x03\xe8"
_LEAST_S: Final = 0.002
_MOST_S: Final = 0.08
_APART_S: Final = 1e-6


@dataclass(slots=True)
class _Reading:
    """Stands for ``underlying_transport``: whether the owner reads."""

    end: End

    def get_extra_info(self, _name: str) -> None:
        """No address stands behind it."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits: what is sent is on its way."""
        return 0

    def pause_reading(self) -> None:
        """Let what comes wait."""
        self.end.is_paused = True

    def resume_reading(self) -> None:
        """Take what has waited, and read on."""
        self.end.is_paused = False
        self.end.take_waiting()


@dataclass(slots=True, eq=False)
class End:
    """One end of a connection."""

    network: Network
    owner: Process
    name: str
    listener: Any = None
    other: End | None = None
    is_disconnected: bool = False
    is_paused: bool = False
    last_arrival: float = 0.0
    """When the newest frame that was sent from here arrives there."""
    waiting: list[tuple[picows.WSMsgType, bytes]] = field(default_factory=list)
    underlying_transport: _Reading = field(init=False)

    def __post_init__(self) -> None:
        self.underlying_transport = _Reading(self)

    def send(self, msg_type: picows.WSMsgType, payload: bytes) -> None:
        """Send a frame; into a closed connection: nothing."""
        if not self.is_disconnected and self.owner.is_alive:
            self.network.carry(self, msg_type, bytes(payload))

    def send_close(self, _code: object = None, _message: object = None) -> None:
        """Say goodbye."""
        self.send(picows.WSMsgType.CLOSE, CLOSE)

    def disconnect(self, graceful: bool = True) -> None:
        """Close from this side."""
        if not self.is_disconnected and self.owner.is_alive:
            self.network.close(self)

    def take(self, msg_type: picows.WSMsgType, payload: bytes) -> None:
        """A frame has arrived."""
        if self.is_disconnected:
            return
        if self.is_paused:
            self.waiting.append((msg_type, payload))
            return
        # The library's own frame, as its tests make it.
        frame = picows.picows._make_test_ws_frame(msg_type, payload, True, False)
        self.listener.on_ws_frame(self, frame)

    def take_waiting(self) -> None:
        """Take what came while nobody read."""
        while self.waiting and not self.is_paused:
            self.take(*self.waiting.pop(0))

    def lose(self) -> None:
        """Learn that the connection is gone."""
        if not self.is_disconnected:
            self.is_disconnected = True
            self.listener.on_ws_disconnected(self)


class Network:
    """All connections, and what happens to them."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, rng: random.Random, trace: Trace, faults: Faults
    ) -> None:
        self._loop = loop
        self._random = rng
        self._trace = trace
        self.faults = faults
        self._ends: dict[End, None] = {}
        self._apart: dict[tuple[str, str], float] = {}
        """(from, to) -> until when nothing passes, s of the loop."""

    async def connect(
        self,
        client: Process,
        find_server: Callable[[], tuple[Process, Callable[[], Any]] | None],
        server_name: str,
        make_listener: Callable[[], Any],
    ) -> End:
        """Open a connection; ``find_server`` tells who listens at that moment, if anybody does.

        Raises ``OSError``.
        """
        await asyncio.sleep(self._delay(client.name, server_name))
        found = find_server()
        if found is None or not found[0].is_alive:
            raise ConnectionRefusedError(111, "connection refused")
        server, accept = found
        name = f"{client.name}>{server_name}"
        near = End(self, client, name)
        far = End(self, server, f"{name}'", other=near)
        near.other = far
        near.listener = make_listener()
        far.listener = accept()
        self._ends[near] = self._ends[far] = None
        self._trace.note(client.name, f"connects to {server_name}")
        server.context.run(far.listener.on_ws_connected, far)
        return near

    def carry(self, end: End, msg_type: picows.WSMsgType, payload: bytes) -> None:
        """Take a frame on its way, or lose it and the connection."""
        other = end.other
        if other is None:
            return
        rng, faults = self._random, self.faults
        if rng.random() < faults.drop:
            self._trace.note(end.owner.name, f"loses {msg_type.name} {len(payload)} on {end.name}")
            self._break(end)
            return
        arrival = self._loop.time() + self._delay(end.owner.name, other.owner.name)
        if rng.random() < faults.straggler:
            arrival += rng.uniform(0, faults.straggler_s)
        end.last_arrival = max(arrival, end.last_arrival + _APART_S)
        self._loop.call_at(
            end.last_arrival,
            self._arrive,
            other,
            msg_type,
            payload,
            context=other.owner.context,
        )

    def _arrive(self, end: End, msg_type: picows.WSMsgType, payload: bytes) -> None:
        if end in self._ends:
            self._trace.note(end.owner.name, f"gets {msg_type.name} {len(payload)} on {end.name}")
            end.take(msg_type, payload)

    def _delay(self, sender: str, receiver: str) -> float:
        now = self._loop.time()
        until = self._apart.get((sender, receiver), 0.0)
        return max(0.0, until - now) + self._random.uniform(_LEAST_S, _MOST_S)

    # --- ends of connections ----------------------------------------------------------------------

    def close(self, end: End) -> None:
        """One side closes; the other hears of it after what was sent before."""
        self._ends.pop(end, None)
        end.is_disconnected = True
        self._loop.call_soon(end.listener.on_ws_disconnected, end, context=end.owner.context)
        other = end.other
        if other is None:
            return
        if self._random.random() >= self.faults.late:
            self._abandon(other)
        self._tell_end(other, after=end.last_arrival)

    def _break(self, end: End) -> None:
        """Frames under way are lost on both directions; each side hears of it some time."""
        for one in (end, end.other):
            if one is not None:
                self._abandon(one)
                self._tell_end(one, after=0.0)

    def _abandon(self, end: End) -> None:
        """What is under way to this end is lost."""
        self._ends.pop(end, None)

    def _tell_end(self, end: End, after: float) -> None:
        if self._random.random() < self.faults.lingering:
            return  # it will find out by itself: nothing answers
        arrival = max(self._loop.time() + self._random.uniform(_LEAST_S, 1.0), after + _APART_S)
        self._loop.call_at(arrival, self._hear_end, end, context=end.owner.context)

    def _hear_end(self, end: End) -> None:
        self._ends.pop(end, None)
        end.lose()

    def forget(self, process: Process) -> None:
        """A process has ended; its machine closes its connections, or is gone itself."""
        for end in [one for one in self._ends if one.owner is process]:
            self._ends.pop(end, None)
            end.is_disconnected = True
            if end.other is not None:
                self._tell_end(end.other, after=end.last_arrival)

    def has_link(self, process: Process) -> bool:
        """Whether a connection that this process opened stands at both ends."""
        return any(
            end.owner is process and end.other in self._ends and not end.name.endswith("'")
            for end in self._ends
        )

    def has_under_way(self, process: Process) -> bool:
        """Whether something that was sent to this process has not arrived: what was sent in a
        partition arrives when that would have ended, and all that was sent later after it."""
        now = self._loop.time()
        return any(
            end.other in self._ends and end.other.owner is process and end.last_arrival > now
            for end in self._ends
            if end.other is not None
        )

    def cut_all(self) -> None:
        """Break every connection, so that both sides hear of it."""
        for end in list(self._ends):
            self._ends.pop(end, None)
            self._loop.call_soon(end.lose, context=end.owner.context)

    def part(self, one: str, other: str, until: float, *, both_ways: bool) -> None:
        """Let nothing pass from one to the other until then; it arrives later, or never."""
        self._trace.note("world", f"parts {one} {'and' if both_ways else 'to'} {other}")
        self._apart[one, other] = until
        if both_ways:
            self._apart[other, one] = until

    def heal(self) -> None:
        """Let everything pass."""
        self._apart.clear()
