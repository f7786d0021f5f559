"""The second person: approval of what a steward proposed in a sealed entry."""

from __future__ import annotations

from cloister.ids import MemberId
from cloister.roster.content import Approve, Role
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event
from cloister.roster.membership import carry_out_removal
from cloister.roster.policy import PROPOSAL_LIFETIME_S
from cloister.roster.policy_change import approve_policy
from cloister.roster.rules import Rule
from cloister.roster.state import Member, Proposal, ProposalKind
from cloister.roster.suspension import confirm_suspension, end_suspension


def on_approve(draft: Draft, act: Act, approve: Approve) -> tuple[Event, ...]:
    """Apply an approve entry: what was proposed takes effect here, a policy after its delay."""
    proposal = draft.proposals.get(approve.entry_hash)
    if proposal is None or proposal.due:
        raise RuleViolation(Rule.APPROVE_PROPOSAL)
    if act.ts - proposal.ts > PROPOSAL_LIFETIME_S:
        raise RuleViolation(Rule.APPROVE_LAPSED)
    approver = draft.members[act.author.member_id]
    if approver.member_id in {proposal.proposer, proposal.member_id}:
        raise RuleViolation(Rule.APPROVE_OTHER)
    if draft.steward(proposal.proposer) is None:
        raise RuleViolation(Rule.APPROVE_PROPOSER)
    if approver.role is not Role.STEWARD and not _may_stand_in(draft, proposal):
        raise RuleViolation(Rule.APPROVE_STEWARD)
    # Only a policy is about nobody.
    if proposal.member_id is None:
        return (approve_policy(draft, act, proposal),)
    subject = _subject_of(draft, proposal.member_id)
    del draft.proposals[approve.entry_hash]
    if proposal.kind is ProposalKind.REMOVE:
        return carry_out_removal(draft, act, proposal, subject.member_id)
    if proposal.kind is ProposalKind.SUSPEND:
        return (confirm_suspension(draft, act, subject),)
    return (end_suspension(draft, act, subject),)


def _may_stand_in(draft: Draft, proposal: Proposal) -> bool:
    """Whether a member without office may be the second: in a removal, where one steward is all.

    What else needs two stewards is not to be had with one: unavailable, not waived.
    """
    stewards = sum(
        member.is_active and member.role is Role.STEWARD
        for member in draft.members.values()
        if member.member_id != proposal.member_id
    )
    return proposal.kind is ProposalKind.REMOVE and stewards < 2


def _subject_of(draft: Draft, member_id: MemberId) -> Member:
    """The member a proposal is about, who may have come to an office since it was made."""
    subject = draft.members[member_id]
    if subject.role is not Role.MEMBER:
        raise RuleViolation(Rule.APPROVE_OFFICE)
    return subject
