"""Unlock shares at real relays: the home's listener, the entry's face behind its own proxy."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time

import pytest
from python_socks import ProxyError

from cloister.crypto.secret import Secret
from cloister.limits import MAX_UNPROVEN_REQUESTS
from cloister.relay.shares.rows import TRIES
from cloister.roster.readable import ReadableType
from cloister.roster.share import bind_of
from cloister.wire import commands, events
from cloister.wire.codes import Refusal
from integration.relay_world import ENTROPY, PATIENCE_S, Circle, Device, Pair
from integration.share_world import (
    Share,
    Steward,
    answers,
    become,
    enrol_at_both,
    fresh_key,
    to_entry,
)


def test_device_enrols_and_unlocks_at_both_relays(pair: Pair) -> None:
    async def run() -> None:
        home, entry = await enrol_at_both(pair)
        outputs = []
        for share, connect in ((home, Device.connect), (entry, to_entry)):
            device = await connect(pair)
            first, left = await share.evaluate(device, b"271828")
            assert left == TRIES - 1
            assert await share.confirm_open(device) == TRIES
            assert await share.evaluate(device, b"271828") == (first, TRIES - 1)
            outputs.append(first)
            await device.close()
        assert outputs[0] != outputs[1]

    asyncio.run(run())


def test_box_of_an_invitation_opens_without_tickets_where_the_circle_has_no_shares(
    pair: Pair,
) -> None:
    async def run() -> None:
        device = await Device.connect(pair)
        circle = await Circle.found(device, pair.home.new_code())
        await circle.prove(device)
        opened = await device.ask(
            commands.OpenBox,
            circle.commons_id,
            ENTROPY.random(16),
            fresh_key().public,
            int(time.time()) + 3600,
        )
        assert isinstance(opened, events.Opened)
        assert opened.tickets == ()
        await device.close()

    asyncio.run(run())


def test_unlock_face_takes_share_requests_only(pair: Pair) -> None:
    async def run() -> None:
        device = await to_entry(pair)
        ping = await device.ask(commands.Ping)
        assert abs(ping.n - time.time()) < 60
        assert await device.refusal(commands.ReadHead, "origin") == Refusal.NOT_PROVEN
        assert await device.refusal(commands.Begin, b"c", bytes(32), bytes(64)) == (
            Refusal.NOT_PROVEN
        )
        await device.close()

    asyncio.run(run())


def test_proxy_leads_to_its_own_unlock_face_and_to_no_other_port_of_its_machine(
    pair: Pair,
) -> None:
    async def run() -> None:
        card = pair.entry.card
        health = pair.entry.place.settings({}).listen.health_port
        for port in (card.port, card.mirror_port, health, pair.home.card.port + 1):
            with pytest.raises(ProxyError, match="403"):
                await Device.connect(pair, target=f"127.0.0.1:{port}")

    asyncio.run(run())


def test_tries_and_locks_outlive_a_kill(own_pair: Pair) -> None:
    async def before() -> tuple[Share, Share, list[Secret]]:
        shares = await enrol_at_both(own_pair)
        outputs = []
        for share, connect in zip(shares, (Device.connect, to_entry), strict=True):
            device = await connect(own_pair)
            outputs.append((await share.evaluate(device, b"271828"))[0])
            await share.evaluate(device, b"000000")
            await device.close()
        return (*shares, outputs)

    async def after(shares: tuple[Share, Share], outputs: list[Secret]) -> None:
        for share, connect, output in zip(shares, (Device.connect, to_entry), outputs, strict=True):
            device = await connect(own_pair)
            # The kill gave no try back: this is the third of ten.
            assert await share.evaluate(device, b"271828") == (output, TRIES - 3)
            await device.close()

    home, entry, outputs = asyncio.run(before())
    own_pair.home.stop(signal.SIGKILL)
    own_pair.entry.stop(signal.SIGKILL)
    own_pair.entry.start()
    own_pair.home.start()
    asyncio.run(after((home, entry), outputs))


def test_flood_of_share_requests_ends_itself_and_does_not_stall_the_rest(pair: Pair) -> None:
    async def run() -> None:
        flood, other = await Device.connect(pair), await Device.connect(pair)
        for rid in range(1, 2_000):
            flood.send(commands.ReadErasure(rid, bytes(16), bytes(32)))
        started = time.monotonic()
        await other.ask(commands.Ping)
        assert time.monotonic() - started < 2
        await asyncio.wait_for(flood.gone.wait(), 60)
        codes = [flood.pushed.get_nowait() for _ in range(flood.pushed.qsize())]
        slow = [one for one in codes if isinstance(one, events.Failed)]
        assert {one.code for one in slow} <= {Refusal.SLOW_DOWN}
        assert len(codes) <= MAX_UNPROVEN_REQUESTS
        await other.close()

    asyncio.run(run())


def test_neither_log_nor_counts_say_who_enrolled(pair: Pair) -> None:
    home, entry = asyncio.run(enrol_at_both(pair))
    for share in (home, entry):
        log = share.relay.log()
        for value in (share.handle, share.bind, share.unlock.public):
            assert value.hex().encode() not in log
        assert b"127.0.0.1" not in log
        # The first answer asks the worker; the next has it.
        share.relay.status()
        time.sleep(0.2)
        assert share.relay.status()["shares"] >= 1
        assert share.relay.status()["shares_erased"] == 0


def test_scalars_are_in_no_file_of_the_relay_in_the_clear(pair: Pair) -> None:
    home, _ = asyncio.run(enrol_at_both(pair))
    folder = pair.home.folder
    database = sqlite3.connect(f"file:{folder / 'data/shares.sqlite3'}?mode=ro", uri=True)
    (wrapped,) = database.execute(
        "SELECT wrapped FROM scalar WHERE handle = ?", (home.handle,)
    ).fetchone()
    database.close()
    assert len(wrapped) == 12 + 32 + 16
    assert (folder / "keys/shares.key").stat().st_mode & 0o077 == 0
    assert not list((folder / "keys").glob("shares.key.*"))


# --- orders ---------------------------------------------------------------------------------------


def test_orders_reach_both_relays_directly_and_by_the_log(pair: Pair) -> None:
    async def run() -> None:
        device = await Device.connect(pair)
        circle = await Circle.found(device, pair.home.new_code())
        opening = ENTROPY.random(32)
        shares = await enrol_at_both(pair, bind_of(circle.origin, opening))
        steward = Steward(circle, opening, shares)
        # The mirror gets the log in its own time.
        until = time.monotonic() + PATIENCE_S
        for connect in (Device.connect, to_entry):
            other = await connect(pair)
            lock = steward.lock().encode()
            while isinstance(answer := await other.ask_any(commands.Order, lock), events.Failed):
                assert time.monotonic() < until, answer
                await asyncio.sleep(0.1)
            assert answer.n == 1
            await other.close()
        assert await answers(pair, shares) == [Refusal.LOCKED, Refusal.LOCKED]
        await steward.append(device, ReadableType.ORDER_LOCK, steward.lock().encode())
        await steward.append(device, ReadableType.ORDER_UNLOCK, steward.unlock().encode())
        await become(pair, shares, [TRIES - 1, TRIES - 1])
        # This time nobody tells the relays but the log.
        await steward.append(device, ReadableType.ORDER_LOCK, steward.lock().encode())
        await become(pair, shares, [Refusal.LOCKED, Refusal.LOCKED])
        await device.close()

    asyncio.run(run())
