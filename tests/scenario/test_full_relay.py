"""A relay that is full, seen by its devices: said once, asked with one text, and over in time."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from cloister.client.inputs import ChangeConversation
from cloister.limits import ENVELOPE_SIZES, QUOTA_RETRY_S
from cloister.relay.storage.quotas import Quotas
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.commands import AnyRequest, Put
from cloister.wire.events import AnyEvent
from scenario.hostile import codes, go_on, play, put, say, three_at_a_desk

HOW = ("disk", "channel")


def counting_puts(device: SimulatedDevice) -> list[Put]:
    puts: list[Put] = []

    def note(request: AnyRequest) -> Iterable[AnyRequest | AnyEvent]:
        if isinstance(request, Put):
            puts.append(request)
        return (request,)

    device.hinder = note
    return puts


@pytest.mark.parametrize("how", HOW)
def test_sender_stops_and_goes_on_within_a_minute_of_the_drain(how: str) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three_at_a_desk(circle)
        await say(circle, ada, "before")
        store = circle.relays.store
        store._quotas = (
            Quotas(is_short=lambda: True)
            if how == "disk"
            else Quotas(channel_bytes=ENVELOPE_SIZES[-1])
        )
        puts = counting_puts(ada)
        texts = [f"text {number}" for number in range(20)]
        put(circle, ada, *texts)
        await go_on(circle, 5)
        sent = len(puts)
        assert sent <= 20
        assert "full" in codes(ada)
        await go_on(circle, 5 * QUOTA_RETRY_S)
        # One question each time, and not the whole queue; one more where an epoch has ended and
        # the same message is put again, encrypted for the next.
        asked = puts[sent:]
        assert {one.envelope_id for one in asked} == {puts[0].envelope_id}
        assert len(asked) <= 6 + (asked[-1].epoch - puts[0].epoch)
        assert ben.texts("Ada") == ["before"]

        # Who belongs to the conversation is changed all the same.
        change = ChangeConversation(ref=circle.ref(), conversation="Desk", remove=("Cyd",))
        ada.feed(change)
        await go_on(circle, 40)
        (desk,) = (one for one in ben.core.state.channels.values() if one.title == "Desk")
        assert len(desk.group.members()) == 2

        store._quotas = Quotas()
        await go_on(circle, 60)
        assert [one for one in ben.texts("Ada") if one.startswith("text")] == texts
        assert [alarm.code for alarm in ada.alarms].count("full") == 1

    play(story())
