"""Invitations, join requests, vouches, and the admission that follows from them.

An admission is no entry: it is derived, on every device alike, at the first entry at which all its
conditions hold together. All times are log time; no local clock has a say.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.signature import check_ed25519_public
from cloister.ids import MemberId
from cloister.limits import MAX_DEVICES, MAX_INVITE_LIFETIME_S
from cloister.roster.content import Invite, InviteKind, Role, Vouch
from cloister.roster.device_card import DeviceCard, check_device_card
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Admitted, Asked, Contested, Event, Invited, Vouched
from cloister.roster.join_request import JoinRequest, verify_device_proof, verify_invite_proof
from cloister.roster.name import has_name_form
from cloister.roster.policy import FORMING_MEMBERS
from cloister.roster.rules import Rule
from cloister.roster.state import (
    Act,
    DeviceRecord,
    Draft,
    InviteRecord,
    Member,
    MemberState,
    OpenRequest,
    RequestState,
    VouchRecord,
    changed,
)


def on_invite(draft: Draft, act: Act, invite: Invite) -> Event:
    """Apply an invite entry."""
    if invite.kind is not InviteKind.MEMBER:
        raise RuleViolation(Rule.INVITE_KIND)
    if invite.role is Role.STEWARD and not draft.forming:
        raise RuleViolation(Rule.INVITE_STEWARD)
    if not act.ts < invite.expires <= act.ts + MAX_INVITE_LIFETIME_S:
        raise RuleViolation(Rule.INVITE_LIFETIME)
    keys = (invite.inv_key, invite.box_seed, invite.box_id)
    if len(set(keys)) != len(keys) or not draft.spent.isdisjoint(keys):
        raise RuleViolation(Rule.INVITE_NEW)
    try:
        check_ed25519_public(invite.inv_key)
    except BadPublicKey:
        raise RuleViolation(Rule.INVITE_KEYS) from None
    inviter = act.author.member_id
    still_open = [
        invite_id
        for invite_id in draft.open_invites.get(inviter, ())
        if draft.invites[invite_id].is_open(act.ts)
    ]
    if len(still_open) >= draft.policy.max_open_invites:
        raise RuleViolation(Rule.INVITE_BUDGET)
    invite_id = invite.invite_id
    draft.spent.update(keys)
    draft.open_invites[inviter] = (*still_open, invite_id)
    draft.invites[invite_id] = InviteRecord(
        invite=invite, inviter=inviter, seq=act.seq, ts=act.ts, requests=(), admitted=None
    )
    return Invited(
        seq=act.seq,
        invite_id=invite_id,
        inviter=inviter,
        role=invite.role,
        expires=invite.expires,
    )


def check_join_request(draft: Draft, request: JoinRequest, *, seq: int, ts: int) -> InviteRecord:
    """Judge a request as if it were appended at ``seq`` with time ``ts``.

    Returns: the invitation it answers. Raises RuleViolation.
    """
    if request.circle_id != draft.circle_id or not 1 <= request.seen_size <= seq:
        raise RuleViolation(Rule.JOIN_CIRCLE)
    if request.request_hash in draft.requests:
        raise RuleViolation(Rule.JOIN_REPLAY)
    record = draft.invites.get(request.invite_id)
    if record is None:
        raise RuleViolation(Rule.JOIN_INVITE)
    if record.admitted is not None:
        raise RuleViolation(Rule.JOIN_USED)
    if record.is_contested:
        raise RuleViolation(Rule.CONTESTED)
    if ts > record.invite.expires or draft.active_member(record.inviter) is None:
        raise RuleViolation(Rule.JOIN_OPEN)
    if request.receipts or request.seat_receipt:
        raise RuleViolation(Rule.JOIN_SEAMS)
    if not has_name_form(request.name):
        raise RuleViolation(Rule.JOIN_NAME)
    # What is not new is looked for first: it is cheaper than curve arithmetic, and a copy of
    # somebody's keys must never reach the place where two requests contest an invitation.
    if not draft.spent.isdisjoint(_keys_of(request.member_id, request.device)):
        raise RuleViolation(Rule.JOIN_NEW)
    try:
        check_device_card(request.device)
    except BadPublicKey:
        raise RuleViolation(Rule.JOIN_KEYS) from None
    try:
        verify_invite_proof(request, record.invite.inv_key)
    except BadSignature:
        raise RuleViolation(Rule.JOIN_INVITE_PROOF) from None
    try:
        verify_device_proof(request)
    except BadSignature:
        raise RuleViolation(Rule.JOIN_DEVICE_PROOF) from None
    return record


def on_join_request(draft: Draft, act: Act, request: JoinRequest) -> Event:
    """Apply a join_request entry. A second valid request on an invitation contests both."""
    record = check_join_request(draft, request, seq=act.seq, ts=act.ts)
    request_hash = request.request_hash
    record = changed(record, requests=(*record.requests, request_hash))
    draft.invites[request.invite_id] = record
    draft.spent.update(_keys_of(request.member_id, request.device))
    draft.requests[request_hash] = OpenRequest(
        request=request,
        request_hash=request_hash,
        seq=act.seq,
        ts=act.ts,
        vouches=(),
        needed=draft.vouches_needed,
        state=RequestState.OPEN,
    )
    if not record.is_contested:
        return Asked(
            seq=act.seq,
            request_hash=request_hash,
            invite_id=request.invite_id,
            name=request.name,
            poster=act.author.member_id,
        )
    for contested in record.requests:
        draft.waiting.pop(contested, None)
        draft.requests[contested] = changed(draft.requests[contested], state=RequestState.CONTESTED)
    return Contested(seq=act.seq, invite_id=request.invite_id, request_hashes=record.requests)


def on_vouch(draft: Draft, act: Act, vouch: Vouch) -> Event:
    """Apply a vouch entry. A member's newer vouch takes the place of the older."""
    asked = draft.requests.get(vouch.request_hash)
    if asked is None:
        raise RuleViolation(Rule.VOUCH_REQUEST)
    if asked.state is RequestState.CONTESTED:
        raise RuleViolation(Rule.VOUCH_CONTESTED)
    if asked.state is RequestState.ADMITTED:
        raise RuleViolation(Rule.VOUCH_LATE)
    voucher = act.author.member_id
    others = tuple(one for one in asked.vouches if one.voucher != voucher)
    newest = VouchRecord(voucher=voucher, how=vouch.how, ts=act.ts)
    asked = changed(asked, vouches=(*others, newest))
    draft.requests[vouch.request_hash] = asked
    draft.waiting[vouch.request_hash] = None
    return Vouched(
        seq=act.seq,
        request_hash=vouch.request_hash,
        voucher=voucher,
        how=vouch.how,
        counts_now=newest in counted_vouches(draft, asked, act.ts),
    )


