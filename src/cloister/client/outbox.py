"""What waits to be sent: encrypted when it may go, stored, then put, until it is acknowledged.

Retries repeat id and bytes.  Only when the relay has proved that nothing was stored (D4) is a
message encrypted again, under the same id.  Order is kept: later messages of a channel are never
sent before earlier ones.
"""

from __future__ import annotations

from cloister.client.content import (
    CONTENT_VERSION,
    SAID,
    TEXTS,
    Content,
    ContentKind,
    Heads,
)
from cloister.client.duties import leaves_to_remove
from cloister.client.effects import MessageState
from cloister.client.identity import did_of, identity_of
from cloister.client.linking import on_common_refusal, refusal_error
from cloister.client.own_messages import find_outgoing, finish, row_of
from cloister.client.putting_again import SAID_BEFORE, closed_in, index_before, keep
from cloister.client.records import ChannelState, Outgoing
from cloister.client.rights import rights_of
from cloister.client.state import Channel, Purpose, State, Work, with_item, without
from cloister.client.turn import Turn
from cloister.errors import PolicyError
from cloister.ids import SHORT_ID_BYTES
from cloister.limits import ENVELOPE_SIZES
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal
from cloister.wire.commands import Put
from cloister.wire.events import Done, Failed

UNPAID_RETRY_S = 300
"""A message that the relay does not take for want of a seat is tried again this often."""
ONLY_ADMINS = "only admins of the conversation post there"
MAX_IN_FLIGHT = 64
"""Puts of one channel under way; more would only wait in the relay's queue."""


def queue(
    turn: Turn, channel: Channel, kind: ContentKind, body: bytes, message_id: bytes = b""
) -> Outgoing:
    """Queue a message and show it as queued; under a fresh id unless it has one."""
    identity = identity_of(turn.state)
    outgoing = Outgoing(
        message_id=message_id or turn.entropy.random(SHORT_ID_BYTES),
        counter=channel.own_counter + 1,
        at=turn.now,
        position=channel.position + 1,
        kind=int(kind),
        body=body,
        epoch=0,
        envelope=b"",
        stale=False,
    )
    turn.put_channel(
        replace(
            channel,
            own_counter=outgoing.counter,
            position=outgoing.position,
            outbox=(*channel.outbox, outgoing),
        )
    )
    turn.store_message(row_of(turn, channel, outgoing, identity.name, MessageState.QUEUED, 0, ""))
    return outgoing


def queue_quietly(turn: Turn, channel: Channel, kind: ContentKind, body: bytes) -> Outgoing:
    """Queue what makes no row: it takes a counter, and no place in the timeline."""
    outgoing = Outgoing(
        message_id=turn.entropy.random(SHORT_ID_BYTES),
        counter=channel.own_counter + 1,
        at=turn.now,
        position=channel.position,
        kind=int(kind),
        body=body,
        epoch=0,
        envelope=b"",
        stale=False,
    )
    outbox = (*channel.outbox, outgoing)
    turn.put_channel(replace(channel, own_counter=outgoing.counter, outbox=outbox))
    return outgoing


def can_go_now(turn: Turn, channel: Channel) -> bool:
    """Whether a message would be encrypted and put in this turn, before anything else."""
    return (
        turn.is_linked
        and channel.state is ChannelState.ACTIVE
        and not channel.outbox
        and _may_encrypt(turn, channel, None)
    )


def may_post(state: State, channel: Channel) -> bool:
    """Whether texts of this device's member are shown in the channel's present epoch."""
    roster = state.roster
    record = roster.devices.get(did_of(state)) if roster is not None else None
    return (
        roster is None
        or record is None
        or rights_of(roster, channel.group).may_post(record.member_id)
    )


def advance(turn: Turn) -> None:
    """Encrypt and put what may go."""
    if not turn.is_linked:
        return
    for channel in turn.state.channels.values():
        if channel.outbox and channel.state is ChannelState.ACTIVE:
            _advance_channel(turn, channel.channel_id)


