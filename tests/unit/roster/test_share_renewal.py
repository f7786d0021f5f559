"""A device enrols anew where the circle has other share relays than before."""

from __future__ import annotations

import pytest

from cloister.roster.events import SharesRenewed
from cloister.roster.orders import Hold, HoldScope
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelayRole, RelaySet
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.share import OpenedReceipt, share_relays, sign_by_relay
from cloister.roster.share_renewal import Shares
from cloister.values import replace
from unit.roster.circle import (
    Circle,
    circle_of_three,
    person,
    receipt,
    receipts_of,
    relay,
    relay_key,
    relay_set,
    steward_key,
)

ADA, BEN = person("Ada"), person("Ben")
HOME, ENTRY = share_relays(relay_set())
NEW = relay("elsewhere.example", RelayRole.HOME, "IS", "Geyser")


def moved() -> Circle:
    """A circle whose home is another one since its devices enrolled."""
    circle = circle_of_three(default_policy(unlock_shares=1))
    relays = RelaySet(home=NEW, entries=relay_set().entries)
    governance = replace(circle.roster.governance, relay_set=relays)
    circle.roster = replace(circle.roster, governance=governance)
    return circle


def broken(circle: Circle, *receipts: OpenedReceipt) -> Rule | None:
    """The rule that Ada's entry breaks."""
    return circle.rule_broken(ADA, Shares(receipts=receipts))


def test_a_device_has_a_share_at_each_relay_of_the_set_again() -> None:
    circle = moved()
    new, (old, kept) = receipt(ADA, NEW), receipts_of(ADA)
    (event,) = circle.act(ADA, Shares(receipts=(new,)))
    assert isinstance(event, SharesRenewed)
    assert (event.did, event.relays) == (ADA.did, (NEW.relay_id,))
    record = circle.roster.devices[ADA.did]
    assert (record.receipts, record.former) == ((new, kept), (old,))
    assert record.is_active
    for opened in (new, kept, old):
        place = opened.receipt.relay_id, opened.receipt.handle
        found = circle.roster.device_of_handle(*place)
        assert found is not None
        assert found.did == ADA.did
    assert Roster.decode(circle.roster.encode()) == circle.roster


def test_receipts_are_those_that_are_missing_ROS_218() -> None:
    new = receipt(ADA, NEW)
    forged = replace(
        new,
        receipt=replace(
            new.receipt, signature=sign_by_relay(new.receipt, relay_key("entry.example"))
        ),
    )
    wrong: tuple[tuple[OpenedReceipt, ...], ...] = (
        (),
        (receipts_of(ADA)[1],),
        (new, receipts_of(ADA)[1]),
        (new, new),
        (replace(new, opening=bytes(32)),),
        (receipt(ADA, NEW, "another.example/circle"),),
        (forged,),
        (receipt(ADA, relay("nobody.example", RelayRole.HOME, "NZ", "Nobody")),),
    )
    for receipts in wrong:
        assert broken(moved(), *receipts) is Rule.SHARES_RECEIPTS
    unmoved = circle_of_three(default_policy(unlock_shares=1))
    assert broken(unmoved, new) is Rule.SHARES_RECEIPTS
    assert broken(moved(), new) is None


def test_a_second_time_nothing_is_missing_ROS_218() -> None:
    circle = moved()
    assert broken(circle, receipt(ADA, NEW)) is None
    assert broken(circle, receipt(ADA, NEW)) is Rule.SHARES_RECEIPTS


def test_attack_a_device_brings_the_handle_of_another_ROS_219() -> None:
    circle = moved()
    theirs = receipt(BEN, NEW)
    assert circle.rule_broken(BEN, Shares(receipts=(theirs,))) is None
    assert broken(circle, theirs) is Rule.SHARES_NEW
    again = Roster.decode(circle.roster.encode())
    circle.roster = again
    assert broken(circle, theirs) is Rule.SHARES_NEW


@pytest.mark.parametrize("scope", [HoldScope.CIRCLE, HoldScope.MEMBER])
def test_attack_new_shares_evade_a_hold_ROS_226(scope: HoldScope) -> None:
    circle = moved()
    targets = circle.roster.targets_of(ADA.did) if scope is HoldScope.MEMBER else ()
    hold = Hold(
        scope=scope, targets=targets, channel=None, authority_hash=bytes(32), sealed_note=b""
    )
    circle.readable(steward_key(), ReadableType.HOLD, hold)
    assert circle.roster.is_held_member(circle.roster.devices[ADA.did].member_id)
    assert broken(circle, receipt(ADA, NEW)) is Rule.SHARES_HELD
