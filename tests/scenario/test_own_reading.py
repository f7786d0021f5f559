"""What is read on one device of a member is read on the other: real cores over a relay."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cloister.client import own_reading
from cloister.client.content import COVER_BYTES, Content
from cloister.client.identity import did_of, identity_of
from cloister.client.inputs import MarkRead, OpenConversation, SetCover
from cloister.client.own_reading import MAX_POSITIONS, Position
from cloister.client.receipt_records import Reading, ReceiptLevel
from cloister.client.receipts import DELAY_SPREAD_S, LEAST_DELAY_S
from cloister.client.state import with_item
from cloister.client.told import Told
from cloister.client.turn import Turn
from cloister.crypto.aead import aes256gcm_open
from cloister.crypto.entropy import SystemEntropy
from cloister.roster.policy import MAX_COVER_PER_DAY
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.built_once import built_once
from scenario.desk import TITLE, Desk

LONG_ENOUGH_S = LEAST_DELAY_S + DELAY_SPREAD_S


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@built_once
async def _with_two(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    laptop = await circle.add_device("laptop", ada, [ben])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title=TITLE, members=("Ben",)))
    # The first update of a newcomer comes within ten minutes.
    for _ in range(10):
        circle.now += 120
        await circle.settle()
    return ada, laptop, ben


class TwoDevices(Desk):
    """Ada, her laptop, and Ben."""

    async def open(self) -> tuple[SimulatedDevice, ...]:
        devices = await _with_two(self.circle)
        for device in devices:
            self._watch(device)
        return devices

    async def read(self, device: SimulatedDevice, text: str) -> int:
        """Note that a text was read; return the index behind it."""
        n = next(row.n for row in device.messages.values() if row.text == text)
        await self.do(device, MarkRead(ref=self.circle.ref(), conversation=TITLE, n=n))
        return n + 1

    async def cover(self, device: SimulatedDevice, per_day: int = MAX_COVER_PER_DAY) -> None:
        await self.do(device, SetCover(ref=self.circle.ref(), per_day=per_day))

    def read_to(self, device: SimulatedDevice) -> int:
        """Where another device has moved the read marker of this one."""
        return device.read_below.get(self.channel(device).channel_id, 0)


def sealed(desk: TwoDevices, device: SimulatedDevice, read_n: int) -> bytes:
    """What a device would say in cover if its person had read that far."""
    channel = desk.channel(device)
    turn = Turn(device.core.state, desk.circle.now, SystemEntropy())
    turn.change(readings={channel.channel_id: Reading(read_n=read_n, told_at=0)})
    return own_reading.sealed_positions(turn, channel)


@contextmanager
def covers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Content]]:
    """Collect what each device finds in the cover messages that it receives."""
    seen: list[Content] = []
    look = own_reading.on_cover

    def collect(turn: Turn, channel: Any, did: Any, content: Content) -> None:
        seen.append(content)
        look(turn, channel, did, content)

    with monkeypatch.context() as patch:
        patch.setattr(own_reading, "on_cover", collect)
        yield seen


def test_what_is_read_follows_to_the_other_device_in_the_place_of_cover() -> None:
    async def story() -> None:
        desk = TwoDevices()
        ada, laptop, ben = await desk.open()
        await desk.say(ben, "one", "two", "three")
        await desk.cover(ada)
        read = await desk.read(ada, "two")
        assert desk.read_to(laptop) == 0
        await desk.wait(3600)
        assert desk.read_to(laptop) == read
        # Nobody else is told, and nobody sees anything of it.
        assert not ben.read_below
        assert not ada.read_below
        assert not desk.alarms()
        # It outlives a crash, and goes on.
        laptop.crash()
        assert laptop.core.state.readings[desk.channel(laptop).channel_id].read_n == read
        read = await desk.read(ada, "three")
        await desk.wait(3600)
        assert desk.read_to(laptop) == read

    play(story())


def test_reading_itself_sends_nothing() -> None:
    async def story() -> None:
        desk = TwoDevices()
        ada, laptop, ben = await desk.open()
        await desk.say(ben, "one")
        await desk.read(ada, "one")
        await desk.wait(24 * 3600)
        assert desk.counts() == [0, 0, 1]
        assert desk.read_to(laptop) == 0

    play(story())


def test_to_others_cover_is_the_same_whether_anything_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        desk = TwoDevices()
        ada, _, ben = await desk.open()
        with covers(monkeypatch) as seen:
            await desk.cover(ada)
            await desk.cover(ben)
            await desk.wait(3600)
            before = len(seen)
            await desk.say(ben, "one")
            await desk.read(ada, "one")
            await desk.wait(3600)
        assert 0 < before < len(seen)
        assert {len(one.body) for one in seen} == {COVER_BYTES}
        # Each is received by two or three devices; no two messages have a byte string in common.
        bodies = {one.body for one in seen}
        assert len({body[at : at + 4] for body in bodies for at in range(COVER_BYTES - 3)}) > (
            0.99 * len(bodies) * (COVER_BYTES - 3)
        )

    play(story())


def test_a_receipt_of_the_other_device_is_followed_where_they_are_given() -> None:
    async def story() -> None:
        desk = TwoDevices()
        ada, laptop, ben = await desk.open()
        await desk.give(ada, int(ReceiptLevel.READ))
        await desk.say(ben, "one", "two")
        read = await desk.read(ada, "one")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.read_to(laptop) == read
        assert not ben.read_below
        # What was read there is told to others from there, and not from here a second time.
        await desk.give(laptop, int(ReceiptLevel.READ))
        await desk.say(ben, "three")
        await desk.read(ada, "three")
        await desk.wait(5 * LONG_ENOUGH_S)
        giving = laptop.core.state.givings[desk.channel(laptop).channel_id]
        assert giving.read_n == 0

    play(story())


def test_what_was_read_here_is_never_taken_back() -> None:
    async def story() -> None:
        desk = TwoDevices()
        ada, laptop, ben = await desk.open()
        await desk.say(ben, "one", "two", "three")
        further = await desk.read(laptop, "three")
        await desk.read(ada, "one")
        await desk.cover(ada)
        await desk.wait(3600)
        assert desk.read_to(laptop) == 0
        assert laptop.core.state.readings[desk.channel(laptop).channel_id].read_n == further

    play(story())


def test_no_other_member_moves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ben seals under his own key, repeats what Ada's device has sealed, seals under her key, which
    he has from a code of hers, and gives receipts."""

    async def story() -> None:
        desk = TwoDevices()
        ada, laptop, ben = await desk.open()
        await desk.say(ben, "one", "two")
        channel = desk.channel(ben)
        stolen = own_reading.seal(
            own_reading.Positions(
                positions=(Position(channel_id=channel.channel_id, read_n=channel.next_n),)
            ),
            own_reading.reading_key(identity_of(ada.core.state).owner_secret),
            SystemEntropy().random(12),
            channel.channel_id,
            did_of(ben.core.state),
        )
        own, repeated = (sealed(desk, one, desk.channel(one).next_n) for one in (ben, ada))
        for lie in (own, repeated, stolen):
            with monkeypatch.context() as patch:
                patch.setattr(own_reading, "sealed_positions", lambda *_, lie=lie: lie)
                await desk.cover(ben)
                await desk.wait(3600)
                await desk.cover(ben, 0)
        assert len(desk.puts["Ben"]) > 9
        await desk.give(ben, int(ReceiptLevel.READ))
        await desk.say(ada, "three")
        await desk.read(ben, "three")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "three") == Told(delivered=1, read=1, others=1)
        for device in (ada, laptop):
            assert not device.read_below
            assert not device.core.state.readings
        assert not desk.alarms()

    play(story())


