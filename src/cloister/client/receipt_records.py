"""What a device keeps of receipts: what it gives in a channel, and what others have given."""

from __future__ import annotations

from enum import IntEnum

from cloister.codec import UINT64, Struct, enum8, layout, uint32, uint64, vector


class ReceiptLevel(IntEnum):
    """What this device tells the others of a conversation about their texts."""

    OFF = 0
    DELIVERED = 1
    """That they have arrived here."""
    READ = 2
    """Also that they were read."""


@layout
class Giving(Struct):
    """What this device gives in a channel.  Indices are the channel's; ends are exclusive."""

    level: ReceiptLevel = enum8(ReceiptLevel)
    from_n: int = uint64()
    """First item that a receipt may name: the next one when they were switched on."""
    read_n: int = uint64()
    """Everything below was read here."""
    due: int = uint64()
    """When the next receipt goes out, s; 0: nothing to tell."""
    missing: tuple[int, ...] = vector(UINT64)
    """Items that came and could not be read, the newest few."""


@layout
class Mark(Struct):
    """How far another device has come in a channel, by its own word."""

    from_n: int = uint64()
    until_n: int = uint64()
    """Texts from ``from_n`` on and below this index have arrived there."""
    read_n: int = uint64()
    missing: tuple[int, ...] = vector(UINT64)
    """But these have not."""


@layout
class Reading(Struct):
    """How far the person has read in a channel, here or on another device of theirs."""

    read_n: int = uint64()
    """Everything below this index was read."""
    told_at: int = uint64()
    """When this device last told its member's other devices, s; 0: not since it moved."""


@layout
class Cover(Struct):
    """How much cover traffic this device sends."""

    per_day: int = uint32()
    """Messages a day in the mean."""
