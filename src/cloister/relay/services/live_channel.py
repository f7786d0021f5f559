"""One channel as the home holds it in memory while somebody has proved it."""

from __future__ import annotations

from typing import Final

from cloister.relay.delivery import Follow
from cloister.relay.session import Grant, Session
from cloister.wire.auth import ObjectKind

CHANNEL: Final = int(ObjectKind.CHANNEL)


class LiveChannel:
    """A channel that some connection has proved: its head, and who follows it."""

    __slots__ = ("channel_id", "epoch", "follows", "holders", "next_n")

    def __init__(self, channel_id: bytes, epoch: int, next_n: int) -> None:
        self.channel_id = channel_id
        self.epoch = epoch
        self.next_n = next_n
        self.follows: dict[Follow, None] = {}
        self.holders: dict[Session, Grant] = {}

    def end_epoch(self, epoch: int, last_n: int, log_limit: int, lapses_at: float) -> None:
        """Close the segment of an epoch for everybody who proved it."""
        self.epoch = max(self.epoch, epoch + 1)
        for session, grant in self.holders.items():
            if grant.epoch == epoch:
                grant.last_n = last_n
                grant.log_limit = log_limit
                grant.lapses_at = lapses_at
                follow = session.follows.get((CHANNEL, self.channel_id))
                if follow is not None:
                    follow.last_n = last_n