def test_texts_that_are_still_to_come_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of one's own that is wrong, or in other hands, hides nothing that comes later."""

    async def story() -> None:
        desk = TwoDevices()
        ada, laptop, ben = await desk.open()
        await desk.say(ben, "one")
        lie = sealed(desk, ada, 2**60)
        with monkeypatch.context() as patch:
            patch.setattr(own_reading, "sealed_positions", lambda *_: lie)
            await desk.cover(ada)
            await desk.wait(3600)
            await desk.cover(ada, 0)
        there = desk.read_to(laptop)
        assert 0 < there <= desk.channel(laptop).next_n
        await desk.say(ben, "two")
        last = next(row.n for row in laptop.messages.values() if row.text == "two")
        await desk.wait(600)
        assert desk.read_to(laptop) == there <= last

    play(story())


def test_cover_of_an_older_program_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        desk = TwoDevices()
        ada, laptop, ben = await desk.open()
        await desk.say(ben, "one")
        await desk.read(ada, "one")
        with monkeypatch.context() as patch:
            zeros = bytes(COVER_BYTES)
            patch.setattr(own_reading, "sealed_positions", lambda *_: zeros)
            await desk.cover(ada)
            await desk.wait(3600)
        assert len(desk.puts["Ada"]) > 2
        assert desk.read_to(laptop) == 0
        assert not desk.alarms()

    play(story())


def test_more_conversations_than_fit_are_told_in_turns() -> None:
    async def story() -> None:
        desk = TwoDevices()
        ada, _, _ = await desk.open()
        channel = desk.channel(ada)
        turn = Turn(ada.core.state, desk.circle.now, SystemEntropy())
        ids = [bytes([number]) * 16 for number in range(2 * MAX_POSITIONS + 1)]
        turn.change(readings={one: Reading(read_n=5, told_at=0) for one in ids})
        key = own_reading.reading_key(identity_of(ada.core.state).owner_secret)

        def told() -> set[bytes]:
            turn.now += 60
            body = own_reading.sealed_positions(turn, channel)
            assert len(body) == COVER_BYTES
            aad = channel.channel_id + did_of(ada.core.state)
            plain = aes256gcm_open(key, body[:12], body[12:], aad)
            return {one for one in ids if one in plain}

        turns = [told() for _ in range(3)]
        assert [len(one) for one in turns] == [MAX_POSITIONS] * 3
        assert set.union(*turns) == set(ids)
        # What moves meanwhile comes first.
        moved = Reading(read_n=6, told_at=0)
        turn.change(readings=with_item(turn.state.readings, ids[0], moved))
        assert ids[0] in told()

    play(story())


def test_who_has_one_device_keeps_nothing_of_it() -> None:
    async def story() -> None:
        desk = TwoDevices()
        ada, _, ben = await desk.open()
        await desk.say(ada, "one")
        await desk.read(ben, "one")
        assert not ben.core.state.readings

    play(story())
