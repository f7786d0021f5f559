"""Tickets and enrolment: who may, once, and the same answer again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloister.relay.folder import Identity
from cloister.relay.shares.tickets import MAX_TICKET_S
from cloister.relay.storage.writes import Refused
from cloister.roster.share import ShareReceipt, Ticket, bind_of, verify_by_relay
from cloister.values import replace
from cloister.wire.codes import Refusal
from cloister.wire.events import Enrolled
from unit.relay.shares.world import (
    ENTRY,
    HOME,
    NOW,
    ORIGIN,
    Device,
    ShareWorld,
    identity,
    refused,
)

BASE_POINT = bytes.fromhex("5866666666666666666666666666666666666666666666666666666666666666")


@pytest.mark.parametrize("at", [HOME, ENTRY], ids=["home", "entry"])
def test_enrolment_is_answered_with_a_signed_receipt(at: Identity) -> None:
    world = ShareWorld(at)
    device = Device("amira")
    answer = world.enrol_any(device)
    assert isinstance(answer, Enrolled)
    assert answer.seat == b""
    receipt = ShareReceipt.decode(answer.receipt)
    verify_by_relay(receipt, at.card.key)
    assert receipt.relay_id == at.card.relay_id
    assert receipt.bind == bind_of(ORIGIN, device.opening)
    assert (receipt.unlock_key, receipt.owner_key) == (device.unlock.public, device.owner.public)
    assert world.store.counts() == (1, 0)


def test_same_ticket_and_keys_get_the_same_answer_also_when_the_ticket_has_expired() -> None:
    world = ShareWorld()
    device = Device("amira")
    ticket = world.ticket(device)
    first = world.enrol_any(device, ticket)
    world.now += 61
    assert world.enrol_any(device, ticket) == first
    assert world.store.counts() == (1, 0)


def test_ticket_signed_anew_for_the_same_key_is_the_same_ticket() -> None:
    world = ShareWorld()
    device = Device("amira")
    first = world.enrol_any(device)
    assert world.enrol_any(device, world.ticket(device, expires=NOW + 99)) == first


def test_attack_ticket_is_used_twice() -> None:
    """A newcomer who enrols a second device with one invitation, or a thief of the code."""
    world = ShareWorld()
    device = world.enrol(Device("amira"))
    for change in (
        {"unlock_key": Device("thief").unlock.public},
        {"confirm_key": Device("thief").confirm.public},
        {"owner_key": Device("thief").owner.public},
        {"bind": bytes(32)},
    ):
        refused(world.enrol_any(device, **change), Refusal.BAD_TICKET)
    assert world.store.counts() == (1, 0)


def test_second_enrolment_with_a_held_share_says_that_it_is_held() -> None:
    world = ShareWorld()
    device = world.enrol(Device("amira"))
    world.store.set_held(device.handle, True)
    refused(world.enrol_any(device, bind=bytes(32)), Refusal.HELD)


def test_ticket_that_expired_is_refused_and_forgotten_a_day_later() -> None:
    world = ShareWorld()
    device, late = Device("amira"), Device("jonas")
    ticket, late_ticket = world.ticket(device), world.ticket(late)
    world.enrol_any(device, ticket)
    world.now = NOW + 60
    refused(world.enrol_any(late, late_ticket), Refusal.BAD_TICKET)
    world.now = NOW + 60 + 86_400
    world.shares.enforcement.look_at_all()
    assert isinstance(world.enrol_any(device, ticket), Enrolled)
    world.now += 1
    world.shares.enforcement.look_at_all()
    refused(world.enrol_any(device, ticket), Refusal.BAD_TICKET)
    assert world.store.counts() == (1, 0)


def test_ticket_that_outlives_every_invitation_is_refused() -> None:
    """Else a peer could make this relay remember what was spent for ever, or overflow a column."""
    world = ShareWorld()
    device = Device("amira")
    for expires in (NOW + MAX_TICKET_S + 1, 2**63, 2**64 - 1):
        ticket = world.ticket(device, expires=expires)
        refused(world.enrol_any(device, ticket), Refusal.BAD_TICKET)
    ticket = world.ticket(device, expires=NOW + MAX_TICKET_S)
    assert isinstance(world.enrol_any(device, ticket), Enrolled)


def other_relay(ticket: Ticket) -> Ticket:
    return replace(ticket, relay_id=ENTRY.card.relay_id)


def other_key(ticket: Ticket) -> Ticket:
    return replace(ticket, key=Device("thief").box.public)


def later(ticket: Ticket) -> Ticket:
    return replace(ticket, expires=ticket.expires + 1)


@pytest.mark.parametrize("forge", [other_relay, other_key, later])
def test_attack_ticket_is_changed(forge: Callable[[Ticket], Ticket]) -> None:
    world = ShareWorld()
    device = Device("amira")
    forged = forge(Ticket.decode(world.ticket(device)))
    refused(world.enrol_any(device, forged.encode()), Refusal.BAD_TICKET)


def test_attack_ticket_of_a_stranger_or_of_an_entry_relay() -> None:
    world = ShareWorld(ENTRY)
    device = Device("amira")
    for issuer in (identity("stranger.example"), ENTRY):
        ticket = world.ticket(device, issuer=issuer)
        refused(world.enrol_any(device, ticket), Refusal.BAD_TICKET)
    for garbage in (b"x", world.ticket(device)[:-1]):
        refused(world.enrol_any(device, garbage), Refusal.BAD_TICKET)


def test_attack_ticket_for_one_relay_is_used_at_another() -> None:
    """Two tickets for one key are two rights, one at each relay."""
    home, entry = ShareWorld(), ShareWorld(ENTRY)
    device = Device("amira")
    refused(home.enrol_any(device, entry.ticket(device)), Refusal.BAD_TICKET)
    refused(entry.enrol_any(device, home.ticket(device)), Refusal.BAD_TICKET)


def test_attack_ticket_is_used_without_its_key() -> None:
    world = ShareWorld()
    device, thief = Device("amira"), Device("thief")
    request = world.enrol_request(thief, world.ticket(device))
    refused(world.shares.take(lambda _relay_id, _nonce: request), Refusal.BAD_TICKET)


@pytest.mark.parametrize("field", ["unlock_key", "confirm_key", "owner_key"])
def test_weak_key_is_refused(field: str) -> None:
    world = ShareWorld()
    for weak in (bytes(32), b"\x01" + bytes(31)):
        refused(world.enrol_any(Device("amira"), **{field: weak}), Refusal.BAD_TICKET)


@pytest.mark.parametrize(
    ("one", "two"),
    [("unlock_key", "confirm_key"), ("unlock_key", "owner_key"), ("confirm_key", "owner_key")],
)
def test_attack_one_key_in_two_roles(one: str, two: str) -> None:
    """An unlock key that confirms would give its own tries back, for ever."""
    world = ShareWorld()
    same: dict[str, Any] = {one: BASE_POINT, two: BASE_POINT}
    refused(world.enrol_any(Device("amira"), **same), Refusal.MALFORMED)


class OneSeat:
    """The home's seats, where one is left."""

    def __init__(self) -> None:
        self.taken: dict[bytes, bytes] = {}

    def take(
        self, ticket_key: bytes, handle: bytes, done: Callable[[bytes | Refused], None]
    ) -> None:
        if self.taken and ticket_key not in self.taken:
            done(Refused(Refusal.NO_SEAT, 1))
            return
        self.taken[ticket_key] = handle
        done(b"term")


def test_enrolment_takes_a_seat_where_seats_are_sold() -> None:
    seats = OneSeat()
    world = ShareWorld(seats=seats)
    amira, jonas = Device("amira"), Device("jonas")
    answer = world.enrol_any(amira)
    assert isinstance(answer, Enrolled)
    assert answer.seat == b"term"
    assert world.enrol_any(amira) == answer
    refused(world.enrol_any(jonas), Refusal.NO_SEAT, 1)
    seats.taken.clear()
    assert isinstance(world.enrol_any(jonas), Enrolled)
    assert world.store.counts() == (2, 0)
