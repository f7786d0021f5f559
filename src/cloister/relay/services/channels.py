"""Channels: proofs of epochs, puts, commits, and pushing what was put (flows D4, D5, 4.2)."""

from __future__ import annotations

from functools import partial
from typing import Final

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.signature import check_ed25519_public
from cloister.limits import (
    COMMIT_BURST,
    COMMIT_INTERVAL_S,
    ENVELOPE_SIZES,
    MAX_FOLLOWED_OBJECTS,
    REPROVE_S,
)
from cloister.relay.delivery import Follow
from cloister.relay.ratelimit import Bucket
from cloister.relay.services.context import Context
from cloister.relay.services.live_channel import CHANNEL, LiveChannel
from cloister.relay.services.seats import Seats
from cloister.relay.session import Grant, Session, State
from cloister.relay.storage.api import EnvelopeKind, EnvelopeRow
from cloister.relay.storage.writes import (
    Accepted,
    Delivered,
    Mail,
    MoveCommons,
    OpenChannel,
    Outcome,
    PutCommit,
    PutEnvelope,
    Refused,
)
from cloister.wire import commands
from cloister.wire.auth import ObjectKind, verify_proof
from cloister.wire.codes import Refusal
from cloister.wire.events import CommitItem, Done, Item, Proved
from cloister.wire.frame import encode_message

_SIZES: Final = frozenset(ENVELOPE_SIZES)
_MAX_BUCKETS: Final = 10_000
_NO_EPOCH: Final = -1
"""No channel is ever in it: a put into it gets the answer of a stored id, and stores nothing."""


