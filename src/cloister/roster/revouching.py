"""What a compromised member leaves behind, and how those it let in are vouched for again.

Nobody is removed by consequence: whoever came in on vouches that are void now has a week to be
vouched for by others, and is suspended after it until they are.
"""

from __future__ import annotations

from typing import Final

from cloister.ids import MemberId
from cloister.roster.content import InviteKind, Role
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, NeedsRevouch, Revouched, RevouchOverdue, VouchedAgain
from cloister.roster.inviting import close_invite
from cloister.roster.rules import Rule
from cloister.roster.state import Grant, Member, OpenRequest, changed

REVOUCH_GRACE_S: Final = 7 * 86_400
"""How long a member stays active whose vouches are void, by log time."""


def on_vouch_again(draft: Draft, act: Act, asked: OpenRequest) -> Event:
    """Apply a vouch for the request of somebody who was admitted on it and needs vouches again."""
    member = draft.members[asked.request.member_id]
    if member.is_out or not member.needs_revouch or asked.kind is InviteKind.DEVICE:
        raise RuleViolation(Rule.VOUCH_LATE)
    voucher = act.author.member_id
    if voucher == member.member_id or not draft.members[voucher].may_vouch(act.ts):
        raise RuleViolation(Rule.REVOUCH_VOUCHER)
    if any(one.voucher == voucher and not one.void for one in member.grants):
        raise RuleViolation(Rule.REVOUCH_TWICE)
    grants = (*member.grants, Grant(voucher=voucher, seq=act.seq, void=False))
    member = changed(member, grants=grants)
    if _live(member) < member.needed_at_admission:
        draft.put_member(member, act.seq)
        return VouchedAgain(seq=act.seq, member_id=member.member_id, voucher=voucher)
    draft.put_member(changed(member, revouch_by=0, revouch_overdue=False), act.seq)
    return Revouched(seq=act.seq, member_id=member.member_id, voucher=voucher)


def _live(member: Member) -> int:
    return sum(not grant.void for grant in member.grants)


def derive_revouching(
    draft: Draft, compromised: MemberId, since: int, seq: int, ts: int
) -> list[Event]:
    """Void what a compromised member vouched for and invited at entries from ``since`` on.

    Whoever has fewer vouches left than were needed needs new ones, and has no vouches to give:
    those given before are void too, and so on until nothing changes any more.
    """
    _void_what_is_open(draft, compromised, since)
    void_from: dict[MemberId, int] = {compromised: since}
    fallen: list[MemberId] = []
    while True:
        newly = []
        for member in draft.members.values():
            if member.is_out or not member.grants:
                continue
            grants = tuple(
                changed(grant, void=True)
                if grant.seq >= void_from.get(grant.voucher, grant.seq + 1)
                else grant
                for grant in member.grants
            )
            if grants != member.grants:
                newly.append(changed(member, grants=grants))
        for member in newly:
            if _live(member) < member.needed_at_admission and not member.needs_revouch:
                member = changed(member, revouch_by=ts + REVOUCH_GRACE_S)
                draft.expect(member.revouch_by)
                void_from[member.member_id] = 0
                fallen.append(member.member_id)
            draft.put_member(member, seq)
        if not newly:
            break
    return [
        NeedsRevouch(seq=seq, member_id=member_id, revouch_by=ts + REVOUCH_GRACE_S)
        for member_id in fallen
    ]


def _void_what_is_open(draft: Draft, compromised: MemberId, since: int) -> None:
    for invite_id in draft.open_invites.pop(compromised, ()):
        record = draft.invites[invite_id]
        if record.seq >= since and record.admitted is None and not record.is_contested:
            close_invite(draft, invite_id)
    for request_hash in list(draft.waiting):
        asked = draft.requests[request_hash]
        kept = tuple(one for one in asked.vouches if one.voucher != compromised or one.seq < since)
        draft.requests[request_hash] = changed(asked, vouches=kept)


def derive_overdue(draft: Draft, seq: int, ts: int) -> list[Event]:
    """Suspend whoever was not vouched for again in time.

    Not whoever holds an office: relays obey that key until a readable entry takes it, and two
    stewards could otherwise put the others out by calling a member compromised.
    """
    events: list[Event] = []
    for member in list(draft.members.values()):
        if member.is_out or not member.needs_revouch or member.revouch_overdue:
            continue
        if member.role is not Role.MEMBER:
            continue
        if ts < member.revouch_by:
            draft.expect(member.revouch_by)
        else:
            draft.put_member(changed(member, revouch_overdue=True), seq)
            events.append(RevouchOverdue(seq=seq, member_id=member.member_id))
    return events
