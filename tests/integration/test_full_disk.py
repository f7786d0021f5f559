"""A home whose disk is in its reserve: texts are refused, everything that governs goes on."""

from __future__ import annotations

import asyncio

import pytest

from cloister.limits import QUOTA_RETRY_S
from cloister.relay.shares.rows import TRIES
from cloister.roster.readable import ReadableType
from cloister.wire import commands, events
from cloister.wire.codes import Refusal
from integration.relay_world import CHANNEL, Device, Pair, envelope_id
from integration.share_world import GovernedCircle, answers, become

pytestmark = pytest.mark.process
ALL_OF_IT = str(2**40)
"""MiB: more than any disk has."""


def test_texts_stop_at_the_reserve_and_commits_orders_and_reads_go_on(own_pair: Pair) -> None:
    first, second = envelope_id(), envelope_id()

    async def before() -> GovernedCircle:
        world = await GovernedCircle.found(own_pair)
        await world.circle.prove(world.device)
        await world.device.ask(commands.Put, world.circle.commons_id, 0, first, first * 64)
        assert await answers(own_pair, world.shares) == [TRIES - 1, TRIES - 1]
        await world.device.close()
        return world

    async def while_short(world: GovernedCircle) -> None:
        circle, steward = world.circle, world.steward
        device = await Device.connect(own_pair)
        await circle.prove(device)
        assert own_pair.home.status()["is_short"] == 1
        answer = await device.ask_any(commands.Put, circle.commons_id, 0, second, second * 64)
        assert isinstance(answer, events.Failed)
        assert (answer.code, answer.detail) == (Refusal.STORAGE, QUOTA_RETRY_S)
        # What is stored is known all the same, and can be read.
        again = await device.ask(commands.Put, circle.commons_id, 0, first, first * 64)
        assert again.n == 0
        await device.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        assert (await device.next_of(events.Item)).envelope_id == first
        await steward.append(device, ReadableType.ORDER_LOCK, steward.lock().encode())
        await become(own_pair, world.shares, [Refusal.LOCKED, Refusal.LOCKED])
        done = await device.ask(commands.Commit, **circle.commit(device, 0, envelope_id()))
        assert done.n == 1
        await device.close()

    async def after(world: GovernedCircle) -> None:
        device = await Device.connect(own_pair)
        await world.circle.prove(device, 1)
        assert own_pair.home.status()["is_short"] == 0
        done = await device.ask(commands.Put, world.circle.commons_id, 1, second, second * 64)
        assert done.n == 2
        await device.close()

    world = asyncio.run(before())
    own_pair.home.stop()
    own_pair.home.start(CLOISTER__STORAGE__RESERVE_MIB=ALL_OF_IT)
    asyncio.run(while_short(world))
    own_pair.home.stop()
    own_pair.home.start(CLOISTER__STORAGE__RESERVE_MIB="1")
    asyncio.run(after(world))
