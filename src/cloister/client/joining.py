"""Joining a circle (flows 3.3 and 3.6), as a table of steps and events.

    FETCHING_LETTER -> CHECKING_HEAD -> ENROLLING -> OPENING_INBOX -> ASKING -> WAITING -> ENTERING

A circle without unlock shares has nothing to enrol at.  The steps before WAITING are done with
the invitation's box key and tickets; nobody has to trust the relay for them.  Each step is stored
before its request goes out, and may be repeated after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial
from typing import Final

from cloister.client import enrolling, pool
from cloister.client.founding import check_empty
from cloister.client.identity import device_card, identity_of, make_identity
from cloister.client.inputs import Join
from cloister.client.linking import follow, on_common_refusal, prove_key, refusal_error
from cloister.client.records import Joining, JoiningStep
from cloister.client.state import Purpose, Work
from cloister.client.turn import Turn
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.errors import CloisterError, NotFoundError, PolicyError, UsageError
from cloister.ids import CircleId, MemberId
from cloister.roster.content import InviteKind
from cloister.roster.errors import LetterRefused
from cloister.roster.invitation import InvitationCode, parse_invitation
from cloister.roster.join_request import (
    JoinRequest,
    fingerprint,
    make_join_request,
    seal_join_request,
)
from cloister.roster.letter import Letter, open_letter
from cloister.roster.name import check_new_name
from cloister.transparency.cosignature import RelayVerifier
from cloister.transparency.proof import verify_consistency
from cloister.transparency.quorum import Settled, verify_settled
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal
from cloister.wire.commands import OpenInbox, PutBox, ReadHead, ReadProof
from cloister.wire.events import AnyEvent, Failed, Head, MailItem, Proof

ACT: Final = b"joining"
"""Key under which the joining act waits for its answer."""
OWNER_SECRET_BYTES: Final = 32
OWN_DEVICE_NAME: Final = "new device"
"""On the request of a member's further device: it cannot read its member's name before it is in."""


class NotOwnDevice(UsageError):
    """A code was to be for a further device of the person, and invites somebody."""


Given = AnyEvent | bytes
"""What an event carries: the relay's answer, or an opened inbox item."""


class JoiningEvent(IntEnum):
    """What moves a newcomer on."""

    LETTER = 1
    HEAD = 2
    PROOF = 3
    INBOX_OPENED = 4
    REQUEST_PUT = 5
    WELCOME = 6
    REFUSED = 7
    ENROLLED = 8


def on_join(turn: Turn, act: Join) -> None:
    """Read the code and start; a wrong code changes nothing."""
    check_empty(turn.state)
    parse_invitation(act.code, now=turn.now)
    if act.own and act.name:
        raise UsageError("one more device of yours is called as you are: say no name")
    name = "" if act.own else check_new_name(act.name)
    turn.change(
        identity=make_identity(name, turn.entropy, steward=False, bot=act.bot),
        joining=Joining(
            step=JoiningStep.FETCHING_LETTER,
            code=act.code,
            letter=b"",
            request=b"",
            sealed_request=b"",
            welcome=b"",
        ),
    )
    turn.owe(ACT, act.ref)


def code_of(joining: Joining) -> InvitationCode:
    """Return the parsed code; whether it has expired since is for the relay to say."""
    return parse_invitation(joining.code, now=0)


def on_event(turn: Turn, event: JoiningEvent, given: Given) -> None:
    """Apply an event to the present step; one that has no row there is stale and ignored."""
    joining = turn.state.joining
    if joining is None:
        return
    action = _TABLE.get((joining.step, event))
    if action is not None:
        action(turn, joining, given)


def advance(turn: Turn) -> None:
    """Send what the present step needs."""
    joining = turn.state.joining
    if joining is None or not turn.is_linked:
        return
    code = code_of(joining)
    if joining.step < JoiningStep.WAITING and not prove_key(
        turn, ObjectKind.BOX, code.seed.box_id, lambda: code.seed.box_key
    ):
        return
    if joining.step is JoiningStep.FETCHING_LETTER:
        follow(turn, ObjectKind.BOX, code.seed.box_id, 0)
    elif joining.step is JoiningStep.CHECKING_HEAD:
        _ask_head(turn, joining)
    elif joining.step is JoiningStep.OPENING_INBOX:
        _open_inbox(turn, code)
    elif joining.step is JoiningStep.ASKING:
        _ask(turn, joining, code)


def _go(turn: Turn, joining: Joining, step: JoiningStep) -> None:
    turn.change(joining=replace(joining, step=step))
    turn.changed("joining", step.name.lower())


# --- the letter ---------------------------------------------------------------------------------