def _advance_channel(turn: Turn, channel_id: bytes) -> None:
    in_doubt = False
    _fail_what_may_not_be_said(turn, channel_id)
    waiting = turn.state.channels[channel_id].outbox[:MAX_IN_FLIGHT]
    first = waiting[0].message_id if waiting else b""
    for outgoing in waiting:
        if outgoing.envelope and not outgoing.stale:
            # Put in an epoch that has ended: only the relay's answer says whether it is stored.
            # Whatever comes later must wait for that, or it would overtake.
            in_doubt |= outgoing.epoch != turn.state.channels[channel_id].group.epoch
        elif in_doubt:
            return
        purpose = Purpose(Work.PUT, outgoing.message_id)
        if not turn.may_ask(purpose):
            if turn.session.not_before.get(purpose, 0) > turn.now:
                return
            continue
        channel = turn.state.channels[channel_id]
        if not outgoing.envelope or outgoing.stale:
            if not _may_encrypt(turn, channel, outgoing):
                return
            outgoing = _encrypt(turn, channel, outgoing)
        epoch, envelope, message_id = outgoing.epoch, outgoing.envelope, outgoing.message_id
        if (int(ObjectKind.CHANNEL), channel_id) not in turn.session.proven:
            return
        if channel_id in turn.session.full and message_id != first:
            return
        turn.ask(
            purpose,
            lambda rid, epoch=epoch, envelope=envelope, message_id=message_id: Put(  # type: ignore[misc]
                rid=rid,
                channel_id=channel_id,
                epoch=epoch,
                envelope_id=message_id,
                envelope=envelope,
            ),
        )


def _fail_what_may_not_be_said(turn: Turn, channel_id: bytes) -> None:
    """What was queued before only admins could post, and what a relay lost that those who
    have come in since did not hear.  What may be stored is asked about."""
    channel = turn.state.channels[channel_id]
    closed, is_heard = closed_in(channel), may_post(turn.state, channel)
    if is_heard and not closed:
        return
    for outgoing in channel.outbox:
        if outgoing.envelope and not outgoing.stale:
            continue
        channel = turn.state.channels[channel_id]
        if outgoing.message_id in closed:
            finish(turn, channel, outgoing, MessageState.FAILED, 0, SAID_BEFORE)
        elif outgoing.kind in SAID and not is_heard:
            finish(turn, channel, outgoing, MessageState.FAILED, 0, ONLY_ADMINS)


def _may_encrypt(turn: Turn, channel: Channel, outgoing: Outgoing | None) -> bool:
    """C3, and the epoch must be the relay's current one."""
    key = (int(ObjectKind.CHANNEL), channel.channel_id)
    epoch = channel.group.epoch
    return (
        turn.session.proven.get(key) == epoch
        and turn.session.current.get(channel.channel_id) == epoch
        and not (outgoing and outgoing.stale and outgoing.epoch >= epoch)
        and channel.staged is None
        and not (channel.wanted and len(channel.group.members()) == 1)
        and not leaves_to_remove(turn.state, channel)
    )


def _encrypt(turn: Turn, channel: Channel, outgoing: Outgoing) -> Outgoing:
    roster = turn.state.roster
    if roster is None:
        raise PolicyError("there is no circle to send to")
    content = Content(
        version=CONTENT_VERSION,
        message_id=outgoing.message_id,
        counter=outgoing.counter,
        at=outgoing.at,
        heads=Heads(
            log_size=roster.size,
            log_root=roster.root,
            next_n=channel.next_n,
            chain=channel.chain,
        ),
        kind=outgoing.kind,
        body=outgoing.body,
    )
    envelope, group = channel.group.encrypt(
        content.encode(), pad_to=ENVELOPE_SIZES, entropy=turn.entropy
    )
    sealed = replace(outgoing, epoch=channel.group.epoch, envelope=envelope, stale=False)
    turn.put_channel(
        replace(
            channel,
            group=group,
            outbox=tuple(
                sealed if one.message_id == outgoing.message_id else one for one in channel.outbox
            ),
        )
    )
    return sealed


def on_done(turn: Turn, purpose: Purpose, event: Done) -> None:
    """The relay says that it has it on disk; item ``n`` of the channel will show it."""
    found = find_outgoing(turn, purpose.subject)
    if found is None:
        return
    channel, outgoing = found
    turn.change_session(full=turn.session.full - {channel.channel_id})
    before = index_before(channel, purpose.subject)
    confirm(turn, channel, purpose.subject, event.n)
    if event.n >= channel.next_n:
        place = (channel.channel_id, event.n)
        turn.change(acknowledged=with_item(turn.state.acknowledged, place, purpose.subject))
    elif outgoing.epoch == channel.group.epoch and event.n != before:
        # Its own item would have come before this answer, and have been the answer.
        _not_there(turn, channel)


