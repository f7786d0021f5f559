"""The roster log at its home: append, read, follow, and heads settled by the mirrors (flows 2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Final

from cloister.crypto.hybrid_signature import HybridKey
from cloister.errors import CloisterError
from cloister.ids import RelayId
from cloister.limits import MAX_CLOCK_SKEW_S, MAX_LOG_PAGE_BYTES
from cloister.relay.nobody import NO_GOVERNANCE
from cloister.relay.services.context import Context
from cloister.relay.services.hearing import check_author
from cloister.relay.services.live_log import PAGE_BYTES, LiveLog, load_tree, settled_size_of
from cloister.relay.services.resets import Resets, is_stewards
from cloister.relay.session import LogFollow, Session, TooManyRequests
from cloister.relay.shares.logs import KeptLog
from cloister.relay.storage.api import LogRow
from cloister.relay.storage.writes import Accepted, AppendEntry, Outcome, Refused, SetNote
from cloister.roster.entry import EntryKind
from cloister.roster.errors import RuleViolation, SnapshotError
from cloister.roster.form import read_entry
from cloister.roster.governance import Governance
from cloister.roster.relay_card import RelayCard
from cloister.roster.relay_fold import RelayFold
from cloister.roster.share import share_relays
from cloister.transparency import leaf_hash, sign_checkpoint, with_signatures
from cloister.wire import commands
from cloister.wire.codes import Refusal
from cloister.wire.events import Entries, Head, Logged, Proof

MAX_WAITING: Final = 64
"""Appends to one log that wait for the one under way."""


class Logs:
    """The service.  ``on_grown`` is told the origin of a log that has a new checkpoint."""

    def __init__(self, context: Context, name: str, key: HybridKey) -> None:
        self._context = context
        self._name = name
        self._key = key
        self._live: dict[str, LiveLog] = {}
        self._is_loaded = False
        self.on_grown: Callable[[str], None] = _nobody
        self.on_kept: Callable[[str], None] = _nobody
        """Told the origin of a log that has new entries on disk, or of which more is settled."""
        self.resets = Resets(context)

    def get(self, origin: str) -> LiveLog | None:
        """Return a log.  All are in memory: a look at the file for those that are not would tell
        a stranger by the clock which exist."""
        if not self._is_loaded:
            self.load()
        return self._live.get(origin)

    def share_relays_of(self, origin: str) -> tuple[RelayCard, ...]:
        """Return the relays at which devices of a circle enrol; none where it has no shares."""
        live = self.get(origin)
        if live is None or not live.fold.policy.unlock_shares:
            return ()
        return share_relays(live.relay_set)

    def governances(self) -> Iterator[tuple[str, Governance]]:
        """Give origin and governance of every log."""
        for origin in self.origins():
            live = self.get(origin)
            if live is not None:
                yield origin, live.fold.governance

    def load_anew(self, origin: str) -> None:
        """Load a log from storage: it is new there, or another than the one in memory."""
        row = self._context.store.log(origin)
        if row is None:
            self._live.pop(origin, None)
            return
        live = self._live[origin] = LiveLog(
            row, self._load_fold(row), load_tree(self._context.store, row)
        )
        self._mind_move(live)
        # The relay may have stopped between the entry and what follows from it.
        self.resets.carry_out(origin, live.fold.governance.reset)

    def _mind_move(self, live: LiveLog) -> None:
        """Another relay is the home by the log: it ends here, and all that hangs on it."""
        if live.fold.governance.had_home(RelayId(self._context.relay_id)):
            self._context.closed.add(live.origin)

    def load(self) -> None:
        """Load every log, and carry out what a stop of the relay has left undone."""
        self._is_loaded = True
        for origin in self.origins():
            if origin not in self._live:
                self.load_anew(origin)

    def origins(self) -> list[str]:
        """Return the origins of all logs."""
        return self._context.store.origins()

    def _load_fold(self, row: LogRow) -> RelayFold:
        """Read the stored fold; one of an older layout is made anew from the entries."""
        try:
            return RelayFold.decode(row.fold)
        except SnapshotError:
            fold: RelayFold | None = None
            while fold is None or fold.size < row.size:
                size = fold.size if fold is not None else 0
                for entry in self._context.store.entries(row.origin, size, row.size, PAGE_BYTES):
                    fold = RelayFold.found(entry) if fold is None else fold.append(entry)
            return fold

    def page(self, live: LiveLog, from_seq: int, max_bytes: int) -> list[bytes]:
        """Return a page of entries, for a mirror."""
        return self._context.store.entries(live.origin, from_seq, live.size, max_bytes)

    def kept(self, origin: str) -> KeptLog | None:
        """Return a log for the shares' eyes (``shares.logs.KeptLogs``)."""
        live = self.get(origin)
        return None if live is None else KeptLog(live.fold, live.settled_size >= live.size)

    def is_settled(self, origin: str) -> bool:
        """Whether the mirrors have signed a log as long as it is; a log that is not here is."""
        live = self.get(origin)
        return live is None or live.settled_size >= live.size

    def entries_of(self, origin: str, from_seq: int, to_seq: int) -> list[bytes]:
        """Return a page of entries (``shares.logs.KeptLogs``)."""
        return self._context.store.entries(origin, from_seq, to_seq, PAGE_BYTES)

    def sign(self, origin: str, size: int, root: bytes) -> bytes:
        """Sign a head.  It leaves this relay only after the entries below it are on disk."""
        return sign_checkpoint(origin, size, root, self._name, self._key)

    # --- appending ---------------------------------------------------------------------------

    def append(self, session: Session, request: commands.Append) -> None:
        """Append an entry at the expected size.

        Sealed entries need the commons; readable ones stand on their own signatures, so that
        stewards are heard even when someone else owns the epoch key.  Raises TooManyRequests."""
        grant = session.commons.get(request.origin)
        is_member = grant is not None and grant.is_current
        live = self.get(request.origin)
        try:
            entry = read_entry(request.entry, request.expected)
            is_sealed = entry.header.kind is EntryKind.SEALED
            if is_sealed and not is_member:
                session.refuse(request.rid, Refusal.NOT_PROVEN)
                return
            if not is_sealed and not is_member:
                # Before anything is said about the log: only who is named in it may ask more.
                check_author(entry, live.fold.governance if live is not None else NO_GOVERNANCE)
        except CloisterError as error:
            # To a stranger a bad entry and an unknown log look the same, and count the same.
            if isinstance(error, RuleViolation):
                self._context.count_wrong(session)
            code = Refusal.BAD_ENTRY if is_member else Refusal.UNKNOWN_OBJECT
            session.refuse(request.rid, code)
            return
        if live is None:
            session.refuse(request.rid, Refusal.UNKNOWN_OBJECT)
            return
        if live.origin in self._context.closed and request.expected >= live.size:
            session.refuse(request.rid, Refusal.HOME_MOVED)
            return
        if live.in_flight:
            if len(live.waiting) >= MAX_WAITING:
                session.refuse(request.rid, Refusal.SLOW_DOWN, 1)
            else:
                live.waiting.append((session, request))
            return
        self._append(live, session, request, EntryKind(entry.header.kind))

    def _append(
        self, live: LiveLog, session: Session, request: commands.Append, kind: EntryKind
    ) -> None:
        context = self._context
        size = live.size
        if request.expected != size:
            if request.expected < size:
                stored = context.store.entries(live.origin, request.expected, size, 1)
                if stored and stored[0] == request.entry:
                    session.done(request.rid, request.expected)
                    return
            session.refuse(request.rid, Refusal.MOVED, size)
            return
        wait = live.rates[kind].wait_s(context.monotonic())
        if wait > 0:
            session.refuse(request.rid, Refusal.SLOW_DOWN, int(wait) + 1)
            return
        try:
            fold = live.fold.append(request.entry)
        except CloisterError:
            session.refuse(request.rid, Refusal.BAD_ENTRY)
            return
        if abs(fold.ts - context.now()) > MAX_CLOCK_SKEW_S:
            session.refuse(request.rid, Refusal.BAD_ENTRY)
            return
        live.rates[kind].take(context.monotonic())
        note = self.sign(live.origin, fold.size, fold.root)
        live.in_flight = True
        write = AppendEntry(
            origin=live.origin,
            seq=size,
            kind=int(kind),
            entry=request.entry,
            fold=fold.encode(),
            root=fold.root,
            note=note,
        )
        context.begin_write(session, len(request.entry))
        context.store.submit(
            write, partial(self._on_appended, live, session, request.rid, fold, write)
        )

    def _on_appended(
        self,
        live: LiveLog,
        session: Session,
        rid: int,
        fold: RelayFold,
        write: AppendEntry,
        outcome: Outcome,
    ) -> None:
        self._context.end_write(session, len(write.entry))
        live.in_flight = False
        if isinstance(outcome, Accepted) and live.size == write.seq:
            before = live.fold.governance.reset
            live.fold = fold
            self._mind_move(live)
            live.note = write.note
            live.tree.append(leaf_hash(write.entry))
            self._context.metrics.entries += 1
            if fold.governance.reset != before:
                self.resets.carry_out(live.origin, fold.governance.reset)
            session.done(rid, write.seq)
            self._push(live)
            self.on_grown(live.origin)
            self.on_kept(live.origin)
        elif isinstance(outcome, Accepted):
            session.done(rid, outcome.n)
        else:
            self._context.refuse(session, rid, outcome)
        waiting, live.waiting = live.waiting, []
        for other, request in waiting:
            with suppress(TooManyRequests):  # its next request cuts it
                self.append(other, request)

    # --- reading -----------------------------------------------------------------------------

    def _reads_heads(self, session: Session, live: LiveLog) -> bool:
        return session.reads_heads_of(live.origin) or is_stewards(session, live)

    def _limit(self, session: Session, live: LiveLog) -> int | None:
        """Return how many entries this connection may read; None: it has proved nothing."""
        if is_stewards(session, live):
            return live.size
        grant = session.commons.get(live.origin)
        if grant is None:
            return None
        return live.size if grant.log_limit is None else min(live.size, grant.log_limit)

    def read(self, session: Session, request: commands.ReadLog) -> None:
        """Read a page of entries, as far as the proof allows."""
        live = self.get(request.origin)
        limit = self._limit(session, live) if live is not None else None
        if live is None or limit is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        entries: list[bytes] = []
        if request.from_seq < limit:
            entries = self._context.store.entries(
                live.origin, request.from_seq, limit, MAX_LOG_PAGE_BYTES
            )
        session.answer(Entries(request.rid, request.from_seq, tuple(entries), limit))

    def read_head(self, session: Session, request: commands.ReadHead) -> None:
        """Read the newest settled head; before there is one, the newest."""
        live = self.get(request.origin)
        if live is None or not self._reads_heads(session, live):
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        session.answer(Head(request.rid, live.settled or live.note))

    def read_proof(self, session: Session, request: commands.ReadProof) -> None:
        """Read a consistency proof between two sizes of the log."""
        live = self.get(request.origin)
        if live is None or not self._reads_heads(session, live):
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        if not 0 < request.old_size <= request.new_size <= live.tree.size:
            session.refuse(request.rid, Refusal.MALFORMED)
            return
        hashes = live.tree.consistency_proof(request.old_size, request.new_size)
        session.answer(Proof(request.rid, tuple(hashes)))

    # --- following ---------------------------------------------------------------------------

    def follow(self, session: Session, request: commands.FollowLog) -> None:
        """Push entries and settled heads from now on, as far as the newest proof allows."""
        live = self.get(request.origin)
        if live is None or self._limit(session, live) is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        if session.log_follow is not None and session.log_follow.origin != request.origin:
            self._unfollow(session, session.log_follow)
        session.log_follow = LogFollow(request.origin, request.from_seq)
        live.followers[session] = session.log_follow
        session.done(request.rid)
        self.catch_up(session)

    def catch_up(self, session: Session) -> None:
        """A proof has opened more of the log, or the connection takes something again."""
        follow = session.log_follow
        live = self.get(follow.origin) if follow is not None else None
        if follow is not None and live is not None:
            self._serve(live, session, follow)

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        if session.log_follow is not None:
            self._unfollow(session, session.log_follow)
        for live in self._live.values():
            live.waiting = [one for one in live.waiting if one[0] is not session]

    def _unfollow(self, session: Session, follow: LogFollow) -> None:
        live = self._live.get(follow.origin)
        if live is not None:
            live.followers.pop(session, None)

    def _push(self, live: LiveLog) -> None:
        for session, follow in list(live.followers.items()):
            if session.log_follow is not follow:
                # It follows from another place now.
                del live.followers[session]
            else:
                self._serve(live, session, follow)

    def _serve(self, live: LiveLog, session: Session, follow: LogFollow) -> None:
        """Push what this follow may have: a page a turn, none while the socket takes nothing."""
        limit = self._limit(session, live)
        if limit is not None and follow.next_seq < limit and not session.outbox.is_blocked:
            page = self._context.store.entries(
                live.origin, follow.next_seq, limit, MAX_LOG_PAGE_BYTES
            )
            if page:
                session.answer(Logged(follow.next_seq, tuple(page)))
                follow.next_seq += len(page)
                if follow.next_seq < limit:
                    # The next page in the next turn: by then the socket has said whether it can.
                    asyncio.get_running_loop().call_soon(self.catch_up, session)
                    return
        grant = session.commons.get(live.origin)
        is_current = grant is not None and grant.is_current
        may_see = (is_current or is_stewards(session, live)) and not session.outbox.is_blocked
        if may_see and live.settled and follow.head_sent != live.settled:
            follow.head_sent = live.settled
            session.answer(Head(0, live.settled))

    # --- settling ----------------------------------------------------------------------------

    def on_cosigned(self, origin: str, size: int, mirror_id: bytes, lines: bytes) -> None:
        """Verified cosignature lines of a mirror have come for the head of this size."""
        live = self.get(origin)
        if live is None or size != live.size:
            # A newer head is on its way to the mirror already.
            return
        note = with_signatures(live.note, lines)
        live.note = note
        live.cosigned_at[mirror_id] = self._context.now()
        self._context.store.submit(
            SetNote(origin, size, note), partial(self._on_settled, live, note)
        )

    def _on_settled(self, live: LiveLog, note: bytes, outcome: Outcome) -> None:
        if isinstance(outcome, Refused):
            return
        self._context.metrics.cosignatures += 1
        live.settled = note
        live.settled_size = settled_size_of(note)
        self._push(live)
        self.on_kept(live.origin)


def _nobody(_origin: str) -> None:
    """Nobody is told yet."""
