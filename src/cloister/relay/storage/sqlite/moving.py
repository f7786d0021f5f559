"""The commons moves to another channel: the new one begins and the old one ends in one step."""

from __future__ import annotations

import sqlcipher3.dbapi2 as sqlite

from cloister.relay.storage.sqlite.channel_state import ChannelStates
from cloister.relay.storage.writes import NO_MEMBER, Accepted, MoveCommons, Outcome, Refused
from cloister.wire.codes import Refusal


def move_commons(
    connection: sqlite.Connection, states: ChannelStates, write: MoveCommons
) -> Outcome:
    """Apply the write inside the transaction that the writer has begun."""
    execute = connection.execute
    circle = execute("SELECT key FROM circle WHERE origin = ?", (write.origin,)).fetchone()
    if circle is None:
        return Refused(Refusal.UNKNOWN_OBJECT)
    known = execute(
        "SELECT circle, is_commons, (SELECT pk FROM ladder"
        "  WHERE ladder.channel = channel.key AND ladder.epoch = 0)"
        " FROM channel WHERE id = ?",
        (write.new_id,),
    ).fetchone()
    if known is not None:
        # The key of epoch 0 may have aged out with its commit; then the rest must do.
        is_same = known[:2] == (circle[0], 1) and known[2] in {None, write.key}
        return Accepted(0, fresh=False) if is_same else Refused(Refusal.ID_CONFLICT)
    _end(connection, states, circle[0], write)
    (new,) = execute(
        "INSERT INTO channel (id, circle, is_commons, epoch, next_n, bytes, floor_n)"
        " VALUES (?, ?, 1, 0, 0, 0, 0) RETURNING key",
        (write.new_id, circle[0]),
    ).fetchone()
    execute(
        "INSERT INTO ladder (channel, epoch, pk, first_n, tree) VALUES (?, 0, ?, 0, x'')",
        (new, write.key),
    )
    return Accepted(0)


def _end(
    connection: sqlite.Connection, states: ChannelStates, circle: int, write: MoveCommons
) -> None:
    ended = connection.execute(
        "UPDATE channel SET is_commons = 0 WHERE id = ? AND circle = ? AND is_commons = 1"
        " RETURNING key",
        (write.old_id, circle),
    ).fetchone()
    state = states.get(write.old_id)
    if ended is None or state is None:
        return
    connection.execute(
        "UPDATE ladder SET commit_n = ?, log_size_end = ? WHERE channel = ? AND epoch = ?",
        (state.next_n - 1, write.log_size, state.key, state.epoch),
    )
    state.epoch += 1
    states.save(state)
    # No envelope stands before its first index: all that there are may age out.
    connection.execute(
        "INSERT INTO ladder (channel, epoch, pk, first_n, tree) VALUES (?, ?, ?, ?, x'')",
        (state.key, state.epoch, NO_MEMBER, state.next_n + 1),
    )
