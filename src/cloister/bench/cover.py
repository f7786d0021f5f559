"""What cover traffic costs: bytes and messages a day, for a device and for its relay.

Whole circles in one process: real cores and real relay services, every message of both directions
encoded as it goes over the wire. The same hours are played without cover first, and what remains
is what cover costs. Prices of one message are measured; the days of other rates are multiplied.
"""

from __future__ import annotations

import asyncio
import json as json_module
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from cloister.client.covering import DAY_S
from cloister.client.inputs import OpenConversation, SetCover, Tick
from cloister.ids import SHORT_ID_BYTES
from cloister.limits import ENVELOPE_SIZES, RETENTION_S
from cloister.relay.storage.sqlite.schema import HOUR_S, open_file
from cloister.roster.policy import FORMING_MEMBERS, MAX_COVER_PER_DAY
from cloister.testing.simulated_circle import START, SimulatedCircle, SimulatedDevice
from cloister.values import replace
from cloister.wire.commands import Put
from cloister.wire.frame import encode_message

DEFAULT_SIZES: Final = (2, 8)
RATES: Final = (12, 48, 240)
HOURS: Final = 4.0
AROUND_BYTES: Final = 1 + 2 * 22 + 8
"""Around one message: the array of a frame, a record of each TLS, a header of WebSocket. TCP and IP
are not counted."""
_STORED: Final = 2_000
_NAMES: Final = ("Ada", "Ben", "Cyd", "Dov", "Eve", "Fay", "Gil", "Hal")
TITLE: Final = "Desk"


@dataclass(slots=True)
class Counted:
    """Bytes of both directions, puts, and processor time of the devices' cores."""

    puts: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    core_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """One cover message in a conversation of ``devices`` that are all connected."""

    devices: int
    counted: int
    up_bytes: float
    """From all devices: the put, and what the others say of having seen it."""
    down_bytes: float
    """To all devices: the answer, and the item to each."""
    core_ms: float
    """Of all cores together."""


async def conversation_of(size: int) -> SimulatedCircle:
    """Return a circle of as many members, all in one conversation, at rest."""
    circle = SimulatedCircle()
    first = await circle.found(_NAMES[0])
    for name in _NAMES[1:size]:
        # One vouch lets in while the circle forms, then two.
        vouchers = circle.devices[: 1 if len(circle.devices) < FORMING_MEMBERS else 2]
        await circle.admit(name, first, list(vouchers))
    others = tuple(_NAMES[1:size])
    act = OpenConversation(ref=circle.ref(), title=TITLE, members=others)
    await circle.act(first, act)
    # A newcomer's first update comes within ten minutes.
    await _play(circle, 1200)
    return circle


async def _play(circle: SimulatedCircle, seconds: int) -> None:
    """Let the clock go on from one moment at which a device wants to be woken to the next."""
    end = circle.now + seconds
    while circle.now < end:
        wanted = [device.wake_at for device in circle.devices]
        circle.now = min([end, *(at for at in wanted if at is not None and at > circle.now)])
        for device in circle.devices:
            device.feed(Tick())
        still = 0
        while still < 3:
            moved = sum(device.step() for device in circle.devices)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            still = 0 if moved else still + 1


def _count(device: SimulatedDevice, counted: Counted) -> None:
    def asked(request: Any) -> tuple[Any, ...]:
        counted.puts += isinstance(request, Put)
        counted.up_bytes += _wire_bytes(request)
        return (request,)

    def told(event: Any) -> tuple[Any, ...]:
        counted.down_bytes += _wire_bytes(event)
        return (event,)

    device.hinder, device.tamper = asked, told
    feed = device.feed

    def timed(given: Any) -> None:
        begun = time.process_time()
        feed(given)
        counted.core_s += time.process_time() - begun

    vars(device)["feed"] = timed


def _wire_bytes(message: msgspec.Struct) -> int:
    return len(encode_message(message)) + AROUND_BYTES


