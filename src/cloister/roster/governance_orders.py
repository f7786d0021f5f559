"""Orders over devices' shares, and legal holds.

A lock acts at once and by one; all that gives back or destroys takes two. What a hold covers is
not destroyed, whoever wants it: a hold that comes while an erase waits wins, by its place in the
log, until the erase has become due.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.roster.errors import RuleViolation
from cloister.roster.governance_events import (
    EraseApproved,
    ErasePaused,
    EraseProposed,
    EraseStopped,
    HoldPlaced,
    HoldReleased,
    HoldReleaseProposed,
    Locked,
    Unlocked,
    UnlockProposed,
)
from cloister.roster.governance_offices import (
    Applied,
    ReadableAct,
    proposal_of,
    with_proposal,
    without_proposal,
)
from cloister.roster.governance_state import (
    PAUSE_S,
    Erasure,
    ErasureState,
    GovernanceState,
    HoldRecord,
    LockedHandle,
    Place,
    ReadableProposal,
    place_of,
)
from cloister.roster.orders import (
    CarriedConsent,
    EntryReference,
    Erase,
    Hold,
    HoldScope,
    SignedLock,
    SignerKind,
    Target,
    Unlock,
    verify_lock_by_steward,
)
from cloister.roster.rules import Rule
from cloister.values import replace

# --- locks ----------------------------------------------------------------------------------------


def on_order_lock(state: GovernanceState, act: ReadableAct) -> Applied:
    """Record a lock that relays have had already, or get from here.

    An owner's signatures are under keys that neither fold of a relay knows: the steward who
    brings the order into the log vouches for it, and could lock the device alone anyway.
    """
    try:
        lock = SignedLock.decode(act.content)
        if lock.by is SignerKind.STEWARD:
            if not state.obeys(lock.key_id):
                raise RuleViolation(Rule.LOCK_SIGNER)
            verify_lock_by_steward(lock, state.steward_keys[lock.key_id])
    except DecodeError:
        raise RuleViolation(Rule.ORDER_FORM) from None
    except (BadSignature, BadPublicKey):
        raise RuleViolation(Rule.LOCK_SIGNER) from None
    order = lock.order
    if len(lock.signatures) != (1 if lock.by is SignerKind.STEWARD else len(order.targets)):
        raise RuleViolation(Rule.ORDER_FORM)
    if order.circle_id != state.circle_id or order.log_size > act.seq:
        raise RuleViolation(Rule.LOCK_CIRCLE)
    fresh = tuple(
        target
        for target in order.targets
        if state.unlocked_at.get(place_of(target), -1) < order.log_size
    )
    if not fresh:
        raise RuleViolation(Rule.LOCK_OLD)
    state = _lock(state, fresh, act.seq, order.order_hash)
    return state, (
        Locked(
            seq=act.seq,
            entry_hash=act.entry_hash,
            key_id=act.key_id,
            targets=fresh,
            order_hash=order.order_hash,
        ),
    )


def _lock(
    state: GovernanceState, targets: Iterable[Target], seq: int, order_hash: bytes
) -> GovernanceState:
    locked = dict(state.locked)
    for target in targets:
        locked[place_of(target)] = LockedHandle(
            relay_id=target.relay_id, handle=target.handle, seq=seq, order_hash=order_hash
        )
    return replace(state, locked=locked)


def on_order_unlock(state: GovernanceState, act: ReadableAct) -> Applied:
    """Serve shares again: at once with the owner's consent, else when a second steward approves."""
    unlock = _unlock_in(act.content)
    _check_not_erased(state, unlock)
    if unlock.consents:
        _check_consents(state, act, unlock)
        return _carry_out_unlock(state, unlock, act.seq, act.entry_hash, act.key_id)
    state = with_proposal(state, proposal_of(act))
    return state, (
        UnlockProposed(
            seq=act.seq, entry_hash=act.entry_hash, key_id=act.key_id, targets=unlock.targets
        ),
    )


def _check_not_erased(state: GovernanceState, unlock: Unlock) -> None:
    """What waits to be erased stays locked; two who would rather unlock it refuse the erase."""
    places = {place_of(target) for target in unlock.targets}
    if any(
        not places.isdisjoint(map(place_of, one.targets))
        for one in state.erasures.values()
        if one.is_open or one.state is ErasureState.DUE
    ):
        raise RuleViolation(Rule.UNLOCK_ERASED)


