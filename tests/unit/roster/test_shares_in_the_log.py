"""What orders over shares mean for members: locks, unlocks, erasures, objections, holds."""

from __future__ import annotations

import pytest

from cloister.ids import ChannelId
from cloister.roster.content import DeviceRevoke, InviteKind, Objection, RevokeKind, Tick
from cloister.roster.events import (
    DeviceErased,
    DeviceLocked,
    DeviceUnlocked,
    Held,
    Ignored,
    Objected,
)
from cloister.roster.orders import (
    UNLOCK_CONSENT_LABEL,
    CarriedConsent,
    EntryReference,
    Erase,
    EraseReason,
    Hold,
    HoldScope,
    LockOrder,
    Target,
    Unlock,
    UnlockConsent,
    sign_lock_as_steward,
)
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.relay_fold import RelayFold
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.share import UNSIGNED, ErasureReceipt, share_relays, sign_by_relay
from cloister.values import replace
from unit.roster.circle import (
    DAY,
    Circle,
    Person,
    circle_of_three,
    ignored,
    owner_key,
    person,
    receipts_of,
    relay_key,
    relay_set,
)

ADA, BEN, CLEO, DAN = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan"))
BEN_2 = person("Ben", "2")
WITH_SHARES = default_policy(unlock_shares=1)
CARDS = share_relays(relay_set())


def governed() -> Circle:
    """Ada and Ben govern, Ben has two devices; every device has shares."""
    circle = circle_of_three(WITH_SHARES)
    circle.admit(DAN, ADA, BEN)
    circle.add_device(BEN_2, BEN, CLEO)
    circle.appoint(BEN)
    return circle


def targets_of(*owners: Person) -> tuple[Target, ...]:
    """All shares of these devices."""
    return tuple(
        Target(relay_id=one.receipt.relay_id, handle=one.receipt.handle, opening=one.opening)
        for owner in owners
        for one in receipts_of(owner)
    )


def lock(circle: Circle, *owners: Person, targets: tuple[Target, ...] = ()) -> object:
    """Ada locks shares; the events."""
    order = LockOrder(
        circle_id=circle.roster.circle_id,
        log_size=circle.roster.size,
        ts=circle.now,
        targets=targets or targets_of(*owners),
    )
    key = circle.keys["Ada"]
    signed = sign_lock_as_steward(order, key, steward_key_id(key.public))
    return circle.readable(key, ReadableType.ORDER_LOCK, signed)


def unlock(circle: Circle, *owners: Person, consents: tuple[bytes, ...] = ()) -> Rule | None:
    """Ada unlocks shares; the rule for which it was ignored."""
    content = Unlock(targets=targets_of(*owners), consents=consents)
    return ignored(circle.readable(circle.keys["Ada"], ReadableType.ORDER_UNLOCK, content))


def consents(circle: Circle, owner: Person, *, signer: Person | None = None) -> tuple[bytes, ...]:
    """The owner's consents to unlock one device."""
    size = circle.roster.size
    carried = []
    for card, target in zip(CARDS, targets_of(owner), strict=True):
        consent = UnlockConsent(circle_id=circle.roster.circle_id, log_size=size, target=target)
        signature = owner_key(signer or owner, card).sign(UNLOCK_CONSENT_LABEL, consent.encode())
        carried.append(CarriedConsent(log_size=size, signature=signature).encode())
    return tuple(carried)


def approve(circle: Circle, entry_hash: bytes) -> None:
    """Ben approves a readable entry."""
    events = circle.readable(
        circle.keys["Ben"], ReadableType.APPROVE, EntryReference(entry_hash=entry_hash)
    )
    assert ignored(events) is None


def erase(circle: Circle, *owners: Person, due: bool = True) -> bytes:
    """Two stewards erase shares; the hash of the order."""
    content = Erase(targets=targets_of(*owners), reason=EraseReason.STOLEN, sealed_note=b"")
    circle.readable(circle.keys["Ada"], ReadableType.ORDER_ERASE, content)
    order = circle.last_hash
    if due:
        approve(circle, order)
        circle.tick(ADA, circle.now + DAY)
    return order


