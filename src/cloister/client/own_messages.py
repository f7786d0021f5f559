"""Own messages: from the outbox into the timeline, and what the timeline shows of them."""

from __future__ import annotations

from cloister.client import annotating
from cloister.client.binding import conversation_of
from cloister.client.content import ANNOTATING, QUIET, ContentKind, text_of
from cloister.client.effects import Message, MessageKind, MessageState
from cloister.client.identity import did_of, identity_of
from cloister.client.records import Outgoing
from cloister.client.state import Channel
from cloister.client.turn import Turn
from cloister.crypto.hashing import sha256
from cloister.ids import MemberId
from cloister.values import replace


def finish(
    turn: Turn, channel: Channel, outgoing: Outgoing, state: MessageState, n: int, reason: str
) -> None:
    """Take a message out of the outbox: it is sent, or has failed for a reason."""
    leavers = channel.leavers
    is_heard = state is MessageState.SENT and outgoing.epoch == channel.group.epoch
    if outgoing.kind == ContentKind.NOTICE and is_heard:
        leavers = (*leavers, MemberId(identity_of(turn.state).member_id))
    turn.put_channel(
        replace(
            channel,
            outbox=tuple(one for one in channel.outbox if one.message_id != outgoing.message_id),
            leavers=leavers,
            sent=tuple(
                one
                for one in channel.sent
                if state is MessageState.SENT or one.outgoing.message_id != outgoing.message_id
            ),
        )
    )
    if outgoing.kind in QUIET:
        return
    if outgoing.kind in ANNOTATING:
        annotating.store_own(turn, channel, outgoing, state, n, reason)
        return
    name = identity_of(turn.state).name
    turn.store_message(row_of(turn, channel, outgoing, name, state, n, reason))


def find_outgoing(turn: Turn, message_id: bytes) -> tuple[Channel, Outgoing] | None:
    """Return a message that waits, and where; nothing when it does not wait any more."""
    for channel in turn.state.channels.values():
        for outgoing in channel.outbox:
            if outgoing.message_id == message_id:
                return channel, outgoing
    return None


def row_of(
    turn: Turn,
    channel: Channel,
    outgoing: Outgoing,
    name: str,
    state: MessageState,
    n: int,
    reason: str,
) -> Message:
    """Return how the timeline shows it."""
    is_notice = outgoing.kind == ContentKind.NOTICE
    text, reply_to = ("You leave.", b"") if is_notice else text_of(outgoing.kind, outgoing.body)
    lifetime_s = 0 if is_notice else conversation_of(channel.group.extensions).lifetime_s
    is_counting = lifetime_s and state is MessageState.SENT
    return Message(
        channel_id=channel.channel_id,
        message_id=outgoing.message_id,
        position=outgoing.position,
        sender=did_of(turn.state),
        sender_name=name,
        own=True,
        kind=MessageKind.NOTICE if is_notice else MessageKind.TEXT,
        state=state,
        counter=outgoing.counter,
        n=n,
        at=outgoing.at,
        text=text,
        reason=reason,
        envelope_hash=sha256(outgoing.envelope) if outgoing.envelope else b"",
        reply_to=reply_to,
        lifetime_s=lifetime_s,
        expires_at=turn.now + lifetime_s if is_counting else 0,
    )
