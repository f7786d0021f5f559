"""Channels that cannot go on (flows 4.3): stopped only when the relay shows the same twice.

One flipped bit, or one lie, must not end a conversation for ever.  So the first time the
connection is dropped with an alarm; when a fresh one shows the same bytes, they are what the relay
has stored, and the channel stands still.
"""

from __future__ import annotations

from cloister.client.outbox import fail_all
from cloister.client.putting_again import in_next_epoch
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.state import Channel, State, with_item
from cloister.client.turn import Turn
from cloister.errors import PolicyError
from cloister.values import replace


def stop(turn: Turn, channel: Channel, reason: str, *, evidence: bytes) -> None:
    """Drop the connection, or stop the channel when this evidence has been seen before."""
    channel_id = channel.channel_id
    if turn.state.suspects.get(channel_id) != evidence:
        turn.change(suspects=with_item(turn.state.suspects, channel_id, evidence))
        turn.alarm(
            "suspect",
            f"{title_of(turn.state, channel)}: {reason}.  Asking the relay once more.",
        )
        turn.drop_link("suspect")
        return
    turn.put_channel(
        replace(
            channel,
            state=ChannelState.STUCK,
            reason=reason,
            staged=None,
            sent=in_next_epoch(channel, has_grown=True),
        )
    )
    turn.alarm(
        "stuck",
        f"The conversation {title_of(turn.state, channel)} stands still: {reason}.  "
        "Nothing is posted there.",
    )
    if channel.kind is not ChannelKind.COMMONS:  # else it goes out after a reset
        fail_all(turn, turn.state.channels[channel_id], f"the conversation stands still: {reason}")
    turn.answer(channel_id, error=PolicyError(f"the conversation stands still: {reason}"))


def title_of(state: State, channel: Channel) -> str:
    """Return a channel's name for people."""
    return f"“{channel.title}”" if channel.title else channel.channel_id.hex()[:8]