async def _measure(size: int, hours: float) -> Price:
    circle = await conversation_of(size)
    counted = Counted()
    for device in circle.devices:
        _count(device, counted)
    seconds = int(hours * 3600)
    await _play(circle, seconds)
    idle = replace(counted)
    for device in circle.devices:
        device.feed(SetCover(ref=circle.ref(), per_day=MAX_COVER_PER_DAY))
    await _play(circle, seconds)
    covers = counted.puts - idle.puts
    return Price(
        devices=size,
        counted=covers,
        up_bytes=(counted.up_bytes - 2 * idle.up_bytes) / covers,
        down_bytes=(counted.down_bytes - 2 * idle.down_bytes) / covers,
        core_ms=(counted.core_s - 2 * idle.core_s) / covers * 1000,
    )


def stored_bytes() -> float:
    """Bytes that one envelope of the smallest size adds to a home relay's file."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as name:
        path = Path(name) / "relay.sqlite3"
        connection = open_file(path)
        execute = connection.execute
        empty = "x'', x'', x''"
        execute(f"INSERT INTO circle (origin, size, root, note, fold) VALUES ('o', 1, {empty})")  # noqa: S608
        execute("INSERT INTO channel VALUES (1, x'00', 1, 0, 0, 0, 0, 0)")
        execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        execute("BEGIN")
        for n in range(_STORED):
            row = (n, n.to_bytes(SHORT_ID_BYTES, "big"), START // HOUR_S, bytes(ENVELOPE_SIZES[0]))
            execute(
                "INSERT INTO envelope (channel, n, id, epoch, hour, bytes)"
                " VALUES (1, ?, ?, 0, ?, ?)",
                row,
            )
        execute("COMMIT")
        execute("PRAGMA wal_checkpoint(TRUNCATE)")
        grown = path.stat().st_size - before
        connection.close()
    return grown / _STORED


@dataclass(frozen=True, slots=True)
class Day:
    """A conversation whose devices are connected all day and all send cover at one rate."""

    devices: int
    per_day: int
    device_up_bytes: int
    device_down_bytes: int
    device_received: int
    relay_puts: int
    relay_deliveries: int
    relay_bytes: int
    """Both directions of all connections."""
    relay_stored_bytes: int
    """In the file once it has filled: messages of as long as the relay keeps them."""


def day(price: Price, per_day: int, stored: float) -> Day:
    """Multiply the price of one message."""
    covers = price.devices * per_day
    return Day(
        devices=price.devices,
        per_day=per_day,
        device_up_bytes=round(price.up_bytes * per_day),
        device_down_bytes=round(price.down_bytes * per_day),
        device_received=covers - per_day,
        relay_puts=covers,
        relay_deliveries=covers * price.devices,
        relay_bytes=round((price.up_bytes + price.down_bytes) * covers),
        relay_stored_bytes=round(stored * covers * (RETENTION_S // DAY_S)),
    )


def run(
    sizes: Sequence[int] = DEFAULT_SIZES, *, hours: float = HOURS, json: bool = False
) -> list[Day]:
    """Measure each size; print the days of each rate."""
    say: Callable[[str], None] = (lambda line: None) if json else print
    stored = stored_bytes()
    prices, days = [], []
    say(f"one envelope of {ENVELOPE_SIZES[0]} bytes is {stored:.0f} in the relay's file")
    for size in sizes:
        print(f"a conversation of {size} devices, {hours:g} hours …", file=sys.stderr)
        price = asyncio.run(_measure(size, hours))
        prices.append(price)
        say(
            f"{size} devices, of {price.counted}: one message {price.up_bytes:.0f} bytes up, "
            f"{price.down_bytes:.0f} down, {price.core_ms:.1f} ms of all cores together"
        )
        days += [day(price, rate, stored) for rate in RATES]
    say(f"{'devices':>8}{'a day':>7}{'device up':>12}{'down':>11}{'received':>10}"
        f"{'relay puts':>12}{'bytes':>12}{'kept':>12}")  # fmt: skip
    for one in days:
        say(f"{one.devices:>8}{one.per_day:>7}{one.device_up_bytes:>12,}{one.device_down_bytes:>11,}"
            f"{one.device_received:>10,}{one.relay_puts:>12,}{one.relay_bytes:>12,}"
            f"{one.relay_stored_bytes:>12,}")  # fmt: skip
    if json:
        report = {"v": 1, "bench": "cover", "stored_bytes": round(stored)}
        report |= {"prices": [asdict(one) for one in prices], "days": [asdict(one) for one in days]}
        print(json_module.dumps(report))
    return days