def check_acknowledged(turn: Turn, channel_id: bytes, n: int, envelope_id: bytes) -> None:
    """Item ``n`` has come: it is the message of which the relay said that it is stored there."""
    place = (channel_id, n)
    message_id = turn.state.acknowledged.get(place)
    if message_id is None:
        return
    turn.change(acknowledged=without(turn.state.acknowledged, place))
    if message_id != envelope_id:
        _not_there(turn, turn.state.channels[channel_id])


def _not_there(turn: Turn, channel: Channel) -> None:
    title = f"“{channel.title}”" if channel.title else "the commons"
    turn.alarm(
        "lost",
        f"The relay said that it stored a message of this device in {title} and does not show it "
        "there: others may not have it.  Send it again.",
    )


def confirm(turn: Turn, channel: Channel, message_id: bytes, n: int) -> None:
    """Take an acknowledged message out of the outbox; a second confirmation does nothing."""
    for outgoing in channel.outbox:
        if outgoing.message_id == message_id:
            kept = keep(turn, channel, outgoing, n)
            finish(turn, kept, outgoing, MessageState.SENT, n, "")


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Decide by the refusal: wait, encrypt again, or give up with the reason."""
    found = find_outgoing(turn, purpose.subject)
    if found is None:
        return
    channel, outgoing = found
    if event.code in (Refusal.QUOTA, Refusal.STORAGE):
        _note_full(turn, channel, event)
    if on_common_refusal(turn, purpose, event):
        return
    if event.code == Refusal.STALE_EPOCH:
        stale = replace(outgoing, stale=True)
        turn.put_channel(
            replace(
                channel,
                outbox=tuple(
                    stale if one.message_id == outgoing.message_id else one
                    for one in channel.outbox
                ),
            )
        )
    elif event.code in (Refusal.NOT_PROVEN, Refusal.UNKNOWN_OBJECT):
        turn.delay(purpose)
    elif event.code == Refusal.LAPSED:
        turn.delay(purpose, UNPAID_RETRY_S)  # it waits until somebody pays
    else:
        if event.code == Refusal.ID_CONFLICT:
            turn.alarm(
                "conflict",
                "The relay knows a message of this device with other bytes: was an old copy of "
                "the vault used?",
            )
        reason = str(refusal_error(event, "the message"))
        finish(turn, channel, outgoing, MessageState.FAILED, 0, reason)


def _note_full(turn: Turn, channel: Channel, event: Failed) -> None:
    """The relay takes nothing more: say so once, and ask with one message from now on."""
    if channel.channel_id in turn.session.full:
        return
    turn.change_session(full=turn.session.full | {channel.channel_id})
    title = f"“{channel.title}”" if channel.title else "the commons"
    if event.code == Refusal.QUOTA:
        why = f"{title} or the circle is full at the home relay"
    else:
        why = "the home relay cannot store anything at present"
    turn.alarm("full", f"{why}: what you write waits here and is sent when there is room.")


def fail_all(turn: Turn, channel: Channel, reason: str) -> None:
    """Nothing will be taken there any more: what is queued has failed, who waits is told."""
    for outgoing in channel.outbox:
        current = turn.state.channels[channel.channel_id]
        finish(turn, current, outgoing, MessageState.FAILED, 0, reason)
    turn.answer(channel.channel_id, error=PolicyError(f"the conversation has ended: {reason}"))


def send_elsewhere(turn: Turn, old: Channel, new: Channel, reason: str) -> None:
    """Queue in ``new``, under its old id, what is certainly not stored in ``old``."""
    is_over = old.state is not ChannelState.ACTIVE
    for outgoing in old.outbox:
        # While the old channel is read, only the relay's answer tells (D4).
        if outgoing.envelope and not outgoing.stale and not is_over:
            continue
        is_closed = outgoing.message_id in closed_in(old)
        why = SAID_BEFORE if is_closed else reason
        finish(turn, turn.state.channels[old.channel_id], outgoing, MessageState.FAILED, 0, why)
        if outgoing.kind in TEXTS and not is_closed:
            # What is said of a message stays behind: the message is not in the new channel.
            target = turn.state.channels[new.channel_id]
            kind = ContentKind(outgoing.kind)
            queue(turn, target, kind, outgoing.body, outgoing.message_id)