def _on_letter(turn: Turn, joining: Joining, given: Given) -> None:
    """Open the letter, then leave: from now on the relays are known by their certificates."""
    if not isinstance(given, MailItem):
        return
    code = code_of(joining)
    try:
        letter = open_letter(given.item, code.seed, circle_id=code.circle_id)
    except LetterRefused as error:
        # A member may have put junk before the letter; after the last item there is no hope.
        if given.n + 1 >= turn.session.box_items:
            abandon(turn, error)
        return
    try:
        _take_subject(turn, letter)
    except (LetterRefused, NotOwnDevice) as error:
        abandon(turn, error)
        return
    _go(turn, replace(joining, letter=letter.encode()), JoiningStep.CHECKING_HEAD)
    turn.drop_link("letter read")


def _take_subject(turn: Turn, letter: Letter) -> None:
    """Become the member that the letter speaks of.  Raises ``LetterRefused``, ``NotOwnDevice``.

    With the member's owner secret, one more device can lock the others.  Who returns draws a new
    one: the devices that the old one could lock are retired when the new one is admitted.
    """
    is_member = letter.kind is InviteKind.MEMBER
    has_secret = len(letter.owner_secret) == OWNER_SECRET_BYTES
    if is_member != (letter.subject is None) or (letter.kind is InviteKind.DEVICE) != has_secret:
        raise LetterRefused("the letter does not say whose device this is to be")
    identity = identity_of(turn.state)
    if not identity.name:
        if letter.kind is not InviteKind.DEVICE:
            raise NotOwnDevice(
                "this code is not for one more device of yours",
                hint="It invites a person: join with it and with your name in the circle.",
            )
        identity = replace(identity, name=OWN_DEVICE_NAME)
    if letter.subject is not None:
        identity = replace(identity, member_id=bytes(letter.subject))
    if has_secret:
        identity = replace(identity, owner_secret=Secret(letter.owner_secret))
    turn.change(identity=identity)


def letter_of(joining: Joining) -> Letter:
    """Return the letter, opened before."""
    return Letter.decode(joining.letter)


# --- today's checkpoint ---------------------------------------------------------------------------


def _ask_head(turn: Turn, joining: Joining) -> None:
    letter, code = letter_of(joining), code_of(joining)
    head = turn.session.head_settled
    if head is None:
        turn.ask(Purpose(Work.READ_HEAD), lambda rid: ReadHead(rid=rid, origin=letter.origin))
    elif head.size > code.size:
        size = head.size
        turn.ask(
            Purpose(Work.READ_PROOF, number=size),
            lambda rid: ReadProof(rid=rid, origin=letter.origin, old_size=code.size, new_size=size),
        )


def settled_by(letter: Letter, note: bytes) -> Settled:
    """Verify a head against the letter's relays.  Raises subclasses of ``RemoteError``."""
    return verify_settled(
        note,
        RelayVerifier(letter.relay_set.home.name, letter.relay_set.home.key),
        [RelayVerifier(entry.name, entry.key) for entry in letter.relay_set.entries],
        letter.origin,
    )


def _on_head(turn: Turn, joining: Joining, given: Given) -> None:
    if not isinstance(given, Head):
        return
    letter, code = letter_of(joining), code_of(joining)
    seen = settled_by(letter, letter.checkpoint)
    head = settled_by(letter, given.note)
    turn.change_session(head=given.note, head_settled=head)
    if (seen.size, seen.root) != (code.size, code.root) or head.size < seen.size:
        abandon(turn, LetterRefused("the letter's checkpoint is not the one of the code"))
    elif head.size == seen.size:
        if head.root != seen.root:
            abandon(turn, LetterRefused("the relays show another log than the inviter saw"))
        else:
            _enrol(turn, joining)


def _on_proof(turn: Turn, joining: Joining, given: Given) -> None:
    head, code = turn.session.head_settled, code_of(joining)
    if not isinstance(given, Proof) or head is None:
        return
    verify_consistency(code.size, code.root, head.size, head.root, given.hashes)
    _enrol(turn, joining)


# --- enrolment ------------------------------------------------------------------------------------


def _enrol(turn: Turn, joining: Joining) -> None:
    """Enrol at the share relays with the letter's tickets, where the circle has unlock shares."""
    letter, code = letter_of(joining), code_of(joining)
    if not letter.policy.unlock_shares:
        _go(turn, joining, JoiningStep.OPENING_INBOX)
        return
    try:
        enrolling.begin(turn, letter.relay_set, letter.tickets, code.seed.box_key)
    except enrolling.TicketsRefused as error:
        abandon(turn, error)
        return
    _go(turn, joining, JoiningStep.ENROLLING)


def on_enrolled(turn: Turn) -> None:
    """Every share relay has given its receipt."""
    on_event(turn, JoiningEvent.ENROLLED, b"")


def _on_enrolled(turn: Turn, joining: Joining, given: Given) -> None:
    _go(turn, joining, JoiningStep.OPENING_INBOX)


# --- inbox, key packages, request -----------------------------------------------------------------


