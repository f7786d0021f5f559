"""A new policy: proposed by one steward, approved by another, in force after a delay."""

from __future__ import annotations

from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import (
    Event,
    PolicyApproved,
    PolicyChanged,
    PolicyDropped,
    PolicyProposed,
)
from cloister.roster.policy import MEMBERS_FLAGS, Policy, unknown_in_policy
from cloister.roster.rules import Rule
from cloister.roster.state import Proposal, ProposalKind, changed
from cloister.values import replace


def on_policy(draft: Draft, act: Act, policy: Policy) -> Event:
    """Apply a policy entry: it only proposes."""
    if draft.steward(act.author.member_id) is None:
        raise RuleViolation(Rule.POLICY_AUTHOR)
    if unknown_in_policy(policy) is not None:
        raise RuleViolation(Rule.POLICY_RANGE)
    if _with_terms_of(draft.policy, policy) != policy:
        raise RuleViolation(Rule.POLICY_FIXED)
    draft.proposals[act.entry_hash] = Proposal(
        entry_hash=act.entry_hash,
        kind=ProposalKind.POLICY,
        seq=act.seq,
        ts=act.ts,
        member_id=None,
        proposer=act.author.member_id,
        reason="",
        content=policy.encode(),
        due=0,
        approver=None,
    )
    return PolicyProposed(
        seq=act.seq,
        entry_hash=act.entry_hash,
        proposer=act.author.member_id,
        policy=policy,
    )


def _with_terms_of(current: Policy, wanted: Policy) -> Policy:
    """``wanted``, with all that relays act on as the genesis fixed it: they cannot read this.

    What is said of exports and of cover is between members.
    """
    return replace(
        wanted,
        flags=current.fixed_flags | (wanted.flags & MEMBERS_FLAGS),
        unlock_shares=current.unlock_shares,
        seats=current.seats,
        cool_off_s=current.cool_off_s,
        change_delay_s=current.change_delay_s,
    )


def approve_policy(draft: Draft, act: Act, proposal: Proposal) -> Event:
    """Set the time at which an approved policy takes effect."""
    due = act.ts + draft.policy.change_delay_s
    approver = act.author.member_id
    draft.proposals[proposal.entry_hash] = changed(proposal, due=due, approver=approver)
    draft.expect(due)
    return PolicyApproved(seq=act.seq, entry_hash=proposal.entry_hash, by=approver, due=due)


def derive_policy(draft: Draft, seq: int, ts: int) -> list[Event]:
    """Let the approved policies take effect whose delay is over, in the order of their due.

    The delay is there to find out whose key is in the wrong hands: both who stood behind a policy
    must be stewards still.
    """
    approved = [one for one in draft.proposals.values() if one.due]
    events: list[Event] = []
    for proposal in sorted(approved, key=lambda one: (one.due, one.seq)):
        if ts < proposal.due:
            draft.expect(proposal.due)
            continue
        del draft.proposals[proposal.entry_hash]
        if not _is_backed(draft, proposal):
            events.append(PolicyDropped(seq=seq, entry_hash=proposal.entry_hash))
            continue
        draft.policy = Policy.decode(proposal.content)
        events.append(PolicyChanged(seq=seq, entry_hash=proposal.entry_hash, policy=draft.policy))
    if events:
        draft.refresh_needed()
    return events


def _is_backed(draft: Draft, proposal: Proposal) -> bool:
    approver = proposal.approver
    return (
        draft.steward(proposal.proposer) is not None
        and approver is not None
        and draft.steward(approver) is not None
    )
