"""The roster log on the device: fetched, settled, folded (flows 2, D3).

Entries arrive in any portions and wait in ``session.pending``.  A head counts when both relays'
signatures hold.  Entries become part of the roster only when their tree has the root of such a
head, directly or by a consistency proof for the part that this device may read yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloister.client import leaving
from cloister.client.heads import changes_relays, size_in, verify_ahead, verify_under
from cloister.client.records import ChannelState
from cloister.client.routing import relay_set_of
from cloister.client.state import Purpose, State, Work, without
from cloister.client.turn import SettledEntry, Turn
from cloister.errors import RemoteError, TrustError
from cloister.roster.entry import Entry, SealedType
from cloister.roster.errors import NeedsLogKey, UpdateNeeded
from cloister.roster.governance_events import ResetDone
from cloister.roster.roster import Roster
from cloister.roster.voiding import Void, voids_in
from cloister.transparency.errors import NotSettled
from cloister.transparency.merkle import Frontier, leaf_hash
from cloister.transparency.proof import verify_consistency
from cloister.transparency.quorum import Settled
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import FollowLog, ReadHead, ReadLog, ReadProof
from cloister.wire.events import Entries, Head, Logged, Proof

MAX_PENDING_BYTES: Final = 128 * 1024 * 1024
"""Entries fetched and not settled: a log of 100,000 entries is half of it."""


MAX_WAIT_S: Final = 600
"""Wait for entries that another member goes by, before it is said aloud."""
STEWARD_PROOF: Final = Purpose(Work.PROVE_STEWARD)
STEWARD: Final = b"steward"
"""What opens the log when that is proved."""
HEAD_AGAIN: Final = Purpose(Work.READ_HEAD, number=1)
HEAD_AGAIN_S: Final = 5
"""Entries may be there before their head is cosigned: then it is asked for again."""


class Fork(TrustError):
    """The relay shows a history that is not the one this device has seen before."""


def tail(turn: Turn) -> tuple[int, bytes]:
    """Return size and root of the log as far as it has been fetched, settled or not."""
    frontier = _tail_frontier(turn)
    return frontier.size, frontier.root


def _tail_frontier(turn: Turn) -> Frontier:
    """The tree over all that has been fetched; kept, as it is asked for on every input."""
    known = turn.session.tail
    if known is None:
        roster = turn.state.roster
        known = roster.frontier if roster is not None else Frontier.empty()
        known = known.extend(leaf_hash(entry) for entry in turn.session.pending)
        turn.change_session(tail=known)
    return known


def advance(turn: Turn) -> None:
    """Follow the log as soon as something opens it, and fetch what is missing."""
    roster = turn.state.roster
    if roster is None:
        return
    _mind_what_is_ahead(turn, roster.size)
    opener = _opener(turn)
    if opener is None:
        return
    size, _ = tail(turn)
    origin = roster.origin
    turn.ask_once(
        Purpose(Work.FOLLOW_LOG, opener),
        lambda rid: FollowLog(rid=rid, origin=origin, from_seq=size),
    )
    turn.ask_once(Purpose(Work.READ_HEAD), lambda rid: ReadHead(rid=rid, origin=origin))
    head = turn.session.head_settled
    session = turn.session
    wanted = max(session.tail_hint, session.heard_size, head.size if head else 0)
    epoch = turn.session.proven.get((int(ObjectKind.CHANNEL), opener), 0)
    if size < wanted:
        # Once for each size and epoch: an old epoch's proof may not read further.
        turn.ask_once(
            Purpose(Work.READ_LOG, opener + epoch.to_bytes(8, "big"), size),
            lambda rid: ReadLog(rid=rid, origin=origin, from_seq=size),
        )
    is_behind = opener != STEWARD and not turn.is_current(opener)
    if head is not None and size > head.size and is_behind:
        # A relay pushes heads to who is in the current epoch alone.  Who is not may need the next
        # one to take up the commit that leads there.
        turn.ask(HEAD_AGAIN, lambda rid: ReadHead(rid=rid, origin=origin))
    if head is not None and roster.size < size < head.size:
        turn.ask_once(
            Purpose(Work.READ_PROOF, number=size),
            lambda rid: ReadProof(rid=rid, origin=origin, old_size=size, new_size=head.size),
        )


def _opener(turn: Turn) -> bytes | None:
    """Return what opens the log on this connection: a steward's key, the commons that a Welcome
    leads into, or the commons; nothing while none is proved."""
    session, circle = turn.session, turn.state.circle
    if STEWARD_PROOF in session.done:
        return STEWARD
    for channel_id in (session.moving, circle.commons_id if circle is not None else b""):
        if (int(ObjectKind.CHANNEL), channel_id) in session.proven:
            return channel_id
    return None


def heard_of(turn: Turn, size: int) -> None:
    """A member goes by a longer log: reason to fetch; no more, as that may be a lie of theirs."""
    turn.change_session(heard_size=max(turn.session.heard_size, size))
    if not turn.state.log_ahead[0]:
        turn.change(log_ahead=(size, turn.now))


def _mind_what_is_ahead(turn: Turn, size: int) -> None:
    """Say so when the relay does not show for too long what another member goes by (C4)."""
    ahead, since = turn.state.log_ahead
    if not ahead:
        return
    if size < ahead:
        if turn.now - since < MAX_WAIT_S:
            return
        turn.alarm(
            "log behind",
            "Another member goes by entries of the circle's log that the relays do not show here.",
        )
    turn.change(log_ahead=(0, 0))


def on_entries(turn: Turn, event: Entries | Logged) -> None:
    """Take entries in that continue the tail; what is known already is skipped."""
    if turn.state.roster is None:
        return
    size, _ = tail(turn)
    if event.from_seq > size:
        turn.change_session(tail_hint=max(turn.session.tail_hint, event.from_seq))
        return
    fresh = event.entries[size - event.from_seq :]
    for entry in fresh:
        Entry.decode(entry)  # what is no entry ends the connection that brought it
    if not fresh:
        return
    held = turn.session.pending_bytes + sum(map(len, fresh))
    if held > MAX_PENDING_BYTES:
        raise Fork("the relay sends more of the log than it has signed heads for")
    tail_before = _tail_frontier(turn)
    turn.change_session(
        pending=(*turn.session.pending, *fresh),
        pending_bytes=held,
        tail=tail_before.extend(leaf_hash(entry) for entry in fresh),
    )
    later = turn.session.head_later
    if later and size_in(later) <= size + len(fresh):
        turn.change_session(head_later=b"")
        on_head(turn, Head(0, later))
    settle(turn)


def on_read_log(turn: Turn, purpose: Purpose, event: Entries) -> None:
    """Take a page of the log; a page that moved the tail may be asked on from there."""
    turn.mark_done(purpose)
    turn.change_session(readable=event.size)
    on_entries(turn, event)


def on_head(turn: Turn, event: Head) -> None:
    """Verify a head and settle what it covers.  A head that does not verify changes nothing."""
    try:
        settled = verify_head(turn.state, event.note)
    except RemoteError as error:
        if isinstance(error, NotSettled) and turn.state.home_move is not None:
            return  # a new home has signed it, and pushes it again when it is cosigned
        size, _ = tail(turn)
        # A head that is pushed comes after its entries; one that is asked for may come before.
        if turn.state.roster is None or size_in(event.note) <= size or event.rid == 0:
            raise
        # Other relays may be in force there: the entries that say so have not come yet.
        heard = max(turn.session.heard_size, size_in(event.note))
        turn.change_session(head_later=event.note, heard_size=heard)
        return
    _check_not_behind(turn, settled)
    known = turn.session.head_settled
    if known is not None and settled.size < known.size:
        return
    turn.change_session(head=event.note, head_settled=settled)
    settle(turn)


def _check_not_behind(turn: Turn, head: Settled) -> None:
    """Say so when the log was longer before.  Raises ``Fork`` when it was another."""
    roster = turn.state.roster
    if roster is None or head.size >= roster.size:
        return
    if turn.state.root_at(head.size) != head.root:
        raise Fork(
            f"the relays signed another log of size {head.size} than this device has seen",
            hint="Do not go on.  Compare with other members; the relays are lying.",
        )
    turn.alarm(
        "rollback",
        f"The relay shows a log of {head.size} entries, and this device has seen {roster.size}: it "
        "was set back to an earlier copy, or keeps entries from this device.",
    )


def is_caught_up(turn: Turn) -> bool:
    """Whether this device has seen all of the log that there is, or all that it will be shown."""
    roster, head, commons = turn.state.roster, turn.session.head_settled, turn.state.commons
    if roster is None or commons is None or commons.state is not ChannelState.ACTIVE:
        return True
    is_newest = head is not None and roster.size >= head.size
    return is_newest and turn.is_current(commons.channel_id)


def verify_head(state: State, note: bytes) -> Settled:
    """Verify a signed note against the relays of its size.  Raises subclasses of RemoteError."""
    relay_set = relay_set_of(state)
    if relay_set is None:
        raise Fork("a head arrived before the relays are known")
    roster, founding = state.roster, state.founding
    if roster is not None:
        return verify_ahead(state, roster, note)
    return verify_under(relay_set, note, founding.origin if founding else "")


def settle(turn: Turn) -> None:
    """Fold pending entries as far as the verified head covers them."""
    roster, head = turn.state.roster, turn.session.head_settled
    if roster is None or head is None:
        return
    if head.size < roster.size:
        return
    count = head.size - roster.size
    if count > len(turn.session.pending):
        return
    entries = turn.session.pending[:count]
    covered = roster.frontier.extend(leaf_hash(entry) for entry in entries)
    if covered.root != head.root:
        raise Fork(
            f"the log that the home relay serves does not fit its signed head of size {head.size}",
            hint="Do not go on.  Compare with other members; one of the relays is lying.",
        )
    check_relays(turn.state, roster, entries)
    fold(turn, entries)
    note_head(turn, head)


def check_relays(state: State, roster: Roster, entries: Sequence[bytes]) -> None:
    """Judge the newest head once more where the entries below it bring other relays.

    It may have been verified before they came.  Raises subclasses of RemoteError.
    """
    if state.session.head and changes_relays(roster.governance, entries):
        verify_ahead(state, roster, state.session.head)


def on_proof(turn: Turn, purpose: Purpose, event: Proof) -> None:
    """Settle a prefix: what an old epoch may read of the log, up to the head's proof."""
    roster, head = turn.state.roster, turn.session.head_settled
    turn.mark_done(purpose)
    size, root = tail(turn)
    if roster is None or head is None or purpose.number != size or head.size <= size:
        return
    verify_consistency(size, root, head.size, head.root, event.hashes)
    fold(turn, turn.session.pending)


