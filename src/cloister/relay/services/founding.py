"""Founding a circle: the activation code, and the one transaction that opens it (flows 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hashing import sha256
from cloister.crypto.signature import check_ed25519_public, verify_ed25519
from cloister.errors import CloisterError
from cloister.ids import ChannelId
from cloister.limits import MAX_CLOCK_SKEW_S
from cloister.relay.services.context import Context
from cloister.relay.services.log import Logs
from cloister.relay.services.seats import Seats
from cloister.relay.session import Session
from cloister.relay.shares.tickets import FOUNDER_TICKET_S, TicketOffice
from cloister.relay.storage.writes import (
    Accepted,
    BindCode,
    Bound,
    OpenCircle,
    Outcome,
)
from cloister.roster.genesis import commons_commitment_of
from cloister.roster.relay_card import RelayCard
from cloister.roster.relay_fold import RelayFold
from cloister.wire import commands
from cloister.wire.auth import OPEN_LABEL, open_content
from cloister.wire.codes import Refusal
from cloister.wire.events import Begun

ORIGIN_BYTES: Final = 8
"""Random bytes of an origin: enough to be unlike all others, and they say nothing."""


class Foundings:
    """The service.

    ``is_code`` tells whether a code of this hash was handed out; ``peers`` are the relays of the
    operator's list by relay id."""

    def __init__(
        self,
        context: Context,
        logs: Logs,
        seats: Seats,
        tickets: TicketOffice,
        *,
        card: RelayCard,
        peers: Callable[[], Mapping[bytes, RelayCard]],
        is_code: Callable[[bytes], bool],
        entropy: Entropy,
    ) -> None:
        self._context = context
        self._logs = logs
        self._seats = seats
        self._tickets = tickets
        self._card = card
        self._peers = peers
        self._is_code = is_code
        self._entropy = entropy

    def begin(self, session: Session, request: commands.Begin) -> None:
        """Bind a code to a setup key; the same key gets the same origin again."""
        if not self.is_signed(request.code, request.setup_key, b"", request.signature):
            session.refuse(request.rid, Refusal.WRONG_CODE)
            return
        origin = f"{self._card.name}/{self._entropy.random(ORIGIN_BYTES).hex()}"
        code_hash = sha256(request.code)
        account = self._seats.account_of_code(code_hash)
        reservation = None
        if account is not None:
            reservation = self._seats.reserve_for_founder(account, request.setup_key)
        write = BindCode(code_hash, request.setup_key, origin, reservation)
        self._context.begin_write(session, 0)
        self._context.store.submit(
            write, partial(self._on_bound, session, request, account is not None)
        )

    def _on_bound(
        self, session: Session, request: commands.Begin, sells_seats: bool, outcome: Outcome
    ) -> None:
        rid = request.rid
        self._context.end_write(session, 0)
        if isinstance(outcome, Bound):
            expires = self._context.now() + FOUNDER_TICKET_S
            tickets = self._tickets.issue(request.relays, request.setup_key, expires)
            session.answer(Begun(rid, outcome.origin, tickets, sells_seats))
        else:
            self._context.refuse(session, rid, outcome)

    def open_circle(self, session: Session, request: commands.OpenCircle) -> None:
        """Open the circle that a genesis describes, or refuse what is wrong with it."""
        context = self._context
        if not self.is_signed(request.code, request.setup_key, request.genesis, request.signature):
            session.refuse(request.rid, Refusal.WRONG_CODE)
            return
        try:
            fold = RelayFold.found(request.genesis)
            check_ed25519_public(request.commons_key)
            check_ed25519_public(request.inbox_key)
        except CloisterError:
            session.refuse(request.rid, Refusal.BAD_ENTRY)
            return
        # Opened before by this code, and asked again: the clock has been looked at.  Of another's
        # circle nothing is said.
        is_own = context.store.code_of(fold.origin) == sha256(request.code)
        is_retry = self._logs.get(fold.origin) is not None and is_own
        if not self._fits(fold, request.commons_id) or (
            not is_retry and abs(fold.ts - context.now()) > MAX_CLOCK_SKEW_S
        ):
            session.refuse(request.rid, Refusal.BAD_ENTRY)
            return
        write = OpenCircle(
            code_hash=sha256(request.code),
            setup_key=request.setup_key,
            origin=fold.origin,
            genesis=request.genesis,
            fold=fold.encode(),
            root=fold.root,
            note=self._logs.sign(fold.origin, fold.size, fold.root),
            commons_id=request.commons_id,
            commons_key=request.commons_key,
            inbox_id=request.inbox_id,
            inbox_key=request.inbox_key,
        )
        context.begin_write(session, len(request.genesis))
        context.store.submit(write, partial(self._on_opened, session, request.rid, write))

    def _on_opened(self, session: Session, rid: int, write: OpenCircle, outcome: Outcome) -> None:
        self._context.end_write(session, len(write.genesis))
        if not isinstance(outcome, Accepted):
            self._context.refuse(session, rid, outcome)
            return
        if outcome.fresh:
            self._context.metrics.entries += 1
            self._logs.load_anew(write.origin)
            self._logs.on_grown(write.origin)
        session.done(rid)

    def is_signed(self, code: bytes, setup_key: bytes, genesis: bytes, signature: bytes) -> bool:
        """Tell whether a code was handed out, is this key's or nobody's, and is signed for.

        A wrong code, one that others have used and a wrong signature get one answer: none says
        which it was."""
        code_hash = sha256(code)
        content = open_content(self._context.relay_id, code_hash, genesis)
        try:
            verify_ed25519(setup_key, OPEN_LABEL, content, signature)
        except (BadSignature, BadPublicKey):
            return False
        # All three are looked at, whatever the first one says.
        bound = self._context.store.bound_key(code_hash)
        is_made = self._is_code(code_hash)
        is_sold = self._seats.account_of_code(code_hash) is not None
        return bound in (None, setup_key) and (is_made or is_sold)

    def _fits(self, fold: RelayFold, commons_id: bytes) -> bool:
        """Tell whether the genesis means this relay, this commons, and entries of the list.

        Any other entry relay would make of it an open proxy to a machine of somebody's choice,
        and would not feed its mirror."""
        relays = fold.relay_set
        peers = self._peers()
        return (
            relays.home == self._card
            and all(peers.get(entry.relay_id) == entry for entry in relays.entries)
            and fold.commons_commitment == commons_commitment_of(ChannelId(commons_id))
        )
