"""Seats: until when they are paid for, and the entry that tells the circle so (flows 5.3).

The home relay signs one term for all handles of the circle's account.  Every device reads it when
it connects and once a day, and whoever is first by rank appends a term that is newer than the
roster's.  A device whose term is over stays for a time of grace, by log time; then it is out until
somebody pays.
"""

from __future__ import annotations

from typing import Final

from cloister.client.appending import has_intent, intend
from cloister.client.duties import DUTY_LABEL, is_due
from cloister.client.identity import did_of
from cloister.client.meaning import term_grows
from cloister.client.state import Purpose, State, Work
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hashing import sha256
from cloister.errors import RemoteError
from cloister.limits import SEAT_GRACE_S
from cloister.roster.content import Role
from cloister.roster.entry import SealedType
from cloister.roster.seats import may_have_seats
from cloister.roster.share import SeatTerm, verify_by_relay
from cloister.wire.commands import ReadSeats
from cloister.wire.events import Seats

LOOK_AGAIN_S: Final = 86_400
LOOK_SOON_S: Final = 60
"""After a move, until the log and the new home agree on who has a seat there."""
_DAY_S: Final = 86_400


def advance(turn: Turn) -> None:
    """Ask for the term now and then; append one that the circle does not know yet (D1)."""
    roster, circle = turn.state.roster, turn.state.circle
    if roster is None or circle is None:
        return
    if not may_have_seats(roster.policy, roster.governance):
        return
    commons_id = circle.commons_id
    if not turn.is_current(commons_id):
        return
    look = Purpose(Work.READ_SEATS)
    since_s = turn.now - turn.session.seats_seen_at
    is_over = since_s >= LOOK_AGAIN_S or (since_s >= LOOK_SOON_S and _waits_for_seats(turn.state))
    if look in turn.session.done and is_over:
        turn.change_session(done=turn.session.done - {look})
    turn.ask_once(look, lambda rid: ReadSeats(rid=rid, commons_id=commons_id))
    seats = turn.session.seats
    if seats is None or not seats.term or has_intent(turn.state, SealedType.SEAT):
        return
    term = SeatTerm.decode(seats.term)
    if term_grows(roster, term):
        duty = sha256(DUTY_LABEL, b"seat", term.term_end.to_bytes(8, "big"), *term.handles)
        if is_due(turn, duty, caused_it=False):
            intend(turn, SealedType.SEAT, seats.term)


def _waits_for_seats(state: State) -> bool:
    """Whether the home sells seats, and the log and what it last said of them differ.

    A device has enrolled there whose seat nobody has told; or the log tells of more seats that are
    taken than the home did when it was asked.
    """
    roster, seats = state.roster, state.session.seats
    if roster is None or seats is None or not roster.governance.moves:
        return False
    home = roster.relay_set.home.relay_id
    seated = [
        bool(device.term_end)
        for device in roster.devices.values()
        if device.is_active and home in {one for one, _ in device.handles}
    ]
    return not all(seated) or sum(seated) > seats.used


def on_seats(turn: Turn, purpose: Purpose, event: Seats) -> None:
    """Keep a term that the home relay has signed.  Raises ``RemoteError`` for any other."""
    roster = turn.state.roster
    turn.mark_done(purpose)
    turn.change_session(seats_seen_at=turn.now, seats=None)
    if roster is None:
        return
    if not event.term:
        # Nobody has taken one of them yet, or none is sold.
        turn.change_session(seats=event if event.seats else None)
        return
    home = roster.relay_set.home
    try:
        term = SeatTerm.decode(event.term)
        verify_by_relay(term, home.key)
    except (DecodeError, BadSignature, BadPublicKey):
        raise RemoteError("the home relay sent a seat term that is not valid") from None
    if term.relay_id != home.relay_id:
        raise RemoteError("the home relay sent the seat term of another relay")
    turn.change_session(seats=event)
    if term.term_end < turn.now:
        turn.alarm(
            "term",
            "The circle's seats are not paid for any more.  Devices go on for "
            f"{max(term.term_end + SEAT_GRACE_S - turn.now, 0) // _DAY_S} more days; the log, "
            "reading and changes of members go on after that too, new messages do not.",
        )


def term_view(state: State, now: int) -> dict[str, object] | None:
    """Until when this device's seat is paid for; ``None`` where no seats are sold.

    ``state``: active, grace, lapsed, or office (stewards and officers keep their place unpaid).
    ``days`` are those that are left until ``ends_at``, negative after it.
    """
    roster = state.roster
    if roster is None or state.identity is None:
        return None
    record = roster.devices.get(did_of(state))
    if record is None or not record.term_end:
        return None
    words = "active" if now <= record.term_end else "grace"
    if words == "grace" and roster.members[record.member_id].role is not Role.MEMBER:
        words = "office"
    seats = state.session.seats
    return {
        "state": "lapsed" if record.lapsed else words,
        "ends_at": record.term_end,
        "grace_until": record.term_end + SEAT_GRACE_S,
        "days": (record.term_end - now) // _DAY_S,
        "seats": seats.seats if seats else None,
        "used": seats.used if seats else None,
    }
