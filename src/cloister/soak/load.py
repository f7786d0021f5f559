"""The load: everybody says numbered texts, and what became of each is written down."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from enum import Enum

from cloister.client.effects import Alarm
from cloister.demo.person import Person
from cloister.errors import CloisterError
from cloister.soak.circle import Circle
from cloister.values import replace

ASK_AGAIN_S = 0.2


class Fate(Enum):
    """What the sender was told."""

    ACCEPTED = "accepted"
    """It is in the vault, and must reach every screen."""
    UNKNOWN = "unknown"
    """The answer was lost with the agent: it is in the vault, or it is not."""


@dataclass(frozen=True, slots=True)
class Said:
    """One text that was handed to a device."""

    author: int
    room: str
    text: str
    fate: Fate


@dataclass(slots=True)
class Load:
    """Says texts at a rate, over all devices, until cancelled."""

    circle: Circle
    rate: float
    """Texts a second, by all together."""
    rng: random.Random
    said: list[Said] = field(default_factory=list)
    alarms: list[tuple[int, Alarm]] = field(default_factory=list)

    async def run(self) -> None:
        """Talk and listen."""
        async with asyncio.TaskGroup() as group:
            for person in self.circle.people:
                group.create_task(self._talk(person))
                group.create_task(self.listen(person))

    async def _talk(self, person: Person) -> None:
        rooms = [room for room, inside in self.circle.rooms.items() if person.number in inside]
        loop = asyncio.get_running_loop()
        every = len(self.circle.people) / self.rate
        number, due = 0, loop.time() + self.rng.uniform(0, every)
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            # What a stopped process has missed is not made up for in one go.
            due = max(due + every, loop.time())
            number += 1
            room = self.rng.choice(rooms)
            said = Said(person.number, room, f"{person.number}/{number}", Fate.UNKNOWN)
            place = len(self.said)
            self.said.append(said)  # written down first: this task may be cancelled while it waits
            try:
                await person.device.send(room, said.text, 0)
            except CloisterError:
                await asyncio.sleep(ASK_AGAIN_S)
            else:
                self.said[place] = replace(said, fate=Fate.ACCEPTED)

    async def listen(self, person: Person) -> None:
        """Hear what the device warns of, over all its lives."""
        while True:
            try:
                async for notice in person.device.follow():
                    if isinstance(notice, Alarm):
                        self.alarms.append((person.number, notice))
            except CloisterError:
                pass
            await asyncio.sleep(ASK_AGAIN_S)
