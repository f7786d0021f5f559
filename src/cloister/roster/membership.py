"""Leaving, and removal by two: one steward proposes, another member approves."""

from __future__ import annotations

from cloister.ids import DeviceId, MemberId
from cloister.roster.content import Approve, Leave, Remove, Role
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, Left, RemovalProposed, Removed
from cloister.roster.policy import PROPOSAL_LIFETIME_S
from cloister.roster.rules import Rule
from cloister.roster.state import Act, Draft, MemberState, Proposal, changed


def on_remove(draft: Draft, act: Act, remove: Remove) -> Event:
    """Apply a remove entry: nothing happens to the subject before an approval."""
    proposer = draft.members[act.author.member_id]
    if proposer.role is not Role.STEWARD:
        raise RuleViolation(Rule.REMOVE_AUTHOR)
    subject = draft.active_member(remove.member_id)
    if subject is None:
        raise RuleViolation(Rule.REMOVE_SUBJECT)
    # Relays obey stewards by their readable keys. Taking the office is a readable entry, or
    # relays would go on obeying somebody who is out.
    if subject.role is Role.STEWARD:
        raise RuleViolation(Rule.REMOVE_STEWARD)
    draft.proposals[act.entry_hash] = Proposal(
        entry_hash=act.entry_hash,
        seq=act.seq,
        ts=act.ts,
        member_id=subject.member_id,
        proposer=proposer.member_id,
        reason=remove.reason,
    )
    return RemovalProposed(
        seq=act.seq,
        entry_hash=act.entry_hash,
        member_id=subject.member_id,
        proposer=proposer.member_id,
        reason=remove.reason,
    )


def on_approve(draft: Draft, act: Act, approve: Approve) -> Event:
    """Apply an approve entry: the removal takes effect here."""
    proposal = draft.proposals.get(approve.entry_hash)
    if proposal is None:
        raise RuleViolation(Rule.APPROVE_PROPOSAL)
    if act.ts - proposal.ts > PROPOSAL_LIFETIME_S:
        raise RuleViolation(Rule.APPROVE_LAPSED)
    approver = draft.members[act.author.member_id]
    if approver.member_id in {proposal.proposer, proposal.member_id}:
        raise RuleViolation(Rule.APPROVE_OTHER)
    proposer = draft.active_member(proposal.proposer)
    if proposer is None or proposer.role is not Role.STEWARD:
        raise RuleViolation(Rule.APPROVE_PROPOSER)
    other_stewards = sum(
        member.is_active and member.role is Role.STEWARD
        for member in draft.members.values()
        if member.member_id != proposal.member_id
    )
    if other_stewards >= 2 and approver.role is not Role.STEWARD:
        raise RuleViolation(Rule.APPROVE_STEWARD)
    dids = _end_membership(draft, proposal.member_id, MemberState.REMOVED, act.seq)
    return Removed(
        seq=act.seq,
        member_id=proposal.member_id,
        dids=dids,
        proposer=proposer.member_id,
        approver=approver.member_id,
    )


def on_leave(draft: Draft, act: Act, _: Leave) -> Event:
    """Apply a leave entry: the author's member goes, with all devices."""
    member = draft.members[act.author.member_id]
    if member.role is Role.STEWARD:
        raise RuleViolation(Rule.LEAVE_STEWARD)
    dids = _end_membership(draft, member.member_id, MemberState.LEFT, act.seq)
    return Left(seq=act.seq, member_id=member.member_id, dids=dids)


def _end_membership(
    draft: Draft, member_id: MemberId, state: MemberState, seq: int
) -> tuple[DeviceId, ...]:
    """Take a member out at entry ``seq``. Returns the devices that were active until here."""
    member = draft.members[member_id]
    needed = draft.vouches_needed
    draft.members[member_id] = changed(member, state=state)
    draft.active_members -= 1
    ended = []
    for did in member.devices:
        device = draft.devices[did]
        if device.active_until is None:
            draft.devices[did] = changed(device, active_until=seq + 1)
            ended.append(did)
    draft.proposals = {
        entry_hash: proposal
        for entry_hash, proposal in draft.proposals.items()
        if proposal.member_id != member_id
    }
    if draft.vouches_needed != needed:
        draft.refresh_needed()
    return tuple(ended)
