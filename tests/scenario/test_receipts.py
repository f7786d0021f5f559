"""Receipts over real cores and a relay: late, many at a time, and only where they are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from cloister.client.content import MAX_RECEIPT_MISSING, Receipt
from cloister.client.inputs import MarkRead
from cloister.client.receipt_records import ReceiptLevel
from cloister.client.receipts import DELAY_SPREAD_S, LEAST_DELAY_S
from cloister.client.told import Told
from cloister.client.views import conversations_view, status_view
from cloister.errors import UsageError
from cloister.testing.simulated_circle import SimulatedDevice
from cloister.wire.commands import Put
from cloister.wire.events import Item
from scenario.desk import TITLE, Desk

OFF, DELIVERED, READ = (int(level) for level in ReceiptLevel)
LONG_ENOUGH_S = LEAST_DELAY_S + DELAY_SPREAD_S


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_nobody_is_told_anything_unless_a_person_wants_it() -> None:
    async def story() -> None:
        desk = Desk()
        ada, _, _ = await desk.open()
        await desk.say(ada, "one")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "one") is None
        assert desk.counts() == [1, 0, 0]

    play(story())


def test_one_late_receipt_covers_many_texts_and_is_answered_by_none() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        for device in (ada, ben, cyd):
            await desk.give(device, DELIVERED)
        await desk.say(ada, "one", "two", "three")
        await desk.wait(LEAST_DELAY_S - 1)
        assert desk.counts() == [3, 0, 0]
        await desk.say(ada, "four")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.counts() == [4, 1, 1]
        for text in ("one", "four"):
            assert desk.told(ada, text) == Told(delivered=2, read=0, others=2)
        # Nothing answers a receipt, and nobody sees one.
        await desk.wait(5 * LONG_ENOUGH_S)
        assert desk.counts() == [4, 1, 1]
        assert len(ben.messages) == len(cyd.messages) == len(ada.messages) == 4
        assert {len(put.envelope) for puts in desk.puts.values() for put in puts} == {1024}
        assert not desk.alarms()

    play(story())


def test_reading_is_told_by_those_who_want_that() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        await desk.give(ben, READ)
        await desk.give(cyd, DELIVERED)
        await desk.say(ada, "one", "two")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "two") == Told(delivered=2, read=0, others=2)
        first = next(row.n for row in ben.messages.values() if row.text == "one")
        for device in (ben, cyd):
            await desk.do(device, MarkRead(ref=desk.circle.ref(), conversation=TITLE, n=first))
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "one") == Told(delivered=2, read=1, others=2)
        assert desk.told(ada, "two") == Told(delivered=2, read=0, others=2)

    play(story())


def test_receipts_begin_with_what_comes_after_they_were_switched_on() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await desk.say(ada, "before")
        await desk.give(ben, DELIVERED)
        await desk.say(ada, "since")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "before") == Told(delivered=0, read=0, others=2)
        assert desk.told(ada, "since") == Told(delivered=1, read=0, others=2)
        await desk.give(ben, OFF)
        await desk.say(ada, "after")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "after") == Told(delivered=0, read=0, others=2)
        # What was told stays told.
        assert desk.told(ada, "since") == Told(delivered=1, read=0, others=2)

    play(story())


def test_a_receipt_that_is_owed_outlives_a_crash_and_being_cut_off() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await desk.give(ben, DELIVERED)
        await desk.say(ada, "one")
        ben.is_offline = True
        await desk.wait(LONG_ENOUGH_S)
        ben.crash()
        assert desk.told(ada, "one") is None
        ben.is_offline = False
        await desk.rest()
        await desk.wait(1)
        assert desk.told(ada, "one") == Told(delivered=1, read=0, others=2)
        # The mark is in the sender's vault as well.
        ada.crash()
        assert desk.told(ada, "one") == Told(delivered=1, read=0, others=2)

    play(story())


def test_delays_are_drawn_anew_each_time() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        for device in (ben, cyd):
            await desk.give(device, DELIVERED)
        delays = []
        for number in range(8):
            await desk.say(ada, f"text {number}")
            delays += [_due(device) - desk.circle.now for device in (ben, cyd)]
            await desk.wait(LONG_ENOUGH_S)
        assert min(delays) >= LEAST_DELAY_S
        assert max(delays) < LONG_ENOUGH_S
        # 16 draws of 56: that they are all one or two values is less likely than 1 in 10^20.
        assert len(set(delays)) > 2
        assert desk.counts() == [8, 8, 8]

    play(story())


def _due(device: SimulatedDevice) -> int:
    (giving,) = device.core.state.givings.values()
    return giving.due


def test_receipts_are_nothing_a_person_waits_for_and_the_setting_is_shown() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await desk.give(ben, READ)
        ben.hinder = lambda request: () if isinstance(request, Put) else (request,)
        await desk.say(ada, "one")
        await desk.wait(LONG_ENOUGH_S)
        assert len(desk.channel(ben).outbox) == 1
        view = next(one for one in conversations_view(ben.core.state) if one["title"] == TITLE)
        assert (view["receipts"], view["queued"]) == ("read", 0)
        assert status_view(ben.core.state, desk.circle.now)["queued"] == 0
        with pytest.raises(UsageError):
            await desk.give(ben, 7)

    play(story())


def test_what_a_device_could_not_read_is_not_said_to_have_arrived() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await desk.give(ben, DELIVERED)
        ben.tamper = lambda event: [
            msgspec.structs.replace(event, envelope=bytes(1024))
            if isinstance(event, Item)
            else event
        ]
        await desk.say(ada, "spoilt")
        ben.tamper = lambda event: [event]
        await desk.say(ada, "whole")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "spoilt") == Told(delivered=0, read=0, others=2)
        assert desk.told(ada, "whole") == Told(delivered=1, read=0, others=2)

    play(story())


@pytest.mark.parametrize(
    "lie",
    [
        Receipt(from_n=0, until_n=10**9, read_n=0, missing=()),
        Receipt(from_n=2, until_n=1, read_n=0, missing=()),
        Receipt(from_n=0, until_n=0, read_n=1, missing=()),
        Receipt(from_n=0, until_n=1, read_n=0, missing=(3, 2)),
        Receipt(from_n=0, until_n=1, read_n=0, missing=tuple(range(MAX_RECEIPT_MISSING + 1))),
    ],
    ids=["of the future", "backwards", "read unseen", "out of order", "too many"],
)
def test_a_receipt_that_cannot_be_true_is_refused(
    lie: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member's own program may say anything."""

    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await desk.give(ben, DELIVERED)
        await desk.say(ada, "one")
        with monkeypatch.context() as patch:
            patch.setattr("cloister.client.receipts.Receipt", lambda **_: lie)
            await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "one") is None
        assert any("malformed" in text for text in desk.alarms())
        # Nothing else is lost by it.
        await desk.say(ben, "two")
        assert ada.texts("Ben") == ["two"]

    play(story())
