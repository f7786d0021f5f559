"""Join requests in the log: what each must prove before anybody is asked to vouch for it."""

from __future__ import annotations

from collections.abc import Iterable

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.ids import MemberId
from cloister.roster.content import Invite, InviteKind
from cloister.roster.device_card import DeviceCard, check_device_card
from cloister.roster.draft import Act, Draft
from cloister.roster.enrolment import are_receipts_of, handle_keys, is_seat_of
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Asked, Contested, Event
from cloister.roster.join_request import JoinRequest, verify_device_proof, verify_invite_proof
from cloister.roster.name import has_name_form
from cloister.roster.rules import Rule
from cloister.roster.share import OpenedReceipt
from cloister.roster.state import InviteRecord, OpenRequest, RequestState, changed


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
    inviter = draft.active_member(record.inviter)
    if ts > record.invite.expires or record.revoked or inviter is None or inviter.needs_revouch:
        raise RuleViolation(Rule.JOIN_OPEN)
    if record.invite.subject is not None and request.member_id != record.invite.subject:
        raise RuleViolation(Rule.JOIN_SUBJECT)
    if not has_name_form(request.name):
        raise RuleViolation(Rule.JOIN_NAME)
    # What is not new is looked for first: it is cheaper than curve arithmetic, and a copy of
    # somebody's keys must never reach the place where two requests contest an invitation.
    if not draft.spent.isdisjoint(_new_in(request, record.invite)):
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
    # After the proofs: only the newcomer itself can spend time on a relay's large signatures.
    if not are_receipts_of(request.receipts, draft.relay_set, draft.policy, draft.origin):
        raise RuleViolation(Rule.JOIN_RECEIPTS)
    moves = draft.governance.moves
    if not is_seat_of(
        request.seat, request.receipts, draft.relay_set, draft.policy, has_moved=bool(moves)
    ):
        raise RuleViolation(Rule.JOIN_SEAT)
    return record


def on_join_request(draft: Draft, act: Act, request: JoinRequest) -> Event:
    """Apply a join_request entry. A second valid request on an invitation contests both."""
    record = check_join_request(draft, request, seq=act.seq, ts=act.ts)
    request_hash = request.request_hash
    kind = record.invite.kind
    draft.spent.update(_new_in(request, record.invite))
    record = changed(record, requests=(*record.requests, request_hash))
    draft.invites[request.invite_id] = record
    needed = draft.needed_for(kind)
    draft.requests[request_hash] = OpenRequest(
        request=request,
        request_hash=request_hash,
        kind=kind,
        seq=act.seq,
        ts=act.ts,
        vouches=(),
        needed=needed,
        state=RequestState.OPEN,
    )
    if not record.is_contested:
        if needed == 0:
            draft.waiting[request_hash] = None
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


def spent_keys(
    founder: tuple[MemberId, DeviceCard, tuple[OpenedReceipt, ...]],
    invites: Iterable[Invite],
    requests: Iterable[JoinRequest],
) -> set[bytes]:
    """Everything that must never be enrolled again."""
    member_id, card, receipts = founder
    spent: set[bytes] = {member_id, *_keys_of(card), *handle_keys(receipts)}
    for invite in invites:
        spent.update((invite.inv_key, invite.box_seed, invite.box_id))
    for request in requests:
        spent.update((request.member_id, *_keys_of(request.device), *handle_keys(request.receipts)))
    return spent


def _new_in(request: JoinRequest, invite: Invite) -> tuple[bytes, ...]:
    """What a request brings that nobody may have brought before."""
    keys = (*_keys_of(request.device), *handle_keys(request.receipts))
    # A further device and a return name a member who is known.
    return (request.member_id, *keys) if invite.kind is InviteKind.MEMBER else keys


def _keys_of(card: DeviceCard) -> tuple[bytes, ...]:
    return (card.device_key, card.hpke_key, card.inbox_id, card.inbox_key)