class Channels:
    """The service."""

    def __init__(self, context: Context, seats: Seats) -> None:
        self._context = context
        self._is_lapsed = seats.is_lapsed
        self._live: dict[bytes, LiveChannel] = {}
        self._commits: dict[bytes, Bucket] = {}

    # --- proofs ------------------------------------------------------------------------------

    def prove(self, session: Session, request: commands.Prove) -> None:
        """Check a proof of an epoch and open its segment."""
        channel_id = request.object_id
        is_proven = self._context.check_proof(session, request)
        rung = self._context.store.ladder(channel_id, request.epoch) if is_proven else None
        row = self._context.store.channel(channel_id) if is_proven else None
        if rung is None or row is None:
            session.refuse(request.rid, Refusal.UNKNOWN_OBJECT)
            return
        live = self._live.get(channel_id)
        if live is None:
            live = self._live[channel_id] = LiveChannel(channel_id, row.epoch, row.next_n)
        place = (ObjectKind.CHANNEL, channel_id)
        before = session.grants.get(place)
        grant = Grant(ObjectKind.CHANNEL, channel_id, row.origin, request.epoch, rung.first_n)
        grant.is_commons = row.is_commons
        grant.last_n = rung.commit_n
        grant.log_limit = rung.log_size_end
        if before is not None and before.epoch + 1 == grant.epoch:
            grant.first_n = before.first_n
        session.grants[place] = grant
        session.state = State.PROVEN
        if grant.is_commons:
            session.commons[row.origin] = grant
        live.holders[session] = grant
        session.answer(
            Proved(
                rid=request.rid,
                epoch=request.epoch if grant.is_current else request.epoch + 1,
                first_n=rung.first_n,
                next_n=(
                    max(live.next_n, rung.first_n) if grant.last_n is None else grant.last_n + 1
                ),
                floor_n=row.floor_n,
            )
        )
        follow = session.follows.get(place)
        if follow is not None and before is not None and grant.epoch <= before.epoch + 1:
            # A follow goes on as soon as a proof opens its next index.
            follow.last_n = grant.last_n
            follow.pump()
        elif follow is not None:  # what lies between the two epochs is not opened by either
            self._drop(live, session.follows.pop(place))

    def follow(self, session: Session, request: commands.Follow) -> None:
        """Begin to push a channel from an index on, or from the first that is open."""
        grant = session.channel_grant(request.object_id)
        live = self._live.get(request.object_id)
        if grant is None or live is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        key = (int(ObjectKind.CHANNEL), request.object_id)
        old = session.follows.pop(key, None)
        if old is not None:
            self._drop(live, old)
        elif len(session.follows) >= MAX_FOLLOWED_OBJECTS:
            session.refuse(request.rid, Refusal.QUOTA)
            return
        from_n = max(request.from_n, grant.first_n)
        follow = Follow(session.outbox, self, CHANNEL, request.object_id, from_n)
        follow.last_n = grant.last_n
        session.follows[key] = follow
        live.follows[follow] = None
        session.done(request.rid)
        follow.pump()

    def _drop(self, live: LiveChannel, follow: Follow) -> None:
        follow.drop()
        live.follows.pop(follow, None)

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        for kind, object_id in list(session.grants):
            if kind == ObjectKind.CHANNEL:
                self.take_back(session, object_id)

    def take_back(self, session: Session, channel_id: bytes) -> None:
        """End a connection's proof of a channel."""
        grant = session.channel_grant(channel_id)
        live = self._live.get(channel_id)
        if grant is None or live is None:
            return
        follow = session.follows.get((ObjectKind.CHANNEL, channel_id))
        if follow is not None:
            live.follows.pop(follow, None)
        session.remove_grant(grant)
        live.holders.pop(session, None)
        if not live.holders:
            del self._live[channel_id]

    def sweep(self, session: Session, now: float) -> None:
        """Take back proofs of epochs that ended more than ``REPROVE_S`` ago.

        Not while its follow waits for something to be taken: the commit that ended the epoch is
        among that, and without it the device could not know what to prove."""
        for grant in list(session.grants.values()):
            if grant.lapses_at is not None and grant.lapses_at <= now:
                follow = session.follows.get((CHANNEL, grant.object_id))
                if follow is None or not follow.is_behind:
                    self.take_back(session, grant.object_id)

    # --- writing -----------------------------------------------------------------------------

    def put(self, session: Session, request: commands.Put) -> None:
        """Store an envelope.  Whoever has proved the epoch, or a later one, may ask."""
        grant = session.grants.get((CHANNEL, request.channel_id))
        if grant is None or request.epoch > grant.epoch:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        envelope = request.envelope
        if len(envelope) not in _SIZES:
            session.refuse(request.rid, Refusal.MALFORMED)
            return
        context = self._context
        # Of a circle that lapsed or moved nothing new is stored; a retry of what is, is answered
        # (D4).
        now = context.now()
        is_over = grant.origin in context.closed or self._is_lapsed(grant.origin, now)
        epoch = _NO_EPOCH if is_over else request.epoch
        write = PutEnvelope(request.channel_id, epoch, request.envelope_id, envelope, now)
        context.begin_write(session, len(envelope))
        context.store.submit(write, partial(self._on_put, session, request.rid, write))

    def _on_put(self, session: Session, rid: int, write: PutEnvelope, outcome: Outcome) -> None:
        self._context.end_write(session, len(write.envelope))
        if type(outcome) is Accepted:
            if outcome.fresh:
                self._context.metrics.messages_accepted += 1
                live = self._live.get(write.channel_id)
                if live is not None:
                    self._push(live, write, outcome.n)
            if session.state is not State.CLOSED:
                session.outbox.send(encode_message(Done(rid, outcome.n)))
        elif write.epoch == _NO_EPOCH and _is_stale(outcome):
            row = self._context.store.channel(write.channel_id)
            moved = row is not None and row.origin in self._context.closed
            code = Refusal.HOME_MOVED if moved else Refusal.LAPSED
            self._context.refuse(session, rid, Refused(code))
        else:
            self._context.refuse(session, rid, outcome)

    def _push(self, live: LiveChannel, write: PutEnvelope, n: int) -> None:
        live.next_n = max(live.next_n, n + 1)
        if live.follows:
            item = encode_message(
                Item(write.channel_id, n, write.epoch, write.envelope_id, write.envelope)
            )
            for follow in live.follows:
                follow.offer(n, item)

    def commit(self, session: Session, request: commands.Commit) -> None:
        """End an epoch.  The session has proved it; ``proof`` shows the key of the next one."""
        context = self._context
        grant = session.channel_grant(request.channel_id)
        live = self._live.get(request.channel_id)
        if grant is None or live is None or request.epoch > grant.epoch:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        if not _is_well_formed(request):
            session.refuse(request.rid, Refusal.MALFORMED)
            return
        try:
            check_ed25519_public(request.next_key)
            verify_proof(
                request.next_key,
                context.relay_id,
                ObjectKind.CHANNEL,
                request.channel_id,
                request.epoch + 1,
                session.nonce,
                request.proof,
            )
        except (BadSignature, BadPublicKey):
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        wait = self._commit_rate(request.channel_id).wait_s(context.monotonic())
        if wait > 0 and request.epoch == live.epoch:
            session.refuse(request.rid, Refusal.SLOW_DOWN, int(wait) + 1)
            return
        is_over = grant.origin in context.closed
        write = PutCommit(
            channel_id=request.channel_id,
            epoch=_NO_EPOCH if is_over else request.epoch,
            envelope_id=request.envelope_id,
            envelope=request.envelope,
            staged=request.staged,
            next_key=request.next_key,
            mail=tuple(Mail(one.inbox_id, one.item, one.staged) for one in request.deliveries),
            tree=request.tree,
            now=context.now(),
        )
        size = len(request.envelope) + sum(len(one.item) for one in request.deliveries)
        context.begin_write(session, size)
        context.store.submit(write, partial(self._on_commit, session, request.rid, write, size))

    def _on_commit(
        self, session: Session, rid: int, write: PutCommit, size: int, outcome: Outcome
    ) -> None:
        context = self._context
        context.end_write(session, size)
        if not isinstance(outcome, Delivered):
            is_over = write.epoch == _NO_EPOCH and _is_stale(outcome)
            context.refuse(session, rid, Refused(Refusal.HOME_MOVED) if is_over else outcome)
            return
        if outcome.fresh:
            context.metrics.commits += 1
            self._commit_rate(write.channel_id).take(context.monotonic())
            live = self._live.get(write.channel_id)
            if live is not None:
                self._end_epoch(live, write, outcome.n)
            for inbox_id, n in outcome.mail:
                context.on_mail(inbox_id, n)
        session.done(rid, outcome.n)

    def _commit_rate(self, channel_id: bytes) -> Bucket:
        """Return the limit of a channel; it outlives the connections, or they could evade it."""
        bucket = self._commits.get(channel_id)
        if bucket is None:
            if len(self._commits) >= _MAX_BUCKETS:
                now = self._context.monotonic()
                self._commits = {key: one for key, one in self._commits.items() if one.is_busy(now)}
            bucket = self._commits[channel_id] = Bucket(COMMIT_BURST, COMMIT_INTERVAL_S)
        return bucket

    def _end_epoch(self, live: LiveChannel, write: PutCommit, n: int) -> None:
        """Close the segment for everybody who proved it, then let them read its last item."""
        context = self._context
        live.next_n = max(live.next_n, n + 1)
        rung = context.store.ladder(write.channel_id, write.epoch)
        size = (rung and rung.log_size_end) or 0
        live.end_epoch(write.epoch, n, size, context.monotonic() + REPROVE_S)
        rows = context.store.envelopes(write.channel_id, n, n, 1, 1)
        if rows and live.follows:
            item = _encode(write.channel_id, rows[0])
            for follow in live.follows:
                follow.offer(n, item)

    def on_moved(self, write: MoveCommons) -> None:
        """A commons has ended: its proofs open what there is, and nothing more comes."""
        until = self._context.monotonic() + REPROVE_S
        if live := self._live.get(write.old_id):
            live.end_epoch(live.epoch, live.next_n - 1, write.log_size, until)

    def open_channel(self, session: Session, request: commands.OpenChannel) -> None:
        """Open a conversation's channel: a new one, or one that comes from another home."""
        context = self._context
        grant = session.current_commons(request.commons_id)
        if grant is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        try:
            check_ed25519_public(request.channel_key)
        except BadPublicKey:
            session.refuse(request.rid, Refusal.MALFORMED)
            return
        write = OpenChannel(
            grant.origin,
            request.channel_id,
            request.channel_key,
            request.epoch,
            request.first_n,
        )
        context.submit_simple(session, request.rid, write)

    # --- reading -----------------------------------------------------------------------------

    def read(self, follow: Follow, max_items: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """Serve a follow from storage (``delivery.Source``)."""
        live = self._live.get(follow.object_id)
        if live is None:
            return []
        to_n = live.next_n - 1 if follow.last_n is None else follow.last_n
        if follow.next_n > to_n:
            return []
        rows = self._context.store.envelopes(
            follow.object_id, follow.next_n, to_n, max_items, max_bytes
        )
        if not rows:
            follow.next_n = to_n + 1
        return [(row.n, _encode(follow.object_id, row)) for row in rows]

    def part_of(self, session: Session, n: int, channel_id: bytes) -> tuple[bytes, int] | Refused:
        """Return (hash, parts) of the large item ``n``, if this connection may read it."""
        grant = session.channel_grant(channel_id)
        if grant is None:
            return Refused(Refusal.NOT_PROVEN)
        if n < grant.first_n or (grant.last_n is not None and n > grant.last_n):
            return Refused(Refusal.NOT_PROVEN)
        rows = self._context.store.envelopes(channel_id, n, n, 1, 1)
        if not rows:
            return Refused(Refusal.UNKNOWN_OBJECT)
        return rows[0].object_hash, rows[0].parts


def _is_stale(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.code is Refusal.STALE_EPOCH


def _is_well_formed(request: commands.Commit) -> bool:
    """Tell whether each object comes either in one piece or by the hash of its parts."""
    hashes = [request.staged, request.tree, *(one.staged for one in request.deliveries)]
    if any(len(one) not in {0, 32} for one in hashes):
        return False
    if request.staged:
        if request.envelope:
            return False
    elif len(request.envelope) not in _SIZES:
        return False
    inboxes = [one.inbox_id for one in request.deliveries]
    return len(set(inboxes)) == len(inboxes) and all(
        bool(one.item) != bool(one.staged) for one in request.deliveries
    )


def _encode(channel_id: bytes, row: EnvelopeRow) -> bytes:
    if row.kind == EnvelopeKind.MESSAGE:
        return encode_message(Item(channel_id, row.n, row.epoch, row.envelope_id, row.envelope))
    return encode_message(
        CommitItem(
            channel_id,
            row.n,
            row.epoch,
            row.envelope_id,
            row.envelope,
            row.next_key,
            row.parts,
            row.object_hash,
        )
    )
