"""What every service of a home relay is given."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.limits import QUOTA_RETRY_S
from cloister.relay.backlog import Backlog
from cloister.relay.metrics import Metrics
from cloister.relay.nobody import NO_KEY
from cloister.relay.session import MAX_PENDING_BYTES, Session, State
from cloister.relay.storage.api import Store
from cloister.relay.storage.writes import (
    Accepted,
    Outcome,
    Refused,
    Write,
)
from cloister.wire import commands
from cloister.wire.auth import ObjectKind, verify_proof
from cloister.wire.codes import Refusal

WRONG_PROOF: Final = 3
"""What a wrong proof counts beyond itself: it has cost the check of a signature."""
RETRY_S: Final = 2
"""What a device waits after ``STORAGE`` before it asks again with the same id."""


class Context:
    """Store, clocks, counters, and the relay's own id.

    ``on_mail`` is told (inbox id, n) of each Welcome that came with a commit; ``throttle`` stops
    and starts reading from a connection; ``retake`` handles requests that have waited.
    """

    def __init__(
        self,
        *,
        relay_id: bytes,
        store: Store,
        metrics: Metrics,
        now: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self.relay_id = relay_id
        self.store = store
        self.metrics = metrics
        self.now = now
        self.monotonic = monotonic
        self.closed: set[str] = set()
        """Origins of logs that have ended here: another relay is the home now."""
        self.on_mail: Callable[[bytes, int], None] = _nobody
        self.throttle: Callable[[Session, bool], None] = _no_socket
        self.retake: Callable[[Session, deque[commands.AnyRequest]], None] = _no_requests

    def check_proof(self, session: Session, request: commands.Prove) -> bool:
        """Tell whether a proof fits object and connection.

        All that fails costs the same and counts the same, whether or not there is such an object:
        what else is to be read of it is read afterwards.  Raises TooManyRequests."""
        kind = ObjectKind(request.kind)
        key = self.store.proof_key(kind, request.object_id, request.epoch)
        is_proven = key is not None
        try:
            verify_proof(
                NO_KEY if key is None else key,
                self.relay_id,
                kind,
                request.object_id,
                request.epoch,
                session.nonce,
                request.signature,
            )
        except (BadSignature, BadPublicKey):
            is_proven = False
        if not is_proven:
            self.count_wrong(session)
        return is_proven

    def count_wrong(self, session: Session) -> None:
        """Count a signature that was checked in vain.  Raises TooManyRequests."""
        if session.state is State.GREETED:
            session.count_unproven(WRONG_PROOF)

    def begin_write(self, session: Session, size: int) -> None:
        """Count a write that is under way; stop reading when there are too many bytes of them."""
        session.pending_writes += 1
        before = session.pending_bytes
        session.pending_bytes = before + size
        if before < MAX_PENDING_BYTES <= session.pending_bytes:
            self.throttle(session, True)

    def end_write(self, session: Session, size: int) -> None:
        """A write came back."""
        session.pending_writes -= 1
        before = session.pending_bytes
        session.pending_bytes = before - size
        if before >= MAX_PENDING_BYTES > session.pending_bytes and session.backlog is None:
            self.throttle(session, False)

    def wait_with(self, session: Session, requests: deque[commands.AnyRequest]) -> None:
        """Let requests wait until the connection takes its answers; read nothing more."""
        session.backlog = Backlog(session, requests, self._go_on)
        session.outbox.behind[session.backlog] = None
        if not session.outbox.is_full:
            session.outbox.flusher.wait(session.outbox)
        self.throttle(session, True)

    def _go_on(self, session: Session, requests: deque[commands.AnyRequest]) -> None:
        """Handle what has waited; when nothing waits any more, read on."""
        self.retake(session, requests)
        if session.backlog is None and session.pending_bytes < MAX_PENDING_BYTES:
            self.throttle(session, False)

    def submit_simple(self, session: Session, rid: int, write: Write) -> None:
        """Submit a write whose answer is ``Done(n)`` or a refusal, and nothing else happens."""
        self.begin_write(session, 0)
        self.store.submit(write, partial(self._on_simple, session, rid))

    def _on_simple(self, session: Session, rid: int, outcome: Outcome) -> None:
        self.end_write(session, 0)
        if isinstance(outcome, Accepted):
            session.done(rid, outcome.n)
        else:
            self.refuse(session, rid, outcome)

    def refuse(self, session: Session, rid: int, outcome: Outcome) -> None:
        """Answer with a refusal of the store."""
        self.metrics.refusals += 1
        if isinstance(outcome, Refused):
            waits = {Refusal.STORAGE: RETRY_S, Refusal.QUOTA: QUOTA_RETRY_S}
            detail = outcome.detail or waits.get(outcome.code, 0)
            session.refuse(rid, outcome.code, detail)
        else:
            session.refuse(rid, Refusal.STORAGE, RETRY_S)


def _nobody(_inbox_id: bytes, _n: int) -> None:
    """Nobody follows inboxes yet."""


def _no_requests(_session: Session, _requests: deque[commands.AnyRequest]) -> None:
    """There is nobody who takes requests."""


def _no_socket(_session: Session, _stop: bool) -> None:
    """There is no socket to stop."""