def counted_vouches(draft: Draft, asked: OpenRequest, ts: int) -> tuple[VouchRecord, ...]:
    """The vouches that count at log time ``ts``: fresh, by active members past probation."""
    counted = []
    for vouch in asked.vouches:
        if ts - vouch.ts > draft.policy.vouch_lifetime_s:
            continue
        member = draft.active_member(vouch.voucher)
        if member is not None and ts >= member.probation_until:
            counted.append(vouch)
    return tuple(counted)


def derive_admissions(draft: Draft, seq: int, ts: int) -> list[Event]:
    """Admit whoever all conditions hold for after entry ``seq``, whatever that entry was."""
    if not draft.waiting:
        return []
    events: list[Event] = []
    for request_hash in sorted(draft.waiting, key=lambda one: draft.requests[one].seq):
        asked = draft.requests[request_hash]
        # Log time never goes back, so a vouch that is too old stays too old.
        if all(ts - vouch.ts > draft.policy.vouch_lifetime_s for vouch in asked.vouches):
            del draft.waiting[request_hash]
            continue
        counted = counted_vouches(draft, asked, ts)
        if len(counted) < draft.vouches_needed or ts < asked.ts + draft.policy.veto_s:
            continue
        role = draft.invites[asked.request.invite_id].invite.role
        if role is Role.STEWARD and not draft.forming:
            continue
        if sum(device.active_until is None for device in draft.devices.values()) >= MAX_DEVICES:
            continue
        events.append(_admit(draft, asked, counted, seq, ts))
    return events


def _admit(
    draft: Draft, asked: OpenRequest, counted: tuple[VouchRecord, ...], seq: int, ts: int
) -> Event:
    request = asked.request
    record = draft.invites[request.invite_id]
    did = request.device.did
    needed = draft.vouches_needed
    # Whoever comes while the circle is forming may vouch at once, or nobody could for two weeks.
    probation_until = 0 if draft.forming else ts + draft.policy.probation_s
    draft.add_member(
        Member(
            member_id=request.member_id,
            name=request.name,
            role=record.invite.role,
            state=MemberState.ACTIVE,
            admitted_at_size=seq + 1,
            admitted_at_ts=ts,
            probation_until=probation_until,
            vouchers=tuple(vouch.voucher for vouch in counted),
            invited_by=record.inviter,
            devices=(did,),
        ),
        DeviceRecord(
            did=did,
            card=request.device,
            member_id=request.member_id,
            active_from=seq + 1,
            active_until=None,
        ),
    )
    del draft.waiting[asked.request_hash]
    draft.requests[asked.request_hash] = changed(asked, state=RequestState.ADMITTED)
    draft.invites[request.invite_id] = changed(record, admitted=asked.request_hash)
    if draft.active_members >= FORMING_MEMBERS:
        draft.forming = False
    if draft.vouches_needed != needed:
        draft.refresh_needed()
    return Admitted(
        seq=seq,
        request_hash=asked.request_hash,
        member_id=request.member_id,
        did=did,
        role=record.invite.role,
    )


def spent_keys(
    founder: tuple[MemberId, DeviceCard],
    invites: Iterable[Invite],
    requests: Iterable[JoinRequest],
) -> set[bytes]:
    """Everything that must never be enrolled again."""
    spent: set[bytes] = set(_keys_of(*founder))
    for invite in invites:
        spent.update((invite.inv_key, invite.box_seed, invite.box_id))
    for request in requests:
        spent.update(_keys_of(request.member_id, request.device))
    return spent


def _keys_of(member_id: MemberId, card: DeviceCard) -> tuple[bytes, ...]:
    return (member_id, card.device_key, card.hpke_key, card.inbox_id, card.inbox_key)
