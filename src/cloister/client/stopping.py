"""Channels that cannot go on (flows 4.3): stopped only when the relay shows the same twice.

One flipped bit, or one lie, must not end a conversation for ever.  So the first time the
connection is dropped with an alarm; when a fresh one shows the same bytes, they are what the relay
has stored, and the channel stands still.
"""

from __future__ import annotations

from cloister.client.outbox import fail_all
from cloister.client.putting_again import in_next_epoch
from cloister.client.records import COMMONS_NAME, FORMER_COMMONS, ChannelKind, ChannelState
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
            f"{_subject(turn.state, channel)}: {reason}.  Asking the relay once more.",
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
        f"{_subject(turn.state, channel)} stands still: {reason}.  Nothing is posted there.",
    )
    if channel.kind is not ChannelKind.COMMONS:  # else it goes out after a reset
        fail_all(turn, turn.state.channels[channel_id], f"the conversation stands still: {reason}")
    turn.answer(channel_id, error=PolicyError(f"the conversation stands still: {reason}"))


def title_of(state: State, channel: Channel) -> str:
    """Return a channel's name for people, as in the middle of a sentence."""
    if channel.kind is ChannelKind.COMMONS:
        return f"the {FORMER_COMMONS if state.is_former_commons(channel) else COMMONS_NAME}"
    return f"“{channel.title}”" if channel.title else channel.channel_id.hex()[:8]


def _subject(state: State, channel: Channel) -> str:
    name = title_of(state, channel)
    is_commons = channel.kind is ChannelKind.COMMONS
    return f"T{name[1:]}" if is_commons else f"The conversation {name}"