def erased(order: bytes, owner: Person, index: int, signer: str = "") -> ErasureReceipt:
    """A relay's receipt for one share."""
    (card, opened) = (CARDS[index], receipts_of(owner)[index])
    unsigned = ErasureReceipt(
        relay_id=card.relay_id,
        handle=opened.receipt.handle,
        order_hash=order,
        at=1_900_000_000,
        signature=UNSIGNED,
    )
    return replace(unsigned, signature=sign_by_relay(unsigned, relay_key(signer or card.host)))


def test_lock_takes_a_device_out_and_an_unlock_of_two_brings_it_back() -> None:
    circle = governed()
    events = lock(circle, CLEO)
    assert isinstance(events, tuple)
    assert [one.did for one in events if isinstance(one, DeviceLocked)] == [CLEO.did]
    assert circle.roster.devices[CLEO.did].locked
    assert circle.rule_broken(CLEO, Tick()) is Rule.AUTHOR
    assert circle.roster.members[CLEO.member_id].is_active
    assert unlock(circle, CLEO) is None
    assert not circle.roster.is_active(CLEO.did)
    approve(circle, circle.last_hash)
    assert circle.roster.is_active(CLEO.did)
    assert len(circle.roster.devices[CLEO.did].spans) == 2


def test_one_locked_share_is_enough_and_all_must_be_unlocked() -> None:
    circle = governed()
    at_home, at_entry = targets_of(CLEO)
    lock(circle, targets=(at_home,))
    assert not circle.roster.is_active(CLEO.did)
    lock(circle, targets=(at_entry,))
    for target in (at_home, at_entry):
        assert not circle.roster.is_active(CLEO.did)
        content = Unlock(targets=(target,), consents=())
        circle.readable(circle.keys["Ada"], ReadableType.ORDER_UNLOCK, content)
        approve(circle, circle.last_hash)
    assert circle.roster.is_active(CLEO.did)


def test_handle_locked_before_its_device_is_known_ROS_180() -> None:
    circle = governed()
    device = person("Cleo", "2")
    lock(circle, device)
    seed = circle.invite(CLEO, kind=InviteKind.DEVICE, subject=CLEO)
    request = circle.ask(device, seed, CLEO)
    circle.vouch(ADA, request)
    assert circle.roster.devices[device.did].locked
    assert not circle.roster.is_active(device.did)
    assert circle.roster.devices[device.did].spans == ()


def test_owner_consents_to_the_unlock_of_a_lost_device_ROS_213() -> None:
    circle = governed()
    circle.act(BEN, DeviceRevoke(did=BEN_2.did, kind=RevokeKind.LOST))
    stale = consents(circle, BEN_2)
    circle.tick(ADA, circle.now + 1)
    fresh = consents(circle, BEN_2)
    forged = consents(circle, BEN_2, signer=CLEO)
    fold = RelayFold.found(circle.entries[0])
    for entry in circle.entries[1:]:
        fold = fold.append(entry)
    assert unlock(circle, BEN_2, consents=forged) is Rule.CONSENT
    # A relay's fold knows no owner keys: its service verifies those of its own shares. Members
    # keep the same governance as the relay, and keep the device out.
    fold = fold.append(circle.entries[-1])
    assert fold.governance == circle.roster.governance
    assert not circle.roster.is_active(BEN_2.did)
    # What the owner said before is used up; it has to be said anew.
    assert unlock(circle, BEN_2, consents=fresh) is Rule.UNLOCK_CONSENT
    assert unlock(circle, BEN_2, consents=consents(circle, BEN_2)) is None
    assert circle.roster.is_active(BEN_2.did)
    assert len(stale) == len(fresh)


def test_attack_consent_from_before_the_loss_unlocks_nothing_ROS_213() -> None:
    circle = governed()
    early = consents(circle, BEN_2)
    circle.act(BEN, DeviceRevoke(did=BEN_2.did, kind=RevokeKind.LOST))
    assert unlock(circle, BEN_2, consents=early) is Rule.CONSENT
    unknown = consents(circle, person("Eve"))
    assert unlock(circle, person("Eve"), consents=unknown) is Rule.CONSENT
    assert unlock(circle, BEN_2, consents=(early[0][:-1], early[1])) is not None


