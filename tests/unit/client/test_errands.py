"""Errands: what is sent to a relay over a connection of its own, and what comes back counts."""

from __future__ import annotations

import pytest

from cloister.client.effects import Route
from cloister.client.enrolling import ReceiptRefused, check_receipt
from cloister.client.errands import EnrolErrand, ErasureErrand, OrderErrand
from cloister.client.identity import make_identity
from cloister.client.share_keys import confirm_key, owner_key, unlock_seed
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.errors import BadSignature
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key, verify_ed25519
from cloister.ids import Handle, RelayId
from cloister.roster.share import UNSIGNED, ShareReceipt, bind_of, sign_by_relay
from cloister.testing.relay_cards import cards_of
from cloister.values import replace
from cloister.wire.auth import ENROL_LABEL, EnrolContent

RELAY_KEY = HybridKey(Secret(b"e" * 32), Secret(b"m" * 32))
OTHER_KEY = HybridKey(Secret(b"f" * 32), Secret(b"n" * 32))
CARD, _ = cards_of(RELAY_KEY, OTHER_KEY)
ROUTE = Route(
    entry_host="127.0.0.1",
    entry_port=1,
    entry_certificate=b"entry",
    home_host="127.0.0.1",
    home_port=2,
    home_certificate=b"home",
)
NONCE = b"n" * 32
TICKET_SEED = Secret(b"t" * 32)
BIND = bind_of("home.example/0011", b"o" * 32)


def enrolment() -> EnrolErrand:
    identity = make_identity("Ada", SystemEntropy(), steward=False)
    return EnrolErrand(
        card=CARD,
        routes=(ROUTE,),
        ticket=b"ticket",
        ticket_seed=TICKET_SEED,
        unlock_key=Ed25519Key(unlock_seed(identity, CARD.relay_id)).public,
        confirm_key=confirm_key(identity, CARD.relay_id).public,
        owner_key=owner_key(identity.owner_secret, BIND).public,
        bind=BIND,
    )


def receipt(errand: EnrolErrand, key: HybridKey = RELAY_KEY) -> ShareReceipt:
    unsigned = ShareReceipt(
        relay_id=errand.card.relay_id,
        handle=Handle(b"h" * 16),
        bind=errand.bind,
        unlock_key=errand.unlock_key,
        owner_key=errand.owner_key,
        signature=UNSIGNED,
    )
    return signed(unsigned, key)


def signed(unsigned: ShareReceipt, key: HybridKey = RELAY_KEY) -> ShareReceipt:
    return replace(unsigned, signature=sign_by_relay(unsigned, key))


def test_an_enrolment_is_signed_by_the_tickets_key_for_one_relay() -> None:
    errand = enrolment()
    request = errand.request(7, CARD.relay_id, NONCE)
    content = EnrolContent(
        relay_id=CARD.relay_id,
        ticket=errand.ticket,
        unlock_key=errand.unlock_key,
        confirm_key=errand.confirm_key,
        owner_key=errand.owner_key,
        bind=errand.bind,
    )
    public = Ed25519Key(TICKET_SEED).public
    verify_ed25519(public, ENROL_LABEL, content.encode(), request.signature)
    elsewhere = replace(content, relay_id=bytes(32))
    with pytest.raises(BadSignature):
        verify_ed25519(public, ENROL_LABEL, elsewhere.encode(), request.signature)
    assert (request.rid, request.ticket) == (7, errand.ticket)


def test_an_enrolment_repeats_its_bytes_on_every_connection() -> None:
    errand = enrolment()
    again = errand.request(1, CARD.relay_id, b"m" * 32)
    assert errand.request(1, CARD.relay_id, NONCE) == again


def test_the_ticket_key_does_not_show() -> None:
    assert repr(TICKET_SEED.expose())[2:10] not in repr(enrolment())


def test_errands_are_named_by_what_they_do_and_where() -> None:
    enrol = enrolment()
    order = OrderErrand(card=CARD, routes=(ROUTE,), order=b"order")
    erasure = ErasureErrand(
        card=CARD, routes=(ROUTE,), handle=Handle(b"h" * 16), order_hash=b"o" * 32
    )
    changed = [
        replace(enrol, ticket=b"another"),
        replace(enrol, bind=bytes(32)),
        replace(order, order=b"another"),
        replace(erasure, handle=Handle(bytes(16))),
        replace(erasure, order_hash=bytes(32)),
    ]
    names = [one.errand_id for one in (enrol, order, erasure, *changed)]
    assert len(set(names)) == len(names)
    assert replace(order, routes=()).errand_id == order.errand_id
    assert all(len(name) == 16 for name in names)


def test_a_receipt_counts_for_exactly_these_keys_and_this_relay() -> None:
    errand = enrolment()
    good = receipt(errand)
    check_receipt(errand, good.encode())
    wrong = [
        receipt(errand, OTHER_KEY),
        replace(good, handle=Handle(bytes(16))),
        signed(replace(good, bind=bytes(32))),
        signed(replace(good, unlock_key=b"k" * 32)),
        signed(replace(good, owner_key=b"k" * 32)),
        signed(replace(good, relay_id=RelayId(bytes(32)))),
    ]  # fmt: skip
    for one in wrong:
        with pytest.raises(ReceiptRefused):
            check_receipt(errand, one.encode())
    with pytest.raises(ReceiptRefused):
        check_receipt(errand, good.encode()[:-1])


def test_two_relays_get_keys_that_have_nothing_in_common() -> None:
    identity = make_identity("Ada", SystemEntropy(), steward=False)
    here, there = b"a" * 32, b"b" * 32
    assert unlock_seed(identity, here) != unlock_seed(identity, there)
    assert confirm_key(identity, here).public != confirm_key(identity, there).public
    assert owner_key(identity.owner_secret, here).public != (
        owner_key(identity.owner_secret, there).public
    )


def test_another_device_of_the_member_finds_the_owner_key_by_the_bind() -> None:
    first = make_identity("Ada", SystemEntropy(), steward=False)
    second = replace(
        make_identity("Ada", SystemEntropy(), steward=False), owner_secret=first.owner_secret
    )
    found = owner_key(second.owner_secret, BIND).public
    assert found == owner_key(first.owner_secret, BIND).public
