"""The reset of the commons: a way on when somebody has broken its group (flows 4.3)."""

from __future__ import annotations

from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey
from cloister.crypto.signature import check_ed25519_public
from cloister.roster.errors import RuleViolation
from cloister.roster.genesis import commons_commitment_of
from cloister.roster.governance_events import ResetDone, ResetProposed
from cloister.roster.governance_offices import Applied, ReadableAct, proposal_of, with_proposal
from cloister.roster.governance_state import (
    RESET_DELAY_S,
    GovernanceState,
    ReadableProposal,
    Reset,
)
from cloister.roster.orders import ChannelReset
from cloister.roster.rules import Rule
from cloister.values import replace


def on_channel_reset(state: GovernanceState, act: ReadableAct) -> Applied:
    """Propose to move the commons (flows 4.3): at once when there is a single steward."""
    reset = _reset_in(act.content)
    try:
        check_ed25519_public(reset.key)
    except BadPublicKey:
        raise RuleViolation(Rule.ORDER_FORM) from None
    if _takes_effect_by(act, state, reset):
        return state, ()
    if commons_commitment_of(reset.old_id) != state.commons_commitment:
        raise RuleViolation(Rule.RESET_CURRENT)
    if reset.new_id == reset.old_id:
        raise RuleViolation(Rule.RESET_CURRENT)
    proposal = replace(proposal_of(act), due=act.ts + RESET_DELAY_S)
    event = ResetProposed(
        seq=act.seq, entry_hash=act.entry_hash, key_id=act.key_id, new_id=reset.new_id
    )
    state = with_proposal(state, proposal)
    if len(state.steward_keys) > 1:
        return state, (event,)
    state, done = carry_out_reset(state, proposal, act.seq, act.key_id)
    return state, (event, *done)


def _takes_effect_by(act: ReadableAct, state: GovernanceState, reset: ChannelReset) -> bool:
    """Whether this entry moved log time to where the same reset, proposed before, took effect.

    Somebody has to: sealed entries need the commons, which nobody honest may have.
    """
    done = state.reset
    return done is not None and (done.seq, done.old_id, done.new_id, done.key) == (
        act.seq,
        reset.old_id,
        reset.new_id,
        reset.key,
    )


def _reset_in(content: bytes) -> ChannelReset:
    try:
        return ChannelReset.decode(content)
    except DecodeError:
        raise RuleViolation(Rule.ORDER_FORM) from None


def carry_out_reset(
    state: GovernanceState, proposal: ReadableProposal, seq: int, key_id: bytes = b""
) -> Applied:
    """The commons is another channel from here; what else was proposed for the old one is over."""
    reset = _reset_in(proposal.content)
    state = replace(
        state,
        proposals={
            key: one for key, one in state.proposals.items() if one.kind is not proposal.kind
        },
        commons_commitment=commons_commitment_of(reset.new_id),
        reset=Reset(
            old_id=reset.old_id,
            new_id=reset.new_id,
            key=reset.key,
            generation=reset.generation,
            seq=seq,
        ),
    )
    event = ResetDone(
        seq=seq,
        entry_hash=proposal.entry_hash,
        key_id=key_id,
        old_id=reset.old_id,
        new_id=reset.new_id,
        generation=reset.generation,
    )
    return state, (event,)
