"""Inviting (flows 3.2) and passing on join requests (3.3.4).

    APPENDING  --invite settled-->  OPENING_BOX  --opened-->  PUTTING_LETTER  --put-->  READY

The code is handed out only when the letter is in its box.  Every member watches the boxes of open
invitations: whoever finds a join request there appends it, the inviter first.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from cloister.client.appending import has_intent, intend
from cloister.client.duties import DUTY_LABEL, is_due
from cloister.client.identity import did_of, identity_of
from cloister.client.inputs import Invite as InviteAct
from cloister.client.inputs import ShowInvitation
from cloister.client.linking import follow, on_common_refusal, prove_key, refusal_error
from cloister.client.records import Intent, InvitingStep, OwnInvitation
from cloister.client.safe_text import safe_line
from cloister.client.state import Purpose, State, Work, with_item, without
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.errors import DecryptError
from cloister.crypto.hashing import sha256
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.errors import CloisterError, NotFoundError, PolicyError, UsageError
from cloister.ids import InviteId, MemberId
from cloister.limits import MAX_INVITE_LIFETIME_S, STALE_FORBID_S
from cloister.roster.content import Invite, InviteKind, Role
from cloister.roster.entry import SealedType
from cloister.roster.errors import RuleViolation
from cloister.roster.invitation import InvitationCode, InvitationSeed
from cloister.roster.join_request import JoinRequest, open_join_request
from cloister.roster.letter import MAX_TICKETS, Letter, seal_letter
from cloister.roster.roster import Roster
from cloister.roster.state import InviteRecord
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import OpenBox, PutBox
from cloister.wire.events import Failed, MailItem

MIN_INVITE_LIFETIME_S: Final = 60


def on_invite(turn: Turn, act: InviteAct) -> None:
    """Queue the ``invite`` entry of a fresh seed."""
    state = turn.state
    if state.roster is None or state.commons is None:
        raise PolicyError("only a member of a circle can invite")
    if not MIN_INVITE_LIFETIME_S <= act.lifetime_s <= MAX_INVITE_LIFETIME_S:
        raise UsageError("an invitation is open for a minute at least and 30 days at most")
    if turn.now - state.head_time > STALE_FORBID_S:
        raise PolicyError(
            "the newest cosignature of the log is older than a day",
            hint="Connect first (`cloister status`); see that this device's clock is right.",
        )
    role = _role(state, state.roster, act)
    kind, subject = _whom(state, state.roster, act)
    seed = InvitationSeed.generate(turn.entropy)
    expires = turn.now + act.lifetime_s
    content = Invite(
        inv_key=seed.inv_key.public,
        box_id=seed.box_id,
        box_seed=seed.box_key.seed.expose(),
        invite_hpke_seed=turn.entropy.random(32),
        kind=kind,
        role=role,
        expires=expires,
        subject=subject,
    )
    intend(turn, SealedType.INVITE, content.encode())
    invitation = OwnInvitation(
        step=InvitingStep.APPENDING,
        seed=seed.seed,
        invite_id=content.invite_id,
        expires=expires,
        letter=b"",
        code="",
    )
    turn.change(invitations=with_item(state.invitations, content.invite_id, invitation))
    turn.owe(bytes(content.invite_id), act.ref)


def _role(state: State, roster: Roster, act: InviteAct) -> Role:
    """Return what the newcomer is to be.  Raises ``PolicyError``."""
    if not act.steward:
        return Role.MEMBER
    if not roster.forming:
        raise PolicyError(
            "an invitation makes a steward only while the circle is forming",
            hint="Invite without it; later `cloister steward offer` and `cloister steward add`.",
        )
    if not roster.is_steward(roster.devices[did_of(state)].member_id):
        raise PolicyError(
            "only a steward invites somebody as a steward",
            hint="Invite without it; `cloister steward list` shows who is one.",
        )
    return Role.STEWARD


def _whom(state: State, roster: Roster, act: InviteAct) -> tuple[InviteKind, MemberId | None]:
    """Return what the invitation is for, and whose device it lets in.

    Raises ``UsageError``, ``NotFoundError``, ``PolicyError``.
    """
    own = roster.devices[did_of(state)].member_id
    try:
        kind = InviteKind[act.kind.upper()]
    except KeyError:
        raise UsageError("an invitation is for a member, a device or a return") from None
    if kind is not InviteKind.RETURN:
        return kind, own if kind is InviteKind.DEVICE else None
    member = roster.member_named(act.member)
    if member is None:
        raise NotFoundError(
            f"nobody in the circle is called “{safe_line(act.member)}”",
            hint="See `cloister members`.",
        )
    if member.member_id == own:
        raise PolicyError(
            "nobody can invite themself to return",
            hint="For one more device of your own: `cloister device add`.",
        )
    if member.is_out:
        raise PolicyError(
            f"{member.name} was removed or has left: that is no return",
            hint="Invite as somebody new: `cloister invite`.",
        )
    if roster.is_held_member(member.member_id):
        raise PolicyError(
            f"{member.name} is under a legal hold: a return would retire the devices that are held",
            hint="`cloister hold list` says who placed it; two stewards release it.",
        )
    return kind, member.member_id


def on_show(turn: Turn, act: ShowInvitation) -> None:
    """Answer with the code of an own invitation: the first answer may have been lost in a crash."""
    roster = turn.state.roster
    for invitation in reversed(tuple(turn.state.invitations.values())):
        record = roster.invites.get(InviteId(invitation.invite_id)) if roster else None
        is_unused = record is not None and not record.requests and record.admitted is None
        if is_unused and invitation.step is InvitingStep.READY and turn.now < invitation.expires:
            key = b"show" + invitation.invite_id
            turn.owe(key, act.ref)
            turn.answer(key, text=invitation.code)
            return
    raise NotFoundError(
        "this device has no invitation that is open and unused", hint="Make one: `cloister invite`."
    )


def on_intent_finished(turn: Turn, intent: Intent, error: CloisterError | None) -> None:
    """The ``invite`` entry is settled, or was refused by the rules."""
    if not intent.is_of(SealedType.INVITE):
        return
    invite_id = bytes(Invite.decode(intent.content).invite_id)
    invitation = turn.state.invitations.get(invite_id)
    if invitation is None:
        return
    if error is not None:
        turn.change(invitations=without(turn.state.invitations, invite_id))
        turn.answer(invite_id, error=error)
        return
    _store(turn, replace(invitation, step=InvitingStep.OPENING_BOX))


def advance(turn: Turn) -> None:
    """Carry every own invitation on, and watch the boxes of all open ones."""
    if not turn.is_linked or turn.state.commons is None:
        return
    for invitation in turn.state.invitations.values():
        if invitation.step is InvitingStep.OPENING_BOX:
            _open_box(turn, invitation)
        elif invitation.step is InvitingStep.PUTTING_LETTER:
            _put_letter(turn, invitation)
    roster = turn.state.roster
    if roster is None:
        return
    for invite_id, record in roster.invites.items():
        own = turn.state.invitations.get(bytes(invite_id))
        placed = own is None or own.step is InvitingStep.READY
        moves = roster.governance.moves
        if moves and record.seq <= moves[-1].seq:
            continue  # its box is at the home that the circle has left
        if placed and record.admitted is None and record.invite.expires > turn.now:
            _watch(turn, record)


def _open_box(turn: Turn, invitation: OwnInvitation) -> None:
    state = turn.state
    if state.circle is None or not turn.is_current(state.circle.commons_id):
        return
    seed = InvitationSeed(invitation.seed)
    commons_id = state.circle.commons_id
    turn.ask(
        Purpose(Work.OPEN_BOX, invitation.invite_id),
        lambda rid: OpenBox(
            rid=rid,
            commons_id=commons_id,
            box_id=seed.box_id,
            box_key=seed.box_key.public,
            expires=invitation.expires,
        ),
    )


def on_box_opened(turn: Turn, purpose: Purpose, tickets: tuple[bytes, ...]) -> None:
    """Write the letter: it names today's relays and checkpoint, and carries the tickets."""
    invitation = turn.state.invitations.get(purpose.subject)
    roster, circle = turn.state.roster, turn.state.circle
    if invitation is None or roster is None or circle is None:
        return
    if invitation.step is not InvitingStep.OPENING_BOX:
        return
    seed = InvitationSeed(invitation.seed)
    record = roster.invites[seed.invite_id]
    letter = Letter(
        circle_id=roster.circle_id,
        origin=roster.origin,
        relay_set=roster.relay_set,
        policy=roster.policy,
        checkpoint=circle.head,
        invite_hpke_key=HpkeKey(Secret(record.invite.invite_hpke_seed)).public,
        kind=record.invite.kind,
        subject=record.invite.subject,
        tickets=tickets[:MAX_TICKETS],
        owner_secret=_owner_secret(turn.state, record.invite.kind),
    )
    entry = roster.relay_set.entries[0]
    home = roster.relay_set.home
    code = InvitationCode(
        circle_id=roster.circle_id,
        size=roster.size,
        root=roster.root,
        seed=seed,
        expires=invitation.expires,
        entry_host=entry.host,
        entry_port=entry.port,
        home_host=home.host,
        home_port=home.port,
    )
    sealed = seal_letter(letter, seed, entropy=turn.entropy)
    _store(
        turn,
        replace(invitation, step=InvitingStep.PUTTING_LETTER, letter=sealed, code=code.to_text()),
    )


