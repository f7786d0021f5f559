"""Cover traffic: messages that say nothing, so that a text does not stand out by being one.

To the own member's other devices they say how far the person has read (``own_reading``); what is
sealed has one length, and is there whether anything was read or not.

To a relay one is a text of the smallest size.  The intervals are exponential: the time of the next
one does not depend on when the last was, so that nobody can tell which of two was the cover.  It
hides nothing while this device is not connected, and who of a conversation reads along.

A receipt that is to be given takes the place of a cover message (``receipts``).
"""

from __future__ import annotations

import math
from typing import Final

from cloister.client import own_reading, receipts
from cloister.client.binding import dids_of
from cloister.client.content import ContentKind
from cloister.client.inputs import SetCover
from cloister.client.outbox import can_go_now, may_post, queue_quietly
from cloister.client.receipt_records import Cover
from cloister.client.records import ChannelKind
from cloister.client.state import Channel
from cloister.client.turn import Turn
from cloister.errors import UsageError
from cloister.roster.policy import MAX_COVER_PER_DAY

DAY_S: Final = 86_400
MAX_DEVICES: Final = 32
"""Devices of a conversation up to which cover is sent there: each of them receives it."""


def on_set(turn: Turn, act: SetCover) -> None:
    """Set the own rate; the first message comes after an interval of the new one."""
    if not 0 <= act.per_day <= MAX_COVER_PER_DAY:
        raise UsageError(f"cover is 0 to {MAX_COVER_PER_DAY} messages a day")
    turn.change(cover=Cover(per_day=act.per_day) if act.per_day else None, cover_at=0)
    turn.owe(b"cover", act.ref)
    turn.answer(b"cover", text=str(act.per_day))


def advance(turn: Turn) -> None:
    """Send one when its time has come; what would have gone out while cut off never does.

    Another rate draws anew: how long the last interval has lasted says nothing of the next.
    """
    rate, at = turn.state.cover_per_day, turn.state.cover_at
    if not rate or not turn.is_linked:
        if at:
            turn.change(cover_at=0)
        return
    is_as_drawn = at and rate == turn.state.cover_rate
    if is_as_drawn and at > turn.now:
        return
    if is_as_drawn and not receipts.give_one(turn):
        _send(turn)
    turn.change(cover_at=turn.now + interval_s(turn, rate), cover_rate=rate)


def interval_s(turn: Turn, per_day: int) -> int:
    """Draw the time to the next message, s: exponential, with the mean that the rate asks for."""
    uniform = (int.from_bytes(turn.entropy.random(8), "big") + 1) / 2**64
    return math.ceil(-math.log(uniform) * DAY_S / per_day)


def _send(turn: Turn) -> None:
    """Into one of the conversations in which a text would go out now, each as likely."""
    fit = [channel for channel in turn.state.channels.values() if _fits(turn, channel)]
    if not fit:
        return
    drawn = int.from_bytes(turn.entropy.random(8), "big") % len(fit)
    body = own_reading.sealed_positions(turn, fit[drawn])
    queue_quietly(turn, fit[drawn], ContentKind.COVER, body)


def _fits(turn: Turn, channel: Channel) -> bool:
    return (
        channel.kind is ChannelKind.CONVERSATION
        and not channel.leaving
        and 1 < len(dids_of(channel.group)) <= MAX_DEVICES
        and can_go_now(turn, channel)
        and may_post(turn.state, channel)
    )