def _open_inbox(turn: Turn, code: InvitationCode) -> None:
    identity = identity_of(turn.state)
    key = Ed25519Key(identity.inbox_seed)
    turn.ask(
        Purpose(Work.OPEN_INBOX),
        lambda rid: OpenInbox(
            rid=rid,
            box_id=code.seed.box_id,
            inbox_id=identity.inbox_id,
            inbox_key=key.public,
        ),
    )


def _on_inbox_opened(turn: Turn, joining: Joining, given: Given) -> None:
    head = turn.session.head_settled
    letter, code = letter_of(joining), code_of(joining)
    seen = settled_by(letter, letter.checkpoint) if head is None else head
    identity = identity_of(turn.state)
    request = make_join_request(
        circle_id=CircleId(code.circle_id),
        inv_key=code.seed.inv_key,
        member_id=MemberId(identity.member_id),
        device=device_card(identity),
        device_key=Ed25519Key(identity.device_seed),
        name=identity.name,
        seen_size=seen.size,
        seen_root=seen.root,
        receipts=enrolling.receipts_of(turn.state),
        seat=enrolling.seat_of(turn.state),
    )
    # Stored, so that a restart puts the same bytes: another request would contest the first.
    sealed = seal_join_request(request, letter.invite_hpke_key)
    asking = replace(joining, request=request.encode(), sealed_request=sealed)
    _go(turn, asking, JoiningStep.ASKING)


def _ask(turn: Turn, joining: Joining, code: InvitationCode) -> None:
    identity = identity_of(turn.state)
    inbox_key = partial(Ed25519Key, identity.inbox_seed)
    if not prove_key(turn, ObjectKind.INBOX, identity.inbox_id, inbox_key):
        return
    if not pool.advance(turn, code.circle_id):
        return
    turn.ask(
        Purpose(Work.PUT_BOX, ACT),
        lambda rid: PutBox(rid=rid, box_id=code.seed.box_id, item=joining.sealed_request),
    )


def _on_request_put(turn: Turn, joining: Joining, given: Given) -> None:
    _go(turn, joining, JoiningStep.WAITING)
    turn.answer(ACT, text=digits_of(joining))


def digits_of(joining: Joining) -> str:
    """Return the sixty digits of the request; empty before it is made."""
    return fingerprint(JoinRequest.decode(joining.request)) if joining.request else ""


def _on_welcome(turn: Turn, joining: Joining, given: Given) -> None:
    """The Welcome of the commons has come; ``entering`` goes on from here."""
    if not isinstance(given, bytes):
        return
    _go(turn, replace(joining, welcome=given), JoiningStep.ENTERING)


def _on_welcome_refused(turn: Turn, joining: Joining, given: Given) -> None:
    """It did not stand the checks: wait for another."""
    _go(turn, replace(joining, welcome=b""), JoiningStep.WAITING)


_TABLE: Final[Mapping[tuple[JoiningStep, JoiningEvent], Callable[[Turn, Joining, Given], None]]] = {
    (JoiningStep.FETCHING_LETTER, JoiningEvent.LETTER): _on_letter,
    (JoiningStep.CHECKING_HEAD, JoiningEvent.HEAD): _on_head,
    (JoiningStep.CHECKING_HEAD, JoiningEvent.PROOF): _on_proof,
    (JoiningStep.ENROLLING, JoiningEvent.ENROLLED): _on_enrolled,
    (JoiningStep.OPENING_INBOX, JoiningEvent.INBOX_OPENED): _on_inbox_opened,
    (JoiningStep.ASKING, JoiningEvent.REQUEST_PUT): _on_request_put,
    (JoiningStep.WAITING, JoiningEvent.WELCOME): _on_welcome,
    (JoiningStep.ENTERING, JoiningEvent.REFUSED): _on_welcome_refused,
}


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """A refusal that time does not mend ends the attempt: the profile is empty again."""
    if on_common_refusal(turn, purpose, event):
        return
    if event.code in (Refusal.UNKNOWN_OBJECT, Refusal.EXPIRED):
        error: CloisterError = NotFoundError(
            "the relay knows no such invitation: it was used, has expired, or the code is of "
            "another relay",
            hint="Ask to be invited anew.",
        )
    elif event.code == Refusal.ID_CONFLICT:
        error = PolicyError(
            "somebody has used this invitation already",
            hint="If it was not you, tell the person who invited you. Ask to be invited anew.",
        )
    else:
        error = refusal_error(event, "the request to join")
    abandon(turn, error)


def abandon(turn: Turn, error: CloisterError) -> None:
    """Give the attempt up and say why; nothing of it is kept but the reason."""
    turn.answer(ACT, error=error)
    turn.alarm("joining", str(error))
    turn.change(
        identity=None, joining=None, key_packages={}, inbox_cursor=0, welcomes={}, enrolments={}
    )
    turn.drop_link("joining abandoned")
