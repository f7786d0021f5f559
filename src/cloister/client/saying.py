"""What a person says: a text, an answer to one, and what is said of a message.  Checked, queued.

A wish that could never be sent is refused here, with the reason; what comes after that is the
outbox's.
"""

from __future__ import annotations

from cloister.client import annotating
from cloister.client.content import ContentKind, Reply, check_text
from cloister.client.effects import MessageState
from cloister.client.inputs import Annotate, SendText
from cloister.client.outbox import ONLY_ADMINS, may_post, queue, queue_quietly
from cloister.client.records import ChannelState, Outgoing
from cloister.client.standing import demand_standing
from cloister.client.state import Channel
from cloister.client.turn import Turn
from cloister.client.views import channel_named
from cloister.errors import PolicyError, UsageError
from cloister.ids import SHORT_ID_BYTES


def on_send_text(turn: Turn, act: SendText) -> None:
    """Queue a text and show it as queued.  Raises for what can never be sent."""
    channel = channel_named(turn.state, act.conversation)
    kind, body = ContentKind.TEXT, check_text(act.text)
    if act.reply_to:
        if len(act.reply_to) != SHORT_ID_BYTES:
            raise UsageError("a message is named by its id of 16 bytes")
        kind, body = ContentKind.REPLY, Reply(target=act.reply_to, text=body).encode()
    _check_open(turn, channel)
    outgoing = queue(turn, channel, kind, body)
    _answer_queued(turn, outgoing, act.ref)


def on_annotate(turn: Turn, act: Annotate) -> None:
    """Queue what is said of a message.  Raises for what can never be sent."""
    channel = channel_named(turn.state, act.conversation)
    kind, body = annotating.body_of(act)
    _check_open(turn, channel)
    outgoing = queue_quietly(turn, channel, kind, body)
    channel = turn.state.channels[channel.channel_id]
    annotating.store_own(turn, channel, outgoing, MessageState.QUEUED, 0, "")
    _answer_queued(turn, outgoing, act.ref)


def _answer_queued(turn: Turn, outgoing: Outgoing, ref: int) -> None:
    turn.owe(outgoing.message_id, ref)
    turn.answer(outgoing.message_id, text=outgoing.message_id.hex())


def _check_open(turn: Turn, channel: Channel) -> None:
    """Raise ``PolicyError`` when nothing that is queued now could ever be sent."""
    demand_standing(turn.state)
    if turn.state.is_former_commons(channel):
        raise PolicyError("the commons was reset", hint="Send to `commons`: it is another group.")
    if channel.state in (ChannelState.STUCK, ChannelState.LEFT):
        raise PolicyError(
            f"nothing can be sent there: {channel.reason or 'this device is not in it any more'}"
        )
    if channel.leaving:
        raise PolicyError("you are leaving this conversation")
    if not may_post(turn.state, channel):
        raise PolicyError(ONLY_ADMINS, hint="`cloister conversation list` shows who they are.")
