"""Seats at the home: what the books publish, what a lapse stops, and what goes on."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cloister.errors import LocalError
from cloister.limits import SEAT_GRACE_S
from cloister.relay.accounts import Accounts
from cloister.relay.logsafe import Log
from cloister.relay.storage.writes import Refused
from cloister.roster.share import SeatTerm, verify_by_relay
from cloister.wire import commands
from cloister.wire.codes import Refusal
from cloister.wire.events import Done, Failed, Seats
from unit.relay.home_core import COMMONS, NOW, RELAY_ID, RELAY_KEY, HomeCore, key, put

CODE_HASH = (b"c" * 32).hex()
HANDLE = b"\x81" * 16
BOX = b"B" * 16
Scenario = Callable[[HomeCore], Awaitable[None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.json"


def write(path: Path, **changes: Any) -> None:
    account = {"account": "a1", "seats": 2, "term_end": NOW + 100, "code_hashes": [CODE_HASH]}
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"v": 1, "accounts": [{**account, "freed": [], **changes}]}))
    temporary.replace(path)


def run(path: Path, scenario: Scenario) -> None:
    async def main() -> None:
        core = HomeCore(path)
        await core.found()
        await scenario(core)

    asyncio.run(main())


async def member(core: HomeCore) -> Any:
    session = core.connect()
    await core.ask(session, core.proof(session, 0))
    return session


def open_box(core: HomeCore, number: int = 1) -> commands.OpenBox:
    public = key(f"box {number}").public
    return commands.OpenBox(5, COMMONS, bytes([number]) * 16, public, core.now + 3600)


async def take(core: HomeCore, number: int, handle: bytes = HANDLE) -> bytes | Refused:
    future: asyncio.Future[bytes | Refused] = asyncio.get_running_loop().create_future()
    core.seats.take(key(f"box {number}").public, handle, future.set_result)
    return await asyncio.wait_for(future, 60)


def term_of(data: bytes) -> SeatTerm:
    term = SeatTerm.decode(data)
    verify_by_relay(term, RELAY_KEY.public)
    assert term.relay_id == RELAY_ID
    return term


def test_without_books_nothing_is_sold_and_nothing_is_limited(path: Path) -> None:
    async def scenario(core: HomeCore) -> None:
        session = await member(core)
        (answer,) = await core.ask(session, commands.ReadSeats(3, COMMONS))
        assert answer == Seats(3, b"", 0, 0, 0)
        for number in range(5):
            (answer,) = await core.ask(session, open_box(core, number))
            assert not isinstance(answer, Failed)
        assert await take(core, 1) == b""
        core.now = NOW + 10 * 365 * 86_400
        (answer,) = await core.ask(session, put(1))
        assert isinstance(answer, Done)

    run(path, scenario)


def test_a_seat_is_reserved_taken_and_read_back(path: Path) -> None:
    async def scenario(core: HomeCore) -> None:
        session = await member(core)
        await core.ask(session, open_box(core))
        (before,) = await core.ask(session, commands.ReadSeats(3, COMMONS))
        assert (before.seats, before.used, before.term) == (2, 1, b"")
        taken = await take(core, 1)
        assert isinstance(taken, bytes)
        assert term_of(taken).handles == (HANDLE,)
        again = await take(core, 1)
        assert isinstance(again, bytes)
        assert term_of(again).handles == (HANDLE,)
        (after,) = await core.ask(session, commands.ReadSeats(3, COMMONS))
        assert (after.seats, after.used, after.term_end) == (2, 1, NOW + 100)
        assert term_of(after.term).term_end == NOW + 100

    write(path)
    run(path, scenario)


def test_a_renewal_shows_in_the_term_without_a_restart(path: Path) -> None:
    async def scenario(core: HomeCore) -> None:
        session = await member(core)
        await core.ask(session, open_box(core))
        await take(core, 1)
        write(path, term_end=NOW + 9000)
        (answer,) = await core.ask(session, commands.ReadSeats(3, COMMONS))
        assert term_of(answer.term).term_end == NOW + 9000

    write(path)
    run(path, scenario)


def test_a_full_account_opens_no_box_and_seats_nobody(path: Path) -> None:
    async def scenario(core: HomeCore) -> None:
        session = await member(core)
        await core.ask(session, open_box(core, 1))
        (refused,) = await core.ask(session, open_box(core, 2))
        assert (refused.code, refused.detail) == (Refusal.NO_SEAT, 1)
        await take(core, 1)
        write(path, seats=1, freed=[HANDLE.hex()])
        (answer,) = await core.ask(session, open_box(core, 2))
        assert not isinstance(answer, Failed)
        (answer,) = await core.ask(session, commands.ReadSeats(3, COMMONS))
        assert (answer.used, answer.term) == (1, b"")
        core.now = NOW + 7200
        write(path, seats=0, freed=[HANDLE.hex()])
        late = await take(core, 2, b"\x82" * 16)
        assert isinstance(late, Refused)
        assert late.code is Refusal.NO_SEAT

    write(path, seats=1)
    run(path, scenario)


def test_seats_are_read_under_the_current_commons_alone(path: Path) -> None:
    async def scenario(core: HomeCore) -> None:
        stranger = core.connect()
        (answer,) = await core.ask(stranger, commands.ReadSeats(3, COMMONS))
        assert answer.code == Refusal.NOT_PROVEN
        session = await member(core)
        (answer,) = await core.ask(session, commands.ReadSeats(3, BOX))
        assert answer.code == Refusal.NOT_PROVEN

    write(path)
    run(path, scenario)


def test_grace_stops_nothing_and_a_lapse_stops_puts_alone(path: Path) -> None:
    async def scenario(core: HomeCore) -> None:
        session = await member(core)
        core.now = NOW + 100 + SEAT_GRACE_S
        (answer,) = await core.ask(session, put(1))
        assert answer == Done(8, 0)
        core.now += 1
        (answer,) = await core.ask(session, put(2))
        assert isinstance(answer, Failed)
        assert answer.code == Refusal.LAPSED
        # What was stored before is answered as before, so that no retry is told a falsehood (D4).
        (answer,) = await core.ask(session, put(1))
        assert answer == Done(8, 0)
        (answer,) = await core.ask(session, put(1, size=4096))
        assert answer.code == Refusal.ID_CONFLICT
        # Reads and commits go on.
        (answer,) = await core.ask(session, commands.ReadSeats(3, COMMONS))
        assert answer.term_end == NOW + 100
        answers = await core.ask(session, commands.Follow(4, 1, COMMONS, 0))
        assert isinstance(answers[0], Done)
        assert len(answers) == 2
        answers = await core.ask(session, core.commit(session, 0, 77))
        assert any(isinstance(one, Done) for one in answers)
        assert core.store.envelopes(COMMONS, 0, 9, 9, 10**9)[-1].envelope_id[-1] == 77

    write(path)
    run(path, scenario)


def test_a_renewal_ends_the_lapse(path: Path) -> None:
    async def scenario(core: HomeCore) -> None:
        session = await member(core)
        core.now = NOW + 101 + SEAT_GRACE_S
        (answer,) = await core.ask(session, put(1))
        assert answer.code == Refusal.LAPSED
        write(path, term_end=core.now)
        core.accounts.refresh()
        (answer,) = await core.ask(session, put(1))
        assert isinstance(answer, Done)

    write(path)
    run(path, scenario)


def test_a_broken_file_leaves_the_last_good_one_in_force(path: Path) -> None:
    write(path)
    stream = io.StringIO()
    accounts = Accounts(path, Log(lambda: 1, stream))
    for number, text in enumerate(
        ("{", '{"v": 2, "accounts": []}', '{"v": 1, "accounts": [{"account": "x"}]}', "[]")
    ):
        path.write_text(text)
        os.utime(path, ns=(1, number))
        accounts.refresh()
        assert accounts.get("a1") is not None
        assert "accounts-not-read" in stream.getvalue()
    with pytest.raises(LocalError, match="no file of accounts"):
        Accounts(path, Log(lambda: 1, stream))
    path.unlink()
    accounts.refresh()
    assert accounts.get("a1") is None
