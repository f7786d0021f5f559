"""Receipts of unlock shares and seat terms, in join requests and in the genesis."""

from __future__ import annotations

import pytest

from cloister.roster.errors import LogBroken
from cloister.roster.genesis import make_genesis
from cloister.roster.join_request import JoinRequest, open_join_request, seal_join_request
from cloister.roster.policy import Policy, default_policy
from cloister.roster.relay_card import RelayRole, RelaySet
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.share import OpenedReceipt, SeatTerm, share_relays, sign_by_relay
from cloister.values import replace
from unit.roster.circle import (
    COMMONS,
    DAY,
    FOUNDED,
    ORIGIN,
    Circle,
    Person,
    SeededEntropy,
    circle_of_three,
    forming_circle,
    person,
    receipt,
    receipts_of,
    relay,
    relay_key,
    relay_set,
    seat_term,
    secret,
    steward_key,
)

ADA, BEN, CLEO, DAN, EVE = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan", "Eve"))
WITH_SHARES = default_policy(unlock_shares=1)
WITH_SEATS = default_policy(unlock_shares=1, seats=1)
HOME, ENTRY = share_relays(relay_set())


def signed_again(opened: OpenedReceipt, host: str, **changes: object) -> OpenedReceipt:
    """A receipt with something changed, signed by a relay."""
    receipt = replace(opened.receipt, **changes)  # type: ignore[arg-type]
    receipt = replace(receipt, signature=sign_by_relay(receipt, relay_key(host)))
    return replace(opened, receipt=receipt)


OF_HOME, OF_ENTRY = receipts_of(DAN)
WRONG_RECEIPTS = {
    "none": (),
    "one": (OF_HOME,),
    "order": (OF_ENTRY, OF_HOME),
    "twice": (OF_HOME, OF_HOME),
    "three": (OF_HOME, OF_ENTRY, OF_ENTRY),
    "opening": (replace(OF_HOME, opening=bytes(32)), OF_ENTRY),
    "circle": (receipt(DAN, HOME, "another.example/circle"), OF_ENTRY),
    "signer": (signed_again(OF_HOME, "entry.example"), OF_ENTRY),
    "key": (
        replace(OF_HOME, receipt=replace(OF_HOME.receipt, owner_key=bytes(32))),
        OF_ENTRY,
    ),
}


def judged(circle: Circle, **changes: object) -> Rule | None:
    """The rule that Dan's request breaks."""
    request = circle.request(DAN, circle.invite(ADA), **changes)
    return circle.rule_broken(ADA, request)


@pytest.mark.parametrize("wrong", WRONG_RECEIPTS.values(), ids=WRONG_RECEIPTS)
def test_newcomer_shows_a_receipt_of_each_share_relay_ROS_060(
    wrong: tuple[OpenedReceipt, ...],
) -> None:
    assert judged(circle_of_three(WITH_SHARES), receipts=wrong) is Rule.JOIN_RECEIPTS
    assert judged(circle_of_three(WITH_SHARES)) is None


def test_receipts_nobody_asked_for_are_ignored_ROS_060() -> None:
    assert judged(circle_of_three(), receipts=receipts_of(DAN)) is Rule.JOIN_RECEIPTS


def test_attack_handle_of_another_device_is_enrolled_again_ROS_056() -> None:
    circle = circle_of_three(WITH_SHARES)
    copied = signed_again(OF_HOME, "home.example", handle=receipts_of(BEN)[0].receipt.handle)
    assert judged(circle, receipts=(copied, OF_ENTRY)) is Rule.JOIN_NEW
    # Relays draw handles by themselves: the same one at another relay is another.
    copied = signed_again(OF_HOME, "home.example", handle=receipts_of(BEN)[1].receipt.handle)
    assert judged(circle, receipts=(copied, OF_ENTRY)) is None


def test_handles_stay_spent_in_a_stored_roster_ROS_056() -> None:
    circle = circle_of_three(WITH_SHARES)
    circle.roster = Roster.decode(circle.roster.encode())
    for owner in (ADA, BEN):
        copied = signed_again(OF_HOME, "home.example", handle=receipts_of(owner)[0].receipt.handle)
        assert judged(circle, receipts=(copied, OF_ENTRY)) is Rule.JOIN_NEW


