"""Receipts of unlock shares and terms of seats: whether they are this circle's relays'."""

from __future__ import annotations

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.roster.policy import Policy
from cloister.roster.relay_card import RelaySet
from cloister.roster.share import (
    OpenedReceipt,
    SeatTerm,
    bind_of,
    share_relays,
    verify_by_relay,
)


def are_receipts_of(
    receipts: tuple[OpenedReceipt, ...], relays: RelaySet, policy: Policy, origin: str
) -> bool:
    """Whether there is one receipt of each share relay, in their order, bound to this circle.

    There is none where the policy has no unlock shares.
    """
    cards = share_relays(relays) if policy.unlock_shares else ()
    if len(cards) != len(receipts):
        return False
    for card, opened in zip(cards, receipts, strict=True):
        receipt = opened.receipt
        if receipt.relay_id != card.relay_id or receipt.bind != bind_of(origin, opened.opening):
            return False
        try:
            verify_by_relay(receipt, card.key)
        except (BadSignature, BadPublicKey):
            return False
    return True


def is_seat_of(
    seat: SeatTerm | None,
    receipts: tuple[OpenedReceipt, ...],
    relays: RelaySet,
    policy: Policy,
    *,
    has_moved: bool = False,
) -> bool:
    """Whether there is a seat term of the home relay for the device's handle there, and no other.

    There is none where the policy has no seats. A circle with seats has unlock shares, since a
    seat belongs to a handle. Where the circle has moved, its home may sell seats or not.
    """
    if seat is None:
        return has_moved or not policy.seats
    if (
        not (policy.seats or has_moved)
        or not receipts
        or seat.handles != (receipts[0].receipt.handle,)
    ):
        return False
    return is_term_by_home(seat, relays)


def is_term_by_home(seat: SeatTerm, relays: RelaySet) -> bool:
    """Whether the home relay signed a seat term."""
    if seat.relay_id != relays.home.relay_id:
        return False
    try:
        verify_by_relay(seat, relays.home.key)
    except (BadSignature, BadPublicKey):
        return False
    return True


def handle_keys(receipts: tuple[OpenedReceipt, ...]) -> tuple[bytes, ...]:
    """What of the receipts must be new to the log: each handle, at its relay."""
    return tuple(one.receipt.relay_id + one.receipt.handle for one in receipts)
