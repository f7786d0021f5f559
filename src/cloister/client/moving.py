"""The commons is another channel after a reset; what waits in the old one goes out in the new."""

from __future__ import annotations

from cloister.client.outbox import send_elsewhere
from cloister.client.records import ChannelState
from cloister.client.turn import Turn
from cloister.ids import ChannelId
from cloister.values import replace

_GOES_ON = "the commons was reset: it goes out in the new one"


def move_to(turn: Turn, channel_id: bytes) -> None:
    """Make a channel that this device has the commons.  The old one is read to its end."""
    circle, old = turn.state.circle, turn.state.commons
    if circle is None or circle.commons_id == channel_id:
        return
    turn.change(circle=replace(circle, commons_id=ChannelId(channel_id)))
    if old is not None:
        turn.put_channel(replace(old, staged=None, update_at=0))


def advance(turn: Turn) -> None:
    """Let go out in the commons what waits in a former one."""
    commons = turn.state.commons
    if commons is None or commons.state is not ChannelState.ACTIVE:
        return
    for channel in turn.state.channels.values():
        if channel.outbox and turn.state.is_former_commons(channel):
            send_elsewhere(turn, channel, commons, _GOES_ON)
