"""The governance of a circle, as readable entries establish it: one fold for relays and members.

    governance = Governance.found(terms, circle_id)
    governance, events = governance.apply(entry)     # a readable entry, signatures and all
    governance, events = governance.mature(seq, ts)  # after every entry, sealed ones too

``apply`` lets end first what is over at the entry's time, so that nobody approves in a quiet log
what has lapsed. Only an erase becomes due after the entry, never before it: a hold or a refusal
in the first entry after its time still wins.

Relays and members call the same two functions over the same bytes, so what a relay obeys is what
members see. Time is log time: nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.ids import CircleId
from cloister.roster.entry import Entry
from cloister.roster.errors import RuleViolation, UpdateNeeded
from cloister.roster.genesis import GenesisTerms
from cloister.roster.governance_events import (
    Approved,
    EraseDue,
    ProposalLapsed,
    ProposalRefused,
    ReadableEvent,
)
from cloister.roster.governance_offices import (
    Applied,
    ReadableAct,
    carry_out_relays,
    carry_out_set,
    confirm_suspension,
    consider_set,
    is_backed,
    lift,
    named_in,
    on_relay_set,
    on_steward_set,
    on_steward_suspend,
    with_proposal,
    without_proposal,
)
from cloister.roster.governance_orders import (
    approve_erase,
    carry_out_release,
    carry_out_unlock,
    on_hold,
    on_hold_release,
    on_order_erase,
    on_order_lock,
    on_order_unlock,
    on_pause,
    reference_in,
    stop_erase,
    with_erasure,
)
from cloister.roster.governance_reset import carry_out_reset, on_channel_reset
from cloister.roster.governance_state import (
    MAX_OPEN_PROPOSALS,
    NEVER,
    RESET_LIFETIME_S,
    Erasure,
    ErasureState,
    GovernanceRecord,
    GovernanceState,
    ReadableProposal,
    SuspendedKey,
    deadlines,
    keys_by_id,
    lifetime_of,
)
from cloister.roster.orders import StewardSuspend
from cloister.roster.policy import PROPOSAL_LIFETIME_S
from cloister.roster.readable import (
    ReadableBody,
    ReadableType,
    read_body,
    steward_key_id,
    verify_readable,
)
from cloister.roster.rules import Rule
from cloister.values import replace

__all__ = [
    "Erasure",
    "ErasureState",
    "Governance",
    "GovernanceRecord",
    "ReadableProposal",
    "SuspendedKey",
]


class Governance(GovernanceState, frozen=True, kw_only=True):
    """See GovernanceState for what it holds and can be asked."""

    @classmethod
    def found(cls, terms: GenesisTerms, circle_id: CircleId) -> Self:
        """What a genesis establishes."""
        return cls(
            circle_id=circle_id,
            policy=terms.policy,
            commons_commitment=terms.commons_commitment,
            steward_keys=keys_by_id((terms.steward_key,)),
            officer_keys={},
            suspended={},
            relay_set=terms.relay_set,
            proposals={},
            locked={},
            unlocked_at={},
            erasures={},
            holds={},
            reset=None,
        )

    def read(self, entry: Entry) -> tuple[ReadableBody, HybridPublic]:
        """Check form, key and both signatures of a readable entry, and nothing it would do.

        Returns: the body, and the public key that signed it.

        Raises RuleViolation, or UpdateNeeded for a type this program does not apply; the type is
        looked at last: only who may sign can bring a fold to a stop, a relay cannot.
        """
        body = read_body(entry)
        # A suspension may be over since the entry before.
        settled, _ = self._settle(entry.header.seq, entry.header.ts)
        public = settled._key_of(body)
        try:
            verify_readable(entry.header, body, public)
        except (BadSignature, BadPublicKey):
            raise RuleViolation(Rule.STEWARD_SIGNATURE) from None
        if body.type == ReadableType.GENESIS:
            raise RuleViolation(Rule.ONE_GENESIS)
        if body.type not in _HANDLERS:
            raise UpdateNeeded(
                Rule.READABLE_TYPE, entry.header.seq, f"readable entry of type {body.type}"
            )
        return body, public

    def apply(self, entry: Entry) -> tuple[Self, tuple[ReadableEvent, ...]]:
        """Apply a readable entry whose outside has been checked.

        Raises RuleViolation, UpdateNeeded; the governance it was called on is unchanged.
        """
        seq, ts = entry.header.seq, entry.header.ts
        settled, passed = self._settle(seq, ts)
        body, _ = settled.read(entry)
        act = ReadableAct(
            seq=seq,
            ts=ts,
            entry_hash=entry.entry_hash,
            key_id=body.key_id,
            kind=ReadableType(body.type),
            content=body.content,
        )
        _check_signer(settled, act)
        state, events = _HANDLERS[act.kind](settled, act)
        _check_budget(state, act)
        if settled.obeys(act.key_id):
            state, ended = _end_recoveries(state, act)
            events = (*events, *ended)
        return self._of(state), (*passed, *events)

    def mature(self, seq: int, ts: int) -> tuple[Self, tuple[ReadableEvent, ...]]:
        """Let happen what log time brings about, after entry ``seq`` with time ``ts``."""
        if ts < self.next_due:
            return self, ()
        state: GovernanceState
        state, events = self._settle(seq, ts)
        for erasure in tuple(state.erasures.values()):
            if erasure.state is ErasureState.APPROVED and ts >= erasure.executes_at:
                state = with_erasure(state, replace(erasure, state=ErasureState.DUE))
                due = EraseDue(
                    seq=seq, entry_hash=erasure.entry_hash, key_id=b"", targets=erasure.targets
                )
                events = (*events, due)
        return self._of(state), events

    def _settle(self, seq: int, ts: int) -> tuple[Self, tuple[ReadableEvent, ...]]:
        """Let end and take effect what log time ends and brings, but for erases."""
        if ts < self.next_due:
            return self, ()
        state: GovernanceState = self
        events: list[ReadableEvent] = []
        for key in tuple(self.suspended.values()):
            if key.until and ts >= key.until:
                state, more = lift(state, key.key_id, seq, key.entry_hash, b"")
                events += more
        for erasure in tuple(state.erasures.values()):
            is_over = ts > erasure.proposed_ts + PROPOSAL_LIFETIME_S
            if erasure.state is ErasureState.PROPOSED and is_over:
                state = with_erasure(state, replace(erasure, state=ErasureState.LAPSED))
                events.append(ProposalLapsed(seq=seq, entry_hash=erasure.entry_hash, key_id=b""))
        for proposal in sorted(state.proposals.values(), key=lambda one: (one.due, one.seq)):
            # What was carried out before in this same step may have taken others with it.
            current = state.proposals.get(proposal.entry_hash)
            if current is not None:
                state, more = _mature_proposal(state, current, seq, ts)
                events += more
        return self._of(state), tuple(events)

    @classmethod
    def decode(cls, record: GovernanceRecord) -> Self:
        """Put a governance together from its stored form."""
        return cls.from_record(record)

    def _key_of(self, body: ReadableBody) -> HybridPublic:
        """The key that an entry names: a steward's or an officer's, or one that the set to be
        approved names as new, which so proves that somebody holds it."""
        if body.key_id in self.suspended:
            raise RuleViolation(Rule.KEY_SUSPENDED)
        known = self.steward_keys.get(body.key_id) or self.officer_keys.get(body.key_id)
        if known is not None:
            return known
        if body.type == ReadableType.APPROVE:
            proposal = self.proposals.get(reference_in(body.content))
            if proposal is not None and proposal.kind is ReadableType.STEWARD_SET:
                wanted = named_in(proposal)
                for key in (*wanted.stewards, *wanted.officers):
                    if steward_key_id(key) == body.key_id:
                        return key
        raise RuleViolation(Rule.STEWARD_KEY)

    def _of(self, state: GovernanceState) -> Self:
        times = deadlines(state.proposals, state.suspended, state.erasures)
        return type(self)(
            **{
                name: getattr(state, name)
                for name in GovernanceState.__struct_fields__
                if name != "next_due"
            },
            next_due=min(times, default=NEVER),
        )


# --- who may sign what ----------------------------------------------------------------------------


def _check_signer(state: GovernanceState, act: ReadableAct) -> None:
    """Stewards who are obeyed sign everything. Officers place holds, propose a set when stewards
    are silent, and approve such a set; a key that is to be new approves its own set."""
    if state.obeys(act.key_id):
        return
    if act.kind is ReadableType.APPROVE:
        return  # judged by what it approves
    if act.key_id in state.officer_keys and act.kind in {
        ReadableType.HOLD,
        ReadableType.STEWARD_SET,
        ReadableType.REFUSE,  # what they proposed
    }:
        return
    raise RuleViolation(Rule.NOT_A_STEWARD)


def _check_budget(state: GovernanceState, act: ReadableAct) -> None:
    """Readable entries have no rate, so one key could fill every relay with what waits."""
    waiting = sum(one.author == act.key_id for one in state.proposals.values())
    if waiting > MAX_OPEN_PROPOSALS:
        raise RuleViolation(Rule.PROPOSALS_OPEN)


def _end_recoveries(state: GovernanceState, act: ReadableAct) -> Applied:
    """A steward has spoken: what officers proposed against silence is over."""
    events: list[ReadableEvent] = []
    for proposal in tuple(state.proposals.values()):
        if proposal.is_recovery:
            state = without_proposal(state, proposal.entry_hash)
            events.append(
                ProposalRefused(seq=act.seq, entry_hash=proposal.entry_hash, key_id=act.key_id)
            )
    return state, tuple(events)


def _on_approve(state: GovernanceState, act: ReadableAct) -> Applied:
    """One more key stands behind something."""
    wanted = reference_in(act.content)
    proposal = state.proposals.get(wanted)
    if proposal is not None and proposal.kind is ReadableType.STEWARD_SET:
        return _approve_set(state, proposal, act)
    if not state.obeys(act.key_id):
        raise RuleViolation(Rule.NOT_A_STEWARD)
    if proposal is not None:
        return _approve_proposal(state, proposal, act)
    erasure = state.erasures.get(wanted)
    if erasure is not None:
        return approve_erase(state, erasure, act)
    for key in state.suspended.values():
        if key.entry_hash == wanted:
            return confirm_suspension(state, key, act)
    raise RuleViolation(Rule.APPROVE_NOTHING)


def _approve_set(state: GovernanceState, proposal: ReadableProposal, act: ReadableAct) -> Applied:
    if act.key_id in proposal.approvals:
        raise RuleViolation(Rule.APPROVE_AGAIN)
    backed = replace(proposal, approvals=(*proposal.approvals, act.key_id))
    state = with_proposal(state, backed)
    event = Approved(seq=act.seq, entry_hash=proposal.entry_hash, key_id=act.key_id)
    state, more = consider_set(state, proposal.entry_hash, act.seq, act.ts, act.key_id)
    return state, (event, *more)


def _approve_proposal(
    state: GovernanceState, proposal: ReadableProposal, act: ReadableAct
) -> Applied:
    """A second steward: enough for all but a set of stewards."""
    if act.key_id in proposal.approvals:
        raise RuleViolation(Rule.APPROVE_AGAIN)
    if proposal.kind is ReadableType.RELAY_SET and state.policy.change_delay_s:
        due = proposal.due or act.ts + state.policy.change_delay_s
        approvals = (*proposal.approvals, act.key_id)
        state = with_proposal(state, replace(proposal, approvals=approvals, due=due))
        return state, (Approved(seq=act.seq, entry_hash=proposal.entry_hash, key_id=act.key_id),)
    if proposal.kind is ReadableType.STEWARD_SUSPEND:
        suspended = StewardSuspend.decode(proposal.content).key_id
        state = without_proposal(state, proposal.entry_hash)
        return lift(state, suspended, act.seq, proposal.entry_hash, act.key_id)
    return _CARRY_OUT[proposal.kind](state, proposal, act.seq, act.key_id)


def _on_refuse(state: GovernanceState, act: ReadableAct) -> Applied:
    """Withdraw what one has proposed oneself, or stop an erase or a reset of anybody."""
    wanted = reference_in(act.content)
    erasure = state.erasures.get(wanted)
    is_steward = state.obeys(act.key_id)
    if erasure is not None and erasure.is_open and is_steward:
        return stop_erase(state, erasure, act.seq, act.key_id, by_hold=False)
    proposal = state.proposals.get(wanted)
    if proposal is None:
        raise RuleViolation(Rule.REFUSE_NOTHING)
    is_reset = proposal.kind is ReadableType.CHANNEL_RESET
    if proposal.author != act.key_id and not (is_reset and is_steward):
        raise RuleViolation(Rule.REFUSE_NOTHING)
    event = ProposalRefused(seq=act.seq, entry_hash=wanted, key_id=act.key_id)
    return without_proposal(state, wanted), (event,)


_HANDLERS: Mapping[int, Callable[[GovernanceState, ReadableAct], Applied]] = {
    ReadableType.STEWARD_SET: on_steward_set,
    ReadableType.STEWARD_SUSPEND: on_steward_suspend,
    ReadableType.RELAY_SET: on_relay_set,
    ReadableType.APPROVE: _on_approve,
    ReadableType.REFUSE: _on_refuse,
    ReadableType.ORDER_LOCK: on_order_lock,
    ReadableType.ORDER_UNLOCK: on_order_unlock,
    ReadableType.ORDER_ERASE: on_order_erase,
    ReadableType.HOLD: on_hold,
    ReadableType.HOLD_RELEASE: on_hold_release,
    ReadableType.CHANNEL_RESET: on_channel_reset,
    ReadableType.PAUSE: on_pause,
}
_CARRY_OUT: Mapping[
    ReadableType, Callable[[GovernanceState, ReadableProposal, int, bytes], Applied]
] = {
    ReadableType.RELAY_SET: carry_out_relays,
    ReadableType.ORDER_UNLOCK: carry_out_unlock,
    ReadableType.HOLD_RELEASE: carry_out_release,
    ReadableType.CHANNEL_RESET: carry_out_reset,
}


# --- what log time brings about -------------------------------------------------------------------


def _mature_proposal(
    state: GovernanceState, proposal: ReadableProposal, seq: int, ts: int
) -> Applied:
    is_reset = proposal.kind is ReadableType.CHANNEL_RESET
    if is_reset and ts > proposal.ts + RESET_LIFETIME_S:
        event = ProposalLapsed(seq=seq, entry_hash=proposal.entry_hash, key_id=b"")
        return without_proposal(state, proposal.entry_hash), (event,)
    if proposal.due and ts >= proposal.due:
        if proposal.kind is not ReadableType.STEWARD_SET:
            return _CARRY_OUT[proposal.kind](state, proposal, seq, b"")
        # Stewards may have come and gone since it was approved.
        if is_backed(state, proposal):
            return carry_out_set(state, proposal, seq)
        proposal = replace(proposal, due=0)
        state = with_proposal(state, proposal)
    if not proposal.due and ts > lifetime_of(proposal, PROPOSAL_LIFETIME_S):
        event = ProposalLapsed(seq=seq, entry_hash=proposal.entry_hash, key_id=b"")
        return without_proposal(state, proposal.entry_hash), (event,)
    return state, ()
