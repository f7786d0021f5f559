"""Folding the log with the key that a Welcome carries: as a newcomer, or after an absence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cloister import mls
from cloister.client.binding import LOG_KEY, BindingError, GroupLogKey, find_extension
from cloister.client.merging import exported_log_secret
from cloister.client.turn import SettledEntry
from cloister.codec import DecodeError
from cloister.crypto.secret import Secret
from cloister.roster.entry import Entry
from cloister.roster.errors import NeedsLogKey
from cloister.roster.events import LogKeyAnnounced
from cloister.roster.log_keys import next_log_key
from cloister.roster.roster import Roster
from cloister.roster.voiding import Void, voids_in


class Folded(msgspec.Struct, frozen=True):
    """A roster, the keys of its log, and the entries that led there."""

    roster: Roster
    log_keys: Mapping[int, Secret]
    settled: tuple[SettledEntry, ...] = ()

    def roots_before(self) -> tuple[bytes, ...]:
        """Return the root of the log before each of the entries."""
        return tuple(Entry.decode(one.entry).header.root for one in self.settled)


def log_key_of(opened: mls.OpenedWelcome) -> tuple[int, Secret]:
    """Return generation and key of the log that a Welcome carries.  Raises ``BindingError``."""
    data = find_extension(opened.extensions, LOG_KEY)
    if data is None:
        raise BindingError("the Welcome carries no log key")
    try:
        carried = GroupLogKey.decode(data)
    except DecodeError:
        raise BindingError("the Welcome's log key is malformed") from None
    return carried.generation, Secret(carried.key)


def fold_on(
    start: Folded,
    entries: Sequence[bytes],
    group: mls.Group,
    voids: Sequence[Void] | None = None,
) -> Folded:
    """Fold entries as far as their keys are known; ``voids``: looked for in them unless given.

    A key that only this epoch exports is tried once (flows 3.5.2).  Raises subclasses of
    ``RemoteError``.
    """
    roster, log_keys = start.roster, start.log_keys
    settled = list(start.settled)
    if voids is None:
        voids = voids_in(roster.governance, entries)
    for entry in entries:
        try:
            after, events = roster.append(entry, log_keys, voids)
        except NeedsLogKey as needed:
            newest = max(log_keys)
            if needed.generation != newest + 1:
                break
            candidate = next_log_key(
                needed.generation, exported_log_secret(group), log_keys[newest]
            )
            tried = {**log_keys, needed.generation: candidate}
            after, events = roster.append(entry, tried, voids)
            if not any(isinstance(event, LogKeyAnnounced) for event in events):
                break  # junk under a generation that has not begun: keep no guess
            log_keys = tried
        settled.append(SettledEntry(seq=roster.size, entry=entry, events=events))
        roster = after
    return Folded(roster, log_keys, tuple(settled))
