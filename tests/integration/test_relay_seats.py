"""Seats on real processes: sold by the books, taken at the home, over when the clock says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.books.money import Money
from cloister.books.store import open_books
from cloister.clock import VARIABLE
from cloister.relay.disclosure.inventory import take_inventory, undeclared_in
from cloister.wire import commands, events
from cloister.wire.codes import Refusal
from integration.relay_world import ENTROPY, PATIENCE_S, Circle, Device, Pair, envelope_id

pytestmark = pytest.mark.process

PAID_S = 180 * 86_400
TERM_AND_GRACE_S = (184 + 15) * 86_400


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clock file that both relays read."""
    path = tmp_path / "clock"
    path.write_text("0")
    monkeypatch.setenv(VARIABLE, str(path))
    return path


@pytest.fixture
def pair(tmp_path: Path, clock: Path) -> Iterator[Pair]:
    pair = Pair.start(tmp_path)
    yield pair
    pair.stop()


def sell(pair: Pair, seats: int) -> str:
    """Open an account while the relay runs; its activation code."""
    with open_books(pair.home.folder, lambda: int(time.time())) as books:
        books.add_plan("team", Money(1, "EUR"))
        _, code = books.add_account(
            "North", plan="team", seats=seats, first=None, zone="UTC", entropy=ENTROPY
        )
    return code


def skip(clock: Path, seconds: int = TERM_AND_GRACE_S) -> None:
    """Let time pass: the term and the time of grace, unless said otherwise."""
    clock.write_text(str(seconds))


async def open_box(device: Device, circle: Circle) -> int:
    """Open a box; 0, or why not."""
    key = circle.inbox.public
    expires = int(time.time()) + 3600
    values = (circle.commons_id, envelope_id(), key, expires)
    answer = await device.ask_any(commands.OpenBox, *values)
    return int(getattr(answer, "code", 0))


def test_an_account_sells_so_many_seats_and_no_more(pair: Pair) -> None:
    async def main() -> None:
        code = sell(pair, 1)
        device = await Device.connect(pair)
        circle = await Circle.found(device, code)
        begun = await device.ask(commands.Begin, *circle.signed(b""))
        assert begun.sells_seats
        assert begun.origin == circle.origin
        await circle.prove(device)
        seats = await device.ask(commands.ReadSeats, circle.commons_id)
        assert (seats.seats, seats.used, seats.term) == (1, 1, b"")
        assert await open_box(device, circle) == Refusal.NO_SEAT
        with open_books(pair.home.folder, lambda: int(time.time())) as books:
            books.add_seats("North", 1)
        assert await open_box(device, circle) == 0
        seats = await device.ask(commands.ReadSeats, circle.commons_id)
        assert (seats.seats, seats.used) == (2, 2)
        assert seats.term_end > time.time() + 180 * 86_400

    asyncio.run(main())


def test_a_code_outside_the_books_sells_nothing(pair: Pair) -> None:
    async def main() -> None:
        sell(pair, 1)
        device = await Device.connect(pair)
        circle = await Circle.found(device, pair.home.new_code())
        begun = await device.ask(commands.Begin, *circle.signed(b""))
        assert not begun.sells_seats
        await circle.prove(device)
        assert (await device.ask(commands.ReadSeats, circle.commons_id)).seats == 0
        assert await open_box(device, circle) == 0

    asyncio.run(main())


def test_a_lapse_stops_puts_until_the_renewal(pair: Pair, clock: Path) -> None:
    async def main() -> None:
        code = sell(pair, 3)
        device = await Device.connect(pair)
        circle = await Circle.found(device, code)
        await circle.prove(device)
        # Near the end of the term: what is stored then outlives it.
        skip(clock, PAID_S)
        first = envelope_id()
        put = (circle.commons_id, 0, first, b"e" * 1024)
        assert (await device.ask(commands.Put, *put)).n == 0
        skip(clock)
        late = (circle.commons_id, 0, envelope_id(), b"e" * 1024)
        assert await device.refusal(commands.Put, *late) == Refusal.LAPSED
        # What is stored is answered; the log and commits go on.
        assert (await device.ask(commands.Put, *put)).n == 0
        entry = circle.tick(int(time.time()) + TERM_AND_GRACE_S)
        assert (await device.ask(commands.Append, circle.origin, 1, entry)).n == 1
        commit = circle.commit(device, 0, envelope_id())
        assert (await device.ask(commands.Commit, **commit)).n == 1
        with open_books(pair.home.folder, lambda: int(time.time()) + TERM_AND_GRACE_S) as books:
            books.renew("North")
        await circle.prove(device, 1)
        again = (circle.commons_id, 1, *late[2:])
        async with asyncio.timeout(PATIENCE_S):
            while isinstance(answer := await device.ask_any(commands.Put, *again), events.Failed):
                assert answer.code == Refusal.LAPSED
                await asyncio.sleep(0.1)
        assert answer.n == 2

    asyncio.run(main())
    assert b'"clock-file-in-force"' in pair.home.log()


def test_a_relay_that_runs_keeps_nothing_undeclared(pair: Pair) -> None:
    async def main() -> None:
        code = sell(pair, 3)
        device = await Device.connect(pair)
        circle = await Circle.found(device, code)
        await circle.prove(device)
        await device.ask(commands.Put, circle.commons_id, 0, envelope_id(), b"e" * 1024)

    asyncio.run(main())
    for relay in (pair.home, pair.entry):
        assert undeclared_in(take_inventory(relay.folder)) == []
