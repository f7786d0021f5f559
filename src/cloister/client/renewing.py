"""Unlock shares after a move: this device enrols where it has none, and says so in the log.

The vault's key is wrapped anew by the device's program as soon as the log has the new shares; until
then the old ones open it.
"""

from __future__ import annotations

from typing import Final

from cloister.client import enrolling
from cloister.client.appending import has_intent, intend
from cloister.client.identity import did_of, identity_of
from cloister.client.linking import on_common_refusal, refusal_error
from cloister.client.share_keys import ticket_key
from cloister.client.state import Purpose, State, Work, without
from cloister.client.turn import Turn
from cloister.crypto.signature import Ed25519Key
from cloister.ids import RelayId
from cloister.roster.entry import SealedType
from cloister.roster.relay_card import RelayCard
from cloister.roster.share import OpenedReceipt, ShareReceipt, share_relays
from cloister.roster.share_renewal import Shares
from cloister.wire.adopting import AskTickets
from cloister.wire.codes import Refusal
from cloister.wire.events import Failed

ASK: Final = Purpose(Work.ASK_TICKETS)
REFUSED_S: Final = 3600
"""Before tickets are asked for again where a relay would not enrol this device."""


def missing(state: State) -> tuple[RelayCard, ...]:
    """Return the share relays of a circle that has moved where this device has no share yet."""
    roster = state.roster
    if roster is None or state.identity is None or state.home_move is not None:
        return ()
    if not roster.governance.moves or not roster.policy.unlock_shares:
        return ()
    record = roster.devices.get(did_of(state))
    is_in = record is not None and record.is_active and not roster.is_held_member(record.member_id)
    if record is None or not is_in:
        return ()
    known = {one.receipt.relay_id for one in record.receipts}
    return tuple(one for one in share_relays(roster.relay_set) if one.relay_id not in known)


def advance(turn: Turn) -> None:
    """Ask for tickets; append the receipts when there is one of each relay."""
    cards, circle = missing(turn.state), turn.state.circle
    if not cards or circle is None:
        return
    receipts = _receipts(turn.state, cards)
    if len(receipts) == len(cards):
        if not has_intent(turn.state, SealedType.SHARES):
            intend(turn, SealedType.SHARES, Shares(receipts=receipts).encode())
        return
    if all(bytes(card.relay_id) in turn.state.enrolments for card in cards):
        return  # on its way
    if not turn.is_current(circle.commons_id) or not turn.may_ask(ASK):
        return
    commons_id, key = circle.commons_id, _ticket_key(turn).public
    turn.ask(ASK, lambda rid: AskTickets(rid=rid, commons_id=commons_id, ticket_key=key))


def _ticket_key(turn: Turn) -> Ed25519Key:
    return ticket_key(identity_of(turn.state), turn.session.relay_id)


def _receipts(state: State, cards: tuple[RelayCard, ...]) -> tuple[OpenedReceipt, ...]:
    found = (state.enrolments.get(bytes(card.relay_id)) for card in cards)
    return tuple(
        OpenedReceipt(receipt=ShareReceipt.decode(one.receipt), opening=one.opening)
        for one in found
        if one is not None and one.receipt
    )


def on_tickets(turn: Turn, tickets: tuple[bytes, ...]) -> None:
    """Enrol with them; where there is a receipt already, nothing is asked."""
    roster = turn.state.roster
    if roster is None or not missing(turn.state):
        return
    turn.delay(ASK)
    enrolling.begin(turn, roster.relay_set, tickets, _ticket_key(turn))


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Ask again later: the old shares serve until then."""
    if on_common_refusal(turn, purpose, event):
        return
    if event.code == Refusal.NO_SEAT:
        words = refusal_error(event, "to enrol this device")
        turn.alarm("shares", f"{words}.  The unlock shares stay where they are.")
    turn.delay(purpose, REFUSED_S)


def is_under_way(state: State) -> bool:
    """Whether a relay is to enrol this device anew."""
    known = (state.enrolments.get(bytes(card.relay_id)) for card in missing(state))
    return any(one is not None and not one.receipt for one in known)


def on_refused(turn: Turn, relay_id: RelayId, reason: str) -> None:
    """A relay does not enrol this device: say why, and ask for another ticket later."""
    turn.alarm("shares", f"{reason}.  The unlock shares stay where they are.")
    turn.change(enrolments=without(turn.state.enrolments, bytes(relay_id)))
    turn.delay(ASK, REFUSED_S)