def test_attack_steward_consents_as_owner_to_the_unlock_of_the_own_device_ROS_213() -> None:
    circle = governed()
    lock(circle, BEN_2)
    content = Unlock(targets=targets_of(BEN_2), consents=consents(circle, BEN_2))
    events = circle.readable(circle.keys["Ben"], ReadableType.ORDER_UNLOCK, content)
    assert ignored(events) is Rule.CONSENT
    assert not circle.roster.is_active(BEN_2.did)
    circle.tick(ADA, circle.now + 1)
    assert unlock(circle, BEN_2, consents=consents(circle, BEN_2)) is None
    assert circle.roster.is_active(BEN_2.did)


def test_lost_device_is_unlocked_by_two_stewards_for_all_its_shares() -> None:
    circle = governed()
    circle.act(BEN, DeviceRevoke(did=BEN_2.did, kind=RevokeKind.LOST))
    for number, target in enumerate(targets_of(BEN_2)):
        content = Unlock(targets=(target,), consents=())
        circle.readable(circle.keys["Ada"], ReadableType.ORDER_UNLOCK, content)
        approve(circle, circle.last_hash)
        assert circle.roster.is_active(BEN_2.did) is (number == 1)


def test_unlock_says_whose_device_it_was() -> None:
    circle = governed()
    lock(circle, CLEO)
    events = circle.readable(
        circle.keys["Ada"],
        ReadableType.ORDER_UNLOCK,
        Unlock(targets=targets_of(CLEO), consents=consents(circle, CLEO)),
    )
    assert [one.member_id for one in events if isinstance(one, DeviceUnlocked)] == [CLEO.member_id]


def test_erased_device_is_out_for_good_and_relays_say_so() -> None:
    circle = governed()
    order = erase(circle, CLEO)
    assert not circle.roster.is_active(CLEO.did)
    (event,) = circle.act(ADA, erased(order, CLEO, 0))
    assert isinstance(event, DeviceErased)
    assert (event.did, event.complete) == (CLEO.did, True)
    assert circle.roster.devices[CLEO.did].erased
    assert circle.rule_broken(ADA, erased(order, CLEO, 1)) is None
    assert len(circle.roster.devices[CLEO.did].erased_by) == 2


def test_receipt_names_an_erase_that_is_due_ROS_222() -> None:
    circle = governed()
    assert circle.rule_broken(ADA, erased(bytes(32), CLEO, 0)) is Rule.ERASED_ORDER
    order = erase(circle, CLEO, due=False)
    assert circle.rule_broken(ADA, erased(order, CLEO, 0)) is Rule.ERASED_ORDER
    approve(circle, order)
    assert circle.rule_broken(ADA, erased(order, CLEO, 0)) is Rule.ERASED_ORDER
    assert circle.roster.needs_tick(circle.now + DAY)
    circle.tick(ADA, circle.now + DAY)
    assert circle.rule_broken(ADA, erased(order, CLEO, 0)) is None


def test_receipt_is_for_a_share_that_the_erase_names_ROS_223() -> None:
    circle = governed()
    order = erase(circle, CLEO)
    assert circle.rule_broken(ADA, erased(order, DAN, 0)) is Rule.ERASED_TARGET
    stranger = person("Eve")
    other = governed()
    strange = erase(other, stranger)
    assert other.rule_broken(ADA, erased(strange, stranger, 0)) is Rule.ERASED_TARGET


def test_attack_member_forges_a_receipt_of_erasure_ROS_224() -> None:
    circle = governed()
    order = erase(circle, CLEO)
    forged = erased(order, CLEO, 0, signer="entry.example")
    assert circle.rule_broken(DAN, forged) is Rule.ERASED_RELAY
    assert circle.rule_broken(DAN, replace(erased(order, CLEO, 0), at=1)) is Rule.ERASED_RELAY
    assert not circle.roster.devices[CLEO.did].erased


