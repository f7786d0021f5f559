"""The unlock face of an entry relay: the home's listener, with share requests and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloister.relay.services.context import Context
from cloister.relay.session import Session, State
from cloister.relay.shares.service import Handler, ShareService
from cloister.wire import commands
from cloister.wire.codes import Refusal


class ShareDispatch:
    """Takes requests of sessions (``listener.Requests``)."""

    def __init__(self, context: Context, shares: ShareService) -> None:
        self._context = context
        self._shares = shares
        self._table: Final[dict[type, Handler]] = {
            **shares.handlers,
            commands.Ping: self._ping,
        }

    def take(self, session: Session, requests: Sequence[commands.AnyRequest]) -> None:
        """Handle the requests of one frame in order.  Raises TooManyRequests."""
        self._context.metrics.requests += len(requests)
        for request in requests:
            session.count_unproven()
            handler = self._table.get(type(request))
            if session.state is State.DRAINING:
                session.refuse(request.rid, Refusal.DRAINING, session.retry_s)
            elif handler is None:
                session.refuse(request.rid, Refusal.NOT_PROVEN)
            elif session.state is not State.CLOSED:
                handler(session, request)

    def resume(self, session: Session) -> None:
        """The socket takes something again."""
        session.outbox.moved_at = self._context.monotonic()
        session.outbox.catch_up()

    def sweep(self, _session: Session, _now: float) -> None:
        """No right of this face outlives the request that it came with."""

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        session.state = State.CLOSED
        self._shares.forget(session)

    def _ping(self, session: Session, request: commands.Ping) -> None:
        session.done(request.rid, self._context.now())
