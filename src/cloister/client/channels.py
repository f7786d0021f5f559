"""Items of a channel, in order: messages are decrypted and shown, commits go to ``merging``.

The index n is contiguous: a gap is a hole and an alarm, never a skip.  What cannot be decrypted is
reported and passed over, because one member's garbage must not stop the others.
"""

from __future__ import annotations

from typing import Final

from cloister import mls
from cloister.client import (
    annotating,
    merging,
    own_reading,
    putting_again,
    receipts,
    relocating,
)
from cloister.client.binding import BindingError, dids_of
from cloister.client.checking import roster_of
from cloister.client.content import (
    QUIET,
    TEXTS,
    UNKNOWN_CHAIN,
    Content,
    ContentKind,
    NoticeType,
    chain_next,
    chain_start,
    decode_content,
    notice_of,
    text_of,
)
from cloister.client.effects import RESTORED, UNKNOWN_EPOCH, Message, MessageKind, MessageState
from cloister.client.linking import credit, follow, on_common_refusal, prove_channel
from cloister.client.log import heard_of
from cloister.client.outbox import check_acknowledged, confirm
from cloister.client.placing import place
from cloister.client.records import ChannelState, Counter
from cloister.client.rights import rights_of
from cloister.client.safe_text import safe_line
from cloister.client.state import UNKNOWN, UNPLACED, Channel, Purpose, State, with_item, without
from cloister.client.stopping import stop, title_of
from cloister.client.stored_channels import with_chain
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.hashing import sha256
from cloister.errors import RemoteError
from cloister.ids import DeviceId
from cloister.limits import DELIVERY_WINDOW_ITEMS
from cloister.lives import begins_later_life
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.events import CommitItem, Failed, Item, Proved

FLOOR: Final = b"floor"
"""Evidence (``stopping``) that the relay no longer has what this device has not seen."""
UNKNOWN_RETRY_S: Final = 60
"""An epoch that the relay does not know is asked for again this often."""
MAX_MISSING: Final = 64
"""Missing counters remembered for each author; beyond it a late message is taken for a replay."""


def advance(turn: Turn) -> None:
    """Prove and follow every channel that is open."""
    for channel in turn.state.channels.values():
        if channel.state is not ChannelState.ACTIVE:
            continue
        if not relocating.may_prove(turn, channel):
            continue
        if prove_channel(turn, channel) and channel.next_n != UNPLACED:
            follow(turn, ObjectKind.CHANNEL, channel.channel_id, channel.next_n)


def on_proved(turn: Turn, purpose: Purpose, event: Proved) -> None:
    """Place a new channel at the start of its epoch; notice when items have aged out."""
    channel = turn.state.channels.get(purpose.subject)
    if channel is None or channel.state is not ChannelState.ACTIVE:
        return
    if purpose.number != channel.group.epoch:
        return  # of a Welcome into another epoch of the same channel
    channel = place(turn, channel, event.first_n)
    channel = putting_again.on_proved(turn, channel, event.next_n)
    if not begins_later_life(event.next_n, channel.next_n):
        # A restored relay that has nothing yet of its new life: how much there is is not said.
        promised = with_item(turn.session.promised, channel.channel_id, event.next_n)
        turn.change_session(promised=promised)
    if channel.next_n == UNPLACED:
        turn.put_channel(
            replace(channel, next_n=event.first_n, chains={event.first_n: channel.chain})
        )
    elif event.next_n < channel.next_n:
        turn.alarm(
            "rollback",
            f"The relay has {event.next_n} items of {title_of(turn.state, channel)} and has shown "
            f"{channel.next_n} to this device: what comes there may not arrive here.",
        )
    elif channel.next_n < event.floor_n:
        reason = "messages that this device has not seen have aged out at the relay"
        stop(turn, channel, reason, evidence=FLOOR)
    elif turn.state.suspects.get(channel.channel_id) in (FLOOR, UNKNOWN):
        # It was a lie, or a fault that is gone: the next one is a first one again.
        turn.change(suspects=without(turn.state.suspects, channel.channel_id))


def on_prove_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """The relay does not know the epoch that this device is in: say so, once a connection.

    It was restored from a backup of before, or the epoch has aged out, or it lies.  Only the first
    may heal, so it is asked again now and then; nothing that is queued is given up."""
    if on_common_refusal(turn, purpose, event):
        return
    channel = turn.state.channels.get(purpose.subject)
    if channel is None or purpose.number != channel.group.epoch:
        turn.delay(purpose)
        return
    if turn.state.home_move is not None:
        # No wonder: it is to come there yet.
        turn.delay(purpose, relocating.RETRY_S)
        relocating.on_unproven(turn, purpose)
        return
    turn.delay(purpose, UNKNOWN_RETRY_S)
    if channel.state is ChannelState.ACTIVE:
        turn.change(suspects=with_item(turn.state.suspects, channel.channel_id, UNKNOWN))
    if purpose not in turn.session.done:
        turn.mark_done(purpose)
        turn.alarm(
            UNKNOWN_EPOCH,
            f"The home relay does not know {title_of(turn.state, channel)} as it is now: nothing "
            "comes from there, and nothing that is sent there leaves this device. Was the relay "
            "restored from a backup? Then open the conversation anew; the commons is reset by a "
            "steward.",
        )


