"""Where a channel goes on at a new home, and what was lost with the old one.

After a planned move everybody has read the old home to its end, and numbers and chain go on.  When
the old one was lost, the member that opened the channel may have seen less than this device, or
more.  Then the place is the opener's, the chain of this epoch is unknown here (C4 says nothing
until the next one), and what the new home proves not to have is sent again under its old id (D4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cloister.client.content import UNKNOWN_CHAIN
from cloister.client.putting_again import put_back
from cloister.client.records import ChannelState
from cloister.client.state import UNPLACED, Channel
from cloister.client.stopping import stop, title_of
from cloister.client.turn import Turn

BEHIND: Final = b"behind at the new home"
"""Evidence (``stopping``) that the new home has the channel in an epoch that is not here."""


def place(turn: Turn, channel: Channel, first_n: int) -> Channel:
    """Take the place in a channel that it has at the new home; once for each channel and move."""
    move = turn.state.home_move
    if move is None or channel.channel_id not in move.unplaced:
        return channel
    # Their authors may not know that it was stored, and repeat it.
    channel = replace(channel, seen=channel.counters)
    if channel.next_n not in (UNPLACED, first_n):
        channel = _jump(turn, channel, first_n)
    channel = put_back(turn, channel, first_n)
    _found(turn, channel.channel_id)
    return channel


def _jump(turn: Turn, channel: Channel, first_n: int) -> Channel:
    missed = first_n - channel.next_n
    if missed > 0:
        turn.alarm(
            "lost with the home",
            f"{missed} item(s) of {title_of(turn.state, channel)} were at the old home relay, and "
            "this device had not read them: others may have.",
        )
    channel = replace(
        channel,
        next_n=first_n,
        chain=UNKNOWN_CHAIN,
        chains={},
        # Their heads speak of a place that nobody else has.
        outbox=tuple(replace(one, envelope=b"", epoch=0, stale=False) for one in channel.outbox),
    )
    turn.put_channel(channel)
    return channel


def fell_behind(turn: Turn, channel: Channel) -> None:
    """Others go on from a commit that the old home never showed here, or from before one."""
    stop(
        turn,
        channel,
        "it goes on at the new home relay in an epoch that this device does not have",
        evidence=BEHIND,
    )
    if turn.state.channels[channel.channel_id].state is ChannelState.STUCK:
        _found(turn, channel.channel_id)


def _found(turn: Turn, channel_id: bytes) -> None:
    move = turn.state.home_move
    if move is None:
        return
    left = tuple(one for one in move.unplaced if one != channel_id)
    turn.change(home_move=replace(move, unplaced=left) if left else None)
    if not left:
        turn.changed("home", "Everything goes on at the new home relay.")
