"""The member fold: what one entry does to a roster.

An entry that breaks a rule of the inside is recorded as Ignored and changes nothing but the size
of the log and log time. Admissions are derived after every entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cloister.codec import DecodeError, Struct
from cloister.crypto.errors import BadPublicKey, BadSignature, DecryptError
from cloister.crypto.secret import Secret
from cloister.roster.admission import derive_admissions, on_vouch, on_vouch_revoke
from cloister.roster.approving import on_approve
from cloister.roster.content import (
    Approve,
    DeviceRevoke,
    Export,
    Invite,
    InviteRevoke,
    Leave,
    LogKey,
    Objection,
    Reinstate,
    Remove,
    StewardKey,
    Suspend,
    Tick,
    Vouch,
    VouchRevoke,
)
from cloister.roster.draft import Act, Draft
from cloister.roster.entry import (
    Entry,
    EntryKind,
    SealedContent,
    SealedType,
    open_sealed,
    verify_sealed,
)
from cloister.roster.erasing import on_erase_receipt, on_objection
from cloister.roster.errors import NeedsLogKey, RuleViolation, UpdateNeeded
from cloister.roster.events import Event, Ignored, Ticked
from cloister.roster.exporting import on_export
from cloister.roster.governance_state import NEVER
from cloister.roster.inviting import on_invite, on_invite_revoke
from cloister.roster.join_request import JoinRequest
from cloister.roster.log_keys import on_log_key
from cloister.roster.membership import on_leave, on_remove
from cloister.roster.office import on_steward_key
from cloister.roster.policy import Policy
from cloister.roster.policy_change import derive_policy, on_policy
from cloister.roster.readable_acts import apply_readable, derive_governance
from cloister.roster.requesting import on_join_request
from cloister.roster.revoking import on_device_revoke
from cloister.roster.revouching import derive_overdue
from cloister.roster.rules import Rule
from cloister.roster.seats import derive_seat_lapses, on_seat
from cloister.roster.share import ErasureReceipt, SeatTerm
from cloister.roster.share_renewal import Shares, on_shares
from cloister.roster.suspension import derive_lapses, on_reinstate, on_suspend
from cloister.roster.voiding import Void

C = TypeVar("C", bound=Struct)

Handler = Callable[[Draft, Act, bytes], tuple[Event, ...]]


def _handler(
    structure: type[C], apply: Callable[[Draft, Act, C], Event | tuple[Event, ...]]
) -> Handler:
    def run(draft: Draft, act: Act, content: bytes) -> tuple[Event, ...]:
        try:
            decoded = structure.decode(content)
        except DecodeError:
            raise RuleViolation(Rule.CONTENT) from None
        events = apply(draft, act, decoded)
        return events if isinstance(events, tuple) else (events,)

    return run


def _on_tick(_draft: Draft, act: Act, _content: Tick) -> Event:
    return Ticked(seq=act.seq)


# A type that is not here stops the fold: what it would change is not known.
_HANDLERS: Mapping[int, Handler] = {
    SealedType.INVITE: _handler(Invite, on_invite),
    SealedType.JOIN_REQUEST: _handler(JoinRequest, on_join_request),
    SealedType.VOUCH: _handler(Vouch, on_vouch),
    SealedType.LOG_KEY: _handler(LogKey, on_log_key),
    SealedType.REMOVE: _handler(Remove, on_remove),
    SealedType.APPROVE: _handler(Approve, on_approve),
    SealedType.LEAVE: _handler(Leave, on_leave),
    SealedType.TICK: _handler(Tick, _on_tick),
    SealedType.INVITE_REVOKE: _handler(InviteRevoke, on_invite_revoke),
    SealedType.VOUCH_REVOKE: _handler(VouchRevoke, on_vouch_revoke),
    SealedType.DEVICE_REVOKE: _handler(DeviceRevoke, on_device_revoke),
    SealedType.SUSPEND: _handler(Suspend, on_suspend),
    SealedType.REINSTATE: _handler(Reinstate, on_reinstate),
    SealedType.STEWARD_KEY: _handler(StewardKey, on_steward_key),
    SealedType.POLICY: _handler(Policy, on_policy),
    SealedType.OBJECTION: _handler(Objection, on_objection),
    SealedType.SEAT: _handler(SeatTerm, on_seat),
    SealedType.SHARES: _handler(Shares, on_shares),
    SealedType.ERASE_RECEIPT: _handler(ErasureReceipt, on_erase_receipt),
    SealedType.EXPORT: _handler(Export, on_export),
}


def apply_entry(
    draft: Draft, entry: Entry, log_keys: Mapping[int, Secret], voids: Sequence[Void] = ()
) -> tuple[Event, ...]:
    """Apply one entry whose outside has been checked; ``voids``: of resets from here on.

    Raises NeedsLogKey, UpdateNeeded; the draft is unchanged then.
    """
    seq, ts = entry.header.seq, entry.header.ts
    events: tuple[Event, ...]
    try:
        if entry.header.kind is EntryKind.READABLE:
            events = apply_readable(draft, entry)
        else:
            events = _apply_sealed(draft, entry, log_keys, voids)
    except RuleViolation as violation:
        events = (Ignored(seq=seq, rule=violation.rule),)
    # Every entry moves log time, so every entry may be the one that admits or ends something.
    return (*events, *derive_standing(draft, seq, ts), *derive_admissions(draft, seq, ts))


def derive_standing(draft: Draft, seq: int, ts: int) -> tuple[Event, ...]:
    """Let everything happen that is due at log time ``ts``."""
    events = derive_governance(draft, seq, ts)
    if ts < draft.next_due:
        return events
    # Each of these looks at all there is and notes what falls due next.
    draft.next_due = NEVER
    return (
        *events,
        *derive_policy(draft, seq, ts),
        *derive_lapses(draft, seq, ts),
        *derive_overdue(draft, seq, ts),
        *derive_seat_lapses(draft, seq, ts),
    )


def _apply_sealed(
    draft: Draft, entry: Entry, log_keys: Mapping[int, Secret], voids: Sequence[Void]
) -> tuple[Event, ...]:
    header = entry.header
    sealed, log_key = _open(draft, entry, log_keys, voids)
    if header.lk_gen != draft.generation and sealed.type != SealedType.LOG_KEY:
        raise RuleViolation(Rule.LOG_KEY_FIRST)
    author = draft.devices.get(sealed.author)
    if author is None or not author.is_active:
        raise RuleViolation(Rule.AUTHOR)
    try:
        verify_sealed(header, sealed, author.card.device_key)
    except (BadSignature, BadPublicKey):
        raise RuleViolation(Rule.AUTHOR_SIGNATURE) from None
    handler = _HANDLERS.get(sealed.type)
    # Looked at after the signature: only a member can bring the fold to a stop, a relay cannot.
    if handler is None:
        raise UpdateNeeded(Rule.SEALED_TYPE, header.seq, f"sealed entry of type {sealed.type}")
    act = Act(
        seq=header.seq,
        ts=header.ts,
        entry_hash=entry.entry_hash,
        author=author,
        generation=header.lk_gen,
        log_key=log_key,
    )
    return handler(draft, act, sealed.content)


def _open(
    draft: Draft, entry: Entry, log_keys: Mapping[int, Secret], voids: Sequence[Void]
) -> tuple[SealedContent, Secret]:
    generation = entry.header.lk_gen
    # Before the key is asked for: of what is void nobody needs one.
    if any(void.covers(entry.header) for void in voids):
        raise RuleViolation(Rule.VOID)
    if generation < draft.generation:
        raise RuleViolation(Rule.OLD_GENERATION)
    if generation > draft.generation + 1:
        raise RuleViolation(Rule.FAR_GENERATION)
    log_key = log_keys.get(generation)
    if log_key is None:
        raise NeedsLogKey(generation)
    try:
        return open_sealed(entry, log_key), log_key
    except DecryptError:
        raise RuleViolation(Rule.OPENS) from None
    except DecodeError:
        raise RuleViolation(Rule.SEALED_FORM) from None
