"""Where a channel goes on at a new home, and what was lost with the old one.

After a planned move everybody has read the old home to its end, and numbers and chain go on.  When
the old one was lost, the member that opened the channel may have seen less than this device, or
more.  Then the place is the opener's, the chain of this epoch is unknown here (C4 says nothing
until the next one), and what the new home proves not to have is sent again under its old id (D4).
"""

from __future__ import annotations

from typing import Final

from cloister.client.content import UNKNOWN_CHAIN
from cloister.client.home_records import HomeStep
from cloister.client.putting_again import put_back
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.state import UNPLACED, Channel
from cloister.client.stopping import stop, title_of
from cloister.client.turn import Turn
from cloister.values import replace

BEHIND: Final = b"behind at the new home"
"""Evidence (``stopping``) that the new home has the channel in an epoch that is not here."""
OTHER_EPOCH: Final = "it goes on at the new home relay in an epoch that this device does not have"
"""Why such a channel stands still here: nothing is wrong with it, and a Welcome leads back."""
LET_IN_TO_THE_COMMONS: Final = (
    "This device is let in again when a steward suspends and reinstates its member: then others "
    "take it out of all groups and put it in anew, and it goes on where they are."
)
LET_IN: Final = (
    "Somebody who may change that conversation takes this member out and adds it again: then it "
    "goes on here."
)


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


def has_fallen_behind(channel: Channel) -> bool:
    """Whether a channel stands still here for no other reason than that."""
    return channel.state is ChannelState.STUCK and channel.reason == OTHER_EPOCH


def fell_behind(turn: Turn, channel: Channel) -> None:
    """Others go on from a commit that the old home never showed here, or from before one."""
    stop(
        turn,
        channel,
        OTHER_EPOCH,
        evidence=BEHIND,
    )
    move = turn.state.home_move
    if turn.state.channels[channel.channel_id].state is not ChannelState.STUCK or move is None:
        return
    is_commons = channel.kind is ChannelKind.COMMONS
    turn.alarm("behind", LET_IN_TO_THE_COMMONS if is_commons else LET_IN)
    if move.step is HomeStep.FOLLOWING:
        # The log cannot be read there: this device stays, for a Welcome into an inbox that is new.
        turn.change(inbox_cursor=0)
        turn.drop_link("the inbox is read from its beginning")
    else:
        _found(turn, channel.channel_id)


def _found(turn: Turn, channel_id: bytes) -> None:
    move = turn.state.home_move
    if move is None:
        return
    left = tuple(one for one in move.unplaced if one != channel_id)
    turn.change(home_move=replace(move, unplaced=left) if left else None)
    if not left:
        turn.changed("home", "Everything goes on at the new home relay.")
