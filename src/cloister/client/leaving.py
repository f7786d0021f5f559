"""The log names another home: the old one is read to its end, then left (decision 0038)."""

from __future__ import annotations

from typing import Final

from cloister.client.home_records import HomeMove, HomeStep
from cloister.client.records import ChannelState
from cloister.client.turn import Turn
from cloister.ids import ChannelId, InviteId
from cloister.roster.roster import Roster
from cloister.values import replace

READ_S: Final = 600
"""How long the old home is read, or tried to be reached, before the device goes on without."""


def begin(turn: Turn, before: Roster, after: Roster) -> None:
    """The log says that the circle has another home."""
    moves = after.governance.moves
    if len(moves) == len(before.governance.moves):
        return
    old = moves[-1].before
    step = HomeStep.READING if turn.session.relay_id == old.home.relay_id else HomeStep.OPENING
    turn.change(
        home_move=HomeMove(
            before=old.encode(),
            step=HomeStep.READING,
            until=turn.now + READ_S,
            unplaced=(),
            candidate=b"",
            tail=(),
        )
    )
    turn.changed("home", f"The circle moves to another home relay: {after.relay_set.home.name}.")
    if step is HomeStep.OPENING:
        go_on(turn)


def go_on(turn: Turn) -> None:
    """From now on this device talks to the new home."""
    state, move = turn.state, turn.state.home_move
    if move is None:
        return
    # A commit that the old home did not show was not stored there, and nothing more will be.
    channels = {key: replace(one, staged=None) for key, one in state.channels.items()}
    active = tuple(
        ChannelId(key) for key, one in channels.items() if one.state is ChannelState.ACTIVE
    )
    lapsed = _open_invitations(turn)
    if lapsed:
        turn.alarm(
            "invitations",
            f"{lapsed} invitation(s) of this device were handed out at the old home relay and "
            "have lapsed: invite again.",
        )
    turn.change(
        home_move=replace(move, step=HomeStep.OPENING, unplaced=active),
        channels=channels,
        inbox_cursor=0,
        invitations={},
        suspects={},
    )


def _open_invitations(turn: Turn) -> int:
    """Return how many people this device waits for at the old home."""
    roster = turn.state.roster
    records = roster.invites if roster is not None else {}
    known = [records.get(InviteId(one)) for one in turn.state.invitations]
    return sum(one is None or one.is_open(turn.now) for one in known)