def _owner_secret(state: State, kind: InviteKind) -> bytes:
    """Return what lets one more device of the member lock the others; no one else's device."""
    return identity_of(state).owner_secret.expose() if kind is InviteKind.DEVICE else b""


def _put_letter(turn: Turn, invitation: OwnInvitation) -> None:
    seed = InvitationSeed(invitation.seed)
    if not prove_key(turn, ObjectKind.BOX, seed.box_id, lambda: seed.box_key):
        return
    turn.ask(
        Purpose(Work.PUT_BOX, invitation.invite_id),
        lambda rid: PutBox(rid=rid, box_id=seed.box_id, item=invitation.letter),
    )


def on_letter_put(turn: Turn, purpose: Purpose) -> None:
    """The newcomer can fetch the letter: hand the code out."""
    invitation = turn.state.invitations.get(purpose.subject)
    if invitation is None:
        return
    _store(turn, replace(invitation, step=InvitingStep.READY))
    turn.answer(purpose.subject, text=invitation.code)


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Give the invitation up when the relay will not carry it."""
    if on_common_refusal(turn, purpose, event):
        return
    turn.answer(purpose.subject, error=refusal_error(event, "the invitation"))
    turn.change(invitations=without(turn.state.invitations, purpose.subject))


def _store(turn: Turn, invitation: OwnInvitation) -> None:
    turn.change(
        invitations=with_item(turn.state.invitations, bytes(invitation.invite_id), invitation)
    )


# --- join requests found in boxes -----------------------------------------------------------------


def _watch(turn: Turn, record: InviteRecord) -> None:
    invite = record.invite
    box_key = partial(Ed25519Key, Secret(invite.box_seed))
    if prove_key(turn, ObjectKind.BOX, invite.box_id, box_key):
        follow(turn, ObjectKind.BOX, invite.box_id, 0)


def on_box_item(turn: Turn, event: MailItem) -> None:
    """Take a join request out of a box and see that it gets into the log."""
    record = _invite_of_box(turn.state, event.object_id)
    roster = turn.state.roster
    if record is None or roster is None:
        return
    try:
        request = open_join_request(record.invite.hpke_key, record.invite.invite_id, event.item)
        roster.check_join_request(request, ts=max(turn.now, roster.ts))
    except (DecryptError, DecodeError, RuleViolation):
        return  # the letter, junk, or a request that the log has already
    turn.change(found=with_item(turn.state.found, request.request_hash, request.encode()))


def advance_found(turn: Turn) -> None:
    """Append join requests that were found, once it is this device's turn (D1)."""
    roster = turn.state.roster
    if roster is None:
        return
    for request_hash, encoded in turn.state.found.items():
        request = JoinRequest.decode(encoded)
        if request_hash in roster.requests or not _is_acceptable(turn, request):
            turn.change(found=without(turn.state.found, request_hash))
        elif not has_intent(turn.state, SealedType.JOIN_REQUEST, encoded):
            duty = sha256(DUTY_LABEL, b"join_request", request_hash)
            own = bytes(request.invite_id) in turn.state.invitations
            if is_due(turn, duty, caused_it=own):
                intend(turn, SealedType.JOIN_REQUEST, encoded)


def _is_acceptable(turn: Turn, request: JoinRequest) -> bool:
    """Whether the log would still take it: an invitation may have expired since it was found."""
    roster = turn.state.roster
    if roster is None:
        return False
    try:
        roster.check_join_request(request, ts=max(turn.now, roster.ts))
    except RuleViolation:
        return False
    return True


def _invite_of_box(state: State, box_id: bytes) -> InviteRecord | None:
    if state.roster is None:
        return None
    for record in state.roster.invites.values():
        if record.invite.box_id == box_id:
            return record
    return None