def _unlock_in(content: bytes) -> Unlock:
    try:
        return Unlock.decode(content)
    except DecodeError:
        raise RuleViolation(Rule.ORDER_FORM) from None


def _check_consents(state: GovernanceState, act: ReadableAct, unlock: Unlock) -> None:
    """Consents are one for each target and newer than what they undo, so none is used twice."""
    if len(unlock.consents) != len(unlock.targets):
        raise RuleViolation(Rule.UNLOCK_CONSENT)
    for target, data in zip(unlock.targets, unlock.consents, strict=True):
        try:
            consent = CarriedConsent.decode(data)
        except DecodeError:
            raise RuleViolation(Rule.UNLOCK_CONSENT) from None
        place = place_of(target)
        locked = state.locked.get(place)
        since = max(locked.seq if locked else -1, state.unlocked_at.get(place, -1))
        if not since < consent.log_size <= act.seq:
            raise RuleViolation(Rule.UNLOCK_CONSENT)


def carry_out_unlock(
    state: GovernanceState, proposal: ReadableProposal, seq: int, key_id: bytes
) -> Applied:
    """A second steward has approved."""
    unlock = _unlock_in(proposal.content)
    _check_not_erased(state, unlock)
    state = without_proposal(state, proposal.entry_hash)
    return _carry_out_unlock(state, unlock, seq, proposal.entry_hash, key_id)


def _carry_out_unlock(
    state: GovernanceState, unlock: Unlock, seq: int, entry_hash: bytes, key_id: bytes
) -> Applied:
    places: set[Place] = {place_of(target) for target in unlock.targets}
    state = replace(
        state,
        locked={place: one for place, one in state.locked.items() if place not in places},
        unlocked_at={**state.unlocked_at, **dict.fromkeys(places, seq)},
    )
    return state, (
        Unlocked(
            seq=seq,
            entry_hash=entry_hash,
            key_id=key_id,
            targets=unlock.targets,
            consents=unlock.consents,
        ),
    )


# --- erases ---------------------------------------------------------------------------------------


def on_order_erase(state: GovernanceState, act: ReadableAct) -> Applied:
    """Propose to destroy shares; they are locked from here."""
    try:
        erase = Erase.decode(act.content)
    except DecodeError:
        raise RuleViolation(Rule.ORDER_FORM) from None
    if any(state.is_held(*place_of(target)) for target in erase.targets):
        raise RuleViolation(Rule.ERASE_HELD)
    places = {place_of(target) for target in erase.targets}
    if any(
        not places.isdisjoint(map(place_of, one.targets))
        for one in state.erasures.values()
        if one.is_open or one.state is ErasureState.DUE
    ):
        raise RuleViolation(Rule.ERASE_AGAIN)
    erasure = Erasure(
        entry_hash=act.entry_hash,
        seq=act.seq,
        proposed_ts=act.ts,
        targets=erase.targets,
        reason=erase.reason,
        sealed_note=erase.sealed_note,
        author=act.key_id,
        approver=None,
        approved_ts=0,
        due=0,
        paused_until=0,
        state=ErasureState.PROPOSED,
    )
    state = _lock(with_erasure(state, erasure), erase.targets, act.seq, act.entry_hash)
    return state, (
        EraseProposed(
            seq=act.seq,
            entry_hash=act.entry_hash,
            key_id=act.key_id,
            targets=erase.targets,
            reason=erase.reason,
        ),
    )


def with_erasure(state: GovernanceState, erasure: Erasure) -> GovernanceState:
    """Put an erase, or put it in place of its former self."""
    return replace(state, erasures={**state.erasures, erasure.entry_hash: erasure})


def approve_erase(state: GovernanceState, erasure: Erasure, act: ReadableAct) -> Applied:
    """A second steward approves: relays carry it out when the time to cool off is over."""
    if erasure.state is not ErasureState.PROPOSED:
        raise RuleViolation(Rule.APPROVE_NOTHING)
    if act.key_id == erasure.author:
        raise RuleViolation(Rule.APPROVE_AGAIN)
    due = act.ts + state.policy.cool_off_s
    approved = replace(
        erasure,
        state=ErasureState.APPROVED,
        approver=act.key_id,
        approved_ts=act.ts,
        due=max(due, 1),
    )
    event = EraseApproved(
        seq=act.seq, entry_hash=erasure.entry_hash, key_id=act.key_id, due=approved.executes_at
    )
    return with_erasure(state, approved), (event,)


