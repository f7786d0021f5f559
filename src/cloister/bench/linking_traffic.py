"""Pairs of devices that write to each other: when each of their connections puts a message.

When a receipt or cover goes out is decided by the product's own code, ``client.receipts`` and
``client.covering``, on the state of a real conversation of two; the clock is virtual.  Nothing is
encrypted: receipts, cover and most texts have one size (content, 3), so that the time of a put is
all that an observer of its connection gets.  Texts are Poisson; some are answered, after a time as
people take.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from cloister.bench.cover import TITLE, conversation_of
from cloister.client import covering, receipts
from cloister.client.content import ContentKind
from cloister.client.identity import did_of
from cloister.client.inputs import SetCover, SetReceipts
from cloister.client.receipt_records import ReceiptLevel
from cloister.client.state import State
from cloister.client.turn import Turn
from cloister.ids import DeviceId
from cloister.testing.simulation.chance import SeededEntropy
from cloister.values import replace

HOUR_S: Final = 3600
TEXTS_AN_HOUR: Final = 4.0
"""Of each device, besides its answers."""
ANSWER_MEDIAN_S: Final = 60.0
ANSWER_SIGMA: Final = 1.2
"""Of the logarithm: two of three answers come after 18 to 200 s."""
ON_THE_WAY_S: Final = 0.05
"""From a put to its delivery: home, flush, both relays."""
_PLANTED_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Habits:
    """What the devices of a world do."""

    answers: float = 0.0
    """Share of the texts that are answered."""
    gives_receipts: bool = False
    cover_per_day: int = 0
    gives_at_once: bool = False
    """A planted fault: a receipt follows each text within half a second."""


@dataclass(slots=True)
class Uplink:
    """What an observer of one device's connection sees."""

    texts: list[float] = field(default_factory=list)
    """Which of the puts are texts: to count them; no observer knows it."""
    puts: list[float] = field(default_factory=list)
    deliveries: list[float] = field(default_factory=list)
    """What comes down the connection, from others."""


class TalkingDevice:
    """The part of a device that decides when a receipt or a cover message goes out."""

    def __init__(
        self, state: State, peer: DeviceId, habits: Habits, seed: int, purpose: str
    ) -> None:
        self._entropy = SeededEntropy(seed, purpose)
        self._peer = peer
        self._state = state
        self.channel_id = next(
            channel_id for channel_id, channel in state.channels.items() if channel.title == TITLE
        )
        turn = Turn(state, state.handled_at, self._entropy)
        if habits.gives_receipts:
            receipts.on_set(
                turn, SetReceipts(ref=1, conversation=TITLE, level=int(ReceiptLevel.DELIVERED))
            )
        if habits.cover_per_day:
            covering.on_set(turn, SetCover(ref=2, per_day=habits.cover_per_day))
        self._state = turn.state

    def hear(self, now: int, kind: ContentKind) -> None:
        """Take a message of the other device."""
        turn = Turn(self._state, now, self._entropy)
        channel = turn.state.channels[self.channel_id]
        turn.put_channel(replace(channel, next_n=channel.next_n + 1))
        if kind is ContentKind.TEXT:
            receipts.on_text(turn, self.channel_id, self._peer)
        self._state = turn.state

    def wake(self, now: int) -> list[ContentKind]:
        """Do what is due; return what is put."""
        turn = Turn(self._state, now, self._entropy)
        receipts.advance(turn)
        covering.advance(turn)
        channel = turn.state.channels[self.channel_id]
        put = [ContentKind(one.kind) for one in channel.outbox]
        if put:
            # Acknowledged and shown at once.
            turn.put_channel(replace(channel, outbox=(), next_n=channel.next_n + len(put)))
        self._state = turn.state
        return put

    @property
    def wake_at(self) -> int | None:
        """When something is due, s."""
        times = [one.due for one in self._state.givings.values()] + [self._state.cover_at]
        return min((one for one in times if one), default=None)


class Traffic:
    """A number of pairs, played for some hours."""

    def __init__(self, pairs: int, habits: Habits, seed: int) -> None:
        self.uplinks = [Uplink() for _ in range(2 * pairs)]
        self._habits = habits
        self._rng = random.Random(seed)
        ada, ben = _states()
        ends = ((ada, did_of(ben)), (ben, did_of(ada)))
        self._devices = [
            TalkingDevice(*ends[index % 2], habits, seed, f"device {index}")
            for index in range(2 * pairs)
        ]
        self.start = max(ada.handled_at, ben.handled_at)
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._woken_at: list[int | None] = [None] * len(self._devices)

    def play(self, hours: float) -> list[Uplink]:
        """Return what is seen of each device; two that follow each other are a pair."""
        end = self.start + hours * HOUR_S
        for index in range(len(self._devices)):
            self._write_next(index, self.start)
            self._sleep(index, self.start)
        while self._due and self._due[0][0] < end:
            at, _, do = heapq.heappop(self._due)
            do(at)
        return self.uplinks

    def _at(self, at: float, do: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, do))

    def _write_next(self, index: int, now: float) -> None:
        wait = self._rng.expovariate(TEXTS_AN_HOUR / HOUR_S)

        def write(at: float) -> None:
            self._put(index, at, ContentKind.TEXT)
            self._write_next(index, at)

        self._at(now + wait, write)

    def _put(self, index: int, at: float, kind: ContentKind) -> None:
        uplink, other = self.uplinks[index], index ^ 1
        uplink.puts.append(at)
        if kind is ContentKind.TEXT:
            uplink.texts.append(at)
        self._at(at + ON_THE_WAY_S, lambda now: self._hear(other, now, kind))

    def _hear(self, index: int, at: float, kind: ContentKind) -> None:
        self.uplinks[index].deliveries.append(at)
        self._devices[index].hear(int(at), kind)
        self._sleep(index, at)
        if kind is not ContentKind.TEXT:
            return
        if self._habits.gives_at_once:
            wait = self._rng.uniform(0, _PLANTED_S)
            self._at(at + wait, lambda now: self._put(index, now, ContentKind.RECEIPT))
        if self._rng.random() < self._habits.answers:
            wait = self._rng.lognormvariate(0, ANSWER_SIGMA) * ANSWER_MEDIAN_S
            self._at(at + wait, lambda now: self._put(index, now, ContentKind.TEXT))

    def _sleep(self, index: int, now: float) -> None:
        """Wake a device when it wants to be: in that second, at a random moment, as its own."""
        device = self._devices[index]
        if device.wake_at is None and self._habits.cover_per_day:
            device.wake(int(now))
        wanted = device.wake_at
        if wanted is None or self._woken_at[index] == wanted:
            return
        self._woken_at[index] = wanted

        def wake(at: float) -> None:
            for kind in device.wake(int(at)):
                self._put(index, at, kind)
            self._sleep(index, at)

        self._at(max(now, wanted + self._rng.random()), wake)


@cache
def _states() -> tuple[State, State]:
    """The states of two devices in a conversation, at rest and connected."""

    async def converse() -> tuple[State, State]:
        circle = await conversation_of(2)
        ada, ben = circle.devices
        return ada.core.state, ben.core.state

    return asyncio.run(converse())
