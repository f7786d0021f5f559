"""Further devices, returns on a new one, and devices that their member gives up."""

from __future__ import annotations

import pytest

from cloister.roster.content import DeviceRevoke, InviteKind, Leave, RevokeKind, Tick
from cloister.roster.events import DeviceAdded, DeviceRevoked, Returned
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.state import Span
from unit.roster.circle import circle_of_three, forming_circle, ignored, person

ADA, BEN, CLEO, DAN = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan"))
ADA_2, BEN_2, BEN_3 = person("Ada", "2"), person("Ben", "2"), person("Ben", "3")


def test_further_device_needs_one_vouch_of_another_member_ROS_181() -> None:
    circle = circle_of_three()
    request = circle.ask(BEN_2, circle.invite(BEN, kind=InviteKind.DEVICE, subject=BEN), BEN)
    assert circle.roster.requests[request.request_hash].needed == 1
    assert BEN_2.did not in circle.roster.devices
    events = circle.vouch(CLEO, request)
    assert [event.did for event in events if isinstance(event, DeviceAdded)] == [BEN_2.did]
    ben = circle.roster.members[BEN.member_id]
    assert ben.devices == (BEN.did, BEN_2.did)
    assert len(circle.roster.members) == 3
    assert circle.rule_broken(BEN_2, Tick()) is None
    assert circle.rule_broken(BEN, Tick()) is None


def test_attack_device_gets_in_on_the_owners_signature_alone_ROS_178() -> None:
    circle = circle_of_three()
    request = circle.ask(BEN_2, circle.invite(BEN, kind=InviteKind.DEVICE, subject=BEN), BEN)
    circle.vouch(BEN, request)
    assert BEN_2.did not in circle.roster.devices
    assert circle.roster.counted_vouches(request.request_hash) == ()


def test_member_who_is_alone_has_a_further_device_at_once_ROS_181() -> None:
    circle = forming_circle()
    circle.add_device(ADA_2, ADA)
    assert circle.roster.is_active(ADA_2.did)


def test_request_names_the_member_its_invitation_is_for_ROS_173() -> None:
    circle = circle_of_three()
    seed = circle.invite(BEN, kind=InviteKind.DEVICE, subject=BEN)
    assert circle.rule_broken(BEN, circle.request(DAN, seed)) is Rule.JOIN_SUBJECT
    seed = circle.invite(BEN, kind=InviteKind.RETURN, subject=CLEO)
    assert circle.rule_broken(BEN, circle.request(BEN_2, seed)) is Rule.JOIN_SUBJECT


def test_attack_five_devices_of_one_member_count_once_ROS_073() -> None:
    circle = circle_of_three()
    devices = [person("Ben", str(number)) for number in range(2, 6)]
    for device in devices:
        circle.add_device(device, BEN, CLEO)
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    for device in (BEN, *devices):
        assert ignored(circle.vouch(device, request)) is None
    assert len(circle.roster.counted_vouches(request.request_hash)) == 1
    assert DAN.member_id not in circle.roster.members


def test_return_takes_as_many_vouches_as_a_newcomer_and_retires_what_was_ROS_178() -> None:
    circle = circle_of_three()
    circle.add_device(BEN_2, BEN, CLEO)
    request = circle.ask(BEN_3, circle.invite(ADA, kind=InviteKind.RETURN, subject=BEN), ADA)
    circle.vouch(ADA, request)
    circle.vouch(BEN, request)
    assert not circle.roster.is_active(BEN_3.did)
    events = circle.vouch(CLEO, request)
    (returned,) = (event for event in events if isinstance(event, Returned))
    assert (returned.member_id, returned.retired) == (BEN.member_id, (BEN.did, BEN_2.did))
    assert [
        one.did for one in circle.roster.active_devices() if one.member_id == BEN.member_id
    ] == [BEN_3.did]
    # The membership rests on the vouches of the return from here.
    assert circle.roster.members[BEN.member_id].vouchers == (ADA.member_id, CLEO.member_id)
    assert circle.rule_broken(BEN, Tick()) is Rule.AUTHOR