def on_pause(state: GovernanceState, act: ReadableAct) -> Applied:
    """Carry two members' objections to the relays; once for an erase."""
    erasure = state.erasures.get(reference_in(act.content))
    if erasure is None or not erasure.is_open or erasure.paused_until:
        raise RuleViolation(Rule.PAUSE_ONCE)
    until = act.ts + PAUSE_S
    event = ErasePaused(seq=act.seq, entry_hash=erasure.entry_hash, key_id=act.key_id, until=until)
    return with_erasure(state, replace(erasure, paused_until=until)), (event,)


def stop_erase(
    state: GovernanceState, erasure: Erasure, seq: int, key_id: bytes, *, by_hold: bool
) -> Applied:
    """It will not happen; the devices stay locked until two unlock them."""
    kind = ErasureState.HELD if by_hold else ErasureState.STOPPED
    event = EraseStopped(seq=seq, entry_hash=erasure.entry_hash, key_id=key_id, by_hold=by_hold)
    return with_erasure(state, replace(erasure, state=kind)), (event,)


# --- holds ----------------------------------------------------------------------------------------


def on_hold(state: GovernanceState, act: ReadableAct) -> Applied:
    """Place a hold; every erase that it covers and that is not due yet is over."""
    try:
        hold = Hold.decode(act.content)
    except DecodeError:
        raise RuleViolation(Rule.ORDER_FORM) from None
    fits = {
        HoldScope.CIRCLE: not hold.targets and hold.channel is None,
        HoldScope.MEMBER: bool(hold.targets) and hold.channel is None,
        HoldScope.CONVERSATION: not hold.targets and hold.channel is not None,
    }[hold.scope]
    if not fits:
        raise RuleViolation(Rule.HOLD_SCOPE)
    record = HoldRecord(
        entry_hash=act.entry_hash,
        seq=act.seq,
        ts=act.ts,
        scope=hold.scope,
        targets=hold.targets,
        channel=hold.channel,
        authority_hash=hold.authority_hash,
        placer=act.key_id,
        sealed_note=hold.sealed_note,
    )
    state = replace(state, holds={**state.holds, act.entry_hash: record})
    events: tuple[HoldPlaced | EraseStopped, ...] = (
        HoldPlaced(
            seq=act.seq,
            entry_hash=act.entry_hash,
            key_id=act.key_id,
            scope=hold.scope,
            targets=hold.targets,
            channel=hold.channel,
        ),
    )
    for erasure in tuple(state.erasures.values()):
        if erasure.is_open and any(state.is_held(*place_of(one)) for one in erasure.targets):
            state, stopped = stop_erase(state, erasure, act.seq, act.key_id, by_hold=True)
            events = (*events, *(one for one in stopped if isinstance(one, EraseStopped)))
    return state, events


def on_hold_release(state: GovernanceState, act: ReadableAct) -> Applied:
    """Propose to release a hold."""
    hold = reference_in(act.content)
    if hold not in state.holds:
        raise RuleViolation(Rule.RELEASE_NOTHING)
    state = with_proposal(state, proposal_of(act))
    event = HoldReleaseProposed(
        seq=act.seq, entry_hash=act.entry_hash, key_id=act.key_id, hold=hold
    )
    return state, (event,)


def carry_out_release(
    state: GovernanceState, proposal: ReadableProposal, seq: int, key_id: bytes
) -> Applied:
    """Two stewards, of whom one at least did not place it, have released a hold."""
    hold = reference_in(proposal.content)
    state = without_proposal(state, proposal.entry_hash)
    if hold not in state.holds:
        # Another release came first.
        return state, ()
    left = {one: record for one, record in state.holds.items() if one != hold}
    event = HoldReleased(seq=seq, entry_hash=proposal.entry_hash, key_id=key_id, hold=hold)
    return replace(state, holds=left), (event,)


def reference_in(content: bytes) -> bytes:
    """The entry hash that an approve, refuse, pause or hold_release names."""
    try:
        return EntryReference.decode(content).entry_hash
    except DecodeError:
        raise RuleViolation(Rule.ORDER_FORM) from None
