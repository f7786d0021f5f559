"""Which request is taken in which state, and by whom: the table of the home's protocol."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from cloister.limits import KIB, MAX_FOLLOWED_OBJECTS
from cloister.relay.services.adopting import Adoptions
from cloister.relay.services.channels import Channels
from cloister.relay.services.context import Context
from cloister.relay.services.founding import Foundings
from cloister.relay.services.log import Logs
from cloister.relay.services.mailboxes import Mailboxes
from cloister.relay.services.parts import Parts
from cloister.relay.services.resets import is_promised
from cloister.relay.services.seats import Seats
from cloister.relay.session import Session, State
from cloister.wire import adopting, commands
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal

Handler = Callable[[Session, Any], None]


class Shares(Protocol):
    """The part of the share service that takes requests of sessions."""

    @property
    def handlers(self) -> Mapping[type, Handler]:
        """Which request is taken by what."""
        ...

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        ...


class Dispatch:
    """Takes requests of sessions."""

    def __init__(
        self,
        context: Context,
        channels: Channels,
        mailboxes: Mailboxes,
        parts: Parts,
        logs: Logs,
        foundings: Foundings,
        seats: Seats,
        shares: Shares,
        adoptions: Adoptions,
    ) -> None:
        self._context = context
        context.retake = self.take
        self._channels = channels
        self._mailboxes = mailboxes
        self._logs = logs
        self._shares = shares
        logs.resets.on_moved = channels.on_moved
        strangers: dict[type, Handler] = {
            **shares.handlers,
            commands.Prove: self._prove,
            commands.Begin: foundings.begin,
            commands.OpenCircle: foundings.open_circle,
            adopting.AdoptEntries: adoptions.take_page,
            adopting.AdoptCircle: adoptions.adopt,
            commands.Append: logs.append,
            commands.ProveSteward: self._prove_steward,
            commands.Ping: self._ping,
            commands.Seen: self._seen,
        }
        members: dict[type, Handler] = {
            commands.Follow: self._follow,
            commands.Put: channels.put,
            commands.Commit: channels.commit,
            commands.Stage: parts.stage,
            commands.ReadPart: parts.read_part,
            commands.ReadTree: parts.read_tree,
            commands.OpenChannel: self._open_channel,
            commands.OpenInbox: mailboxes.open_inbox,
            adopting.AskTickets: mailboxes.issue_tickets,
            commands.OpenBox: mailboxes.open_box,
            commands.PutBox: mailboxes.put_box,
            commands.PublishKeyPackages: mailboxes.publish,
            commands.TakeKeyPackage: mailboxes.take,
            commands.ReadLog: logs.read,
            commands.ReadHead: logs.read_head,
            commands.ReadProof: logs.read_proof,
            commands.FollowLog: logs.follow,
            commands.ReadSeats: seats.read,
        }
        self._table: dict[State, dict[type, Handler]] = {
            State.GREETED: strangers,
            State.PROVEN: strangers | members,
            State.DRAINING: {commands.Ping: self._ping, commands.Seen: self._seen},
            State.CLOSED: {},
        }

    def take(self, session: Session, requests: Sequence[commands.AnyRequest]) -> None:
        """Handle the requests of one frame in order.  Raises TooManyRequests."""
        if session.backlog is not None:
            # Read already when the connection was held.
            session.backlog.requests.extend(requests)
            return
        # Of those that have waited already the rest stays where it is: there may be thousands, and
        # a copy in each turn is more for the collector of garbage than what was asked for.
        waiting = requests if isinstance(requests, deque) else deque(requests)
        context, outbox = self._context, session.outbox
        flusher = outbox.flusher
        while waiting:
            request = waiting[0]
            kind = type(request)
            cost = _COSTS.get(kind, REQUEST_COST)
            reads = kind in _READS
            has_room = not (reads and flusher.has_read) and not (
                flusher.is_spent and (cost > REQUEST_COST or outbox.taken >= AT_ONCE)
            )
            if outbox.is_full or (session.state is State.PROVEN and not has_room):
                context.wait_with(session, waiting)
                return
            waiting.popleft()
            flusher.take(outbox, cost, reads=reads)
            context.metrics.requests += 1
            if session.state is State.GREETED:
                session.count_unproven()
            handler = self._table[session.state].get(kind)
            if self._context.closed and self._is_over(session, request):
                session.refuse(request.rid, Refusal.HOME_MOVED)
            elif handler is not None:
                handler(session, request)
            elif session.state is State.DRAINING:
                session.refuse(request.rid, Refusal.DRAINING, session.retry_s)
            else:
                session.refuse(request.rid, Refusal.NOT_PROVEN)

    def _is_over(self, session: Session, request: commands.AnyRequest) -> bool:
        """Whether a request would store something for a circle that has moved to another home.

        Puts, commits and appends look for themselves: what was stored before is answered."""
        match request:
            case (
                commands.OpenChannel(commons_id=object_id)
                | commands.OpenBox(commons_id=object_id)
                | commands.TakeKeyPackage(commons_id=object_id)
            ):
                kind = ObjectKind.CHANNEL
            case commands.OpenInbox(box_id=object_id) | commands.PutBox(box_id=object_id):
                kind = ObjectKind.BOX
            case commands.PublishKeyPackages(inbox_id=object_id) if request.packages:
                kind = ObjectKind.INBOX
            case _:
                return False
        grant = session.grants.get((kind, object_id))
        return grant is not None and grant.origin in self._context.closed

    def resume(self, session: Session) -> None:
        """The socket takes something again."""
        session.outbox.moved_at = self._context.monotonic()
        session.outbox.catch_up()
        self._logs.catch_up(session)

    def forget(self, session: Session) -> None:
        """A connection has ended: nothing of it stays."""
        session.state = State.CLOSED
        session.backlog = None
        self._logs.forget(session)
        self._mailboxes.forget(session)
        self._channels.forget(session)
        self._shares.forget(session)

    def sweep(self, session: Session, now: float) -> None:
        """Take back proofs of epochs that ended a while ago."""
        self._channels.sweep(session, now)

    def _prove(self, session: Session, request: commands.Prove) -> None:
        if len(session.grants) >= MAX_GRANTS:
            session.refuse(request.rid, Refusal.QUOTA)
        elif request.kind == ObjectKind.CHANNEL:
            self._channels.prove(session, request)
            self._logs.catch_up(session)
        else:
            self._mailboxes.prove(session, request)

    def _prove_steward(self, session: Session, request: commands.ProveSteward) -> None:
        live = self._logs.get(request.origin)
        self._logs.resets.prove_steward(live, session, request)
        self._logs.catch_up(session)

    def _open_channel(self, session: Session, request: commands.OpenChannel) -> None:
        grant = session.current_commons(request.commons_id)
        live = self._logs.get(grant.origin) if grant is not None else None
        if is_promised(live, request.channel_id):
            session.refuse(request.rid, Refusal.ID_CONFLICT)
        else:
            self._channels.open_channel(session, request)

    def _follow(self, session: Session, request: commands.Follow) -> None:
        if request.kind == ObjectKind.CHANNEL:
            self._channels.follow(session, request)
        else:
            self._mailboxes.follow(session, request)

    def _seen(self, session: Session, request: commands.Seen) -> None:
        follow = session.follows.get((request.kind, request.object_id))
        if follow is None:
            return
        if follow.seen(request.n):
            session.outbox.moved_at = self._context.monotonic()
        if follow in session.outbox.behind:
            follow.pump()

    def _ping(self, session: Session, request: commands.Ping) -> None:
        session.done(request.rid, self._context.now())


AT_ONCE: Final = 32
"""Requests of a connection that are taken even if others have used up this turn of the loop."""
REQUEST_COST: Final = 512
"""What a request counts of ``delivery.TURN_BYTES``: five microseconds of it."""
_COSTS: Final[dict[type, int]] = {
    # A signature to check.
    commands.Prove: 16 * KIB,
    commands.ProveSteward: 16 * KIB,
    # What it brings from storage is counted where it is read, and waits there for its turn.
    commands.Follow: 16 * KIB,
    commands.FollowLog: 64 * KIB,
    commands.ReadLog: 64 * KIB,
    commands.ReadPart: 64 * KIB,
    commands.ReadTree: 64 * KIB,
    commands.ReadProof: 2 * KIB,
}
"""What others count: those which make a relay work or read for a few bytes.  A member
who asks for them without end waits, and nobody else."""
_READS: Final = frozenset(
    {
        commands.FollowLog,
        commands.ReadLog,
        commands.ReadPart,
        commands.ReadTree,
        commands.ReadProof,
    }
)
"""Those that are answered from storage at once, and so wait for it themselves."""
MAX_GRANTS: Final = 2 * MAX_FOLLOWED_OBJECTS
"""Objects one connection may prove: twice what it may follow; bounds the relay's memory."""
