"""What relays and members alike check of an entry's outside, before anything inside it."""

from __future__ import annotations

from cloister.codec import DecodeError
from cloister.ids import CircleId
from cloister.limits import MAX_ENTRY_BYTES
from cloister.roster.entry import VERSION, Entry
from cloister.roster.errors import LogBroken, UpdateNeeded
from cloister.roster.rules import Rule


def read_entry(data: bytes, seq: int) -> Entry:
    """Decode what stands at position ``seq``. Raises LogBroken, UpdateNeeded."""
    if len(data) > MAX_ENTRY_BYTES:
        raise LogBroken(Rule.FORM, seq)
    # The version comes first on the wire for this: a later header may have another form.
    if len(data) >= 2 and int.from_bytes(data[:2], "big") != VERSION:
        raise UpdateNeeded(Rule.VERSION, seq, "an entry of another version")
    try:
        return Entry.decode(data)
    except DecodeError as error:
        raise LogBroken(Rule.FORM, seq) from error


def check_form(data: bytes, *, circle_id: CircleId, seq: int, root: bytes, last_ts: int) -> Entry:
    """Decode an entry and demand that it continues this log exactly here.

    Args:
        data: the encoded entry.
        circle_id: this circle's, 32 bytes.
        seq: the size of the log before the entry.
        root: the tree's root at that size, 32 bytes.
        last_ts: ts of the entry before, in seconds since the Unix epoch.

    Raises: LogBroken, UpdateNeeded.
    """
    entry = read_entry(data, seq)
    header = entry.header
    if header.circle_id != circle_id:
        raise LogBroken(Rule.CIRCLE, seq)
    if header.seq != seq:
        raise LogBroken(Rule.SEQ, seq)
    if header.root != root:
        raise LogBroken(Rule.ROOT, seq)
    if header.ts < last_ts:
        raise LogBroken(Rule.TIME, seq)
    return entry
