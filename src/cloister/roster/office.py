"""Offices: a member is steward or officer as long as relays obey a key that it announced."""

from __future__ import annotations

from collections.abc import Iterable

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hybrid_signature import check_hybrid_public, verify_hybrid
from cloister.ids import MemberId
from cloister.roster.content import STEWARD_KEY_LABEL, Role, StewardKey
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, KeyAnnounced, RoleChanged
from cloister.roster.readable import steward_key_id
from cloister.roster.rules import Rule
from cloister.roster.state import MAX_ANNOUNCED_KEYS, AnnouncedKey, Member, changed


def on_steward_key(draft: Draft, act: Act, announced: StewardKey) -> tuple[Event, ...]:
    """Apply a steward_key entry. It gives no power: a steward_set with the key does."""
    member = draft.members[act.author.member_id]
    key_id = steward_key_id(announced.key)
    # A key of two members would be two offices in one hand, or one in two.
    if key_id in draft.key_owners:
        raise RuleViolation(Rule.KEY_NEW)
    if len(member.announced) >= MAX_ANNOUNCED_KEYS:
        raise RuleViolation(Rule.KEY_COUNT)
    try:
        check_hybrid_public(announced.key)
        verify_hybrid(announced.key, STEWARD_KEY_LABEL, act.author.did, announced.proof)
    except (BadPublicKey, BadSignature):
        raise RuleViolation(Rule.KEY_PROOF) from None
    key = AnnouncedKey(key_id=key_id, key=announced.key)
    member = changed(member, announced=(*member.announced, key))
    draft.members[member.member_id] = member
    draft.key_owners[key_id] = member.member_id
    return (
        KeyAnnounced(seq=act.seq, member_id=member.member_id, key_id=key_id),
        *derive_roles(draft, (member.member_id,), act.seq),
    )


def role_of(draft: Draft, member: Member) -> Role:
    """The office of a member, by any key it ever announced.

    Not by the newest alone: whoever announced another key would be without office here, and go on
    being obeyed by relays.
    """
    keys = {one.key_id for one in member.announced}
    if not keys.isdisjoint(draft.governance.steward_keys):
        return Role.STEWARD
    return Role.MEMBER if keys.isdisjoint(draft.governance.officer_keys) else Role.OFFICER


def derive_roles(draft: Draft, members: Iterable[MemberId], seq: int) -> list[Event]:
    """Bring the offices of these members up to date."""
    events: list[Event] = []
    for member in (draft.members[member_id] for member_id in members):
        role = role_of(draft, member)
        if role is member.role:
            continue
        draft.members[member.member_id] = changed(member, role=role)
        events.append(
            RoleChanged(seq=seq, member_id=member.member_id, before=member.role, role=role)
        )
        # What an office keeps off, a lapse or an overdue vouch, may happen from here.
        draft.expect(0)
    return events
