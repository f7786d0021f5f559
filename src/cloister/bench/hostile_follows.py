"""Members who ask to follow what they may follow, without end.

There is no request to follow no more: who follows again ends what was followed before.  From the
beginning of a channel each time, which is most work for the relay; from its end, which is none; and
without reading what comes.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from cloister.bench.hostile_attack import Attack
from cloister.bench.hostile_rooms import CHANNEL, Rooms
from cloister.limits import MAX_FRAME_MESSAGES
from cloister.wire import commands, events
from cloister.wire.frame import encode_frame

ROOMS: Final = 64
"""Channels that each of them may follow."""
MESSAGES_EACH: Final = 20
"""More than a window."""
FLOODERS: Final = 12
"""Of each kind."""
UNANSWERED: Final = 16 * MAX_FRAME_MESSAGES
"""Requests that each has under way."""


class Follows:
    """The attack."""

    def __init__(self, attack: Attack, *, rooms: int = ROOMS, flooders: int = FLOODERS) -> None:
        self._attack = attack
        self._count = rooms
        self._flooders = flooders
        self._rooms = Rooms(attack, rooms)

    async def begin(self) -> None:
        """Fill the channels, then begin to ask."""
        rooms = self._rooms
        await rooms.found()
        await rooms.fill(MESSAGES_EACH)
        for name, from_n, reads in (
            ("follow all", 0, True),
            ("follow nothing", MESSAGES_EACH, True),
            ("follow, read nothing", 0, False),
        ):
            frame = self._frame(from_n)
            self._attack.keep(
                name,
                self._flooders,
                lambda name=name, frame=frame, reads=reads: self._flood(name, frame, reads),  # type: ignore[misc]
            )
        await asyncio.sleep(2)

    def _frame(self, from_n: int) -> bytes:
        channels = self._rooms.channels
        return encode_frame(
            [
                commands.Follow(1, CHANNEL, channels[number % self._count], from_n)
                for number in range(MAX_FRAME_MESSAGES)
            ]
        )

    async def _flood(self, name: str, frame: bytes, reads: bool) -> None:
        counts = self._attack.counts
        unanswered = 0

        def take(event: events.AnyEvent) -> None:
            nonlocal unanswered
            counts[f"{name}: {type(event).__name__}"] += 1
            unanswered -= isinstance(event, events.Done)

        line, challenge = await self._rooms.greet(take)
        try:
            await self._rooms.prove(line, challenge, range(self._count))
            line.settle()
            line.read(reads)
            while not line.closed.done():
                # The relay has always something to do, and this process not too much.
                if unanswered < UNANSWERED:
                    line.send_frame(frame)
                    unanswered += MAX_FRAME_MESSAGES
                    counts[f"{name}: frames"] += 1
                    await asyncio.sleep(0)
                else:
                    await asyncio.wait([line.closed], timeout=0.01)
        finally:
            line.drop()

    async def end(self) -> dict[str, Any]:
        """Say nothing more than what was counted."""
        return {"faults": [self._rooms.fault] if self._rooms.fault else []}


def follows(attack: Attack) -> None:
    """Thirty-six members who ask without end for what they may have."""
    attack.part = Follows(attack)
