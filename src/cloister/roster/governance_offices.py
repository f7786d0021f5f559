"""Who governs: the sets of stewards and officers, suspended keys, and the circle's relays.

Another set needs the old one's consent and its own: two thirds of the stewards who stay, two
stewards at least where there are two, T(n) of the new stewards, and the signature of every key
that is new. Whoever is dropped counts only as one who goes by consent.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey
from cloister.crypto.hybrid_signature import check_hybrid_public
from cloister.roster.errors import RelayRefused, RuleViolation
from cloister.roster.governance_events import (
    EraseStopped,
    KeyReinstated,
    KeySuspended,
    LiftProposed,
    ProposalRefused,
    ReadableEvent,
    RelaySetChanged,
    RelaySetProposed,
    StewardSetChanged,
    StewardSetProposed,
)
from cloister.roster.governance_state import (
    RECOVERY_S,
    SUSPENSION_S,
    ErasureState,
    GovernanceState,
    Move,
    ReadableProposal,
    SuspendedKey,
    keys_by_id,
)
from cloister.roster.orders import StewardSet, StewardSuspend
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelaySet, check_relay_set
from cloister.roster.rules import Rule
from cloister.values import replace

MAX_MOVES: Final = 8
"""Changes of home in the life of a circle: each relay set before stays known."""

Events = tuple[ReadableEvent, ...]
Applied = tuple[GovernanceState, Events]


class ReadableAct(msgspec.Struct, frozen=True):
    """A readable entry whose form, key and signatures have been checked."""

    seq: int
    ts: int
    entry_hash: bytes
    key_id: bytes
    kind: ReadableType
    content: bytes

    def of(self, proposal_hash: bytes) -> tuple[int, bytes, bytes]:
        """seq, entry hash and key id of an event about another entry."""
        return self.seq, proposal_hash, self.key_id


def threshold(stewards: int) -> int:
    """T(n): all of one or two, two thirds of more."""
    return stewards if stewards <= 2 else two_thirds(stewards)


def two_thirds(stewards: int) -> int:
    """Two thirds, rounded up."""
    return -(-2 * stewards // 3)


def proposal_of(act: ReadableAct, *, is_recovery: bool = False) -> ReadableProposal:
    """What waits for approvals after ``act``; its author is the first to approve."""
    return ReadableProposal(
        entry_hash=act.entry_hash,
        kind=act.kind,
        seq=act.seq,
        ts=act.ts,
        content=act.content,
        author=act.key_id,
        approvals=(act.key_id,),
        due=0,
        is_recovery=is_recovery,
    )


def with_proposal(state: GovernanceState, proposal: ReadableProposal) -> GovernanceState:
    """Put a proposal, or put it in place of its former self."""
    return replace(state, proposals={**state.proposals, proposal.entry_hash: proposal})


def without_proposal(state: GovernanceState, entry_hash: bytes) -> GovernanceState:
    """Take a proposal out: carried out, refused, or lapsed."""
    return replace(
        state, proposals={key: one for key, one in state.proposals.items() if key != entry_hash}
    )


# --- stewards and officers -----------------------------------------------------------------------


def named_in(proposal: ReadableProposal) -> StewardSet:
    """The set that a steward_set proposes; its form was checked when it was made."""
    return StewardSet.decode(proposal.content)


def on_steward_set(state: GovernanceState, act: ReadableAct) -> Applied:
    """Propose another set: by a steward, or by an officer when stewards are silent."""
    try:
        wanted = StewardSet.decode(act.content)
        stewards, officers = keys_by_id(wanted.stewards), keys_by_id(wanted.officers)
        for key in (*wanted.stewards, *wanted.officers):
            check_hybrid_public(key)
    except (DecodeError, BadPublicKey):
        raise RuleViolation(Rule.SET_FORM) from None
    distinct = len(stewards) == len(wanted.stewards) and len(officers) == len(wanted.officers)
    if not distinct or not stewards.keys().isdisjoint(officers):
        raise RuleViolation(Rule.SET_FORM)
    if (stewards.keys(), officers.keys()) == (state.steward_keys.keys(), state.officer_keys.keys()):
        raise RuleViolation(Rule.SET_SAME)
    is_recovery = act.key_id not in state.steward_keys
    state = with_proposal(state, proposal_of(act, is_recovery=is_recovery))
    event = StewardSetProposed(
        seq=act.seq, entry_hash=act.entry_hash, key_id=act.key_id, is_recovery=is_recovery
    )
    state, more = consider_set(state, act.entry_hash, act.seq, act.ts, act.key_id)
    return state, (event, *more)


def is_backed(state: GovernanceState, proposal: ReadableProposal) -> bool:
    """Whether a steward_set has all the signatures it needs, as the circle stands now."""
    wanted = named_in(proposal)
    signers = set(proposal.approvals) - set(state.suspended)
    new_stewards = set(keys_by_id(wanted.stewards))
    new_officers = set(keys_by_id(wanted.officers))
    known = set(state.steward_keys) | set(state.officer_keys)
    if not ((new_stewards | new_officers) - known) <= signers:
        return False
    if proposal.is_recovery:
        return len(signers & set(state.officer_keys)) >= 2
    old = set(state.steward_keys)
    staying = old & new_stewards
    # To drop several at once is not easier than to drop one: two thirds of all others each time.
    # Else two stewards of any number could drop all the rest.
    others = two_thirds(len(old) - 1)
    if any(len(signers & (old - {one})) < others for one in old - new_stewards):
        return False
    # Who is suspended signs nothing, and still counts among those of whom two thirds are needed.
    return (
        len(signers & staying) >= two_thirds(len(staying))
        and len(signers & old) >= min(2, len(old))
        and len(signers & new_stewards) >= threshold(len(new_stewards))
    )


def consider_set(
    state: GovernanceState, entry_hash: bytes, seq: int, ts: int, key_id: bytes
) -> Applied:
    """Set the time of a steward_set that has all signatures, or carry it out.

    The delay holds for a single steward too: it is for the members to see what comes.
    """
    proposal = state.proposals[entry_hash]
    if not is_backed(state, proposal):
        return with_proposal(state, replace(proposal, due=0)), ()
    if proposal.due:
        return state, ()
    due = proposal.ts + RECOVERY_S if proposal.is_recovery else ts + state.policy.change_delay_s
    if due > ts:
        return with_proposal(state, replace(proposal, due=due)), ()
    return carry_out_set(state, proposal, seq, key_id)


def carry_out_set(
    state: GovernanceState, proposal: ReadableProposal, seq: int, key_id: bytes = b""
) -> Applied:
    """Obey another set from here. Whoever stays out of it stands behind nothing any more, and so
    does a steward who is an officer there: an officer is no second steward to anybody."""
    wanted = named_in(proposal)
    stewards, officers = keys_by_id(wanted.stewards), keys_by_id(wanted.officers)
    state = without_proposal(state, proposal.entry_hash)
    gone = [
        *(one for one in state.steward_keys if one not in stewards),
        *(one for one in state.officer_keys if one not in stewards and one not in officers),
    ]
    state = replace(
        state,
        steward_keys=stewards,
        officer_keys=officers,
        suspended={
            one: key for one, key in state.suspended.items() if one in stewards or one in officers
        },
    )
    stopped: Events = ()
    for other in gone:
        state, more = disown(state, other, seq, key_id)
        stopped = (*stopped, *more)
    event = StewardSetChanged(
        seq=seq,
        entry_hash=proposal.entry_hash,
        key_id=key_id,
        stewards=tuple(stewards),
        officers=tuple(officers),
    )
    return state, (event, *stopped)


def disown(state: GovernanceState, key_id: bytes, seq: int, by: bytes) -> Applied:
    """Take back what a key proposed and approved and what has not happened yet.

    A key that is suspended may be in the wrong hands; whoever has it must not find two signatures
    on anything. Keys that are named as new are not meant: they count for themselves only. ``by``
    is the key whose act this is.
    """
    is_known = key_id in state.steward_keys or key_id in state.officer_keys
    proposals = {}
    for entry_hash, proposal in state.proposals.items():
        if proposal.author == key_id:
            continue
        if key_id in proposal.approvals and (is_known or not _names(proposal, key_id)):
            left = tuple(one for one in proposal.approvals if one != key_id)
            proposal = replace(proposal, approvals=left, due=0)
        proposals[entry_hash] = proposal
    erasures = dict(state.erasures)
    events: list[ReadableEvent] = []
    for entry_hash, erasure in state.erasures.items():
        if erasure.is_open and key_id in {erasure.author, erasure.approver}:
            erasures[entry_hash] = replace(erasure, state=ErasureState.STOPPED)
            events.append(EraseStopped(seq=seq, entry_hash=entry_hash, key_id=by, by_hold=False))
    return replace(state, proposals=proposals, erasures=erasures), tuple(events)


def _names(proposal: ReadableProposal, key_id: bytes) -> bool:
    if proposal.kind is not ReadableType.STEWARD_SET:
        return False
    wanted = named_in(proposal)
    return key_id in keys_by_id((*wanted.stewards, *wanted.officers))


# --- suspended keys -------------------------------------------------------------------------------


def on_steward_suspend(state: GovernanceState, act: ReadableAct) -> Applied:
    """Stop obeying a steward's or officer's key at once, or obey it again.

    One steward cannot silence all others: somebody must be left to lift it.
    """
    try:
        wanted = StewardSuspend.decode(act.content)
    except DecodeError:
        raise RuleViolation(Rule.SUSPEND_KEY) from None
    is_known = wanted.key_id in state.steward_keys or wanted.key_id in state.officer_keys
    if not is_known or wanted.key_id == act.key_id:
        raise RuleViolation(Rule.SUSPEND_KEY)
    if wanted.lift:
        return _on_lift(state, act, wanted.key_id)
    if wanted.key_id in state.suspended:
        raise RuleViolation(Rule.SUSPEND_AGAIN)
    if wanted.key_id in state.steward_keys and len(state.obeyed) <= 2:
        raise RuleViolation(Rule.SUSPEND_LAST)
    until = act.ts + SUSPENSION_S
    state, stopped = disown(state, wanted.key_id, act.seq, act.key_id)
    key = SuspendedKey(
        key_id=wanted.key_id, until=until, entry_hash=act.entry_hash, author=act.key_id
    )
    state = replace(state, suspended={**state.suspended, wanted.key_id: key})
    return state, (
        KeySuspended(
            seq=act.seq,
            entry_hash=act.entry_hash,
            key_id=act.key_id,
            suspended=wanted.key_id,
            until=until,
        ),
        *stopped,
    )


def confirm_suspension(state: GovernanceState, key: SuspendedKey, act: ReadableAct) -> Applied:
    """A second steward approves: the suspension lasts until it is lifted."""
    if act.key_id == key.author or key.until == 0:
        raise RuleViolation(Rule.APPROVE_AGAIN)
    lasting = replace(key, until=0)
    state = replace(state, suspended={**state.suspended, key.key_id: lasting})
    return state, (
        KeySuspended(
            seq=act.seq, entry_hash=key.entry_hash, key_id=act.key_id, suspended=key.key_id, until=0
        ),
    )


def _on_lift(state: GovernanceState, act: ReadableAct, key_id: bytes) -> Applied:
    key = state.suspended.get(key_id)
    if key is None:
        raise RuleViolation(Rule.SUSPEND_AGAIN)
    if key.until:
        return lift(state, key_id, act.seq, act.entry_hash, act.key_id)
    state = with_proposal(state, proposal_of(act))
    return state, (
        LiftProposed(seq=act.seq, entry_hash=act.entry_hash, key_id=act.key_id, suspended=key_id),
    )


def lift(
    state: GovernanceState, suspended: bytes, seq: int, entry_hash: bytes, key_id: bytes
) -> Applied:
    """Obey a key again."""
    left = {one: key for one, key in state.suspended.items() if one != suspended}
    event = KeyReinstated(seq=seq, entry_hash=entry_hash, key_id=key_id, suspended=suspended)
    return replace(state, suspended=left), (event,)


# --- relays ---------------------------------------------------------------------------------------


def on_relay_set(state: GovernanceState, act: ReadableAct) -> Applied:
    """Propose other relays. Another home serves the circle from the entry that carries this out."""
    try:
        wanted = RelaySet.decode(act.content)
        check_relay_set(wanted, state.policy)
    except (DecodeError, RelayRefused):
        raise RuleViolation(Rule.RELAYS_FORM) from None
    _check_move(state, wanted)
    state = with_proposal(state, proposal_of(act))
    event = RelaySetProposed(seq=act.seq, entry_hash=act.entry_hash, key_id=act.key_id)
    return state, (event,)


def _check_move(state: GovernanceState, wanted: RelaySet) -> None:
    """Another home: one that never was it, witnessed by an entry relay that stays.

    That relay cosigns one continuation of the log, so the old home cannot go on beside the new one.
    """
    before = state.relay_set
    if wanted.home.relay_id == before.home.relay_id:
        return
    if state.had_home(wanted.home.relay_id) or len(state.moves) >= MAX_MOVES:
        raise RuleViolation(Rule.RELAYS_FORMER)
    if not {one.relay_id for one in before.entries} & {one.relay_id for one in wanted.entries}:
        raise RuleViolation(Rule.RELAYS_WITNESS)


def carry_out_relays(
    state: GovernanceState, proposal: ReadableProposal, seq: int, key_id: bytes = b""
) -> Applied:
    """The circle has other relays from here."""
    before, wanted = state.relay_set, RelaySet.decode(proposal.content)
    state = without_proposal(state, proposal.entry_hash)
    try:
        _check_move(state, wanted)
    except RuleViolation:
        # The relays have changed since it was proposed: nobody would serve as witness of it.
        refused = ProposalRefused(seq=seq, entry_hash=proposal.entry_hash, key_id=key_id)
        return state, (refused,)
    state = replace(state, relay_set=wanted)
    if wanted.home.relay_id != before.home.relay_id:
        state = replace(state, moves=(*state.moves, Move(before=before, seq=seq)))
    event = RelaySetChanged(seq=seq, entry_hash=proposal.entry_hash, key_id=key_id)
    return state, (event,)
