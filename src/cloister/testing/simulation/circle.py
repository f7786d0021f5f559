"""The circle in which every run begins: founded once, by the same entropy each time, at rest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Final

from cloister.client.inputs import OpenConversation
from cloister.relay.folder import Identity
from cloister.relay.storage.memory import MemoryStore
from cloister.testing.simulated_circle import SimulatedCircle
from cloister.testing.simulation.chance import SeededEntropy
from cloister.testing.simulation.device_disk import SimulatedVault
from cloister.testing.simulation.recorded import PATH, load, signing_as_recorded
from cloister.testing.standing_circle import stored_by

NAMES: Final = ("Anna", "Ben", "Cleo", "Dan", "Eve")
FIRST: Final = "first"
"""A conversation of three of them, there from the beginning."""
_SEED: Final = 5


class Founded:
    """What stands on the disks of the circle's relays and devices."""

    def __init__(self, circle: SimulatedCircle) -> None:
        relays = circle.relays
        home_key, entry_key = relays.keys
        self.now: Final = float(circle.now)
        self.home: Final = Identity(card=relays.home_card, key=home_key)
        self.entry: Final = Identity(card=relays.entry_card, key=entry_key)
        self._home_rows = relays.store
        self._entry_rows = relays.mirrored
        self._vaults = {device.name: SimulatedVault() for device in circle.devices}
        for device in circle.devices:
            self._vaults[device.name].commit(stored_by(device))

    def home_rows(self) -> MemoryStore:
        """Return a copy of what the home relay has stored."""
        return deepcopy(self._home_rows)

    def entry_rows(self) -> MemoryStore:
        """Return a copy of what the mirror has stored."""
        return deepcopy(self._entry_rows)

    def vaults(self) -> Iterator[tuple[str, SimulatedVault]]:
        """Give each device's name and a copy of its disk."""
        for name, vault in self._vaults.items():
            yield name, vault.copy()


@cache
def founded() -> Founded:
    """Found the circle, once for each process."""
    with signing_as_recorded(load()):
        return asyncio.run(_found())


def record() -> int:
    """Record the signatures of founding; return how many were made afresh."""
    known: dict[str, str] = {}
    with signing_as_recorded(known) as fresh:
        asyncio.run(_found())
    PATH.write_text(json.dumps(fresh, indent=1, sort_keys=True) + "\n", "ascii")
    return len(fresh)


def unrecorded() -> int:
    """Return how many signatures of founding are not recorded, or not any more."""
    with signing_as_recorded(load()) as fresh:
        asyncio.run(_found())
    return len(fresh)


async def _found() -> Founded:
    circle = SimulatedCircle(_SEED, entropy=lambda name: SeededEntropy(_SEED, name))
    founder = await circle.found(NAMES[0], test_circle=True, unlock_shares=False)
    for name in NAMES[1:]:
        vouchers = circle.devices[:2] if len(circle.devices) > 2 else [founder]
        await circle.admit(name, founder, vouchers)
    await circle.act(founder, OpenConversation(ref=circle.ref(), title=FIRST, members=NAMES[1:3]))
    return Founded(circle)
