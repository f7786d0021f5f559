"""Signed heads, judged by the relays that the log itself names (flows 2, decision 0038).

A head is of the relay set that the entries below it lead to.  Where the home changes among entries
that this device has not settled yet, an entry relay that it knows from before must have cosigned
too: that one cosigns a single continuation, so the old home cannot go on beside the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cloister.client.state import State
from cloister.codec import DecodeError
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.roster.entry import Entry, EntryKind
from cloister.roster.errors import RuleViolation, UpdateNeeded
from cloister.roster.governance import Governance
from cloister.roster.readable import ReadableType, read_body
from cloister.roster.relay_card import RelaySet
from cloister.roster.roster import Roster
from cloister.transparency.checkpoint import Checkpoint
from cloister.transparency.cosignature import RelayVerifier
from cloister.transparency.errors import UnsignedByLog
from cloister.transparency.note import UnverifiedNote
from cloister.transparency.quorum import Settled, verify_settled


def size_in(note: bytes) -> int:
    """Return the size that a note claims, unverified.  Raises subclasses of RemoteError."""
    return Checkpoint.parse(UnverifiedNote.parse(note).text).size


def verify_under(relays: RelaySet, note: bytes, origin: str) -> Settled:
    """Verify a head under one relay set.  Raises subclasses of RemoteError."""
    home, *entries = [(one.name, one.key) for one in (relays.home, *relays.entries)]
    return _verify_settled(note, home, tuple(entries), origin)


@lru_cache(maxsize=16)
def _verify_settled(
    note: bytes,
    home: tuple[str, HybridPublic],
    entries: tuple[tuple[str, HybridPublic], ...],
    origin: str,
) -> Settled:
    """Remember the last heads: the same one comes with every connection, and is no secret."""
    return verify_settled(
        note, RelayVerifier(*home), [RelayVerifier(*entry) for entry in entries], origin
    )


def verify_ahead(state: State, roster: Roster, note: bytes) -> Settled:
    """Verify a head under the relays that roster and pending entries lead to at its size.

    Raises subclasses of RemoteError.
    """
    size, governance = size_in(note), roster.governance
    if size > roster.size:
        governance = lead_to(governance, state.session.pending[: size - roster.size])
    moves, origin = governance.moves, roster.origin
    relays = governance.relay_set
    try:
        settled = verify_under(relays, note, origin)
    except UnsignedByLog:
        if not moves or moves[-1].seq + 1 != size:
            raise
        # The entry by which another home takes over is the last that the old one signs.
        relays = moves[-1].before
        settled = verify_under(relays, note, origin)
    if len(moves) > len(roster.governance.moves) and relays.home != roster.relay_set.home:
        known = tuple(one for one in roster.relay_set.entries if one.key != relays.home.key)
        verify_under(RelaySet(home=relays.home, entries=known), note, origin)
    return settled


def changes_relays(governance: Governance, entries: Sequence[bytes]) -> bool:
    """Return whether other relays are in force after entries that are not folded yet."""
    after = lead_to(governance, entries)
    return (after.relay_set, after.moves) != (governance.relay_set, governance.moves)


def lead_to(governance: Governance, entries: Sequence[bytes]) -> Governance:
    """Return the governance after entries, as far as it bears on the relays.

    Hardly any part of a log does, and to apply readable entries twice costs signatures.
    """
    is_open = any(one.kind is ReadableType.RELAY_SET for one in governance.proposals.values())
    if not is_open and not any(map(_proposes_relays, entries)):
        return governance
    for data in entries:
        try:
            entry = Entry.decode(data)
            if entry.header.kind is EntryKind.READABLE:
                governance, _ = governance.apply(entry)
        except RuleViolation:
            pass  # the fold ignores it, with the number of the rule
        except (DecodeError, UpdateNeeded):
            break  # the fold stops at it
        governance, _ = governance.mature(entry.header.seq, entry.header.ts)
    return governance


def _proposes_relays(data: bytes) -> bool:
    try:
        entry = Entry.decode(data)
        is_readable = entry.header.kind is EntryKind.READABLE
        return is_readable and read_body(entry).type == ReadableType.RELAY_SET
    except (DecodeError, RuleViolation):
        return False  # the fold says what is wrong with it
