"""Cover traffic over real cores and a relay: at random times, seen by nobody, and bounded."""

from __future__ import annotations

import asyncio
import functools
import statistics
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.covering import DAY_S, interval_s
from cloister.client.inputs import SendText, SetCover, Tick
from cloister.client.powers import Approve, SetPolicy
from cloister.client.receipt_records import ReceiptLevel
from cloister.client.told import Told
from cloister.client.turn import Turn
from cloister.crypto.entropy import SystemEntropy
from cloister.errors import UsageError
from cloister.roster.policy import MAX_COVER_PER_DAY
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.commands import Put
from cloister.wire.frame import encode_frame
from counts import seeds
from scenario.desk import TITLE, Desk
from scenario.governed import two_stewards, view


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def cover(desk: Desk, device: SimulatedDevice, per_day: int) -> str:
    return await desk.do(device, SetCover(ref=desk.circle.ref(), per_day=per_day))


def test_cover_goes_out_by_itself_and_nobody_sees_it() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        await desk.give(ben, int(ReceiptLevel.READ))
        await desk.say(ada, "a text")
        await desk.wait(100)
        shown = [len(device.messages) for device in (ada, ben, cyd)]
        epoch = desk.channel(ben).group.epoch
        await cover(desk, ada, MAX_COVER_PER_DAY)
        await desk.wait(2 * 3600)
        # 20 in the mean; 2 or 55 of an exponential clock are less likely than 1 in 10^6.
        covers = desk.puts["Ada"][1:]
        assert 2 < len(covers) < 55
        # No row, no receipt, no commit; the ratchets of all have moved on, and texts go on.
        assert [len(device.messages) for device in (ada, ben, cyd)] == shown
        assert len(desk.puts["Ben"]) == 1
        assert desk.channel(ben).group.epoch == epoch
        assert desk.channel(ben).next_n == desk.channel(ada).next_n
        await desk.say(ada, "another")
        assert ben.texts("Ada") == cyd.texts("Ada") == ["a text", "another"]
        assert not desk.alarms()

    play(story())


def test_to_the_relay_cover_is_a_text() -> None:
    """The same request, of the same length on the wire; what differs are random bytes."""

    async def story() -> None:
        desk = Desk()
        ada, _, _ = await desk.open()
        for text in ("x", "x" * 300):
            await desk.say(ada, text)
        await cover(desk, ada, MAX_COVER_PER_DAY)
        await desk.wait(3600)
        puts = desk.puts["Ada"]
        assert len(puts) > 2
        channel_id = desk.channel(ada).channel_id
        assert {(put.channel_id, len(put.envelope)) for put in puts} == {(channel_id, 1024)}
        # Two numbers of a request are as long as they are large.
        assert len({len(_with_equal_numbers(put)) for put in puts}) == 1

    play(story())


def _with_equal_numbers(put: Put) -> bytes:
    return encode_frame([Put(0, put.channel_id, 0, put.envelope_id, put.envelope)])


def test_nothing_is_caught_up_after_being_cut_off() -> None:
    async def story() -> None:
        desk = Desk()
        ada, _, _ = await desk.open()
        await cover(desk, ada, MAX_COVER_PER_DAY)
        ada.is_offline = True
        await desk.wait(3600)
        ada.is_offline = False
        await desk.rest()
        await desk.wait(1)
        assert desk.counts() == [0, 0, 0]

    play(story())


def test_no_cover_waits_behind_what_cannot_go_out() -> None:
    async def story() -> None:
        desk = Desk()
        ada, _, _ = await desk.open()
        await cover(desk, ada, MAX_COVER_PER_DAY)
        ada.hinder = lambda request: () if isinstance(request, Put) else (request,)
        await desk.wait(2 * 3600)
        assert len(desk.channel(ada).outbox) == 1

    play(story())


def test_the_rate_is_kept_and_has_an_end() -> None:
    async def story() -> None:
        desk = Desk()
        ada, _, _ = await desk.open()
        assert await cover(desk, ada, 12) == "12"
        ada.crash()
        assert ada.core.state.cover is not None
        assert ada.core.state.cover.per_day == 12
        with pytest.raises(UsageError, match=str(MAX_COVER_PER_DAY)):
            await cover(desk, ada, MAX_COVER_PER_DAY + 1)
        await cover(desk, ada, 0)
        assert ada.core.state.cover_at == 0
        await desk.wait(3600)
        assert desk.counts() == [0, 0, 0]

    play(story())


