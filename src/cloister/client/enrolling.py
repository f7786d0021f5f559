"""Enrolment: this device's keys at every share relay, before it founds or asks (flows 5.1).

The tickets come with ``Begun`` or in the letter.  What is drawn for an enrolment is stored before
the first errand goes out, so that a restart sends the same keys and gets the same handles.  The
receipts are what the genesis or the join request carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cloister.client.errands import EnrolErrand
from cloister.client.identity import did_of
from cloister.client.records import Enrolment
from cloister.client.routing import known_relays_of, relay_set_of, unlock_route
from cloister.client.share_keys import confirm_key, owner_key, unlock_seed
from cloister.client.state import State, with_item
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.signature import Ed25519Key
from cloister.errors import CloisterError, LocalError, RemoteError, TrustError
from cloister.roster.relay_card import RelayCard, RelaySet
from cloister.roster.share import (
    OpenedReceipt,
    SeatTerm,
    ShareReceipt,
    Ticket,
    bind_of,
    share_relays,
    verify_by_relay,
)
from cloister.values import replace
from cloister.wire.codes import Refusal
from cloister.wire.events import AnyEvent, Enrolled

_OPENING_BYTES = 32


class TicketsRefused(TrustError):
    """The home relay's tickets do not let this device enrol."""


class ReceiptRefused(RemoteError):
    """What a relay answered to an enrolment is not a receipt for it."""


class EnrolmentRefused(LocalError):
    """A share relay will not enrol this device, in words for the person."""

    exit_code = 5


def begin(turn: Turn, relays: RelaySet, tickets: Sequence[bytes], key: Ed25519Key) -> None:
    """Draw what is needed and store it with the tickets.  Raises ``TicketsRefused``.

    What an earlier attempt drew is kept: a relay that gave a handle then gives the same again.
    """
    enrolments = {}
    for card in share_relays(relays):
        ticket = _ticket_for(card, relays.home, tickets, key)
        known = turn.state.enrolments.get(bytes(card.relay_id))
        enrolments[bytes(card.relay_id)] = Enrolment(
            ticket=ticket,
            ticket_seed=key.seed,
            opening=known.opening if known else turn.entropy.random(_OPENING_BYTES),
            receipt=known.receipt if known else b"",
            seat=known.seat if known else b"",
        )
    turn.change(enrolments=enrolments)


def _ticket_for(
    card: RelayCard, home: RelayCard, tickets: Sequence[bytes], key: Ed25519Key
) -> bytes:
    for encoded in tickets:
        try:
            ticket = Ticket.decode(encoded)
            if ticket.relay_id != card.relay_id:
                continue
            verify_by_relay(ticket, home.key)
        except (DecodeError, BadSignature, BadPublicKey):
            continue
        if (ticket.issuer, ticket.key) == (home.relay_id, key.public):
            return encoded
    raise TicketsRefused(
        f"there is no valid ticket for {card.name}", hint="Ask to be invited anew."
    )


# --- errands --------------------------------------------------------------------------------------


def errands_of(state: State, origin: str) -> Iterator[EnrolErrand]:
    """Return the next enrolment that is not done yet; ``origin`` is what the binds are made of.

    One after the other, the home's first: where several people use one invitation, the home's
    ticket decides between them. All at once, one might get the home's ticket and another the
    entry's, and nobody would get in.
    """
    relay_set = relay_set_of(state)
    if relay_set is None or state.identity is None:
        return
    identity = state.identity
    for card in share_relays(relay_set):
        enrolment = state.enrolments.get(bytes(card.relay_id))
        if enrolment is None or enrolment.receipt:
            continue
        bind = bind_of(origin, enrolment.opening)
        yield EnrolErrand(
            card=card,
            routes=unlock_route(relay_set, card),
            ticket=enrolment.ticket,
            ticket_seed=enrolment.ticket_seed,
            unlock_key=Ed25519Key(unlock_seed(identity, card.relay_id)).public,
            confirm_key=confirm_key(identity, card.relay_id).public,
            owner_key=owner_key(identity.owner_secret, bind).public,
            bind=bind,
        )
        return


