"""Vouches, and the admission that follows from them.

An admission is no entry: it is derived, on every device alike, at the first entry at which all its
conditions hold together. All times are log time; no local clock has a say.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloister.ids import DeviceId, MemberId
from cloister.limits import MAX_DEVICES
from cloister.roster.content import InviteKind, Role, Vouch, VouchRevoke
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Admitted, DeviceAdded, Event, Returned, Vouched, VouchRevoked
from cloister.roster.governance import Governance
from cloister.roster.policy import Policy
from cloister.roster.revouching import on_vouch_again
from cloister.roster.rules import Rule
from cloister.roster.state import (
    DeviceRecord,
    Grant,
    Member,
    MemberState,
    OpenRequest,
    RequestState,
    VouchRecord,
    changed,
)


def on_vouch(draft: Draft, act: Act, vouch: Vouch) -> Event:
    """Apply a vouch entry. A member's newer vouch takes the place of the older."""
    asked = draft.requests.get(vouch.request_hash)
    if asked is None:
        raise RuleViolation(Rule.VOUCH_REQUEST)
    if asked.state is RequestState.CONTESTED:
        raise RuleViolation(Rule.VOUCH_CONTESTED)
    if asked.state is RequestState.CLOSED:
        raise RuleViolation(Rule.VOUCH_CLOSED)
    if asked.state is RequestState.ADMITTED:
        return on_vouch_again(draft, act, asked)
    voucher = act.author.member_id
    others = tuple(one for one in asked.vouches if one.voucher != voucher)
    newest = VouchRecord(voucher=voucher, how=vouch.how, seq=act.seq, ts=act.ts)
    asked = changed(asked, vouches=(*others, newest))
    draft.requests[vouch.request_hash] = asked
    draft.waiting[vouch.request_hash] = None
    return Vouched(
        seq=act.seq,
        request_hash=vouch.request_hash,
        voucher=voucher,
        how=vouch.how,
        counts_now=newest in counted_vouches(draft.policy, draft.members, asked, act.ts),
    )


def on_vouch_revoke(draft: Draft, act: Act, revoke: VouchRevoke) -> Event:
    """Apply a vouch_revoke entry: the author's vouch counts no more."""
    asked = draft.requests.get(revoke.request_hash)
    voucher = act.author.member_id
    if asked is None or asked.state is not RequestState.OPEN:
        raise RuleViolation(Rule.VOUCH_REVOKE_OPEN)
    others = tuple(one for one in asked.vouches if one.voucher != voucher)
    if others == asked.vouches:
        raise RuleViolation(Rule.VOUCH_REVOKE_OWN)
    draft.requests[revoke.request_hash] = changed(asked, vouches=others)
    return VouchRevoked(seq=act.seq, request_hash=revoke.request_hash, voucher=voucher)


def counted_vouches(
    policy: Policy, members: Mapping[MemberId, Member], asked: OpenRequest, ts: int
) -> tuple[VouchRecord, ...]:
    """The vouches that count at log time ``ts``.

    They are fresh and by active members past probation, who need no vouches themselves. A member
    does not vouch for its own further device, nor for its own return.
    """
    counted = []
    for vouch in asked.vouches:
        if ts - vouch.ts > policy.vouch_lifetime_s:
            continue
        if vouch.voucher == asked.request.member_id:
            continue
        if members[vouch.voucher].may_vouch(ts):
            counted.append(vouch)
    return tuple(counted)


def derive_admissions(draft: Draft, seq: int, ts: int) -> list[Event]:
    """Admit whoever all conditions hold for after entry ``seq``, whatever that entry was."""
    if not draft.waiting:
        return []
    events: list[Event] = []
    for request_hash in sorted(draft.waiting, key=lambda one: draft.requests[one].seq):
        asked = draft.requests[request_hash]
        needed = draft.needed_for(asked.kind)
        # Log time never goes back, so a vouch that is too old stays too old.
        if needed and all(ts - one.ts > draft.policy.vouch_lifetime_s for one in asked.vouches):
            del draft.waiting[request_hash]
            continue
        counted = counted_vouches(draft.policy, draft.members, asked, ts)
        if len(counted) < needed or ts < asked.ts + draft.policy.veto_s:
            continue
        if draft.active_devices >= MAX_DEVICES:
            continue
        if asked.kind is InviteKind.MEMBER:
            events.append(_admit_member(draft, asked, counted, seq, ts))
        elif _may_get_a_device(draft, asked):
            events.append(_admit_device(draft, asked, counted, seq))
    return events


