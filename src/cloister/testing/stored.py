"""What devices in memory have stored: the core's writes, carried out as a vault would."""

from __future__ import annotations

from collections.abc import Iterable

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


class Stored:
    """Records, entries of the log, and timelines."""

    def __init__(self) -> None:
        self.records: dict[str, dict[bytes, bytes]] = {}
        self.entries: dict[int, bytes] = {}
        self.messages: dict[tuple[bytes, bytes], Message] = {}
        self.annotations: dict[tuple[bytes, bytes], Annotation] = {}
        self.read_below: dict[bytes, int] = {}
        """channel -> where another device of the member has moved the read marker."""

    def store(self, writes: Iterable[Write]) -> None:
        """Carry out all writes."""
        for write in writes:
            match write:
                case PutRecord(table=table, key=key, value=value):
                    self.records.setdefault(table, {})[key] = value
                case DeleteRecord(table=table, key=key):
                    self.records.get(table, {}).pop(key, None)
                case PutMessage(message=message):
                    self.messages[(message.channel_id, message.message_id)] = message
                case PutAnnotation(annotation=one):
                    self.annotations[(one.channel_id, one.message_id)] = one
                case PutReadTo():
                    known = self.read_below.get(write.channel_id, 0)
                    self.read_below[write.channel_id] = max(known, write.below_n)
                case PutEntry(seq=seq, entry=entry):
                    self.entries[seq] = entry
