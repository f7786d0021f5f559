"""A home relay that only says it was restored: what it gains by it, and what it can cause.

It asks for what it has, and gets the bytes that it has.  What was said before somebody came in is
not encrypted for them, however long it waits with its answers."""

from __future__ import annotations

import msgspec

from cloister.client.effects import MessageState
from cloister.client.inputs import ChangeConversation
from cloister.client.putting_again import SAID_BEFORE
from cloister.lives import first_of_life
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice, Tamper
from cloister.wire.codes import Refusal
from cloister.wire.commands import AnyRequest, Put
from cloister.wire.events import AnyEvent, Done, Failed, Proved
from scenario.hostile import codes, go_on, play, say
from scenario.test_restored_home import puts_of, three_at_rest


def desk_of(device: SimulatedDevice) -> bytes:
    """Return the id of the Desk's channel."""
    (found,) = [one for one in device.core.state.channels.values() if one.title == "Desk"]
    return found.channel_id


def feigns(life: int, at_least: int) -> Tamper:
    """Say in each proof of a channel with items that a new life begins."""

    def tamper(event: AnyEvent) -> tuple[AnyEvent, ...]:
        if isinstance(event, Proved) and at_least <= event.next_n < first_of_life(1):
            return (msgspec.structs.replace(event, next_n=first_of_life(life)),)
        return (event,)

    return tamper


def own_rows(device: SimulatedDevice) -> list[tuple[str, MessageState]]:
    """Return texts and states of what a device has sent, in order."""
    rows = sorted((one for one in device.messages.values() if one.own), key=lambda one: one.counter)
    return [(one.text, one.state) for one in rows]


def test_who_feigns_a_restore_gets_the_bytes_that_it_has_and_nobody_sees_them_twice() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        first = puts_of(ada)
        await say(circle, ada, "one", "two")
        again = puts_of(ada)
        for life in (circle.now, circle.now + 1, circle.now + 2):
            ada.tamper = feigns(life, at_least=2)
            ada.drop_link()
            await circle.settle()
        # Each time all of it, and never anything else.
        assert [one.envelope for one in again] == [one.envelope for one in first] * 3
        assert own_rows(ada) == [("one", MessageState.SENT), ("two", MessageState.SENT)]
        await say(circle, ada, "three")
        for device in (ben, cyd):
            assert device.texts("Ada") == ["one", "two", "three"]
            assert not codes(device)

    play(story())


def test_who_takes_it_a_second_time_shows_it_to_nobody() -> None:
    """The relay gives out once more what was put again, at other indices of a new life."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        await say(circle, ada, "one", "two")
        channel = circle.relays.store._channels[desk_of(ada)]
        channel.next_n = first_of_life(circle.now)
        channel.ids.clear()
        for device in circle.devices:
            device.drop_link()
        await circle.settle()
        for device in (ben, cyd):
            assert device.texts("Ada") == ["one", "two"]
            assert codes(device) == {"restored"}  # and that is said aloud
        # A replay of what came after it is none that its author has made: it is said.
        await say(circle, ada, "three")
        await say(circle, ben, "four")
        assert cyd.texts("Ada") == ["one", "two", "three"]
        assert codes(cyd) == {"restored"}

    play(story())


def test_what_was_said_before_somebody_came_in_is_not_encrypted_for_them() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_rest(circle)
        dan = await circle.admit("Dan", ben, [ada, ben])
        await say(circle, ada, "not for Dan")
        ada.tamper = feigns(circle.now, at_least=1)
        waiting: list[AnyRequest] = []

        def holds_back(request: AnyRequest) -> tuple[AnyRequest, ...]:
            if isinstance(request, Put):
                waiting.append(request)
                return ()
            return (request,)

        def claims_it_is_stale(request: AnyRequest) -> tuple[AnyRequest | AnyEvent, ...]:
            if isinstance(request, Put) and request.epoch < epoch:
                return (Failed(rid=request.rid, code=int(Refusal.STALE_EPOCH)),)
            return (request,)

        ada.hinder = holds_back
        ada.drop_link()
        await go_on(circle)
        assert len(waiting) == 1
        assert own_rows(ada) == [("not for Dan", MessageState.QUEUED)]
        add = ChangeConversation(ref=circle.ref(), conversation="Desk", add=("Dan",))
        ben.feed(add)
        await go_on(circle, 5)
        epoch = ada.core.state.channels[desk_of(ada)].group.epoch
        ada.crash()
        ada.tamper, ada.hinder = lambda event: (event,), claims_it_is_stale
        await circle.settle()
        (row,) = [one for one in ada.messages.values() if one.own]
        assert (row.state, row.reason) == (MessageState.FAILED, SAID_BEFORE)
        await say(circle, ada, "for Dan as well")
        assert dan.texts("Ada") == ["for Dan as well"]
        for device in (ben, cyd):
            assert device.texts("Ada") == ["not for Dan", "for Dan as well"]
            assert not codes(device) & {"replay", "unreadable", "split"}

    play(story())


def test_an_answer_with_an_index_where_it_is_not_is_said() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three_at_rest(circle)
        await say(circle, ben, "zero")
        await say(circle, ada, "one")
        (row,) = [one for one in ada.messages.values() if one.own]
        honest = feigns(circle.now, at_least=1)

        def elsewhere(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if isinstance(event, Done) and event.n == row.n:
                return (msgspec.structs.replace(event, n=row.n - 1),)
            return tuple(honest(event))

        ada.tamper = elsewhere
        ada.drop_link()
        await circle.settle()
        assert "lost" in codes(ada)

    play(story())
