"""A circle from founding to removal, as flows 3 tells it."""

from __future__ import annotations

from cloister.roster.content import Approve, RemovalKind, Remove
from cloister.roster.events import (
    Admitted,
    Asked,
    LogKeyAnnounced,
    RemovalProposed,
    Removed,
    Vouched,
)
from cloister.roster.log_keys import recover_log_keys
from cloister.roster.roster import Roster
from unit.roster.circle import circle_of_three, forming_circle, person

ADA, BEN, CLEO, DAN = person("Ada"), person("Ben"), person("Cleo"), person("Dan")


def test_founder_is_the_only_member_of_a_new_circle() -> None:
    roster = forming_circle().roster
    assert roster.size == 1
    assert roster.forming
    assert [device.did for device in roster.active_devices()] == [ADA.did]
    assert roster.vouches_needed() == 1


def test_while_forming_one_vouch_admits() -> None:
    circle = forming_circle()
    seed = circle.invite(ADA)
    request = circle.request(BEN, seed)
    (asked,) = circle.act(ADA, request)
    assert isinstance(asked, Asked)
    vouched, admitted = circle.vouch(ADA, request)
    assert isinstance(vouched, Vouched)
    assert isinstance(admitted, Admitted)
    assert admitted.did == BEN.did
    assert circle.roster.members[BEN.member_id].vouchers == (ADA.member_id,)
    assert circle.roster.was_active_at(BEN.did, circle.roster.size)
    assert not circle.roster.was_active_at(BEN.did, circle.roster.size - 1)


def test_with_three_members_forming_ends_and_two_vouches_are_needed() -> None:
    circle = circle_of_three()
    assert not circle.roster.forming
    assert circle.roster.vouches_needed() == 2
    seed = circle.invite(BEN)
    request = circle.ask(DAN, seed, CLEO)
    circle.vouch(BEN, request)
    assert not circle.roster.is_active(DAN.did)
    circle.vouch(ADA, request)
    assert circle.roster.is_active(DAN.did)
    assert circle.roster.members[DAN.member_id].probation_until > circle.roster.ts


def test_removal_takes_two_and_a_new_log_key_follows() -> None:
    circle = circle_of_three()
    (proposed,) = circle.act(
        ADA, Remove(kind=RemovalKind.DEPARTURE, since=0, member_id=CLEO.member_id, reason="gone")
    )
    assert isinstance(proposed, RemovalProposed)
    assert circle.roster.is_active(CLEO.did)
    (removed,) = circle.act(BEN, Approve(entry_hash=proposed.entry_hash))
    assert isinstance(removed, Removed)
    assert removed.dids == (CLEO.did,)
    assert not circle.roster.is_active(CLEO.did)
    (announced,) = circle.rotate(BEN)
    assert announced == LogKeyAnnounced(seq=circle.roster.size - 1, generation=1)


def test_newcomer_recovers_all_log_keys_and_folds_the_same_roster() -> None:
    circle = circle_of_three()
    circle.rotate(ADA)
    circle.rotate(BEN)
    circle.admit(DAN, ADA, BEN)
    keys = recover_log_keys(circle.entries, 2, circle.log_keys[2])
    assert keys == circle.log_keys
    roster, _ = Roster.found(circle.entries[0], keys[0]).extend(circle.entries[1:], keys)
    assert roster == circle.roster
    assert roster.encode() == circle.roster.encode()
    assert Roster.decode(roster.encode()) == roster
