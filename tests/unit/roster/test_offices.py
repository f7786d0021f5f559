"""Steward keys that members announce, the roles that follow from them, and new policies."""

from __future__ import annotations

import pytest

from cloister.crypto.hybrid_signature import HybridKey
from cloister.roster.content import STEWARD_KEY_LABEL, Approve, Leave, Role, StewardKey
from cloister.roster.events import (
    KeyAnnounced,
    PolicyApproved,
    PolicyChanged,
    PolicyDropped,
    RoleChanged,
)
from cloister.roster.orders import EntryReference, StewardSet, StewardSuspend
from cloister.roster.policy import Policy, default_policy
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.state import MAX_ANNOUNCED_KEYS
from cloister.values import replace
from unit.roster.circle import (
    DAY,
    Circle,
    Person,
    circle_of_three,
    forming_circle,
    person,
    steward_key,
)

ADA, BEN, CLEO, DAN = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan"))


def announced(author: Person, key: HybridKey, *, proof_by: HybridKey | None = None) -> StewardKey:
    """An announcement; the proof can be another key's."""
    return StewardKey(key=key.public, proof=(proof_by or key).sign(STEWARD_KEY_LABEL, author.did))


def test_announced_key_gives_no_power_and_a_set_with_it_does() -> None:
    circle = circle_of_three()
    key = steward_key("Ben")
    (event,) = circle.act(BEN, announced(BEN, key))
    key_id = steward_key_id(key.public)
    assert event == KeyAnnounced(seq=event.seq, member_id=BEN.member_id, key_id=key_id)
    assert circle.roster.members[BEN.member_id].steward_key_id == key_id
    assert circle.roster.announced_key(BEN.member_id) == key.public
    assert circle.roster.announced_key(CLEO.member_id) is None
    assert circle.roster.member_of_key(key_id) == circle.roster.members[BEN.member_id]
    assert circle.roster.member_of_key(bytes(32)) is None
    assert not circle.roster.is_steward(BEN.member_id)
    circle.keys["Ben"] = key
    circle.set_offices((ADA, BEN))
    assert circle.roster.is_steward(BEN.member_id)
    circle.set_offices((ADA,))
    assert not circle.roster.is_steward(BEN.member_id)
    assert circle.rule_broken(BEN, Leave()) is None


def test_officers_hold_their_office_by_key_too() -> None:
    circle = circle_of_three()
    circle.keys["Ben"] = circle.announce(BEN)
    circle.set_offices((ADA,), (BEN,))
    assert circle.roster.is_officer(BEN.member_id)
    assert not circle.roster.is_steward(BEN.member_id)
    assert circle.rule_broken(BEN, Leave()) is Rule.LEAVE_STEWARD
    circle.set_offices((ADA, BEN))
    assert circle.roster.is_steward(BEN.member_id)
    assert not circle.roster.is_officer(BEN.member_id)


def test_key_in_office_before_it_is_announced() -> None:
    circle = circle_of_three()
    circle.keys["Ben"] = steward_key("Ben")
    circle.set_offices((ADA, BEN))
    assert not circle.roster.is_steward(BEN.member_id)
    events = circle.act(BEN, announced(BEN, steward_key("Ben")))
    assert [type(event) for event in events] == [KeyAnnounced, RoleChanged]
    assert circle.roster.is_steward(BEN.member_id)


def test_attack_steward_hides_in_the_log_behind_a_newer_key() -> None:
    """Relays obey the older key still: so the member is a steward still."""
    circle = circle_of_three()
    circle.appoint(BEN)
    circle.act(BEN, announced(BEN, steward_key("another of Ben")))
    assert circle.roster.is_steward(BEN.member_id)


def test_founder_changes_to_another_key() -> None:
    circle = circle_of_three()
    newer = steward_key("newer")
    circle.act(ADA, announced(ADA, newer))
    before = circle.keys["Ada"]
    circle.readable(
        before, ReadableType.STEWARD_SET, StewardSet(stewards=(newer.public,), officers=())
    )
    proposal = EntryReference(entry_hash=circle.last_hash)
    circle.readable(newer, ReadableType.APPROVE, proposal)
    circle.tick(ADA, circle.now + circle.policy.change_delay_s)
    assert list(circle.roster.steward_keys) == [steward_key_id(newer.public)]
    assert circle.roster.is_steward(ADA.member_id)
    assert circle.roster.members[ADA.member_id].role is Role.STEWARD


def test_attack_two_members_announce_one_key_ROS_200() -> None:
    circle = circle_of_three()
    shared = steward_key("shared")
    assert circle.rule_broken(BEN, announced(BEN, shared)) is None
    assert circle.rule_broken(BEN, announced(BEN, shared)) is Rule.KEY_NEW
    assert circle.rule_broken(CLEO, announced(CLEO, shared)) is Rule.KEY_NEW
    founders = announced(CLEO, circle.keys["Ada"])
    assert circle.rule_broken(CLEO, founders) is Rule.KEY_NEW
    circle.roster = Roster.decode(circle.roster.encode())
    assert circle.rule_broken(CLEO, announced(CLEO, shared)) is Rule.KEY_NEW


def test_member_announces_few_keys_ROS_201() -> None:
    circle = circle_of_three()
    for number in range(MAX_ANNOUNCED_KEYS):
        key = steward_key(f"number {number}")
        assert circle.rule_broken(BEN, announced(BEN, key)) is None
    one_more = announced(BEN, steward_key("one more"))
    assert circle.rule_broken(BEN, one_more) is Rule.KEY_COUNT


