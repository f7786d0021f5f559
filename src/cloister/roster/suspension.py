"""Suspension by one steward, at once and for a week; it lasts when a second steward approves it.

Whoever holds a key that relays obey is suspended by a readable entry instead: see office.
"""

from __future__ import annotations

from cloister.roster.content import Reinstate, Role, Suspend
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import (
    Event,
    Reinstated,
    ReinstatementProposed,
    Suspended,
    SuspensionConfirmed,
    SuspensionLapsed,
)
from cloister.roster.governance_state import SUSPENSION_S
from cloister.roster.membership import drop_proposals
from cloister.roster.rules import Rule
from cloister.roster.state import Member, Proposal, ProposalKind, changed


def on_suspend(draft: Draft, act: Act, suspend: Suspend) -> Event:
    """Apply a suspend entry: the member and all its devices are out until it ends."""
    steward = draft.steward(act.author.member_id)
    if steward is None:
        raise RuleViolation(Rule.SUSPEND_AUTHOR)
    subject = draft.members.get(suspend.member_id)
    if subject is None or subject.is_out or subject.is_suspended_by_steward:
        raise RuleViolation(Rule.SUSPEND_SUBJECT)
    if subject.role is not Role.MEMBER:
        raise RuleViolation(Rule.SUSPEND_STEWARD)
    until = act.ts + SUSPENSION_S
    draft.put_member(changed(subject, suspended_until=until), act.seq)
    draft.expect(until)
    _propose(draft, act, ProposalKind.SUSPEND, subject, suspend)
    return Suspended(
        seq=act.seq,
        entry_hash=act.entry_hash,
        member_id=subject.member_id,
        by=steward.member_id,
        until=until,
        reason=suspend.reason,
    )


def on_reinstate(draft: Draft, act: Act, reinstate: Reinstate) -> Event:
    """Apply a reinstate entry: at once while unconfirmed, else a second steward must approve."""
    steward = draft.steward(act.author.member_id)
    if steward is None:
        raise RuleViolation(Rule.REINSTATE_AUTHOR)
    subject = draft.members.get(reinstate.member_id)
    if subject is None or subject.is_out or not subject.is_suspended_by_steward:
        raise RuleViolation(Rule.REINSTATE_SUBJECT)
    if not subject.suspension_confirmed:
        return end_suspension(draft, act, subject)
    _propose(draft, act, ProposalKind.REINSTATE, subject, reinstate)
    return ReinstatementProposed(
        seq=act.seq,
        entry_hash=act.entry_hash,
        member_id=subject.member_id,
        proposer=steward.member_id,
        reason=reinstate.reason,
    )


def confirm_suspension(draft: Draft, act: Act, subject: Member) -> Event:
    """Let a suspension last until the member is reinstated."""
    draft.put_member(changed(subject, suspended_until=0, suspension_confirmed=True), act.seq)
    return SuspensionConfirmed(seq=act.seq, member_id=subject.member_id, by=act.author.member_id)


def end_suspension(draft: Draft, act: Act, subject: Member) -> Event:
    """Reinstate a member."""
    _lift(draft, subject, act.seq)
    return Reinstated(seq=act.seq, member_id=subject.member_id, by=act.author.member_id)


def derive_lapses(draft: Draft, seq: int, ts: int) -> list[Event]:
    """End the suspensions that nobody approved in time."""
    events: list[Event] = []
    for member in list(draft.members.values()):
        if not member.suspended_until or member.is_out:
            continue
        if ts < member.suspended_until:
            draft.expect(member.suspended_until)
            continue
        _lift(draft, member, seq)
        events.append(SuspensionLapsed(seq=seq, member_id=member.member_id))
    return events


def _lift(draft: Draft, subject: Member, seq: int) -> None:
    drop_proposals(draft, subject.member_id, ProposalKind.SUSPEND)
    drop_proposals(draft, subject.member_id, ProposalKind.REINSTATE)
    draft.put_member(changed(subject, suspended_until=0, suspension_confirmed=False), seq)


def _propose(
    draft: Draft, act: Act, kind: ProposalKind, subject: Member, content: Suspend | Reinstate
) -> None:
    draft.proposals[act.entry_hash] = Proposal(
        entry_hash=act.entry_hash,
        kind=kind,
        seq=act.seq,
        ts=act.ts,
        member_id=subject.member_id,
        proposer=act.author.member_id,
        reason=content.reason,
        content=content.encode(),
        due=0,
        approver=None,
    )