def on_item(turn: Turn, event: Item | CommitItem) -> None:
    """Take an item of a channel, or hold it while an earlier one waits for the log."""
    held = turn.session.held.get(event.channel_id)
    if held is not None and len(held) > DELIVERY_WINDOW_ITEMS:
        turn.drop_link("more than its window")
        return
    if held is not None:
        turn.change_session(held=with_item(turn.session.held, event.channel_id, (*held, event)))
        return
    channel = turn.state.channels.get(event.channel_id)
    if channel is None or channel.state is not ChannelState.ACTIVE or event.n < channel.next_n:
        return
    if begins_later_life(event.n, channel.next_n) and event.epoch == channel.group.epoch:
        channel = _skip_to_life(turn, channel, event.n)
    if event.n > channel.next_n or event.epoch != channel.group.epoch:
        turn.alarm(
            "hole",
            f"The relay skipped items of {title_of(turn.state, channel)}: "
            f"number {channel.next_n} is missing.",
        )
        turn.drop_link("hole")
        return
    credit(turn, ObjectKind.CHANNEL, event.channel_id, event.n, len(event.envelope))
    check_acknowledged(turn, event.channel_id, event.n, event.envelope_id)
    if isinstance(event, CommitItem):
        merging.on_commit(turn, channel, event)
    else:
        _on_message(turn, channel, event)


def _skip_to_life(turn: Turn, channel: Channel, n: int) -> Channel:
    """The relay was restored: what it lost is named, and the conversation goes on from ``n``.

    The chain starts anew from what all members of the epoch share, for they have seen different
    parts of what was lost."""
    turn.alarm(
        RESTORED,
        f"The home relay was restored from a backup. In {title_of(turn.state, channel)}, messages "
        f"from number {channel.next_n} on that this device has not seen come when their authors' "
        "devices connect and send them again; what stays missing is lost.",
    )
    chain = chain_start(channel.group.epoch_authenticator)
    channel = replace(channel, next_n=n, chain=chain, chains={n: chain}, seen=channel.counters)
    turn.put_channel(channel)
    return channel


def release(turn: Turn) -> None:
    """Try held items again, after the log has grown."""
    for channel_id, events in turn.session.held.items():
        turn.change_session(held=without(turn.session.held, channel_id))
        for event in events:
            on_item(turn, event)


def _on_message(turn: Turn, channel: Channel, event: Item) -> None:
    chain = chain_next(channel.chain, event.n, event.envelope)
    moved = with_chain(channel, event.n + 1, chain)
    try:
        received = channel.group.process(event.envelope, now=turn.now)
    except mls.OwnMessage:
        turn.put_channel(moved)
        confirm(turn, moved, event.envelope_id, event.n)
        return
    except mls.MLSError as error:
        turn.put_channel(moved)
        if channel.seen and isinstance(error, mls.ConsumedGeneration):
            # The same bytes were at the relay before it lost them, and were read there.
            receipts.on_repeated(turn, channel.channel_id)
            return
        turn.alarm(
            "unreadable",
            f"Item {event.n} of {title_of(turn.state, channel)} cannot be read ({error}).",
        )
        receipts.on_unreadable(turn, channel.channel_id, event.n)
        return
    if not isinstance(received, mls.ApplicationReceived):
        turn.put_channel(moved)
        turn.alarm(
            "unexpected", f"Item {event.n} of {title_of(turn.state, channel)} is no message."
        )
        return
    moved = replace(moved, group=received.next)
    try:
        _show(turn, channel, moved, received, event)
    except (DecodeError, RemoteError) as error:
        turn.put_channel(moved)
        turn.alarm(
            "malformed",
            f"Item {event.n} of {title_of(turn.state, channel)} is malformed ({error}).",
        )
        receipts.on_unreadable(turn, channel.channel_id, event.n)