def test_two_stewards_can_have_every_device_send_cover() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await circle.act(cyd, SetCover(ref=circle.ref(), per_day=12))
        change = SetPolicy(ref=circle.ref(), changes=(("cover_per_day", MAX_COVER_PER_DAY),))
        entry = await circle.act(ada, change)
        (waiting,) = view(ben, "pending")
        assert f"cover_per_day 0 becomes {MAX_COVER_PER_DAY}" in str(waiting["text"])
        assert [one.core.state.cover_per_day for one in (ada, cyd)] == [0, 12]
        await circle.act(ben, Approve(ref=circle.ref(), reference=entry[:8]))
        assert {one.core.state.cover_per_day for one in (ada, ben, cyd)} == {MAX_COVER_PER_DAY}
        puts = [0, 0, 0]
        for place, device in enumerate((ada, ben, cyd)):
            device.hinder = functools.partial(_count, puts, place)
        for _ in range(60):
            circle.now += 120
            for device in (ada, ben, cyd):
                device.feed(Tick())
            await circle.settle()
        # Twenty of each in the mean, less what an update of the group keeps back.
        assert min(puts) > 2
        # Who asks for none sends what the circle asks for; who asks for more than it, the own rate.
        await circle.act(cyd, SetCover(ref=circle.ref(), per_day=0))
        assert cyd.core.state.cover_per_day == MAX_COVER_PER_DAY
        fewer = SetPolicy(ref=circle.ref(), changes=(("cover_per_day", 12),))
        entry = await circle.act(ben, fewer)
        await circle.act(ada, Approve(ref=circle.ref(), reference=entry[:8]))
        await circle.act(ben, SetCover(ref=circle.ref(), per_day=48))
        assert [one.core.state.cover_per_day for one in (ada, ben, cyd)] == [12, 48, 12]

    play(story())


def _count(puts: list[int], place: int, request: Any) -> tuple[Any, ...]:
    puts[place] += isinstance(request, Put)
    return (request,)


def test_a_rule_for_cover_is_one_of_four() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, _ = await two_stewards(circle)
        more = SetPolicy(ref=circle.ref(), changes=(("cover_per_day", 13),))
        with pytest.raises(UsageError, match="cover_per_day"):
            await circle.act(ada, more)

    play(story())


def test_intervals_are_exponential() -> None:
    async def story() -> None:
        desk = Desk()
        ada, _, _ = await desk.open()
        turn = Turn(ada.core.state, desk.circle.now, SystemEntropy())
        drawn = [interval_s(turn, 100) for _ in range(4000)]
        mean = DAY_S / 100
        # Both within six standard errors of what an exponential has.
        assert abs(statistics.fmean(drawn) - mean) < 6 * mean / 4000**0.5
        share = sum(one > mean for one in drawn) / 4000
        assert abs(share - 0.3679) < 6 * (0.3679 * 0.6321 / 4000) ** 0.5
        assert min(drawn) >= 1

    play(story())


@pytest.mark.parametrize("seed", seeds(3, 40))
def test_receipts_and_cover_among_crashes_and_cuts_lose_and_double_nothing(seed: int) -> None:
    """All devices give receipts and send cover, while each of them crashes and is cut off."""

    async def story() -> None:
        desk = Desk(seed)
        devices = await desk.open()
        circle = desk.circle
        for device in devices:
            await desk.give(device, int(ReceiptLevel.DELIVERED))
            await cover(desk, device, MAX_COVER_PER_DAY)
        for number in range(15):
            author = circle.rng.choice(devices)
            act = SendText(ref=circle.ref(), conversation=TITLE, text=f"text {number}")
            author.feed(act)
            for device in devices:
                device.crash_rate = 0.1
            await circle.shake(40)
            for device in devices:
                device.crash_rate = 0
            circle.now += circle.rng.randrange(300)
            for device in devices:
                device.feed(Tick())
        await desk.rest()
        for device in devices:
            await cover(desk, device, 0)
        await desk.wait(300)
        for author in devices:
            said = author.texts(author.name)
            for device in devices:
                assert device.texts(author.name) == said
            for text in said:
                assert desk.told(author, text) == Told(delivered=2, read=0, others=2)
        assert sum(len(author.texts(author.name)) for author in devices) == 15
        ids = {put.envelope_id for puts in desk.puts.values() for put in puts}
        assert len(ids) >= 15 + 3  # a receipt of each at the least, cover or not
        assert len({desk.channel(device).next_n for device in devices}) == 1
        assert not desk.alarms()

    play(story())
