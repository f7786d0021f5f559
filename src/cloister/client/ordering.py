"""Locks and questions about erasures on their way to the relays that keep the shares (flows 5.2).

A lock acts on receipt, so it goes to every relay at once and does not wait for the log.  It is
kept until each of them has answered: one honest relay that has it is enough.
"""

from __future__ import annotations

from collections.abc import Iterator

from cloister.client.appending import intend
from cloister.client.errands import ErasureErrand, OrderErrand
from cloister.client.records import PendingOrder, RelayAnswer
from cloister.client.routing import known_relays_of, relay_set_of, unlock_route
from cloister.client.state import State, with_item, without
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.ids import Handle, RelayId
from cloister.roster.entry import SealedType
from cloister.roster.orders import SignedLock
from cloister.roster.relay_card import RelayCard
from cloister.roster.share import ErasureReceipt, verify_by_relay
from cloister.values import replace
from cloister.wire.codes import Refusal
from cloister.wire.events import AnyEvent, Done, Erasure

ERASED = 3
"""``Erasure.state`` when the receipt is there."""
_FOR_GOOD = frozenset(
    {Refusal.MALFORMED, Refusal.UNKNOWN_OBJECT, Refusal.BAD_ENTRY, Refusal.TOO_LARGE}
)
"""Refusals of an order that the same bytes would meet again."""


def send_lock(turn: Turn, lock: SignedLock) -> None:
    """Keep a lock and bring it to every relay that it names."""
    relays = tuple(dict.fromkeys(target.relay_id for target in lock.order.targets))
    pending = PendingOrder(order=lock.encode(), waiting=relays)
    turn.change(orders=with_item(turn.state.orders, lock.order.order_hash, pending))


def ask_erasure(turn: Turn, relay_id: RelayId, handle: Handle, order_hash: bytes) -> None:
    """Ask a relay for its receipt of an erasure, again and again until it has one."""
    question = (bytes(relay_id), bytes(handle), order_hash)
    if question not in turn.state.erasures:
        turn.change(erasures=turn.state.erasures | {question})


def errands_of(state: State) -> Iterator[OrderErrand | ErasureErrand]:
    """Return what is on its way, each to one relay."""
    relay_set = relay_set_of(state)
    if relay_set is None:
        return
    cards = {card.relay_id: card for card in known_relays_of(state)}
    for pending in state.orders.values():
        for relay_id in pending.waiting:
            card = cards.get(relay_id)
            if card is not None:
                routes = unlock_route(relay_set, card)
                yield OrderErrand(card=card, routes=routes, order=pending.order)
    for relay_id_bytes, handle, order_hash in sorted(state.erasures):
        card = cards.get(RelayId(relay_id_bytes))
        if card is not None:
            yield ErasureErrand(
                card=card,
                routes=unlock_route(relay_set, card),
                handle=Handle(handle),
                order_hash=order_hash,
            )


# --- locks ----------------------------------------------------------------------------------------


def on_order_done(turn: Turn, errand: OrderErrand, event: AnyEvent) -> None:
    """A relay has locked what it keeps."""
    if isinstance(event, Done):
        _served(turn, errand, 0)


def on_order_refused(turn: Turn, errand: OrderErrand, code: int) -> None:
    """A refusal that time does not mend is said aloud; the other relays still get the order."""
    if code in _FOR_GOOD:
        turn.alarm("lock", f"{errand.card.name} does not carry out a lock (code {code}).")
        _served(turn, errand, code)


def _served(turn: Turn, errand: OrderErrand, code: int) -> None:
    order_hash = SignedLock.decode(errand.order).order.order_hash
    lock = turn.state.locks.get(order_hash)
    if lock is not None:
        answer = RelayAnswer(relay_id=errand.card.relay_id, at=turn.now, code=code)
        told = replace(lock, answers=(*lock.answers, answer))
        turn.change(locks=with_item(turn.state.locks, order_hash, told))
    pending = turn.state.orders[order_hash]
    waiting = tuple(one for one in pending.waiting if one != errand.card.relay_id)
    if waiting:
        left = with_item(turn.state.orders, order_hash, replace(pending, waiting=waiting))
    else:
        left = without(turn.state.orders, order_hash)
    turn.change(orders=left)
    turn.changed("orders", f"{errand.card.name} has answered")


# --- erasures -------------------------------------------------------------------------------------


def on_erasure_done(turn: Turn, errand: ErasureErrand, event: AnyEvent) -> None:
    """A receipt goes into the log, where every member can check it."""
    if not isinstance(event, Erasure) or event.state != ERASED:
        return
    try:
        receipt = ErasureReceipt.decode(event.receipt)
        verify_by_relay(receipt, errand.card.key)
    except (DecodeError, BadSignature, BadPublicKey):
        turn.alarm("erasure", f"{errand.card.name} sent a receipt of an erasure that is not valid.")
        return
    if not _fits(receipt, errand.card, errand):
        turn.alarm("erasure", f"{errand.card.name} sent a receipt of another erasure.")
        return
    _forget(turn, errand)
    intend(turn, SealedType.ERASE_RECEIPT, receipt.encode())


def _fits(receipt: ErasureReceipt, card: RelayCard, errand: ErasureErrand) -> bool:
    named = (receipt.relay_id, receipt.handle, receipt.order_hash)
    return named == (card.relay_id, errand.handle, errand.order_hash)


def _forget(turn: Turn, errand: ErasureErrand) -> None:
    question = (bytes(errand.card.relay_id), bytes(errand.handle), errand.order_hash)
    turn.change(erasures=turn.state.erasures - {question})