def _may_get_a_device(draft: Draft, asked: OpenRequest) -> bool:
    """Whether the member that a further device or a return is for can have it now."""
    member = draft.members[asked.request.member_id]
    if asked.kind is InviteKind.DEVICE:
        return member.is_active and not member.needs_revouch
    # Whoever is under a legal hold keeps the devices there are: a return would retire them.
    return not member.is_out and not is_held(draft.governance, draft.devices, member)


def is_held(
    governance: Governance, devices: Mapping[DeviceId, DeviceRecord], member: Member
) -> bool:
    """Whether a member, by any of its devices, or the whole circle is under a legal hold."""
    return governance.holds_circle() or any(
        governance.is_held(*place) for did in member.devices for place in devices[did].handles
    )


def _admit_member(
    draft: Draft, asked: OpenRequest, counted: tuple[VouchRecord, ...], seq: int, ts: int
) -> Event:
    request = asked.request
    record = draft.invites[request.invite_id]
    # Whoever comes while the circle is forming may vouch at once, or nobody could for two weeks.
    probation_until = 0 if draft.forming else ts + draft.policy.probation_s
    member = Member(
        member_id=request.member_id,
        name=request.name,
        role=Role.MEMBER,
        state=MemberState.ACTIVE,
        admitted_at_size=seq + 1,
        admitted_at_ts=ts,
        probation_until=probation_until,
        grants=_grants_of(counted),
        needed_at_admission=draft.vouches_needed,
        invited_by=record.inviter,
        devices=(),
        announced=(),
        suspended_until=0,
        suspension_confirmed=False,
        key_suspended=False,
        revouch_by=0,
        revouch_overdue=False,
    )
    _close_request(draft, asked)
    draft.add_member(member)
    device = _new_device(asked)
    draft.add_device(device, seq)
    return Admitted(
        seq=seq,
        request_hash=asked.request_hash,
        member_id=request.member_id,
        did=device.did,
        role=record.invite.role,
    )


def _admit_device(
    draft: Draft, asked: OpenRequest, counted: tuple[VouchRecord, ...], seq: int
) -> Event:
    member = draft.members[asked.request.member_id]
    device = _new_device(asked)
    _close_request(draft, asked)
    if asked.kind is InviteKind.DEVICE:
        draft.add_device(device, seq)
        return DeviceAdded(
            seq=seq,
            request_hash=asked.request_hash,
            member_id=member.member_id,
            did=device.did,
        )
    retired = tuple(did for did in member.devices if not draft.devices[did].retired)
    for did in retired:
        draft.put_device(changed(draft.devices[did], retired=True), seq)
    # The membership rests on these vouches from here, and on no older ones.
    member = changed(
        member,
        grants=_grants_of(counted),
        needed_at_admission=draft.vouches_needed,
        revouch_by=0,
        revouch_overdue=False,
    )
    draft.put_member(member, seq)
    draft.add_device(device, seq)
    return Returned(
        seq=seq,
        request_hash=asked.request_hash,
        member_id=member.member_id,
        did=device.did,
        retired=retired,
    )


def _new_device(asked: OpenRequest) -> DeviceRecord:
    """The record of the device that a request enrols, before it has a span."""
    request = asked.request
    return DeviceRecord(
        did=request.device.did,
        card=request.device,
        member_id=request.member_id,
        spans=(),
        receipts=request.receipts,
        former=(),
        term_end=0 if request.seat is None else request.seat.term_end,
        locked=False,
        lapsed=False,
        retired=False,
        lost_at=0,
        erased_by=(),
    )


def _grants_of(counted: tuple[VouchRecord, ...]) -> tuple[Grant, ...]:
    return tuple(Grant(voucher=one.voucher, seq=one.seq, void=False) for one in counted)


def _close_request(draft: Draft, asked: OpenRequest) -> None:
    invite_id = asked.request.invite_id
    del draft.waiting[asked.request_hash]
    draft.requests[asked.request_hash] = changed(asked, state=RequestState.ADMITTED)
    draft.invites[invite_id] = changed(draft.invites[invite_id], admitted=asked.request_hash)