def test_device_that_went_away_leaves_a_closed_span() -> None:
    circle = circle_of_three()
    circle.add_device(BEN_2, BEN, CLEO)
    since = circle.roster.size
    (event,) = circle.act(BEN, DeviceRevoke(did=BEN_2.did, kind=RevokeKind.LOST))
    assert event == DeviceRevoked(
        seq=since, member_id=BEN.member_id, did=BEN_2.did, kind=RevokeKind.LOST
    )
    record = circle.roster.devices[BEN_2.did]
    assert record.spans == (Span(from_size=since, until_size=since + 1),)
    assert record.locked
    assert circle.roster.was_active_at(BEN_2.did, since)
    assert not circle.roster.was_active_at(BEN_2.did, since + 1)
    assert not circle.roster.was_active_at(BEN_2.did, since - 1)
    assert circle.rule_broken(BEN_2, Tick()) is Rule.AUTHOR


def test_retired_device_is_out_for_good_ROS_212() -> None:
    circle = circle_of_three()
    circle.add_device(BEN_2, BEN, CLEO)
    circle.act(BEN, DeviceRevoke(did=BEN_2.did, kind=RevokeKind.LOST))
    lost_again = DeviceRevoke(did=BEN_2.did, kind=RevokeKind.LOST)
    assert circle.rule_broken(BEN, lost_again) is Rule.REVOKE_AGAIN
    retired = DeviceRevoke(did=BEN_2.did, kind=RevokeKind.RETIRED)
    assert circle.rule_broken(BEN, retired) is None
    assert circle.rule_broken(BEN, retired) is Rule.REVOKE_AGAIN
    assert circle.rule_broken(BEN, lost_again) is Rule.REVOKE_AGAIN


@pytest.mark.parametrize("kind", RevokeKind)
def test_attack_member_revokes_a_device_of_another_ROS_210(kind: RevokeKind) -> None:
    circle = circle_of_three()
    assert circle.rule_broken(ADA, DeviceRevoke(did=BEN.did, kind=kind)) is Rule.REVOKE_OWN
    assert circle.rule_broken(ADA, DeviceRevoke(did=DAN.did, kind=kind)) is Rule.REVOKE_OWN
    assert circle.roster.is_active(BEN.did)


def test_device_retires_itself_and_does_not_call_itself_lost_ROS_211() -> None:
    circle = circle_of_three()
    lost = DeviceRevoke(did=BEN.did, kind=RevokeKind.LOST)
    assert circle.rule_broken(BEN, lost) is Rule.REVOKE_SELF
    retired = DeviceRevoke(did=BEN.did, kind=RevokeKind.RETIRED)
    assert circle.rule_broken(BEN, retired) is None
    assert circle.roster.members[BEN.member_id].is_active
    assert not circle.roster.is_active(BEN.did)


def test_member_without_a_device_returns_ROS_180() -> None:
    circle = circle_of_three()
    circle.act(BEN, DeviceRevoke(did=BEN.did, kind=RevokeKind.RETIRED))
    circle.bring_back(BEN_2, ADA, CLEO)
    assert circle.roster.is_active(BEN_2.did)


def test_who_is_removed_meanwhile_gets_no_device_ROS_180() -> None:
    for kind in (InviteKind.DEVICE, InviteKind.RETURN):
        circle = circle_of_three()
        circle.admit(DAN, ADA, BEN)
        inviter = BEN if kind is InviteKind.DEVICE else ADA
        request = circle.ask(BEN_2, circle.invite(inviter, kind=kind, subject=BEN), ADA)
        if kind is InviteKind.RETURN:
            circle.vouch(ADA, request)
        circle.remove(ADA, BEN, CLEO)
        circle.vouch(CLEO, request)
        circle.vouch(ADA, request)
        assert BEN_2.did not in circle.roster.devices


def test_return_is_not_cheaper_while_too_few_can_vouch() -> None:
    """In a circle of two that is past forming, one member cannot take over the other's name."""
    circle = circle_of_three()
    circle.remove(ADA, CLEO, BEN)
    request = circle.ask(BEN_2, circle.invite(ADA, kind=InviteKind.RETURN, subject=BEN), ADA)
    circle.vouch(ADA, request)
    assert circle.roster.requests[request.request_hash].needed == 2
    assert BEN_2.did not in circle.roster.devices


def test_needed_vouches_of_a_waiting_device_fall_when_its_owner_is_alone() -> None:
    circle = forming_circle()
    circle.admit(BEN, ADA)
    request = circle.ask(ADA_2, circle.invite(ADA, kind=InviteKind.DEVICE, subject=ADA), ADA)
    assert circle.roster.requests[request.request_hash].needed == 1
    other = circle.clone()
    other.roster = Roster.decode(other.roster.encode())
    for one in (circle, other):
        one.act(BEN, Leave())
        assert one.roster.is_active(ADA_2.did)