def on_done(
    turn: Turn, errand: EnrolErrand, event: AnyEvent, finished: Callable[[Turn], None]
) -> None:
    """Keep a receipt; after the last one call ``finished``.  Raises ``ReceiptRefused``."""
    if not isinstance(event, Enrolled):
        raise ReceiptRefused(f"{errand.card.name} answered an enrolment with something else")
    check_receipt(errand, event.receipt)
    relay_id = bytes(errand.card.relay_id)
    home = relay_set_of(turn.state)
    seat = event.seat if home is not None and home.home.relay_id == relay_id else b""
    if seat:
        _check_seat(errand, seat)
    kept = replace(turn.state.enrolments[relay_id], receipt=event.receipt, seat=seat)
    turn.change(enrolments=with_item(turn.state.enrolments, relay_id, kept))
    if all(one.receipt for one in turn.state.enrolments.values()):
        finished(turn)


def check_receipt(errand: EnrolErrand, encoded: bytes) -> None:
    """Demand a receipt of that relay for exactly these keys.  Raises ``ReceiptRefused``."""
    try:
        receipt = ShareReceipt.decode(encoded)
        verify_by_relay(receipt, errand.card.key)
    except (DecodeError, BadSignature, BadPublicKey):
        raise ReceiptRefused(f"{errand.card.name} gave no valid receipt") from None
    if (receipt.relay_id, receipt.bind, receipt.unlock_key, receipt.owner_key) != (
        errand.card.relay_id,
        errand.bind,
        errand.unlock_key,
        errand.owner_key,
    ):
        raise ReceiptRefused(f"{errand.card.name} gave a receipt for other keys")


def _check_seat(errand: EnrolErrand, encoded: bytes) -> None:
    try:
        verify_by_relay(SeatTerm.decode(encoded), errand.card.key)
    except (DecodeError, BadSignature, BadPublicKey):
        raise ReceiptRefused(f"{errand.card.name} gave no valid seat term") from None


_WORDS = {
    Refusal.BAD_TICKET: (
        "the ticket has expired, or somebody else has used this invitation",
        "Ask for a new invitation, and tell the inviter that somebody else has seen the code.",
    ),
    Refusal.NO_SEAT: (
        "every seat of the circle is taken",
        "A steward buys a seat or frees one, then you are invited anew.",
    ),
    Refusal.HELD: (
        "a legal hold forbids to enrol this device with other keys",
        "A steward of the circle can say more; holds end by a decision of the circle.",
    ),
    Refusal.EXPIRED: ("the ticket has expired", "Ask for a new invitation."),
}


STALE_TICKET = frozenset({Refusal.BAD_TICKET, Refusal.EXPIRED})
"""Refusals that a founder meets with fresh tickets for the same activation code."""


def refusal_of(errand: EnrolErrand, code: int) -> CloisterError | None:
    """Return why an enrolment cannot be, or ``None`` when time may mend it."""
    words = _WORDS.get(Refusal(code)) if code in set(Refusal) else None
    if words is None:
        return None
    reason, hint = words
    return EnrolmentRefused(f"{errand.card.name} does not enrol this device: {reason}", hint=hint)


# --- what came of it --------------------------------------------------------------------------


def receipts_of(state: State) -> tuple[OpenedReceipt, ...]:
    """Return the receipts with their openings, the home's first; empty before the last is there."""
    return tuple(opened for opened, _ in enrolled_shares(state))


def enrolled_shares(state: State) -> tuple[tuple[OpenedReceipt, RelayCard], ...]:
    """Return every share with its relay, once this device has enrolled at all; else nothing."""
    if relay_set_of(state) is None:
        return ()
    roster = state.roster
    record = roster.devices.get(did_of(state)) if roster is not None and state.identity else None
    if record is None and any(not one.receipt for one in state.enrolments.values()):
        return ()
    # What a member's device enrols at since counts when the log has it.
    counted = {one.receipt.handle for one in record.receipts} if record is not None else None
    found = []
    for card in known_relays_of(state):
        enrolment = state.enrolments.get(bytes(card.relay_id))
        if enrolment is not None and enrolment.receipt:
            receipt = ShareReceipt.decode(enrolment.receipt)
            if counted is None or receipt.handle in counted:
                found.append((OpenedReceipt(receipt=receipt, opening=enrolment.opening), card))
    return tuple(found)


def seat_of(state: State) -> SeatTerm | None:
    """Return the seat that came with the enrolment at the home relay, if seats are sold."""
    relays = relay_set_of(state)
    home = state.enrolments.get(bytes(relays.home.relay_id)) if relays is not None else None
    return SeatTerm.decode(home.seat) if home is not None and home.seat else None
