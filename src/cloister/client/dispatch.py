"""Who handles what: acts of the person, events of the relay, answers, refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cloister.client import (
    appending,
    changing,
    channels,
    committing,
    contacting,
    conversing,
    covering,
    duties,
    entering,
    exercising,
    founding,
    governing,
    inviting,
    joining,
    linking,
    log,
    objects,
    outbox,
    pool,
    receipts,
    relocating,
    renewing,
    rewinding,
    running,
    saying,
    seating,
    trees,
    welcomes,
)
from cloister.client.inputs import (
    Act,
    Annotate,
    AnyInput,
    ChangeConversation,
    ErrandDone,
    ErrandRefused,
    FoundCircle,
    Invite,
    Join,
    Leave,
    LeaveConversation,
    LinkDown,
    LinkUp,
    LogRead,
    MarkRead,
    OpenConversation,
    Received,
    Remove,
    SendText,
    SetCover,
    SetReceipts,
    ShowInvitation,
    Tick,
    Vouch,
)
from cloister.client.joining import JoiningEvent
from cloister.client.records import JoiningStep
from cloister.client.state import Purpose, Work
from cloister.client.turn import RETRY_S, Turn
from cloister.errors import RemoteError, UsageError
from cloister.wire.auth import ObjectKind
from cloister.wire.events import (
    AnyEvent,
    Begun,
    Challenge,
    CommitItem,
    Done,
    Entries,
    Failed,
    Head,
    Item,
    Logged,
    MailItem,
    Opened,
    Package,
    Part,
    Proof,
    Proved,
    Seats,
)

BOX_RETRY_S: Final = 15
MAX_FOREIGN_NUMBER: Final = 2**62
"""No index, epoch or size comes near it; beyond, one would not fit its record."""


def dispatch(turn: Turn, given: AnyInput) -> None:
    """Hand an input to the flow that it concerns.  Raises ``CloisterError``."""
    match given:
        case Received(event=event):
            _on_event(turn, event)
        case LinkUp():
            linking.on_link_up(turn)
        case LinkDown():
            linking.on_link_down(turn)
        case Tick():
            pass
        case LogRead() if not turn.state.rewind:
            relocating.on_log_read(turn, given.entries)
        case LogRead():
            rewinding.on_log_read(turn, given)
        case ErrandDone():
            running.on_done(turn, given)
        case ErrandRefused():
            running.on_refused(turn, given)
        case FoundCircle():
            founding.on_found(turn, given)
        case Join():
            joining.on_join(turn, given)
        case Invite():
            inviting.on_invite(turn, given)
        case ShowInvitation():
            inviting.on_show(turn, given)
        case Vouch():
            governing.on_vouch(turn, given)
        case Remove():
            governing.on_remove(turn, given)
        case Leave():
            governing.on_leave(turn, given)
        case OpenConversation():
            conversing.on_open(turn, given)
        case ChangeConversation():
            changing.on_change(turn, given)
        case LeaveConversation():
            changing.on_leave(turn, given)
        case SendText():
            saying.on_send_text(turn, given)
        case Annotate():
            saying.on_annotate(turn, given)
        case SetReceipts():
            receipts.on_set(turn, given)
        case MarkRead():
            receipts.on_mark_read(turn, given)
        case SetCover():
            covering.on_set(turn, given)
        case Act() if contacting.attend(turn, given) or exercising.exercise(turn, given):
            pass
        case _:
            raise UsageError("this program does not know that act")


# --- events of the relay --------------------------------------------------------------------------


def _check_numbers(event: AnyEvent) -> None:
    """Refuse numbers that no honest relay sends: they would be stored, or counted up to."""
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, int) and not 0 <= value < MAX_FOREIGN_NUMBER:
            raise RemoteError("the relay sent a number that is out of range")


def _on_event(turn: Turn, event: AnyEvent) -> None:
    _check_numbers(event)
    match event:
        case Challenge():
            linking.on_challenge(turn, event)
        case Item() | CommitItem():
            channels.on_item(turn, event)
        case MailItem():
            _on_mail(turn, event)
        case Logged():
            log.on_entries(turn, event)
        case Head(rid=0):
            _on_pushed_head(turn, event)
        case Failed():
            purpose = turn.take_outstanding(event.rid)
            if purpose is not None:
                _on_failed(turn, purpose, event)
        case _:
            purpose = turn.take_outstanding(event.rid)
            if purpose is not None:
                _on_answer(turn, purpose, event)


def _on_mail(turn: Turn, event: MailItem) -> None:
    if event.kind == ObjectKind.INBOX:
        welcomes.on_mail(turn, event)
    elif turn.state.joining is not None:
        joining.on_event(turn, JoiningEvent.LETTER, event)
    else:
        inviting.on_box_item(turn, event)


def _on_pushed_head(turn: Turn, event: Head) -> None:
    if turn.state.roster is not None:
        log.on_head(turn, event)


def _on_answer(turn: Turn, purpose: Purpose, event: AnyEvent) -> None:
    match purpose.work, event:
        case ((Work.PROVE_CHANNEL | Work.PROVE_INBOX | Work.PROVE_BOX), Proved()):
            linking.on_proved(turn, purpose, event)
            if purpose.work is Work.PROVE_CHANNEL:
                channels.on_proved(turn, purpose, event)
        case Work.PUT, Done():
            outbox.on_done(turn, purpose, event)
        case Work.COMMIT, Done():
            committing.on_done(turn, purpose, event)
        case Work.APPEND, Done():
            appending.on_done(turn, purpose, event)
        case Work.BEGIN, Begun():
            founding.on_begun(turn, event)
        case Work.OPEN_CIRCLE, Done():
            founding.on_opened(turn, event)
        case Work.MOVE_CHANNEL, Done():
            turn.mark_done(purpose)
        case Work.BRING_LOG, Done():
            relocating.on_brought(turn, event)
        case Work.ADOPT_CIRCLE, Done():
            relocating.on_adopted(turn)
        case Work.OPEN_CHANNEL, Done():
            conversing.on_opened(turn, purpose, event)
        case Work.OPEN_BOX, Opened():
            inviting.on_box_opened(turn, purpose, event.tickets)
        case Work.PUT_BOX, Done() if purpose.subject == joining.ACT:
            joining.on_event(turn, JoiningEvent.REQUEST_PUT, event)
        case Work.PUT_BOX, Done():
            inviting.on_letter_put(turn, purpose)
        case Work.OPEN_INBOX, Done():
            joining.on_event(turn, JoiningEvent.INBOX_OPENED, event)
        case Work.POOL_SIZE, Done():
            _on_pool_size(turn, purpose, event)
        case Work.WITHDRAW, Package():
            pool.on_withdrawn(turn, event)
        case Work.ASK_TICKETS, Opened():
            renewing.on_tickets(turn, event.tickets)
        case Work.READ_SEATS, Seats():
            seating.on_seats(turn, purpose, event)
        case Work.TAKE_PACKAGE, Package():
            duties.on_package(turn, purpose, event)
        case Work.READ_LOG, Entries() if turn.state.roster is None:
            entering.on_entries(turn, event)
        case Work.READ_LOG, Entries():
            log.on_read_log(turn, purpose, event)
        case Work.READ_HEAD, Head():
            _on_read_head(turn, purpose, event)
        case Work.READ_PROOF, Proof():
            _on_read_proof(turn, purpose, event)
        case Work.READ_PART, Part():
            objects.on_part(turn, purpose, event)
        case Work.READ_TREE, Part():
            trees.on_part(turn, purpose, event)
        case ((Work.STAGE | Work.PROVE_STEWARD), Done()):
            turn.mark_done(purpose)
        case ((Work.FOLLOW | Work.FOLLOW_LOG | Work.PUBLISH), Done()):
            turn.mark_done(purpose)
        case _:
            raise RemoteError("the relay answered with something else than was asked")


def _on_pool_size(turn: Turn, purpose: Purpose, event: Done) -> None:
    state = turn.state
    if state.joining is not None:
        pool.on_pool_size(turn, purpose, event, joining.code_of(state.joining).circle_id)
    elif state.circle is not None:
        pool.on_pool_size(turn, purpose, event, state.circle.circle_id)


def _on_read_head(turn: Turn, purpose: Purpose, event: Head) -> None:
    if turn.state.founding is not None:
        founding.on_head(turn, purpose, event)
    elif turn.state.roster is not None:
        if purpose == log.HEAD_AGAIN:
            turn.delay(purpose, log.HEAD_AGAIN_S)
        else:
            turn.mark_done(purpose)
        log.on_head(turn, event)
    else:
        joining.on_event(turn, JoiningEvent.HEAD, event)
        entering.on_head(turn, event)


def _on_read_proof(turn: Turn, purpose: Purpose, event: Proof) -> None:
    if turn.state.roster is not None:
        log.on_proof(turn, purpose, event)
    elif purpose.subject == b"entering":
        entering.on_proof(turn, purpose, event)
    else:
        joining.on_event(turn, JoiningEvent.PROOF, event)


_FAILED: Final[Mapping[Work, Callable[[Turn, Purpose, Failed], None]]] = {
    Work.PROVE_CHANNEL: channels.on_prove_failed,
    Work.PUT: outbox.on_failed,
    Work.COMMIT: committing.on_failed,
    Work.APPEND: appending.on_failed,
    Work.BEGIN: founding.on_failed,
    Work.OPEN_CIRCLE: founding.on_failed,
    Work.OPEN_CHANNEL: conversing.on_failed,
    Work.MOVE_CHANNEL: relocating.on_channel_refused,
    Work.ASK_TICKETS: renewing.on_failed,
    Work.BRING_LOG: relocating.on_refused,
    Work.ADOPT_CIRCLE: relocating.on_refused,
    Work.OPEN_BOX: inviting.on_failed,
    Work.OPEN_INBOX: joining.on_failed,
    Work.TAKE_PACKAGE: duties.on_package_failed,
    Work.POOL_SIZE: pool.on_failed,
    Work.WITHDRAW: pool.on_withdraw_failed,
    Work.PUBLISH: pool.on_failed,
    Work.READ_TREE: trees.on_failed,
    Work.READ_PART: objects.on_failed,
}


def _on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    handler = _FAILED.get(purpose.work)
    joins = turn.state.joining is not None and turn.state.joining.step < JoiningStep.WAITING
    if purpose.work in (Work.PROVE_BOX, Work.PUT_BOX) and joins:
        joining.on_failed(turn, purpose, event)
    elif purpose.work is Work.PUT_BOX:
        inviting.on_failed(turn, purpose, event)
    elif handler is not None:
        handler(turn, purpose, event)
    elif not linking.on_common_refusal(turn, purpose, event):
        # An invitation in the log whose box was never opened is not asked for every moment.
        # Nor is what a new home does not have yet.
        wait = relocating.RETRY_S if turn.state.home_move is not None else RETRY_S
        turn.delay(purpose, BOX_RETRY_S if purpose.work is Work.PROVE_BOX else wait)
    if purpose.work is Work.FOLLOW:
        linking.on_follow_failed(turn, purpose, event)
    entering.on_failed(turn, purpose, event)