def test_share_is_erased_once_ROS_225() -> None:
    circle = governed()
    order = erase(circle, CLEO)
    circle.act(ADA, erased(order, CLEO, 0))
    assert circle.rule_broken(ADA, erased(order, CLEO, 0)) is Rule.ERASED_AGAIN


def test_two_members_objections_ask_for_a_pause_ROS_221() -> None:
    circle = governed()
    order = erase(circle, CLEO, due=False)
    objection = Objection(entry_hash=order, reason="not hers")
    (first,) = circle.act(DAN, objection)
    assert isinstance(first, Objected)
    assert not first.pauses
    assert circle.rule_broken(DAN, objection) is Rule.OBJECTION_AGAIN
    circle.roster = Roster.decode(circle.roster.encode())
    assert circle.rule_broken(DAN, objection) is Rule.OBJECTION_AGAIN
    (second,) = circle.act(BEN_2, objection)
    assert isinstance(second, Objected)
    assert second.pauses
    assert circle.roster.objections[order].members == (DAN.member_id, BEN.member_id)
    assert circle.rule_broken(BEN, objection) is Rule.OBJECTION_AGAIN


def test_objection_is_to_an_erase_that_can_be_stopped_ROS_220() -> None:
    circle = governed()
    assert circle.rule_broken(DAN, Objection(entry_hash=bytes(32), reason="")) is (
        Rule.OBJECTION_ORDER
    )
    order = erase(circle, CLEO)
    objection = Objection(entry_hash=order, reason="")
    assert circle.rule_broken(DAN, objection) is Rule.OBJECTION_ORDER


def hold(circle: Circle, *owners: Person, channel: ChannelId | None = None) -> tuple[object, ...]:
    """Ada places a hold on devices, a conversation, or, without either, on the circle."""
    scope = HoldScope.MEMBER if owners else HoldScope.CIRCLE
    if channel is not None:
        scope = HoldScope.CONVERSATION
    content = Hold(
        scope=scope,
        targets=targets_of(*owners),
        channel=channel,
        authority_hash=bytes(32),
        sealed_note=b"",
    )
    return circle.readable(circle.keys["Ada"], ReadableType.HOLD, content)


@pytest.mark.parametrize("on_circle", [True, False])
def test_nobody_under_a_hold_returns_before_it_is_released_ROS_180(on_circle: bool) -> None:
    circle = governed()
    events = hold(circle) if on_circle else hold(circle, CLEO)
    (held,) = (event for event in events if isinstance(event, Held))
    assert held.members == (() if on_circle else (CLEO.member_id,))
    assert circle.roster.is_held_member(CLEO.member_id)
    assert circle.roster.is_held_member(DAN.member_id) is on_circle
    placed = circle.last_hash
    device = person("Cleo", "2")
    seed = circle.invite(ADA, kind=InviteKind.RETURN, subject=CLEO)
    request = circle.ask(device, seed, ADA)
    circle.vouch(ADA, request)
    circle.vouch(BEN, request)
    assert device.did not in circle.roster.devices
    circle.readable(
        circle.keys["Ada"], ReadableType.HOLD_RELEASE, EntryReference(entry_hash=placed)
    )
    approve(circle, circle.last_hash)
    assert circle.roster.is_active(device.did)


def test_hold_on_a_conversation_names_nobody() -> None:
    circle = governed()
    events = hold(circle, channel=ChannelId(bytes(16)))
    assert not any(isinstance(event, Held | Ignored) for event in events)


def test_attack_relay_and_members_never_disagree_about_a_valid_order() -> None:
    circle = governed()
    lock(circle, CLEO)
    unlock(circle, CLEO)
    approve(circle, circle.last_hash)
    order = erase(circle, DAN)
    circle.act(ADA, erased(order, DAN, 0))
    hold(circle, CLEO)
    fold = RelayFold.found(circle.entries[0])
    for entry in circle.entries[1:]:
        fold = fold.append(entry)
    assert fold.governance == circle.roster.governance
    assert fold.governance.record() == circle.roster.governance.record()
