"""Enrolling goes from relay to relay, and what a relay has announced is waited for."""

from __future__ import annotations

import asyncio

import pytest

from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace


def test_relays_are_asked_to_enrol_one_after_the_other_the_home_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named: list[list[bytes]] = []
    step = SimulatedDevice.step

    def watched(device: SimulatedDevice) -> bool:
        named.append([bytes(one.card.relay_id) for one in device.core.errands])
        return step(device)

    monkeypatch.setattr(SimulatedDevice, "step", watched)

    async def story() -> None:
        circle = SimulatedCircle()
        await circle.found("Ada", unlock_shares=True)
        asked = [one for one in named if one]
        assert all(len(one) == 1 for one in asked)
        order = list(dict.fromkeys(one[0] for one in asked))
        relays = circle.relays
        assert order == [bytes(relays.home_card.relay_id), bytes(relays.entry_card.relay_id)]

    asyncio.run(story())


def test_a_device_is_busy_while_a_relay_has_more_of_a_channel_than_it_has_sent() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        await circle.settle()
        core = ada.core
        commons = core.state.commons
        assert commons is not None
        assert not core.is_busy

        def promised(n: int) -> bool:
            session = replace(core.state.session, promised={commons.channel_id: n})
            return replace(core, state=replace(core.state, session=session)).is_busy

        assert not promised(commons.next_n)
        assert promised(commons.next_n + 1)

    asyncio.run(story())
