"""Members who follow busy channels and stop reading, and what becomes of them.

Each is proven, follows some channels that many follow, reads a little and then nothing more.  At
the end all read what their own kernel still had, come back, and read on: every message of their
channels, once and in order.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from typing import Any, Final

import picows
from python_socks import ProxyError

from cloister.bench.hostile_attack import CALM_S, Attack
from cloister.bench.hostile_rooms import CHANNEL, ENVELOPE_BYTES, Line, Rooms
from cloister.bench.kernel_sockets import KernelSocket, sockets_of
from cloister.bench.process_cost import rss_kib
from cloister.limits import DELIVERY_WINDOW_BYTES, KIB, STALLED_SESSION_S
from cloister.relay.health import ask_status
from cloister.wire import commands, events

ROOMS_EACH: Final = 4
FOLLOWERS: Final = 40
"""Of each channel, when there are enough members."""
RATE: Final = 10.0
"""Messages a second into all channels together, while the attack stands."""
WINDOW_ITEMS: Final = DELIVERY_WINDOW_BYTES // ENVELOPE_BYTES
FIRST_EACH: Final = WINDOW_ITEMS + 4
"""Messages in each channel before anybody comes: more than is on the way to one who stops."""
CREDIT_EVERY: Final = WINDOW_ITEMS // 2
MEASURING_S: Final = 1.0
"""How fine a time of the kernel's table is, and what is given for it."""
MOST_KIB: Final = 256
"""What a stalled connection may hold at a relay, in its process and in the kernel each."""
OWN_KIB: Final = 48 * 1024
"""What the channels cost a relay's process, however many follow them."""
_LOOK_S: Final = 0.5
_COME_BACK_S: Final = 180.0
_LOST: Final = (OSError, EOFError, TimeoutError, picows.WSError, ProxyError, TypeError)


class Member:
    """A device of a member, over many connections."""

    def __init__(self, rooms: Rooms, index: int) -> None:
        count = len(rooms.channels)
        self._rooms = rooms
        self.numbers = [(index + step) % count for step in range(min(ROOMS_EACH, count))]
        self._number_of = {rooms.channels[room]: room for room in self.numbers}
        self.next_n = dict.fromkeys(self.numbers, 0)
        self.faults: list[str] = []
        self.line: Line | None = None
        self._reads_until: int | None = None
        self._read = 0
        self.stalled_at = 0.0
        """0: it reads."""
        self.moved_at = 0.0
        """When something last went to it, at the latest."""
        self._waiting = -1
        self.cut_at = 0.0
        """When the entry relay was seen to have let go of it; 0: it holds it."""

    async def connect(self) -> None:
        """Connect and prove the channels.  Raises what ``_LOST`` names."""
        self.stalled_at, self.cut_at, self._waiting = 0.0, 0.0, -1
        line, challenge = await self._rooms.greet(self._take)
        try:
            await self._rooms.prove(line, challenge, self.numbers)
        except BaseException:
            line.drop()
            raise
        self.line = line
        line.settle()

    def follow(self, reads_until: int | None) -> None:
        """Follow the channels from where it stands.

        ``reads_until``: messages of this connection after which it stops; None: it reads on."""
        self._reads_until, self._read = reads_until, 0
        if self.line is not None:
            self.line.send(
                *(
                    commands.Follow(2, CHANNEL, self._rooms.channels[room], self.next_n[room])
                    for room in self.numbers
                )
            )

    def _take(self, event: events.AnyEvent) -> None:
        if isinstance(event, events.Failed):
            self.faults.append(f"refused: {event}")
        elif isinstance(event, events.Item):
            room = self._number_of[event.channel_id]
            n = self.next_n[room]
            if event.n != n or event.envelope_id != n.to_bytes(16, "big"):
                self.faults.append(f"item {event.n} of a channel came where {n} was due")
                return
            self.next_n[room] = n + 1
            self._read += 1
            if self.line is not None and (self.stalled_at == 0 and (n + 1) % CREDIT_EVERY == 0):
                self.line.send(commands.Seen(0, CHANNEL, event.channel_id, n))
            if self.line is not None and self._read == self._reads_until:
                self.stalled_at = time.monotonic()
                self.line.read(False)

    def look(self, held: dict[tuple[str, int], int], before: float, now: float) -> None:
        """Look at what waits for it at the entry relay, by the kernel's word, or that nothing does
        any more: the last look was at ``before``."""
        if self.line is None or self.cut_at:
            return
        waiting = held.get(self.line.local)
        if waiting is None:
            self.cut_at = now
        elif waiting != self._waiting:
            self._waiting = waiting
            # At the earliest, so that nothing is counted too short.
            self.moved_at = before

    @property
    def is_stuck(self) -> bool:
        """Tell whether it reads nothing, is connected, and something waits for it."""
        return bool(self.stalled_at) and not self.cut_at and self._waiting > 0

    @property
    def is_behind(self) -> bool:
        """Tell whether a good deal waits for it."""
        return (
            sum(len(self._rooms.put_at[room]) - self.next_n[room] for room in self.numbers)
            >= WINDOW_ITEMS
        )

    async def wake(self) -> None:
        """Read what has come; on a connection that was cut, to its end."""
        line = self.line
        if line is None:
            return
        was_stalled, self.stalled_at, self._reads_until = self.stalled_at, 0.0, None
        line.read(True)
        if self.cut_at:
            await asyncio.wait([line.closed], timeout=10)
            line.drop()
            self.line = None
        elif was_stalled:
            for room in self.numbers:
                if self.next_n[room]:
                    channel_id = self._rooms.channels[room]
                    line.send(commands.Seen(0, CHANNEL, channel_id, self.next_n[room] - 1))

    @property
    def has_all(self) -> bool:
        """Tell whether it has read every message of its channels."""
        return all(self.next_n[room] == len(self._rooms.put_at[room]) for room in self.numbers)