@pytest.mark.parametrize(
    "seat",
    [
        None,
        seat_term(DAN, BEN, term_end=FOUNDED + DAY),
        seat_term(BEN, term_end=FOUNDED + DAY),
        seat_term(DAN, term_end=FOUNDED + DAY, signer="entry.example"),
        replace(seat_term(DAN, term_end=FOUNDED + DAY), term_end=FOUNDED + 99 * DAY),
        replace(seat_term(DAN, term_end=FOUNDED + DAY), relay_id=ENTRY.relay_id),
    ],
    ids=["none", "two", "other", "signer", "term", "relay"],
)
def test_newcomer_shows_the_homes_word_for_its_seat_ROS_174(seat: SeatTerm | None) -> None:
    assert judged(circle_of_three(WITH_SEATS), seat=seat) is Rule.JOIN_SEAT
    assert judged(circle_of_three(WITH_SEATS)) is None


def test_seat_nobody_asked_for_is_ignored_ROS_174() -> None:
    seat = seat_term(DAN, term_end=FOUNDED + DAY)
    assert judged(circle_of_three(WITH_SHARES), seat=seat) is Rule.JOIN_SEAT


def founded(
    policy: Policy,
    receipts: tuple[OpenedReceipt, ...],
    seat: SeatTerm | None,
    founder: Person = ADA,
) -> Roster:
    """A circle whose founder enrolled like this."""
    genesis = make_genesis(
        origin=ORIGIN,
        relay_set=relay_set(),
        policy=policy,
        steward_key=steward_key(),
        device_key=founder.device_key,
        device=founder.card,
        member_id=founder.member_id,
        name=founder.name,
        commons_channel=COMMONS,
        log_key=secret("log key 0"),
        ts=FOUNDED,
        entropy=SeededEntropy("genesis"),
        receipts=receipts,
        seat=seat,
    )
    return Roster.found(genesis, secret("log key 0"))


def test_founder_shows_receipts_and_seat_as_newcomers_do_ROS_016() -> None:
    seat = seat_term(ADA, term_end=FOUNDED + DAY)
    own = receipts_of(ADA)
    for policy, receipts, term in (
        (WITH_SHARES, (), None),
        (WITH_SHARES, own[:1], None),
        (WITH_SHARES, own, seat),
        (WITH_SEATS, own, None),
        (WITH_SEATS, own, seat_term(BEN, term_end=FOUNDED + DAY)),
        (default_policy(), own, None),
        (default_policy(), (), seat),
    ):
        with pytest.raises(LogBroken) as broken:
            founded(policy, receipts, term)
        assert broken.value.rule is Rule.GENESIS_RECEIPTS
    (device,) = founded(WITH_SEATS, own, seat).devices.values()
    assert (device.receipts, device.term_end) == (own, FOUNDED + DAY)


def test_targets_of_a_device_are_its_receipts() -> None:
    circle = circle_of_three(WITH_SHARES)
    targets = circle.roster.targets_of(BEN.did)
    assert [(one.relay_id, one.handle, one.opening) for one in targets] == [
        (one.receipt.relay_id, one.receipt.handle, one.opening) for one in receipts_of(BEN)
    ]
    for target in targets:
        device = circle.roster.device_of_handle(target.relay_id, target.handle)
        assert device is not None
        assert device.did == BEN.did
    assert circle.roster.device_of_handle(HOME.relay_id, OF_HOME.receipt.handle) is None


def test_largest_request_fills_its_envelope() -> None:
    third = relay("third.example", RelayRole.ENTRY, "IS", "Fjord")
    relays = RelaySet(home=HOME, entries=(ENTRY, third))
    receipts = tuple(receipt(DAN, card) for card in share_relays(relays))
    seat = seat_term(DAN, term_end=2**64 - 1)
    circle = forming_circle()
    seed, invite = circle.new_invite()
    request = circle.request(DAN, seed, receipts=receipts, seat=seat, name="N" * 64)
    sealed = seal_join_request(request, invite.hpke_key.public)
    assert len(sealed) == 13_424
    assert len(request.encode()) <= 12_145
    opened = open_join_request(invite.hpke_key, request.invite_id, sealed)
    assert isinstance(opened, JoinRequest)
    assert opened == request
