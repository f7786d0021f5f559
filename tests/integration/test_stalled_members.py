"""Members who stop reading: cut in time, holding little, and losing nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloister.bench import hostile_readers
from cloister.bench.hostile_attack import Attack, AttackConfig
from cloister.bench.hostile_follows import Follows
from cloister.bench.hostile_readers import Readers
from cloister.bench.process_cost import rss_kib
from cloister.limits import KIB
from cloister.wire import commands
from integration.relay_world import Device, Pair
from integration.test_relay_abuse import pid_of

pytestmark = pytest.mark.process


def config_of(pair: Pair, kind: str, members: int) -> AttackConfig:
    return AttackConfig(
        kind=kind,
        home=str(pair.home.place.card_path),
        entry=str(pair.entry.place.card_path),
        seconds=0,
        code=pair.home.new_code(),
        members=members,
        pids=(pid_of(pair.home), pid_of(pair.entry)),
        home_health=pair.home.place.settings({}).listen.health_port,
        others=1,
    )


async def ping(pair: Pair) -> None:
    """Somebody else is served."""
    device = await Device.connect(pair)
    await device.ask(commands.Ping)
    await device.close()


def test_members_who_stop_reading_are_cut_in_time_and_lose_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound of 30 s is the promise; what comes afterwards is each message, once, in order."""
    # Of so few the channels are most of what the processes grow by.
    monkeypatch.setattr(hostile_readers, "OWN_KIB", 128 * KIB)

    async def main() -> dict[str, Any]:
        attack = Attack(config_of(pair, "stalled", 6))
        attack.part = stalled = Readers(attack, stalls=True)
        await stalled.begin()
        await ping(pair)
        await stalled.all_cut()
        await ping(pair)
        return await stalled.end()

    told = asyncio.run(main())
    assert told["faults"] == []
    assert told["cut"] == told["members"] == 6
    assert 0 < told["home_cut_after_s"] <= 31
    assert told["waiting_entry_kib"] > 100
    # Ten channels, each followed by all, and each of them filled once.
    assert told["messages"] >= 10 * hostile_readers.FIRST_EACH
    assert told["read"] == 6 * told["messages"]


def test_a_member_who_asks_to_follow_without_end_takes_nobody_elses_turn(pair: Pair) -> None:
    """Far fewer answers are made than asked for, and an honest device is served meanwhile."""

    async def main() -> None:
        attack = Attack(config_of(pair, "follows", 0))
        attack.part = follows = Follows(attack, rooms=4, flooders=2)
        before = rss_kib(pid_of(pair.home))
        await follows.begin()
        honest = await Device.connect(pair)
        for _ in range(10):
            await honest.ask(commands.Ping)
        # Whoever does not read gets what fits into a share and the sockets, and no more.
        assert rss_kib(pid_of(pair.home)) - before < 64 * KIB
        told = await follows.end()
        assert told["faults"] == []
        assert attack.counts["follow all: Done"] > 0
        assert attack.counts["follow nothing: Done"] > 0
        assert attack.counts["follow, read nothing: Done"] < 3 * 256
        await honest.close()

    asyncio.run(main())
