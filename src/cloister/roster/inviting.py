"""Invitations in the log: made by members, ended by their inviter or a steward."""

from __future__ import annotations

from cloister.crypto.errors import BadPublicKey
from cloister.crypto.signature import check_ed25519_public
from cloister.ids import InviteId
from cloister.limits import MAX_INVITE_LIFETIME_S
from cloister.roster.content import Invite, InviteKind, InviteRevoke, Role
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, Invited, InviteRevoked
from cloister.roster.rules import Rule
from cloister.roster.state import InviteRecord, RequestState, changed


def on_invite(draft: Draft, act: Act, invite: Invite) -> Event:
    """Apply an invite entry."""
    _check_subject(draft, act, invite)
    if invite.role is not Role.MEMBER and not (
        invite.role is Role.STEWARD and invite.kind is InviteKind.MEMBER and draft.forming
    ):
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
    if draft.members[inviter].needs_revouch:
        raise RuleViolation(Rule.INVITE_STANDING)
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
        invite=invite,
        inviter=inviter,
        seq=act.seq,
        ts=act.ts,
        requests=(),
        admitted=None,
        revoked=False,
    )
    return Invited(
        seq=act.seq,
        invite_id=invite_id,
        inviter=inviter,
        role=invite.role,
        kind=invite.kind,
        subject=invite.subject,
        expires=invite.expires,
    )


def _check_subject(draft: Draft, act: Act, invite: Invite) -> None:
    """A newcomer is nobody yet; a further device is its author's; a return is somebody else's."""
    author = act.author.member_id
    match invite.kind:
        case InviteKind.MEMBER:
            fits = invite.subject is None
        case InviteKind.DEVICE:
            fits = invite.subject == author
        case InviteKind.RETURN:
            subject = None if invite.subject is None else draft.members.get(invite.subject)
            fits = subject is not None and not subject.is_out and invite.subject != author
    if not fits:
        raise RuleViolation(Rule.INVITE_SUBJECT)


def on_invite_revoke(draft: Draft, act: Act, revoke: InviteRevoke) -> Event:
    """Apply an invite_revoke entry: the invitation and what came for it are closed."""
    record = draft.invites.get(revoke.invite_id)
    if record is None or record.admitted is not None or record.revoked:
        raise RuleViolation(Rule.INVITE_REVOKE_OPEN)
    author = act.author.member_id
    if author != record.inviter and draft.steward(author) is None:
        raise RuleViolation(Rule.INVITE_REVOKE_AUTHOR)
    close_invite(draft, revoke.invite_id)
    return InviteRevoked(seq=act.seq, invite_id=revoke.invite_id, by=author)


def close_invite(draft: Draft, invite_id: InviteId) -> None:
    """Let nobody in on an invitation any more."""
    record = draft.invites[invite_id]
    draft.invites[invite_id] = changed(record, revoked=True)
    for request_hash in record.requests:
        draft.waiting.pop(request_hash, None)
        asked = draft.requests[request_hash]
        draft.requests[request_hash] = changed(asked, state=RequestState.CLOSED)