def note_head(turn: Turn, head: Settled) -> None:
    """Store the newest settled head next to the roster it covers."""
    circle = turn.state.circle
    if circle is not None and circle.head != turn.session.head:
        turn.change(circle=replace(circle, head=turn.session.head))
    turn.change(head_time=head.newest_cosignature_time)


def fold(turn: Turn, entries: Sequence[bytes]) -> None:
    """Fold settled entries, one by one, as far as this device holds their log keys."""
    roster = turn.state.roster
    if roster is None:
        return
    done = 0
    roots = list(turn.state.roots)
    if must_rewind(turn, entries):
        return
    voids = voids_in(roster.governance, entries)
    for entry in entries:
        seq = roster.size
        try:
            roster, events = roster.append(entry, turn.state.log_keys, voids)
        except NeedsLogKey:
            break
        except UpdateNeeded as error:
            turn.alarm("update", str(error))
            break
        done += 1
        roots.append(roster.root)
        turn.store_entry(seq, entry)
        turn.settled.append(SettledEntry(seq=seq, entry=entry, events=events))
        for event in events:
            if isinstance(event, ResetDone):
                forget_generations(turn, above=roster.generation)
                without_old = without(turn.session.current, event.old_id)
                turn.change_session(current=without_old)
    left = turn.session.pending[done:]
    turn.change_session(pending=left, pending_bytes=sum(map(len, left)), tail=None)
    before = turn.state.roster or roster
    turn.change(roster=roster, roots=tuple(roots))
    leaving.begin(turn, before, roster)
    known = turn.session.ahead if not done else None
    turn.change_session(ahead=_ahead(known, roster, turn.state, entries[done:]))
    if done:
        turn.changed("log")


