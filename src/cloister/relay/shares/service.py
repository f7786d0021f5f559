"""The share requests of a connection: rates, then one job each, then the answer.

None of them needs a proof of the connection: each is signed on its own, and the nonce of the
connection is in what is signed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.oprf import evaluate
from cloister.crypto.sodium import ristretto255
from cloister.errors import RemoteError
from cloister.ids import Handle
from cloister.relay.ratelimit import Bucket
from cloister.relay.services.context import RETRY_S
from cloister.relay.services.seats import SeatTaker
from cloister.relay.session import Session
from cloister.relay.shares.acts import ShareActs, Try
from cloister.relay.shares.enforcing import Enforcement
from cloister.relay.shares.orders import apply_lock, judge_lock
from cloister.relay.shares.rows import Enrolment, ErasureState
from cloister.relay.shares.store import ShareStore
from cloister.relay.shares.tickets import TicketCheck
from cloister.relay.shares.worker import MAX_WAITING, Worker
from cloister.relay.storage.writes import Accepted, Refused
from cloister.roster.orders import SignedLock
from cloister.roster.relay_card import RelayCard
from cloister.wire import commands
from cloister.wire.codes import Refusal
from cloister.wire.events import Enrolled, Erasure, Evaluated

CONNECTION_BURST: Final = 16
CONNECTION_INTERVAL_S: Final = 1.0
"""Share requests of one connection.  A device that unlocks needs two, one that enrols one."""
RELAY_BURST: Final = 400
RELAY_INTERVAL_S: Final = 0.01
"""Share requests of all connections.  A hundred a second cost a fifth of one core (hybrid
signatures of tickets and orders) and leave the rest to channels."""

Handler = Callable[[Session, Any], None]


class ShareService:
    """Takes the share requests of all connections of one relay."""

    def __init__(
        self,
        card: RelayCard,
        key: HybridKey,
        worker: Worker,
        tickets: TicketCheck,
        enforcement: Enforcement,
        *,
        seats: SeatTaker | None,
        now: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        ristretto255()  # loaded now, and not while the first device waits for it
        self._relay_id = card.relay_id
        self._worker = worker
        self._tickets = tickets
        self._enforcement = enforcement
        self._acts = ShareActs(card.relay_id, key, now)
        self._seats = seats
        self._monotonic = monotonic
        self._all = Bucket(RELAY_BURST, RELAY_INTERVAL_S)
        self._connections: dict[Session, Bucket] = {}
        self.handlers: Final[dict[type, Handler]] = {
            commands.Enrol: partial(self._limited, self._enrol),
            commands.EnrolAgain: partial(self._limited, self._enrol_again),
            commands.Evaluate: partial(self._limited, self._evaluate),
            commands.Confirm: partial(self._limited, self._act(self._acts.confirm)),
            commands.NextGeneration: partial(self._limited, self._act(self._acts.next_generation)),
            commands.DropGeneration: partial(self._limited, self._act(self._acts.drop_generation)),
            commands.Order: partial(self._limited, self._order),
            commands.ReadErasure: partial(self._limited, self._read_erasure),
        }

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        self._connections.pop(session, None)

    def _limited(self, handler: Handler, session: Session, request: commands.AnyRequest) -> None:
        """Refuse what is too fast or too much, before it costs a signature."""
        now = self._monotonic()
        own = self._connections.get(session)
        if own is None:
            own = self._connections[session] = Bucket(CONNECTION_BURST, CONNECTION_INTERVAL_S)
        wait = max(own.wait_s(now), self._all.wait_s(now))
        if wait > 0 or self._worker.waiting >= MAX_WAITING:
            session.refuse(request.rid, Refusal.SLOW_DOWN, int(wait) + 1)
            return
        own.take(now)
        self._all.take(now)
        handler(session, request)

    # --- enrolling ---------------------------------------------------------------------------

    def _enrol(self, session: Session, request: commands.Enrol) -> None:
        ticket = self._tickets.read(request.ticket)
        if isinstance(ticket, Refused):
            _refuse(session, request.rid, ticket)
            return
        refused = self._acts.check_enrol(request, ticket)
        if refused is not None:
            _refuse(session, request.rid, refused)
            return
        self._worker.submit(
            lambda store: self._acts.enrol(store, request, ticket),
            partial(self._on_enrolled, session, request.rid, ticket.key),
        )

    def _on_enrolled(
        self, session: Session, rid: int, ticket_key: bytes, outcome: Enrolment | Refused
    ) -> None:
        if isinstance(outcome, Refused):
            _refuse(session, rid, outcome)
        elif self._seats is None:
            session.answer(Enrolled(rid, outcome.receipt))
        else:
            # Without a seat the share stays, and the same request later finds it.
            self._seats.take(
                ticket_key, outcome.handle, partial(_on_seated, session, rid, outcome.receipt)
            )

    def _enrol_again(self, session: Session, request: commands.EnrolAgain) -> None:
        receipt = self._acts.check_again(request, session.nonce)
        if isinstance(receipt, Refused):
            _refuse(session, request.rid, receipt)
            return
        self._worker.submit(
            lambda store: self._acts.enrol_again(store, request, receipt),
            partial(_on_act, session, request.rid),
        )
        # Right behind it: of what is asked in the same breath the log is heard first.
        self._enforcement.look_for(receipt.handle)

    # --- unlocking ---------------------------------------------------------------------------

    def _evaluate(self, session: Session, request: commands.Evaluate) -> None:
        nonce = session.nonce
        self._worker.submit(
            lambda store: self._acts.evaluate(store, request, nonce),
            partial(_on_try, session, request),
        )

    def _act(self, act: Callable[[ShareStore, Any, bytes], Accepted | Refused]) -> Handler:
        def handle(session: Session, request: commands.AnyRequest) -> None:
            nonce = session.nonce
            self._worker.submit(
                lambda store: act(store, request, nonce), partial(_on_act, session, request.rid)
            )

        return handle

    # --- orders ------------------------------------------------------------------------------

    def _order(self, session: Session, request: commands.Order) -> None:
        try:
            lock = SignedLock.decode(request.order)
        except RemoteError:
            _refuse(session, request.rid, Refused(Refusal.MALFORMED))
            return
        kept = self._enforcement.log_of(lock.order.circle_id)
        targets = judge_lock(lock, kept.fold if kept is not None else None, self._relay_id)
        if isinstance(targets, Refused):
            _refuse(session, request.rid, targets)
            return
        self._worker.submit(
            lambda store: apply_lock(store, targets), partial(_on_act, session, request.rid)
        )

    def _read_erasure(self, session: Session, request: commands.ReadErasure) -> None:
        self._worker.submit(
            lambda store: store.erasure(request.order_hash, Handle(request.handle)),
            partial(_on_erasure, session, request.rid),
        )


def _on_seated(session: Session, rid: int, receipt: bytes, outcome: bytes | Refused) -> None:
    if isinstance(outcome, Refused):
        _refuse(session, rid, outcome)
    else:
        session.answer(Enrolled(rid, receipt, outcome))


def _on_try(session: Session, request: commands.Evaluate, outcome: Try | Refused) -> None:
    """The try is used up on disk: now it may be evaluated."""
    if isinstance(outcome, Refused):
        _refuse(session, request.rid, outcome)
    else:
        element = evaluate(outcome.scalar, request.blinded)
        session.answer(Evaluated(request.rid, element, outcome.left))


def _on_act(session: Session, rid: int, outcome: Accepted | Refused) -> None:
    if isinstance(outcome, Refused):
        _refuse(session, rid, outcome)
    else:
        session.done(rid, outcome.n)


def _on_erasure(session: Session, rid: int, outcome: tuple[ErasureState, bytes] | Refused) -> None:
    if isinstance(outcome, Refused):
        _refuse(session, rid, outcome)
    else:
        state, receipt = outcome
        session.answer(Erasure(rid, int(state), receipt))


def _refuse(session: Session, rid: int, refused: Refused) -> None:
    detail = RETRY_S if refused.code is Refusal.STORAGE else refused.detail
    session.refuse(rid, refused.code, detail)
