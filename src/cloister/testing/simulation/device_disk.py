"""A device's disk and vault: transactions take time, and the process may end before, or after.

What a process had asked for when it was killed is on disk or is not; whether it is was drawn
before.  The rules of the real vault's rows hold: another's message takes nobody's place.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from cloister.client.effects import (
    Annotation,
    DeleteRecord,
    Message,
    PutAnnotation,
    PutEntry,
    PutMessage,
    PutReadTo,
    PutRecord,
    Write,
)
from cloister.testing.simulation.faults import Faults
from cloister.values import replace

T = TypeVar("T")


class SimulatedVault:
    """What is on the disk of a device (``device.disk.StoredState``)."""

    def __init__(self) -> None:
        self._records: dict[str, dict[bytes, bytes]] = {}
        self._entries: dict[int, bytes] = {}
        self._messages: dict[tuple[bytes, bytes], Message] = {}
        self.annotations: dict[tuple[bytes, bytes], Annotation] = {}
        self.commits = 0

    def copy(self) -> SimulatedVault:
        """Return another disk with the same content."""
        other = SimulatedVault()
        other._records = {table: dict(rows) for table, rows in self._records.items()}
        other._entries = dict(self._entries)
        other._messages = dict(self._messages)
        other.annotations = dict(self.annotations)
        return other

    def commit(self, writes: Iterable[Write]) -> None:
        """Store all writes."""
        self.commits += 1
        for write in writes:
            match write:
                case PutRecord(table=table, key=key, value=value):
                    self._records.setdefault(table, {})[key] = value
                case DeleteRecord(table=table, key=key):
                    self._records.get(table, {}).pop(key, None)
                case PutAnnotation(annotation=one):
                    self.annotations[(one.channel_id, one.message_id)] = one
                case PutReadTo():
                    pass  # read markers are no part of what the simulation judges
                case PutEntry(seq=seq, entry=entry):
                    self._entries[seq] = entry
                case PutMessage(message=message):
                    self._put_message(message)

    def _put_message(self, message: Message) -> None:
        row = (message.channel_id, message.message_id)
        known = self._messages.get(row)
        if known is None:
            self._messages[row] = message
        elif known.own and message.own:
            self._messages[row] = replace(
                known,
                n=message.n,
                state=message.state,
                reason=message.reason,
                envelope_hash=message.envelope_hash,
            )

    def records(self) -> dict[str, dict[bytes, bytes]]:
        """Return all records."""
        return {table: dict(rows) for table, rows in self._records.items()}

    def entries(self) -> tuple[bytes, ...]:
        """Return the log's entries."""
        return tuple(self._entries[seq] for seq in sorted(self._entries))

    def history(self, channel_id: bytes) -> list[Message]:
        """Return a timeline as the screens show it: by position."""
        rows = [one for one in self._messages.values() if one.channel_id == channel_id]
        return sorted(rows, key=lambda row: row.position)

    def channels(self) -> list[bytes]:
        """Return the channels that have a timeline."""
        return list(dict.fromkeys(channel_id for channel_id, _ in self._messages))

    def close(self) -> None:
        """Nothing is open."""


class SimulatedDisk:
    """Runs what touches the vault, one thing after the other (``device.disk.Disk``)."""

    def __init__(
        self, rng: random.Random, faults: Callable[[], Faults], crash: Callable[[str], None]
    ) -> None:
        """``crash`` ends the process at once; it is told why."""
        self._random = rng
        self._faults = faults
        self._crash = crash
        self._turn: Final = asyncio.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """Carry out ``work`` after a while."""
        async with self._turn:
            faults = self._faults()
            is_last = self._random.random() < faults.crash_at_commit
            comes_first = self._random.random() < 0.5
            await asyncio.sleep(self._random.uniform(0, faults.disk_s))
            if is_last and comes_first:
                self._crash("before a commit")
                await asyncio.Event().wait()  # nobody is there any more
            done = work()
            if is_last:
                self._crash("after a commit")
                await asyncio.Event().wait()
            await asyncio.sleep(self._random.uniform(0, faults.disk_s))
            return done

    def close(self) -> None:
        """Nothing is under way when the process ends by itself."""
