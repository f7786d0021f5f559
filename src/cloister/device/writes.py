"""Several inputs share one transaction: of each row only what it comes to is written."""

from __future__ import annotations

from cloister.client.effects import (
    DeleteRecord,
    PutAnnotation,
    PutEntry,
    PutMessage,
    PutReadTo,
    PutRecord,
    Write,
)


def merge_write(writes: dict[tuple[object, ...], Write], write: Write) -> None:
    """Keep the last write of each row: within one transaction nobody sees the others."""
    match write:
        case PutRecord() | DeleteRecord():
            row: tuple[object, ...] = ("record", write.table, write.key)
        case PutMessage():
            row = ("message", write.message.channel_id, write.message.message_id)
            first = writes.get(row)
            if isinstance(first, PutMessage) and not (first.message.own and write.message.own):
                return  # as the vault has it: another's message takes nobody's place
        case PutAnnotation():
            row = ("annotation", write.annotation.channel_id, write.annotation.message_id)
            known = writes.get(row)
            if isinstance(known, PutAnnotation) and not (
                known.annotation.own and write.annotation.own
            ):
                return
        case PutReadTo():
            # Behind the texts that came with it: the marker goes to the last that is there.
            row = ("read", write.channel_id)
            writes.pop(row, None)
        case PutEntry():
            row = ("entry", write.seq)
    writes[row] = write
