"""Receipts: what of the others' texts has arrived at this device, told late and many at a time.

A person switches them on for a conversation; nobody else can.  A text starts a random delay; when
it is over, one message covers all that has come meanwhile.  So a receipt says neither when a text
came nor how many did, and no receipt answers a receipt, a notice or cover.

Whoever sees only when this device puts something can still tell what its receipts follow, after
enough of them (``cloister bench linking``).  Where cover is sent a receipt therefore goes out in
the place of a cover message, at a time that has nothing to do with any text.
"""

from __future__ import annotations

from typing import Final

from cloister.client import own_reading
from cloister.client.binding import dids_of
from cloister.client.contacts import is_blocked, is_of_blocked
from cloister.client.content import (
    MAX_RECEIPT_MISSING,
    Content,
    ContentKind,
    Receipt,
    receipt_of,
)
from cloister.client.identity import did_of
from cloister.client.inputs import MarkRead, SetReceipts
from cloister.client.outbox import can_go_now, queue_quietly
from cloister.client.receipt_records import Giving, Mark, ReceiptLevel
from cloister.client.records import ChannelState
from cloister.client.state import UNPLACED, Channel, with_item, without
from cloister.client.turn import Turn
from cloister.client.views import channel_named
from cloister.errors import PolicyError, UsageError
from cloister.ids import DeviceId
from cloister.values import replace

LEAST_DELAY_S: Final = 5
DELAY_SPREAD_S: Final = 56
"""A receipt goes out 5 to 60 s after the first text that it covers, each second as likely."""
MAX_DEVICES: Final = 32
"""Devices of a conversation up to which receipts are given: all of them hear each receipt."""


def on_set(turn: Turn, act: SetReceipts) -> None:
    """Switch receipts on or off.  Raises what is wrong with the wish."""
    channel = channel_named(turn.state, act.conversation)
    if act.level not in set(ReceiptLevel):
        raise UsageError("receipts are off, delivered or read")
    level = ReceiptLevel(act.level)
    givings = turn.state.givings
    if level is ReceiptLevel.OFF:
        givings = without(givings, channel.channel_id)
    else:
        if channel.state is not ChannelState.ACTIVE:
            raise PolicyError("this device is not in that conversation")
        if len(dids_of(channel.group)) > MAX_DEVICES:
            raise PolicyError(
                f"receipts are given where up to {MAX_DEVICES} devices are",
                hint="In a larger conversation everybody's would reach everybody.",
            )
        old = givings.get(channel.channel_id)
        fresh = Giving(level=level, from_n=channel.next_n, read_n=0, due=0, missing=())
        given = fresh if old is None else replace(old, level=level)
        givings = with_item(givings, channel.channel_id, given)
    turn.change(givings=givings)
    turn.changed("conversations")
    key = b"receipts" + channel.channel_id
    turn.owe(key, act.ref)
    turn.answer(key, text=level.name.lower())


def on_mark_read(turn: Turn, act: MarkRead) -> None:
    """Note how far the person has read, where that is told."""
    channel = channel_named(turn.state, act.conversation)
    own_reading.note(turn, channel, min(act.n + 1, channel.next_n))
    giving = turn.state.givings.get(channel.channel_id)
    is_wanted = giving is not None and not is_of_blocked(turn.state, channel)
    if giving is not None and is_wanted and giving.level is ReceiptLevel.READ:
        read_n = min(act.n + 1, channel.next_n)
        if read_n > max(giving.read_n, giving.from_n):
            _tell_later(turn, channel.channel_id, replace(giving, read_n=read_n))
    key = b"read" + channel.channel_id
    turn.owe(key, act.ref)
    turn.answer(key)


def on_text(turn: Turn, channel_id: bytes, author: DeviceId) -> None:
    """A text of another member is stored: it will be covered by a receipt."""
    giving, roster = turn.state.givings.get(channel_id), turn.state.roster
    if giving is None or roster is None:
        return
    own = roster.devices[did_of(turn.state)].member_id
    if is_blocked(turn.state, author):
        # Who is blocked is not told; what others wrote beside it is.
        on_unreadable(turn, channel_id, turn.state.channels[channel_id].next_n - 1)
    elif roster.devices[author].member_id != own:
        _tell_later(turn, channel_id, giving)


