"""Draining a relay under load: what was acknowledged is there, and devices come back in turn."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from typing import Any

import pytest

from cloister.crypto.entropy import SystemEntropy
from cloister.relay.delivery import Flusher
from cloister.relay.metrics import Metrics
from cloister.relay.session import (
    DRAIN_RETRY_S,
    RETURNS_A_SECOND,
    Session,
    State,
    make_outbox,
    spread_of_returns,
)
from cloister.wire import commands, events
from cloister.wire.codes import Refusal
from cloister.wire.frame import decode_events
from integration.relay_world import CHANNEL, SOURCE, Circle, Device, Pair

pytestmark = pytest.mark.process
IN_FLIGHT = 30


def drain(pair: Pair) -> tuple[int, Any]:
    """Run the command; its status and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "cloister", "relay", "drain", str(pair.home.folder), "--json"],
        env={"PYTHONPATH": str(SOURCE), "PATH": ""},
        capture_output=True,
        timeout=90,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr.decode()


def test_nothing_acknowledged_is_lost_and_devices_come_back(own_pair: Pair) -> None:
    acknowledged: dict[bytes, int] = {}
    refused: list[events.Failed] = []

    async def work() -> Circle:
        device = await Device.connect(own_pair)
        circle = await Circle.found(device, own_pair.home.code)
        await circle.prove(device)
        idle = [await Device.connect(own_pair) for _ in range(5)]
        numbers = itertools.count()
        enough = asyncio.Event()

        async def put() -> None:
            while True:
                one = next(numbers).to_bytes(16, "big")
                answer = await device.ask_any(commands.Put, circle.commons_id, 0, one, one * 64)
                if isinstance(answer, events.Failed):
                    refused.append(answer)
                    return
                acknowledged[one] = answer.n
                if len(acknowledged) >= 200:
                    enough.set()

        tasks = [asyncio.create_task(put()) for _ in range(IN_FLIGHT)]
        await enough.wait()
        status, printed = await asyncio.to_thread(drain, own_pair)
        assert (status, printed["drained"]) == (0, str(own_pair.home.folder))
        process = own_pair.home.process
        assert process is not None
        assert process.wait(10) == 0
        own_pair.home.process = None
        # Each device was told, also those that had asked for nothing, and its socket was closed.
        for one in (device, *idle):
            await asyncio.wait_for(one.gone.wait(), 60)
            told = [event async for event in pushed(one) if isinstance(event, events.Failed)]
            assert [event.code for event in told] == [Refusal.DRAINING]
            assert told[0].detail >= DRAIN_RETRY_S
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return circle

    async def check(circle: Circle) -> None:
        device = await Device.connect(own_pair)
        proved = await circle.prove(device)
        await device.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        stored: dict[bytes, int] = {}
        for n in range(proved.next_n):
            item = await device.next_of(events.Item)
            stored[item.envelope_id] = item.n
            if n % 64 == 0:
                device.send(commands.Seen(0, CHANNEL, circle.commons_id, n))
        # Every answer of the drained relay reached its device: nothing is there unacknowledged.
        assert stored == acknowledged
        await device.close()

    circle = asyncio.run(work())
    assert {one.code for one in refused} <= {Refusal.DRAINING}
    status, said = drain(own_pair)
    assert status == 3
    assert "no relay runs" in said
    own_pair.home.start()
    asyncio.run(check(circle))


async def pushed(device: Device) -> Any:
    while not device.pushed.empty():
        yield device.pushed.get_nowait()


def test_the_more_devices_there_are_the_longer_their_return_is_spread() -> None:
    async def main() -> None:
        entropy, flusher = SystemEntropy(), Flusher(Metrics())
        spread = spread_of_returns(20_000)
        assert spread == 20_000 // RETURNS_A_SECOND > spread_of_returns(100) == 0
        told: list[int] = []
        session = Session(entropy.random(32), make_outbox(flusher, 0.0), 0.0)
        session.outbox.transmit = lambda frame: told.extend(
            event.detail for event in decode_events(frame) if isinstance(event, events.Failed)
        )
        session.drain(DRAIN_RETRY_S + spread)
        assert session.state is State.DRAINING
        flusher.flush()
        assert told == [DRAIN_RETRY_S + spread]

    asyncio.run(main())
