"""Envelopes that were read lately, for those who ask for the same next.

Those who catch up come in crowds, after a cut or a night, and want the same messages of the same
channels.  The file's pages do not help them: SQLite forgets all it has in memory at each
transaction of the writer's, some hundred times a second.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from cloister.limits import DELIVERY_WINDOW_BYTES
from cloister.relay.storage.api import EnvelopeRow

RECENT_BYTES: Final = 64 * DELIVERY_WINDOW_BYTES
"""What all of them may hold, 16 MiB: what is on its way to that many who catch up."""
_ROW_BYTES: Final = 256
"""What a row takes beside its envelope."""


class Recent:
    """Rows by channel and index; who was not asked for the longest goes first."""

    def __init__(self, max_bytes: int = RECENT_BYTES) -> None:
        self._rows: OrderedDict[tuple[bytes, int], EnvelopeRow] = OrderedDict()
        self._bytes = 0
        self._max_bytes = max_bytes

    def run(
        self, channel_id: bytes, from_n: int, to_n: int, max_items: int, max_bytes: int
    ) -> tuple[list[EnvelopeRow], bool]:
        """Return what is here of a range, from its first index on and without a gap, bounded as by
        ``Store.envelopes``; and whether that is all that the file would give."""
        found: list[EnvelopeRow] = []
        total = 0
        for n in range(from_n, min(to_n + 1, from_n + max_items)):
            key = channel_id, n
            row = self._rows.get(key)
            if row is None:
                return found, False
            total += len(row.envelope)
            if total > max_bytes and found:
                break
            found.append(row)
            self._rows.move_to_end(key)
        return found, True

    def add(self, channel_id: bytes, rows: list[EnvelopeRow]) -> None:
        """Keep what was read."""
        for row in rows:
            key = channel_id, row.n
            if key not in self._rows:
                self._rows[key] = row
                self._bytes += len(row.envelope) + _ROW_BYTES
        while self._bytes > self._max_bytes:
            _key, oldest = self._rows.popitem(last=False)
            self._bytes -= len(oldest.envelope) + _ROW_BYTES

    def clear(self) -> None:
        """Forget all: something of it may be no longer there."""
        self._rows.clear()
        self._bytes = 0