class Readers:
    """Members who follow busy channels; with ``stalls`` they stop reading."""

    def __init__(self, attack: Attack, *, stalls: bool) -> None:
        self._attack = attack
        self._stalls = stalls
        count = attack.config.members
        self._rooms = Rooms(attack, max(ROOMS_EACH, count * ROOMS_EACH // FOLLOWERS))
        self._members: list[Member] = []
        self._cut_after: list[float] = []
        """Of each cut: seconds since anything last went to it."""
        self._stalled_for: list[float] = []
        """Of each cut: seconds since it stopped reading."""
        self._home_cut_after: float | None = None
        """Since the last had stopped reading, until the home held none; None: it does."""
        self._waiting_kib = [0.0, 0.0]
        """What the kernel holds of each, at home and at the entry, at the most."""
        self._orphaned_kib = 0.0
        """What it still holds of those that both have let go of."""
        self._resting_kib = [0, 0]
        self._grown_kib = [0.0, 0.0]
        """What the processes grew by for each, while all were stuck."""
        self._faults: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Fill the channels, connect all, and go on writing."""
        await self._rooms.found()
        await self._rooms.fill(FIRST_EACH)
        self._resting_kib = [rss_kib(pid) for pid in self._attack.config.pids]
        config = self._attack.config
        self._members = [Member(self._rooms, index) for index in range(config.members)]
        await asyncio.gather(*(self._connect(member) for member in self._members))
        begin = asyncio.create_task
        self._tasks += [begin(self._rooms.write(RATE)), begin(self._watch())]
        for index, member in enumerate(self._members):
            member.follow(index % WINDOW_ITEMS + 1 if self._stalls else None)
        if self._stalls:
            self._tasks.append(begin(self._watch_home()))

    async def _connect(self, member: Member) -> None:
        while True:
            try:
                async with asyncio.timeout(60):
                    await member.connect()
            except _LOST:
                self._attack.counts["members: failed"] += 1
                await asyncio.sleep(CALM_S)
            else:
                self._attack.counts["members: connected"] += 1
                return

    # --- while it stands ----------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look at the kernel's table: who is held, and how much waits."""
        entry, home = self._attack.entry, self._attack.home
        before = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            table = await asyncio.to_thread(sockets_of, entry.port, home.port)
            now = time.monotonic()
            held = {
                one.remote: one.waiting_bytes
                for one in table
                if one.is_held and one.local[1] == entry.port
            }
            for member in self._members:
                was_cut = member.cut_at
                member.look(held, before, now)
                if member.cut_at and not was_cut:
                    self._on_cut(member)
            before = now
            if all(member.stalled_at and not member.cut_at for member in self._members):
                self._weigh(table)
            ports = {entry.port, home.port}
            left = sum(
                one.waiting_bytes for one in table if not one.is_held and one.local[1] in ports
            )
            self._orphaned_kib = max(self._orphaned_kib, left / KIB / len(self._members))

    def _on_cut(self, member: Member) -> None:
        if not member.stalled_at or not member.is_behind:
            self._faults["a member was cut that read, or had little to read"] += 1
        else:
            self._cut_after.append(member.cut_at - member.moved_at)
            self._stalled_for.append(member.cut_at - member.stalled_at)

    def _weigh(self, table: list[KernelSocket]) -> None:
        """Note what each member holds at both relays, while all are stuck."""
        attack, count = self._attack, len(self._members)
        home, entry = attack.home.port, attack.entry.port
        waiting = (
            sum(one.waiting_bytes for one in table if one.local[1] == home),
            sum(
                one.waiting_bytes for one in table if one.local[1] == entry or one.remote[1] == home
            ),
        )
        for place, pid in enumerate(attack.config.pids):
            grown = (rss_kib(pid) - self._resting_kib[place]) / count
            self._grown_kib[place] = max(self._grown_kib[place], grown)
            each = waiting[place] / KIB / count
            self._waiting_kib[place] = max(self._waiting_kib[place], each)

    async def all_cut(self) -> None:
        """Wait until both relays have let go of all, or of one for too long."""
        until = time.monotonic() + 2 * STALLED_SESSION_S
        # The kernel's table, which nobody is told of.
        while time.monotonic() < until and not self._are_all_cut():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    def _are_all_cut(self) -> bool:
        return self._home_cut_after is not None and all(one.cut_at for one in self._members)

    async def _watch_home(self) -> None:
        """Note how long the home holds the last of them."""
        home, others = self._attack.config.home_health, self._attack.config.others + 1
        while (await asyncio.to_thread(ask_status, home))["connections"] > others:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        stalled_at = max(member.stalled_at for member in self._members)
        self._home_cut_after = time.monotonic() - stalled_at

    # --- the end ------------------------------------------------------------------------------

    async def end(self) -> dict[str, Any]:
        """All come back and read everything; say what became of them."""
        for task in self._tasks:
            task.cancel()
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        self._check_bounds()
        await self._check_everything()
        cut_after, stalled_for = sorted(self._cut_after), sorted(self._stalled_for)
        told: dict[str, Any] = {
            "members": len(self._members),
            "messages": sum(len(put_at) for put_at in self._rooms.put_at),
            "read": sum(sum(member.next_n.values()) for member in self._members),
            "waiting_home_kib": round(self._waiting_kib[0], 1),
            "waiting_entry_kib": round(self._waiting_kib[1], 1),
            "orphaned_kib": round(self._orphaned_kib, 1),
            "grown_home_kib": round(self._grown_kib[0], 1),
            "grown_entry_kib": round(self._grown_kib[1], 1),
            "faults": [f"{fault} ({count})" for fault, count in self._faults.items()],
        }
        if self._stalls:
            told |= {
                "cut": len(cut_after),
                "cut_after_s": _median_and_last(cut_after),
                "stalled_for_s": _median_and_last(stalled_for),
                "home_cut_after_s": round(self._home_cut_after or -1.0, 1),
            }
        return told

    def _check_bounds(self) -> None:
        """What a stalled member may hold, and for how long."""
        now, bound = time.monotonic(), STALLED_SESSION_S + MEASURING_S
        late = sum(one > bound for one in self._cut_after)
        late += sum(one.is_stuck and now - one.moved_at > bound for one in self._members)
        if late:
            self._faults[f"was not cut within {STALLED_SESSION_S} s"] += late
        own = OWN_KIB / len(self._members)
        for name, kib in zip(("home", "entry"), self._waiting_kib, strict=True):
            if kib > MOST_KIB:
                self._faults[f"the kernel held {kib:.0f} KiB for each at the {name}"] += 1
        for name, kib in zip(("home", "entry"), self._grown_kib, strict=True):
            if kib - own > MOST_KIB:
                self._faults[f"the {name} grew by {kib:.0f} KiB for each"] += 1

    async def _check_everything(self) -> None:
        with suppress(TimeoutError):
            await self._rooms.settled()
        if self._rooms.fault or not self._rooms.is_settled:
            self._faults[self._rooms.fault or "a put was not answered"] += 1
        began = time.monotonic()
        coming = [asyncio.create_task(self._come_back(member)) for member in self._members]
        _done, late = await asyncio.wait(coming, timeout=_COME_BACK_S)
        for task in late:
            task.cancel()
        self._attack.longest_s["coming back"] = time.monotonic() - began
        # What came twice would come now.
        await asyncio.sleep(1)
        lost = sum(not member.has_all for member in self._members)
        if lost:
            self._faults["a member did not get every message of its channels"] += lost
        for member in self._members:
            self._faults.update(member.faults[:1])

    async def _come_back(self, member: Member) -> None:
        await member.wake()
        while not member.has_all:
            line = member.line
            if line is None or line.closed.done():
                await self._connect(member)
                member.follow(None)
            await asyncio.sleep(0.1)


def _median_and_last(times: list[float]) -> list[float]:
    return [round(times[place], 1) for place in (len(times) // 2, -1)] if times else []


def readers(attack: Attack) -> None:
    """Members who read: what their channels cost, stalled or not."""
    attack.part = Readers(attack, stalls=False)


def stalled(attack: Attack) -> None:
    """Members who follow busy channels and read nothing more."""
    attack.part = Readers(attack, stalls=True)
