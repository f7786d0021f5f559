"""Everything that this device believes of the log, derived anew from the bytes in its vault.

The vault holds entries, log keys, the newest head and the roster that came of them.  Here the
roster is made again from nothing but the entries and the keys, and compared.  It shows faults of
the disk and of this program, and whoever changed the vault without knowing how everything in it
hangs together; what other devices were shown, only other devices can tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cloister.client.log import verify_head
from cloister.client.state import State
from cloister.errors import CloisterError, NotFoundError, TrustError
from cloister.roster.entry import Entry, EntryKind
from cloister.roster.errors import LogBroken
from cloister.roster.events import Ignored
from cloister.roster.genesis import circle_id_of
from cloister.roster.roster import Roster
from cloister.roster.view import said_fields
from cloister.transparency.merkle import EMPTY_ROOT, Frontier, leaf_hash


class LogDiffers(TrustError):
    """What the vault holds of the log does not hang together; the text says where it begins."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            hint="Do not go on with this vault.  Compare `log_size` and `log_root` of"
            " `cloister status` with another member, and restore a backup or join again.",
        )


class Check(msgspec.Struct, frozen=True):
    """Something that was checked, and how often it held."""

    what: str
    count: int


def verify_log(state: State, entries: Sequence[bytes]) -> tuple[Check, ...]:
    """Check the stored log of a device that is in a circle.

    Args:
        state: the core's state: circle, roster, log keys, newest head.
        entries: the log as the vault holds it, from the genesis on.

    Returns: what was checked, in order.

    Raises: ``LogDiffers`` at the first difference, ``NotFoundError`` without a circle.
    """
    circle, roster = state.circle, state.roster
    if circle is None or roster is None or not entries:
        raise NotFoundError("this profile is not in a circle yet")
    if circle_id_of(entries[0]) != circle.circle_id:
        raise LogDiffers("entry 0 is not the genesis of this circle: its hash is another")
    derived, ignored = _fold(entries, state)
    roots = _check_roots(entries)
    _compare(derived, roster)
    if state.roots != roots:
        raise LogDiffers("the roots of the tree that this device goes by are not the log's")
    head_checks = _check_head(state, roots)
    headers = [Entry.decode(entry).header for entry in entries]
    valid = [header for header in headers if header.seq not in ignored]
    readable = [header for header in valid if header.kind is EntryKind.READABLE]
    return (
        Check("the genesis is the one whose hash is the circle's id", 1),
        Check("entries have their form, place, time and the root before them", len(entries)),
        Check("sealed entries open and are signed by an active device", len(valid) - len(readable)),
        Check("readable entries bear both signatures of a key that may sign them", len(readable)),
        Check(
            "entries break a rule, are ignored here, and must be by everybody",
            len(ignored),
        ),
        Check("log keys follow from each other", derived.generation + 1),
        Check("members and their devices are those of the vault", len(derived.members)),
        *head_checks,
    )


def _fold(entries: Sequence[bytes], state: State) -> tuple[Roster, set[int]]:
    """Fold the log from its genesis; return the roster and which entries it ignores."""
    try:
        founded = Roster.found(entries[0], state.log_keys[0])
        derived, events = founded.extend(entries[1:], state.log_keys)
    except LogBroken as error:
        raise LogDiffers(f"{error} (or the entry before it is another than it was)") from None
    except CloisterError as error:
        raise LogDiffers(f"the stored entries cannot be followed to their end: {error}") from None
    return derived, {event.seq for event in events if isinstance(event, Ignored)}


def _check_roots(entries: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the tree's root at size 0, 1, …, made without the fold."""
    frontier = Frontier.empty()
    roots = [EMPTY_ROOT]
    for entry in entries:
        frontier = frontier.append(leaf_hash(entry))
        roots.append(frontier.root)
    return tuple(roots)


def _compare(derived: Roster, stored: Roster) -> None:
    """Compare a roster with the vault's; say which part of it differs."""
    if derived.encode() == stored.encode():
        return
    if derived.size != stored.size:
        raise LogDiffers(
            f"the vault has {derived.size} entries, and a roster of {stored.size} of them"
        )
    differing = (name for name in said_fields() if getattr(derived, name) != getattr(stored, name))
    part = next(differing, "encoding").replace("_", " ")
    raise LogDiffers(
        f"the vault's roster is not what its {derived.size} entries say; it begins with: {part}"
    )


def _check_head(state: State, roots: Sequence[bytes]) -> tuple[Check, ...]:
    """Verify the newest head that was stored, and that the log is the one it was signed over."""
    circle = state.circle
    if circle is None or not circle.head:
        return (Check("signed heads are stored", 0),)
    try:
        settled = verify_head(state, circle.head)
    except CloisterError as error:
        raise LogDiffers(f"the newest stored head is not signed as it must be: {error}") from None
    signatures = Check(
        "the home relay's and entry relays' signatures of the head", 1 + len(settled.cosigners)
    )
    if settled.size >= len(roots):
        # Its device was away when the relay signed it: how it goes on was proved then.
        return (
            signatures,
            Check("entries of that head are not in the vault yet", settled.size - len(roots) + 1),
        )
    if settled.root != roots[settled.size]:
        raise LogDiffers(
            f"the head of size {settled.size} was signed over another log than the vault's"
        )
    return (signatures, Check("entries lie under that head", settled.size))
