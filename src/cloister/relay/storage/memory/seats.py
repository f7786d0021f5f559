"""Seats in the reference backend."""

from __future__ import annotations

from cloister.relay.storage.memory.rows import Rows
from cloister.relay.storage.writes import (
    Accepted,
    Allowance,
    Outcome,
    Refused,
    Reservation,
    TakeSeat,
)
from cloister.wire.codes import Refusal


class SeatWrites(Rows):
    """Reserving and taking."""

    def _reserve(self, wanted: Reservation | None) -> bool:
        """Reserve a seat where one is wanted; tell whether there was one."""
        if wanted is None or wanted.key in self._reserved:
            return True
        if self._used(wanted.allowance) >= wanted.allowance.seats:
            return False
        self._reserved[wanted.key] = (wanted.allowance.account, wanted.expires)
        return True

    def _take_seat(self, write: TakeSeat) -> Outcome:
        allowance = write.allowance
        if write.handle in self._seats:
            return Accepted(fresh=False)
        if write.key not in self._reserved:
            return Refused(Refusal.BAD_TICKET)
        _, expires = self._reserved[write.key]
        if expires < allowance.now and self._used(allowance) >= allowance.seats:
            return Refused(Refusal.NO_SEAT, allowance.seats)
        del self._reserved[write.key]
        self._seats[write.handle] = allowance.account
        return Accepted()

    def _used(self, allowance: Allowance) -> int:
        rows = self.seats(allowance.account, allowance.now)
        return len(set(rows.handles) - allowance.freed) + rows.reserved


def no_seat(wanted: Reservation | None) -> Refused:
    """What is answered when every seat is taken or reserved; detail = seats."""
    return Refused(Refusal.NO_SEAT, wanted.allowance.seats if wanted is not None else 0)
