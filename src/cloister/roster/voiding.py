"""What a reset of the commons takes back (flows 4.3).

Whoever broke the commons may own its newest epoch alone: nobody else can open what is sealed under
log keys that came of it. A reset names the newest generation that its author could open, and what
was sealed under a later one, up to the entry by which the reset took effect, is void for all:
for those who could open it too, or rosters would differ for ever.

Which resets took effect follows from readable entries and the times in headers alone. So it can be
told of a log ahead, without any log key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from cloister.codec import DecodeError
from cloister.roster.entry import Entry, EntryKind, Header
from cloister.roster.errors import RuleViolation, UpdateNeeded
from cloister.roster.governance import Governance
from cloister.roster.governance_events import ReadableEvent, ResetDone
from cloister.roster.orders import ChannelReset
from cloister.roster.readable import ReadableType, read_body


class Void(msgspec.Struct, frozen=True):
    """Sealed entries up to ``seq``, which is included, under generations above ``generation``."""

    seq: int
    generation: int

    def covers(self, header: Header) -> bool:
        """Whether the sealed entry with this header is void."""
        return header.seq <= self.seq and header.lk_gen > self.generation


def voids_in(governance: Governance, entries: Sequence[bytes]) -> tuple[Void, ...]:
    """Return what the resets that take effect within ``entries`` make void.

    Args:
        governance: as it stands before the first of the entries.
        entries: a part of the log whose form has been checked.
    """
    is_open = any(one.kind is ReadableType.CHANNEL_RESET for one in governance.proposals.values())
    # Hardly any part of a log has one, and to apply readable entries twice costs signatures.
    if not is_open and not any(_proposes_reset(entry) for entry in entries):
        return ()
    found: list[Void] = []
    for data in entries:
        try:
            entry = Entry.decode(data)
        except DecodeError:
            break  # the fold stops at it, too
        seq, ts = entry.header.seq, entry.header.ts
        events: Iterable[ReadableEvent] = ()
        if entry.header.kind is EntryKind.READABLE:
            try:
                governance, events = governance.apply(entry)
            except RuleViolation:
                events = ()  # the fold ignores it, with the number of the rule
            except UpdateNeeded:
                break  # the fold stops at it
        governance, later = governance.mature(seq, ts)
        found += [
            Void(seq=seq, generation=event.generation)
            for event in (*events, *later)
            if isinstance(event, ResetDone)
        ]
    return tuple(found)


def promised_ids(governance: Governance) -> frozenset[bytes]:
    """Return the channels that open proposals would make the commons: nobody else opens these."""
    return frozenset(
        bytes(ChannelReset.decode(one.content).new_id)
        for one in governance.proposals.values()
        if one.kind is ReadableType.CHANNEL_RESET
    )


def _proposes_reset(data: bytes) -> bool:
    try:
        entry = Entry.decode(data)
        is_readable = entry.header.kind is EntryKind.READABLE
        return is_readable and read_body(entry).type == ReadableType.CHANNEL_RESET
    except (DecodeError, RuleViolation):
        return False  # the fold says what is wrong with it