def on_repeated(turn: Turn, channel_id: bytes) -> None:
    """A message that had come before came at another index: a receipt says so for this one."""
    giving = turn.state.givings.get(channel_id)
    if giving is not None:
        _tell_later(turn, channel_id, giving)


def on_unreadable(turn: Turn, channel_id: bytes, n: int) -> None:
    """Item ``n`` came and is no message here: no receipt covers it."""
    giving = turn.state.givings.get(channel_id)
    if giving is not None:
        missing = (*giving.missing, n)[-MAX_RECEIPT_MISSING:]
        _put(turn, channel_id, replace(giving, missing=missing))


def on_receipt(turn: Turn, channel: Channel, did: DeviceId, content: Content, n: int) -> None:
    """Take another device's receipt.  What it has said before stands: nothing is taken back.

    Raises ``DecodeError``."""
    receipt = receipt_of(content, n)
    key = channel.channel_id + did
    known = turn.state.marks.get(key)
    mark = Mark(
        from_n=receipt.from_n,
        until_n=receipt.until_n,
        read_n=receipt.read_n,
        missing=receipt.missing,
    )
    if known is not None and receipt.from_n <= known.until_n:
        mark = Mark(
            from_n=min(known.from_n, receipt.from_n),
            until_n=max(known.until_n, receipt.until_n),
            read_n=max(known.read_n, receipt.read_n),
            missing=tuple(sorted({*known.missing, *receipt.missing}))[-MAX_RECEIPT_MISSING:],
        )
    if mark != known:
        turn.change(marks=with_item(turn.state.marks, key, mark))
        turn.changed("receipts")
    own_reading.on_receipt(turn, channel, did, receipt.read_n)


def advance(turn: Turn) -> None:
    """Give the receipts whose time has come, unless they wait for cover."""
    for channel_id, giving in turn.state.givings.items():
        channel = turn.state.channels.get(channel_id)
        if channel is None or channel.state is not ChannelState.ACTIVE:
            continue
        if UNPLACED in (channel.next_n, giving.from_n) and giving.from_n != channel.next_n:
            # In this conversation anew: receipts begin with what comes from now on.
            giving = replace(giving, from_n=channel.next_n, read_n=0, due=0, missing=())
            _put(turn, channel_id, giving)
        if giving.due > turn.now + LEAST_DELAY_S + DELAY_SPREAD_S:
            # The clock was set back.
            _tell_later(turn, channel_id, replace(giving, due=0))
        is_due = 0 < giving.due <= turn.now and not turn.state.cover_per_day
        if is_due and can_go_now(turn, channel):
            _give(turn, channel, giving)


def give_one(turn: Turn) -> bool:
    """Give one of the receipts that there are to give, any; tell whether there was one."""
    fit = [
        (channel, giving)
        for channel_id, giving in turn.state.givings.items()
        if giving.due
        and (channel := turn.state.channels.get(channel_id)) is not None
        and can_go_now(turn, channel)
        and len(dids_of(channel.group)) <= MAX_DEVICES
    ]
    if fit:
        _give(turn, *fit[int.from_bytes(turn.entropy.random(8), "big") % len(fit)])
    return bool(fit)


def _give(turn: Turn, channel: Channel, giving: Giving) -> None:
    receipt = Receipt(
        from_n=giving.from_n,
        until_n=channel.next_n,
        read_n=giving.read_n if giving.level is ReceiptLevel.READ else 0,
        missing=giving.missing,
    )
    _put(turn, channel.channel_id, replace(giving, due=0))
    if len(dids_of(channel.group)) <= MAX_DEVICES:
        queue_quietly(turn, channel, ContentKind.RECEIPT, receipt.encode())


def _tell_later(turn: Turn, channel_id: bytes, giving: Giving) -> None:
    if not giving.due:
        spread = int.from_bytes(turn.entropy.random(8), "big") % DELAY_SPREAD_S
        giving = replace(giving, due=turn.now + LEAST_DELAY_S + spread)
    _put(turn, channel_id, giving)


def _put(turn: Turn, channel_id: bytes, giving: Giving) -> None:
    if giving != turn.state.givings.get(channel_id):
        turn.change(givings=with_item(turn.state.givings, channel_id, giving))