def test_attack_member_announces_a_key_it_does_not_hold_ROS_202() -> None:
    circle = circle_of_three()
    theirs, own = steward_key("Cleo"), steward_key("Ben")
    forged = announced(BEN, theirs, proof_by=own)
    assert circle.rule_broken(BEN, forged) is Rule.KEY_PROOF
    # Cleo's own announcement does not fit Ben's device.
    copied = announced(CLEO, theirs)
    assert circle.rule_broken(BEN, copied) is Rule.KEY_PROOF
    weak = replace(own.public, ed25519=b"\1" + bytes(31))
    of_small_order = StewardKey(key=weak, proof=announced(BEN, own).proof)
    assert circle.rule_broken(BEN, of_small_order) is Rule.KEY_PROOF


def test_attack_invitation_makes_no_steward() -> None:
    circle = forming_circle()
    circle.admit(BEN, ADA, role=Role.STEWARD)
    assert not circle.roster.is_steward(BEN.member_id)
    assert circle.roster.governance.steward_keys.keys() == {
        steward_key_id(circle.keys["Ada"].public)
    }


# --- policy ---------------------------------------------------------------------------------------


def circle_with_two_stewards(policy: Policy | None = None) -> Circle:
    """Ada and Ben govern."""
    circle = circle_of_three(policy)
    circle.appoint(BEN)
    return circle


def test_policy_changes_by_two_and_after_its_delay() -> None:
    circle = circle_with_two_stewards()
    wanted = replace(circle.roster.policy, vouches=3, vouches_large=4, veto_s=DAY)
    request = circle.ask(DAN, circle.invite(ADA), ADA)
    circle.act(ADA, wanted)
    proposal = circle.last_hash
    assert circle.rule_broken(ADA, Approve(entry_hash=proposal)) is Rule.APPROVE_OTHER
    assert circle.rule_broken(CLEO, Approve(entry_hash=proposal)) is Rule.APPROVE_STEWARD
    (event,) = circle.act(BEN, Approve(entry_hash=proposal))
    assert isinstance(event, PolicyApproved)
    assert event.due == circle.now + DAY
    assert circle.rule_broken(BEN, Approve(entry_hash=proposal)) is Rule.APPROVE_PROPOSAL
    assert circle.roster.needs_tick(event.due)
    circle.tick(ADA, event.due - 1)
    assert circle.roster.policy.vouches == 2
    circle.roster = Roster.decode(circle.roster.encode())
    events = circle.tick(ADA, event.due)
    assert [one.policy for one in events if isinstance(one, PolicyChanged)] == [wanted]
    assert circle.roster.policy == wanted
    assert circle.roster.requests[request.request_hash].needed == 3
    # What relays apply stays as the genesis has it.
    assert circle.roster.governance.policy == circle.policy
    assert not circle.roster.sealed_proposals


@pytest.mark.parametrize("whose", [BEN, CLEO], ids=["proposed", "approved"])
def test_attack_a_policy_takes_effect_whose_steward_was_suspended_in_the_delay(
    whose: Person,
) -> None:
    circle = circle_of_three()
    circle.appoint(BEN, CLEO)
    circle.act(BEN, replace(circle.roster.policy, vouches=3, vouches_large=4))
    circle.act(CLEO, Approve(entry_hash=circle.last_hash))
    suspend = StewardSuspend(key_id=steward_key_id(circle.keys[whose.name].public), lift=False)
    circle.readable(circle.keys["Ada"], ReadableType.STEWARD_SUSPEND, suspend)
    circle.roster = Roster.decode(circle.roster.encode())
    events = circle.tick(ADA, circle.now + DAY)
    assert any(isinstance(one, PolicyDropped) for one in events)
    assert circle.roster.policy.vouches == 2
    assert not circle.roster.sealed_proposals


def test_approved_policies_take_effect_in_the_order_of_their_approval() -> None:
    circle = circle_with_two_stewards()
    hashes = []
    for vouches in (3, 4):
        circle.act(ADA, replace(circle.roster.policy, vouches=vouches, vouches_large=5))
        hashes.append(circle.last_hash)
    for proposal in reversed(hashes):
        circle.act(BEN, Approve(entry_hash=proposal))
    circle.tick(ADA, circle.now + DAY)
    assert circle.roster.policy.vouches == 3


def test_policy_in_a_test_circle_may_change_at_once() -> None:
    circle = circle_with_two_stewards(default_policy(test_circle=True, change_delay_s=0))
    circle.act(ADA, replace(circle.roster.policy, max_open_invites=9))
    circle.act(BEN, Approve(entry_hash=circle.last_hash))
    assert circle.roster.policy.max_open_invites == 9


def test_attack_member_without_office_proposes_a_policy_ROS_203() -> None:
    circle = circle_of_three()
    assert circle.rule_broken(BEN, circle.roster.policy) is Rule.POLICY_AUTHOR


@pytest.mark.parametrize(
    "change", [{"vouches": 1}, {"max_open_invites": 0}, {"vouch_lifetime_s": 1}]
)
def test_policy_is_one_that_a_genesis_might_have_ROS_204(change: dict[str, int]) -> None:
    circle = circle_of_three()
    wanted = replace(circle.roster.policy, **change)
    assert circle.rule_broken(ADA, wanted) is Rule.POLICY_RANGE


@pytest.mark.parametrize(
    "change",
    [
        {"flags": 1},
        {"unlock_shares": 1},
        {"unlock_shares": 1, "seats": 1},
        {"cool_off_s": 2 * DAY},
        {"change_delay_s": 2 * DAY},
    ],
)
def test_attack_what_relays_act_on_is_changed_where_they_cannot_see_it_ROS_205(
    change: dict[str, int],
) -> None:
    circle = circle_of_three()
    wanted = replace(circle.roster.policy, **change)
    assert circle.rule_broken(ADA, wanted) is Rule.POLICY_FIXED
