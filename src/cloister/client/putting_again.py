"""Own messages that the home relay had acknowledged and has lost are put again.

A relay that was restored from a backup says so by the life of its indices (``cloister.lives``), and
not what it has lost.  So whatever it had acknowledged in an earlier life goes out once more: the
same bytes under the same id, which tells a relay that has it nothing and gives it nothing (H3).
Only what was said in the present epoch is kept: a relay that knows this epoch has the commit that
began it, and with it all that came before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cloister.client import annotating
from cloister.client.binding import conversation_of
from cloister.client.content import ANNOTATING, QUIET, ContentKind
from cloister.client.effects import MessageState
from cloister.client.identity import identity_of
from cloister.client.own_messages import row_of
from cloister.client.records import Outgoing
from cloister.client.sent_records import Sent, SentMark
from cloister.client.state import Channel, State, with_item
from cloister.client.turn import Turn
from cloister.limits import RETENTION_S
from cloister.lives import life_of
from cloister.values import replace

MAX_KEPT: Final = 80
"""Acknowledged messages of a channel that are kept for it, at most."""
LEAST_KEPT: Final = 64
"""How many are left when there are too many: to drop them one by one would write two pages of the
vault for each."""
MAX_KEPT_BYTES: Final = 512 * 1024
"""Of their envelopes together; the newest is kept whatever its size."""
SAID_BEFORE: Final = (
    "the home relay lost it, and somebody has come in since it was said: who had not received it "
    "does not get it; send it again if it is for all who are in now"
)


def keep(turn: Turn, channel: Channel, outgoing: Outgoing, n: int) -> Channel:
    """Return the channel with a message kept that the relay says it has at ``n``."""
    gone = {outgoing.message_id}
    if outgoing.kind == ContentKind.RETRACT:
        gone.add(annotating.Retraction.decode(outgoing.body).target)
    kept = tuple(one for one in channel.sent if one.outgoing.message_id not in gone)
    if outgoing.kind not in QUIET and outgoing.epoch == channel.group.epoch:
        life = max(life_of(n), turn.session.lives.get(channel.channel_id, 0))
        lifetime_s = conversation_of(channel.group.extensions).lifetime_s
        until = turn.now + lifetime_s if lifetime_s else 0
        mark = SentMark(n=n, life=life, until=until, again=False, closed=False)
        kept = _newest((*kept, Sent(outgoing=outgoing, mark=mark)), _waiting(channel))
    return replace(channel, sent=kept)


def _newest(kept: tuple[Sent, ...], waiting: set[bytes]) -> tuple[Sent, ...]:
    """What waits to be put again stays: its mark says where it was."""
    size = sum(len(one.outgoing.envelope) for one in kept)
    if len(kept) <= MAX_KEPT and size <= MAX_KEPT_BYTES:
        return kept
    found: list[Sent] = []
    size = 0
    for one in reversed(kept):
        size += len(one.outgoing.envelope)
        fits = len(found) < LEAST_KEPT and (size <= MAX_KEPT_BYTES or not found)
        if fits or one.outgoing.message_id in waiting:
            found.append(one)
    return tuple(reversed(found))


def _waiting(channel: Channel) -> set[bytes]:
    return {one.message_id for one in channel.outbox}


def on_proved(turn: Turn, channel: Channel, next_n: int) -> Channel:
    """Queue again what the relay acknowledged in an earlier life than it is in now."""
    life = life_of(next_n)
    turn.change_session(lives=with_item(turn.session.lives, channel.channel_id, life))
    oldest = turn.now - RETENTION_S
    due = [
        one.outgoing for one in channel.sent if one.mark.life < life and one.outgoing.at > oldest
    ]
    return _queue(turn, channel, due)


def put_back(turn: Turn, channel: Channel, first_n: int) -> Channel:
    """Queue again what a home that is lost had acknowledged from ``first_n`` on: the channel goes
    on there without it.  Id and counter stay, so nobody shows it twice; the bytes do not, as they
    speak of a place that nobody else may have."""
    lost = tuple(one for one in channel.sent if one.mark.n >= first_n)
    anew = [replace(one.outgoing, envelope=b"", epoch=0, stale=False) for one in lost]
    return _queue(turn, replace(channel, sent=lost), anew)


def _queue(turn: Turn, channel: Channel, lost: Iterable[Outgoing]) -> Channel:
    waiting = _waiting(channel)
    again = [one for one in lost if one.message_id not in waiting]
    # What the relay said of its indices before does not hold any more.
    acknowledged = {
        place: one
        for place, one in turn.state.acknowledged.items()
        if place[0] != channel.channel_id or not again
    }
    turn.change(acknowledged=acknowledged)
    ids = {one.message_id for one in again}
    channel = replace(
        channel,
        outbox=tuple(sorted((*again, *channel.outbox), key=lambda one: one.counter)),
        sent=tuple(
            replace(one, mark=replace(one.mark, again=True))
            if one.outgoing.message_id in ids
            else one
            for one in channel.sent
        ),
    )
    turn.put_channel(channel)
    name = identity_of(turn.state).name
    for one in again:
        if one.kind in ANNOTATING:
            annotating.store_own(turn, channel, one, MessageState.QUEUED, 0, "")
        else:
            turn.store_message(row_of(turn, channel, one, name, MessageState.QUEUED, 0, ""))
    return channel


def advance(turn: Turn) -> None:
    """Forget what the timeline forgets now (decision 0042)."""
    for channel in turn.state.channels.values():
        left = tuple(one for one in channel.sent if not 0 < one.mark.until <= turn.now)
        if len(left) != len(channel.sent):
            turn.put_channel(replace(channel, sent=left))


def forgets_at(state: State) -> list[int]:
    """Return when something of what is kept is to be forgotten, s."""
    return [
        one.mark.until
        for channel in state.channels.values()
        for one in channel.sent
        if one.mark.until
    ]


def index_before(channel: Channel, message_id: bytes) -> int | None:
    """Return the index that the relay gave a message that is put again."""
    for one in channel.sent:
        if one.outgoing.message_id == message_id:
            return one.mark.n
    return None


def closed_in(channel: Channel) -> frozenset[bytes]:
    """Return the messages that nobody may hear now who did not when they were said."""
    return frozenset(one.outgoing.message_id for one in channel.sent if one.mark.closed)


def in_next_epoch(channel: Channel, *, has_grown: bool) -> tuple[Sent, ...]:
    """Return what is kept when the epoch ends: what the relay has not answered for yet.

    ``has_grown``: somebody has come in.  A relay that only feigns a loss, and waits with its
    answer, would have what was said before encrypted for them."""
    waiting = _waiting(channel)
    return tuple(
        replace(one, mark=replace(one.mark, closed=one.mark.closed or has_grown))
        for one in channel.sent
        if one.outgoing.message_id in waiting
    )
