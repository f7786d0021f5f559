"""Leaving, and removal by two: one steward proposes, another member approves."""

from __future__ import annotations

from cloister.ids import DeviceId, MemberId
from cloister.roster.content import Leave, RemovalKind, Remove, Role
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, Left, RemovalProposed, Removed
from cloister.roster.revouching import derive_revouching
from cloister.roster.rules import Rule
from cloister.roster.state import MemberState, Proposal, ProposalKind, changed


def on_remove(draft: Draft, act: Act, remove: Remove) -> Event:
    """Apply a remove entry: nothing happens to the subject before an approval."""
    proposer = draft.steward(act.author.member_id)
    if proposer is None:
        raise RuleViolation(Rule.REMOVE_AUTHOR)
    subject = draft.members.get(remove.member_id)
    if subject is None or subject.is_out:
        raise RuleViolation(Rule.REMOVE_SUBJECT)
    # Relays obey keys. Taking the office is a readable entry, or relays would go on obeying
    # somebody who is out.
    if subject.role is not Role.MEMBER:
        raise RuleViolation(Rule.REMOVE_STEWARD)
    if remove.since > act.seq or (remove.since and remove.kind is not RemovalKind.COMPROMISE):
        raise RuleViolation(Rule.REMOVE_SINCE)
    draft.proposals[act.entry_hash] = Proposal(
        entry_hash=act.entry_hash,
        kind=ProposalKind.REMOVE,
        seq=act.seq,
        ts=act.ts,
        member_id=subject.member_id,
        proposer=proposer.member_id,
        reason=remove.reason,
        content=remove.encode(),
        due=0,
        approver=None,
    )
    return RemovalProposed(
        seq=act.seq,
        entry_hash=act.entry_hash,
        member_id=subject.member_id,
        proposer=proposer.member_id,
        reason=remove.reason,
        kind=remove.kind,
    )


def carry_out_removal(
    draft: Draft, act: Act, proposal: Proposal, subject: MemberId
) -> tuple[Event, ...]:
    """Remove the subject of an approved proposal, with what follows from a compromise."""
    remove = Remove.decode(proposal.content)
    dids = _end_membership(draft, subject, MemberState.REMOVED, act.seq)
    removed = Removed(
        seq=act.seq,
        member_id=subject,
        dids=dids,
        proposer=proposal.proposer,
        approver=act.author.member_id,
        kind=remove.kind,
    )
    if remove.kind is not RemovalKind.COMPROMISE:
        return (removed,)
    return (removed, *derive_revouching(draft, subject, remove.since, act.seq, act.ts))


def on_leave(draft: Draft, act: Act, _: Leave) -> Event:
    """Apply a leave entry: the author's member goes, with all devices."""
    member = draft.members[act.author.member_id]
    if member.role is not Role.MEMBER:
        raise RuleViolation(Rule.LEAVE_STEWARD)
    dids = _end_membership(draft, member.member_id, MemberState.LEFT, act.seq)
    return Left(seq=act.seq, member_id=member.member_id, dids=dids)


def _end_membership(
    draft: Draft, member_id: MemberId, state: MemberState, seq: int
) -> tuple[DeviceId, ...]:
    """Take a member out at entry ``seq``. Returns the devices that were active until here."""
    member = draft.members[member_id]
    ended = tuple(did for did in member.devices if draft.devices[did].is_active)
    draft.put_member(changed(member, state=state), seq)
    drop_proposals(draft, member_id)
    return ended


def drop_proposals(draft: Draft, member_id: MemberId, kind: ProposalKind | None = None) -> None:
    """Forget the proposals about a member: all of them, or those of one kind."""
    draft.proposals = {
        entry_hash: proposal
        for entry_hash, proposal in draft.proposals.items()
        if proposal.member_id != member_id or (kind is not None and proposal.kind is not kind)
    }
