"""Seats of accounts at their home relay: reserved for an invitation, taken by an enrolment, over
when no term is paid (flows 5.3).

What this relay knows of a seat is a handle and an account.  An account opens one circle; a circle
that was founded with a code outside the books has none, and as many devices as the protocol allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from cloister.crypto.hybrid_signature import HybridKey
from cloister.ids import Handle, RelayId
from cloister.limits import MAX_DEVICES, MAX_INVITE_LIFETIME_S
from cloister.relay.accounts import Account, Accounts
from cloister.relay.services.context import Context
from cloister.relay.session import Session
from cloister.relay.storage.writes import (
    Accepted,
    Allowance,
    Outcome,
    Refused,
    Reservation,
    TakeSeat,
)
from cloister.roster.share import UNSIGNED, SeatTerm, sign_by_relay
from cloister.wire import commands
from cloister.wire.codes import Refusal
from cloister.wire.events import Seats as SeatsEvent

SETUP_RESERVED_S: Final = MAX_INVITE_LIFETIME_S
"""How long the seat of a founder's first device is kept: as long as an invitation may live."""
DEVICE_RESERVED_S: Final = 3600
"""How long the seat of a device that enrols anew is kept: it is here, and takes it at once."""
LOOK_S: Final = 1.0
"""How often the published file is looked at: a renewal ends a lapse about so soon."""
_NEVER: Final = 2**63
SeatDone = Callable[[bytes | Refused], None]
"""Told an encoded SeatTerm, empty where the circle has no account; or why there is no seat."""


class SeatTaker(Protocol):
    """What an enrolment at the home asks of the seats."""

    def take(self, ticket_key: bytes, handle: bytes, done: SeatDone) -> None:
        """Seat ``handle`` in the place reserved for ``ticket_key``.  The same again is answered
        again.  ``done`` is called once, now or when the seat is on disk."""


class Seats:
    """The service."""

    def __init__(
        self, context: Context, accounts: Accounts, relay_id: RelayId, key: HybridKey
    ) -> None:
        self._context = context
        self._accounts = accounts
        self._relay_id = relay_id
        self._key = key
        self._lapses: dict[str, int] = {}
        self._lapses_version = accounts.version

    async def watch(self) -> None:
        """Look now and then whether the books have changed.  Runs until cancelled."""
        while True:
            self._accounts.refresh()
            await asyncio.sleep(LOOK_S)

    # --- whose circle, and how long ----------------------------------------------------------

    def account_of_code(self, code_hash: bytes) -> Account | None:
        """Return the account that an activation code opens; None: no seats are sold to it."""
        self._accounts.refresh()
        return self._accounts.of_code(code_hash)

    def is_lapsed(self, origin: str, now: int) -> bool:
        """Tell whether the circle's term is over at ``now`` (s), and the time of grace after it.

        Asked for every put, so it reads neither file nor storage for a circle it knows."""
        if self._lapses_version != self._accounts.version:
            self._lapses_version = self._accounts.version
            self._lapses.clear()
        lapses_at = self._lapses.get(origin)
        if lapses_at is None:
            account = self._account_of(origin)
            lapses_at = _NEVER if account is None else account.lapses_at
            self._lapses[origin] = lapses_at
        return lapses_at < now

    def _account_of(self, origin: str) -> Account | None:
        code_hash = self._context.store.code_of(origin)
        return self._accounts.of_code(code_hash) if code_hash is not None else None

    # --- reserving and taking ----------------------------------------------------------------

    def reserve_for_founder(self, account: Account, setup_key: bytes) -> Reservation:
        """What binding a code reserves: a seat for the founder's first device."""
        expires = self._context.now() + SETUP_RESERVED_S
        return Reservation(self._allowance(account), setup_key, expires)

    def reserve_for_box(self, origin: str, box_key: bytes, expires: int) -> Reservation | None:
        """What opening a box reserves; None where no seats are sold."""
        self._accounts.refresh()
        account = self._account_of(origin)
        if account is None:
            return None
        return Reservation(self._allowance(account), box_key, expires)

    def reserve_for_device(self, origin: str, ticket_key: bytes) -> Reservation | None:
        """What a member's device needs that enrols here anew; None where no seats are sold."""
        expires = self._context.now() + DEVICE_RESERVED_S
        return self.reserve_for_box(origin, ticket_key, expires)

    def take(self, ticket_key: bytes, handle: bytes, done: SeatDone) -> None:
        """See :class:`SeatTaker`."""
        self._accounts.refresh()
        name = self._context.store.account_of_seat(ticket_key, handle)
        if name is None:
            done(b"")
            return
        account = self._accounts.get(name)
        if account is None:
            # The books no longer know the account: nothing more is sold to it.
            done(Refused(Refusal.NO_SEAT))
            return
        write = TakeSeat(self._allowance(account), ticket_key, handle)
        self._context.store.submit(write, partial(self._on_taken, account, handle, done))

    def _on_taken(self, account: Account, handle: bytes, done: SeatDone, outcome: Outcome) -> None:
        if isinstance(outcome, Accepted):
            done(self._term((handle,), account.term_end))
        else:
            done(outcome if isinstance(outcome, Refused) else Refused(Refusal.STORAGE))

    def _allowance(self, account: Account) -> Allowance:
        return Allowance(account.account, account.seats, account.freed_handles, self._context.now())

    # --- reading -----------------------------------------------------------------------------

    def read(self, session: Session, request: commands.ReadSeats) -> None:
        """Answer with the term of all seats of the circle's account."""
        grant = session.current_commons(request.commons_id)
        if grant is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        self._accounts.refresh()
        account = self._account_of(grant.origin)
        if account is None:
            session.answer(SeatsEvent(request.rid, b"", 0, 0, 0))
            return
        rows = self._context.store.seats(account.account, self._context.now())
        freed = account.freed_handles
        seated = tuple(handle for handle in rows.handles if handle not in freed)
        session.answer(
            SeatsEvent(
                request.rid,
                self._term(seated[:MAX_DEVICES], account.term_end) if seated else b"",
                account.seats,
                len(seated) + rows.reserved,
                account.term_end,
            )
        )

    def _term(self, handles: tuple[bytes, ...], term_end: int) -> bytes:
        unsigned = SeatTerm(
            relay_id=self._relay_id,
            term_end=term_end,
            handles=tuple(map(Handle, handles)),
            signature=UNSIGNED,
        )
        signature = sign_by_relay(unsigned, self._key)
        return SeatTerm(
            relay_id=unsigned.relay_id,
            term_end=unsigned.term_end,
            handles=unsigned.handles,
            signature=signature,
        ).encode()
