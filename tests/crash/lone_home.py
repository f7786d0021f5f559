"""One home relay in its own process, a channel in it, and the ledger of what it acknowledged.

The entry relay has a folder and a card, and never runs: what is proven here lies between the home
relay and its disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cloister.ids import SHORT_ID_BYTES
from cloister.limits import DELIVERY_WINDOW_ITEMS
from cloister.wire import commands, events
from integration.nursery import Nursery
from integration.relay_world import CHANNEL, Circle, Device, Pair, Relay

FAULTY = str(Path(__file__).with_name("faulty_relay.py"))
SMALLEST, LARGEST = 1024, 256 * 1024


class LoneHome:
    """The relay, its circle, and what a client knows of it: every id it put, every answer."""

    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self.pair = Pair(
            Relay(folder / "home", "home", "HK", "North"),
            Relay(folder / "entry", "entry", "PA", "South"),
        )
        self.home = self.pair.home
        self.home.peer(self.pair.entry)
        self.home.launch = nursery.launch
        self.acknowledged: dict[bytes, int] = {}
        self.unanswered: dict[bytes, bytes] = {}
        """By id: the envelopes that are with the relay, or were when it died."""
        self._circle: Circle | None = None
        self._count = 0
        self._fault = ""

    def start(self, fault: str = "") -> None:
        """Have the relay run, with the fault or without one."""
        if self.home.process is not None and self.home.process.poll() is not None:
            # A test failed before it saw the end of it.
            self.home.process = None
        if self.home.process is not None and fault != self._fault:
            self.home.stop()
        if self.home.process is None:
            self.home.program = (FAULTY, fault) if fault else ("-m", "cloister")
            self._fault = fault
            self.home.start()

    @property
    def circle(self) -> Circle:
        assert self._circle is not None
        return self._circle

    @property
    def database(self) -> Path:
        return self.home.place.database_path

    @property
    def log(self) -> Path:
        """The database's write-ahead log."""
        return self.database.with_name(self.database.name + "-wal")

    @property
    def pid(self) -> int:
        assert self.home.process is not None
        return self.home.process.pid

    def wait_for_end(self, patience_s: float) -> int:
        """Wait until the relay has ended by itself; return its exit status."""
        assert self.home.process is not None
        status = self.home.process.wait(patience_s)
        self.home.process = None
        return status

    @asynccontextmanager
    async def device(self) -> AsyncIterator[Device]:
        """Connect past the entry relay; found the circle first, if there is none."""
        device = await Device.connect(self.pair, is_direct=True)
        try:
            if self._circle is None:
                self._circle = await Circle.found(device, self.home.code)
            await self.circle.prove(device)
            yield device
        finally:
            device.transport.disconnect(graceful=False)

    async def put_new(self, device: Device, size: int = SMALLEST) -> events.Done | events.Failed:
        """Put the next envelope; its content follows from its id."""
        self._count += 1
        one = self._count.to_bytes(SHORT_ID_BYTES, "big")
        self.unanswered[one] = one * (size // SHORT_ID_BYTES)
        return await self.put(device, one)

    async def put(self, device: Device, one: bytes) -> events.Done | events.Failed:
        """Put what is unanswered under an id, and note the answer."""
        envelope = self.unanswered[one]
        answer = await device.ask_any(commands.Put, self.circle.commons_id, 0, one, envelope)
        assert isinstance(answer, events.Done | events.Failed), answer
        if isinstance(answer, events.Done):
            assert one not in self.acknowledged
            self.acknowledged[one] = answer.n
            del self.unanswered[one]
        return answer

    async def stored(self, device: Device, first_n: int = 0) -> list[bytes]:
        """Follow the channel from an index on; return the ids in order, all without a hole."""
        proved = await self.circle.prove(device)
        await device.ask(commands.Follow, CHANNEL, self.circle.commons_id, first_n)
        found: list[bytes] = []
        for n in range(first_n, proved.next_n):
            item = await device.next_of(events.Item)
            assert item.n == n
            assert item.envelope == item.envelope_id * (len(item.envelope) // SHORT_ID_BYTES)
            found.append(item.envelope_id)
            if n % (DELIVERY_WINDOW_ITEMS // 4) == 0 or len(item.envelope) > SMALLEST:
                device.send(commands.Seen(0, CHANNEL, self.circle.commons_id, n))
        return found

    async def gone(self, first_n: int) -> int:
        """Count what was acknowledged from an index on, and is not there."""
        async with self.device() as device:
            there = set(await self.stored(device))
        return sum(n >= first_n and one not in there for one, n in self.acknowledged.items())

    async def check_after_restart(self, first_n: int = 0) -> None:
        """What was acknowledged is there, once and in its place; so is what is put again.

        What was never answered is put again first, as a device does, whether it is stored or not.
        What is lost of the acknowledged is put by nobody, so that this hides nothing."""
        async with self.device() as device:
            await asyncio.gather(*(self.put(device, one) for one in list(self.unanswered)))
            assert not self.unanswered
            found = await self.stored(device, first_n)
        assert len(set(found)) == len(found), "an envelope is stored twice"
        places = {one: n for n, one in enumerate(found, first_n)}
        assert places == {one: n for one, n in self.acknowledged.items() if n >= first_n}