def _show(
    turn: Turn, before: Channel, moved: Channel, received: mls.ApplicationReceived, event: Item
) -> None:
    did = dids_of(before.group)[received.sender]
    if did not in roster_of(turn.state).devices:
        raise BindingError("its author is not in the circle")
    content = decode_content(received.plaintext)
    if content.message_id != event.envelope_id:
        raise DecodeError("the relay filed it under another id than its author chose")
    notice = notice_of(content)
    said = annotating.said_of(content.kind, content.body)
    text, reply_to = f"{_name(turn.state, did)} leaves.", b""
    if not notice and not said:
        text, reply_to = text_of(content.kind, content.body)
    is_quiet = content.kind in QUIET
    known = moved.counters.get(did)
    counted = count(known, did, content.counter)
    if counted is None:
        turn.put_channel(moved)
        seen = moved.seen.get(did)
        if seen is not None and count(seen, did, content.counter) is None:
            # It was at the relay before, and its author could not know that it came.
            receipts.on_repeated(turn, moved.channel_id)
            return
        turn.alarm("replay", f"A message of {title_of(turn.state, moved)} came a second time.")
        return
    skipped = content.counter - 1 - (known.counter if known else content.counter - 1)
    if skipped > 0:
        turn.alarm(
            "gap",
            f"{skipped} message(s) of {_name(turn.state, did)} in "
            f"{title_of(turn.state, moved)} have not arrived.",
        )
    _compare_heads(turn, before, content, did, event.n)
    moved = replace(moved, counters=with_item(moved.counters, did, counted))
    roster = roster_of(turn.state)
    author = roster.devices[did].member_id
    if is_quiet:
        if content.kind == ContentKind.RECEIPT:
            receipts.on_receipt(turn, moved, did, content, event.n)
        else:
            own_reading.on_cover(turn, moved, did, content)
        turn.put_channel(moved)
        return
    rights = rights_of(roster, before.group)
    if notice is NoticeType.LEAVING:
        moved = replace(moved, leavers=(*moved.leavers, author))
    elif not rights.may_post(author):
        turn.put_channel(moved)
        turn.alarm(
            "not an admin",
            f"{_name(turn.state, did)} wrote in {title_of(turn.state, moved)}, where only admins "
            "post: it is not shown.",
        )
        return
    if said:
        turn.put_channel(moved)
        place = (content.message_id, event.n, content.at)
        annotating.store_received(turn, moved, did, place, said)
        return
    position = moved.position + 1
    turn.put_channel(replace(moved, position=position))
    turn.store_message(
        Message(
            channel_id=moved.channel_id,
            message_id=content.message_id,
            position=position,
            sender=did,
            sender_name=_name(turn.state, did),
            own=False,
            kind=MessageKind.NOTICE if notice else MessageKind.TEXT,
            state=MessageState.RECEIVED,
            counter=content.counter,
            n=event.n,
            at=content.at,
            text=text,
            envelope_hash=sha256(event.envelope),
            reply_to=reply_to,
            lifetime_s=0 if notice else rights.info.lifetime_s,
        )
    )
    if content.kind in TEXTS:
        receipts.on_text(turn, moved.channel_id, did)


def count(known: Counter | None, did: DeviceId, counter: int) -> Counter | None:
    """Return what is known of a device's counters after one more; ``None`` when it came before.

    A lower counter that was missing may still come: a relay may deliver late, and late is not lost.
    """
    if known is None:
        return Counter(did=did, counter=counter, missing=())
    if counter > known.counter:
        first = max(known.counter + 1, counter - MAX_MISSING)
        missing = (*known.missing, *range(first, counter))[-MAX_MISSING:]
        return Counter(did=did, counter=counter, missing=missing)
    if counter in known.missing:
        left = tuple(one for one in known.missing if one != counter)
        return Counter(did=did, counter=known.counter, missing=left)
    return None


def _compare_heads(turn: Turn, channel: Channel, content: Content, did: DeviceId, n: int) -> None:
    """Compare what the author had seen with what this device has (C4)."""
    heads = content.heads
    known = channel.chains.get(heads.next_n)
    if UNKNOWN_CHAIN in {heads.chain, known}:
        known = None
    # Nobody has seen more items before his own than there are: one was kept from this device.
    if heads.next_n > n or (known is not None and known != heads.chain):
        turn.alarm(
            "split",
            f"{_name(turn.state, did)} was shown other items of {title_of(turn.state, channel)} "
            "than this device: the relay splits the conversation.",
        )
    roster = turn.state.roster
    if roster is None:
        return
    if heads.log_size > roster.size:
        heard_of(turn, heads.log_size)
    elif heads.log_root != turn.state.root_at(heads.log_size):
        turn.alarm(
            "split",
            f"{_name(turn.state, did)} was shown another log of the circle than this device.",
        )


def _name(state: State, did: DeviceId) -> str:
    roster = state.roster
    record = roster.devices.get(did) if roster is not None else None
    member = roster.members.get(record.member_id) if roster is not None and record else None
    return safe_line(member.name) if member is not None else did.hex()[:8]
