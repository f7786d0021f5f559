"""What a vault holds in the layout of another version of the program, and what is made of it."""

from __future__ import annotations

import pytest

from cloister.client.core import Core
from cloister.client.persistence import VaultContentError
from cloister.testing.simulated_circle import SimulatedCircle
from scenario.governed import roster_of, send
from scenario.hostile import play
from scenario.test_moving_home import three

OLD_LAYOUT = (2).to_bytes(2, "big") + b"as an earlier program wrote it"


def test_a_roster_of_another_layout_is_folded_anew_from_the_log() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        before = roster_of(ben)
        ben.records["roster"][b""] = OLD_LAYOUT
        ben.crash()
        assert roster_of(ben) == before
        assert ben.core.state.roots[-1] == before.root
        send(circle, ben, "still here")
        await circle.settle()
        assert "still here" in ada.texts("Ben")

    play(story())


def test_a_roster_that_cannot_be_folded_anew_is_said() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, ben, _ = await three(circle)
        records = {**ben.records, "roster": {b"": OLD_LAYOUT}, "log_key": {}}
        entries = tuple(ben.entries[seq] for seq in sorted(ben.entries))
        with pytest.raises(VaultContentError):
            Core.load(records, entries)

    play(story())