def _ahead(
    known: Roster | None, roster: Roster, state: State, entries: Sequence[bytes]
) -> Roster | None:
    """Fold on as if all were void that no known log key opens; nothing of it is kept.

    ``known``: what came of fewer of these entries before.
    """
    if not entries:
        return None
    unknown = Void(seq=roster.size + len(entries), generation=roster.generation)
    start = known or roster
    try:
        return start.extend(entries[start.size - roster.size :], state.log_keys, (unknown,))[0]
    except (NeedsLogKey, UpdateNeeded):
        return None


def must_rewind(turn: Turn, entries: Sequence[bytes]) -> bool:
    """Return whether settled entries make void what the roster stands on; then ``rewinding`` is
    next, and nothing is folded before."""
    roster = turn.state.roster
    if roster is None:
        return False
    voids = voids_in(roster.governance, entries)
    if all(void.generation >= roster.generation for void in voids):
        return False
    turn.change(rewind=voids)
    return True


def forget_generations(turn: Turn, *, above: int) -> None:
    """Forget log keys that came of a commons which is no more: others follow from the new one."""
    state = turn.state
    turn.change(
        log_keys={g: key for g, key in state.log_keys.items() if g <= above},
        announcements={g: one for g, one in state.announcements.items() if g <= above},
        own_generations=frozenset(g for g in state.own_generations if g <= above),
        intents=tuple(one for one in state.intents if not one.is_of(SealedType.LOG_KEY)),
    )
