"""A circle that is built once and goes on in many ways: each time a copy of what is stored.

In a copy both relays have restarted, and every device connects anew with the state that it had.
"""

from __future__ import annotations

from cloister.client.effects import PutEntry, PutMessage, PutRecord, Write
from cloister.testing.simulated_circle import START, SimulatedCircle, SimulatedDevice
from cloister.testing.simulated_relays import SimulatedRelays


class StandingCircle:
    """A circle at rest.  Its devices hang up and are not used any more; copies of them are."""

    def __init__(self, circle: SimulatedCircle) -> None:
        self._circle = circle
        for device in circle.devices:
            device.drop_link()

    async def go_on_in(self, circle: SimulatedCircle) -> None:
        """Let a new circle stand where this one does, and come to rest.

        It keeps its own seed.  Raises ``ValueError`` for one in which something has happened.
        """
        if circle.devices or circle.now != START:
            raise ValueError("the circle has begun already")
        circle.now = self._circle.now
        circle.relays = SimulatedRelays(lambda: circle.now, like=self._circle.relays)
        circle._next_ref = self._circle._next_ref
        for device in self._circle.devices:
            _copy(device, circle)
        await circle.settle()


def _copy(device: SimulatedDevice, circle: SimulatedCircle) -> None:
    copy = circle.add(device.name)
    copy.core = device.core  # frozen, like all that it holds
    copy.records = {table: dict(records) for table, records in device.records.items()}
    copy.entries = dict(device.entries)
    copy.messages = dict(device.messages)
    copy.answers = dict(device.answers)
    copy.alarms = list(device.alarms)
    copy.news = list(device.news)
    copy._errand_not_before = dict(device._errand_not_before)


def stored_by(device: SimulatedDevice) -> list[Write]:
    """Return what brings an empty vault to where a device's is."""
    writes: list[Write] = [
        PutRecord(table=table, key=key, value=value)
        for table, rows in device.records.items()
        for key, value in rows.items()
    ]
    writes += [PutEntry(seq=seq, entry=one) for seq, one in device.entries.items()]
    writes += [PutMessage(message=one) for one in device.messages.values()]
    return writes
