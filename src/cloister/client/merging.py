"""Taking commits: checked against C1, C2 and the ladder, then merged, or the channel stops."""

from __future__ import annotations

from typing import Final

from cloister import mls
from cloister.client import changing, exposure
from cloister.client.binding import (
    LOG_KEY_LABEL,
    BindingError,
    checkpoint_of,
    conversation_of,
    dids_of,
)
from cloister.client.checking import (
    LogBehind,
    check_commons_removals,
    check_group,
    check_not_replaced,
    roster_of,
)
from cloister.client.committing import TRANSITIONS, CommitEvent, commit_state
from cloister.client.content import chain_start
from cloister.client.effects import OUT
from cloister.client.identity import did_of
from cloister.client.linking import channel_key
from cloister.client.log import is_caught_up
from cloister.client.objects import whole_commit
from cloister.client.outbox import fail_all
from cloister.client.putting_again import in_next_epoch
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.rights import check_removal, check_rights, rights_of
from cloister.client.standing import WORDS, Standing, standing_of
from cloister.client.state import Channel, State, with_item, without
from cloister.client.stopping import stop, title_of
from cloister.client.turn import Turn
from cloister.crypto.hashing import sha256
from cloister.crypto.secret import Secret
from cloister.errors import PolicyError, RemoteError, TrustError
from cloister.ids import DeviceId
from cloister.roster.log_keys import make_log_key, next_log_key
from cloister.roster.roster import Roster
from cloister.values import replace
from cloister.wire.events import CommitItem

MAX_WAIT_FOR_LOG_S: Final = 600
"""A commit that waits this long for entries brings an alarm (C1)."""


def advance(turn: Turn) -> None:
    """Say so when a commit has waited too long for the log entries it stands on (C1)."""
    if is_caught_up(turn) != turn.session.was_caught_up:
        turn.release |= not turn.session.was_caught_up
        turn.change_session(was_caught_up=not turn.session.was_caught_up)
    for channel_id, since in turn.session.waiting_since.items():
        if turn.now - since < MAX_WAIT_FOR_LOG_S:
            continue
        turn.change_session(
            waiting_since=with_item(turn.session.waiting_since, channel_id, turn.now)
        )
        turn.alarm(
            "log behind",
            "A conversation waits for entries of the circle's log that the relays do not show.",
        )
    roster = turn.state.roster
    for channel in turn.state.channels.values():
        is_commons = channel.kind is ChannelKind.COMMONS
        if is_commons and roster is not None and roster.commons_channel != channel.channel_id:
            continue  # a reset has ended it, without a commit
        _mind_what_is_kept_back(turn, channel)


def _mind_what_is_kept_back(turn: Turn, channel: Channel) -> None:
    """Say so when a channel has moved on for too long, and the relay does not show how."""
    session, channel_id, epoch = turn.session, channel.channel_id, channel.group.epoch
    has_moved = (
        session.current.get(channel_id, epoch) > epoch
        or channel.staged is not None
        or any(one.stale and one.epoch == epoch for one in channel.outbox)
    )
    is_held = channel_id in session.held  # it is there, and waits for the log
    if channel.state is not ChannelState.ACTIVE or is_held or not has_moved or not turn.is_linked:
        if channel_id in session.moved_on:
            turn.change_session(moved_on=without(session.moved_on, channel_id))
        return
    since = session.moved_on.get(channel_id)
    if since is not None and turn.now - since < MAX_WAIT_FOR_LOG_S:
        return
    turn.change_session(moved_on=with_item(session.moved_on, channel_id, turn.now))
    if since is not None:
        turn.alarm(
            "kept back",
            f"The relay does not show how {title_of(turn.state, channel)} goes on: nothing is sent "
            "there, and nothing new is shown.",
        )


def on_commit(turn: Turn, channel: Channel, event: CommitItem) -> None:
    """Merge the commit that ended this epoch, ours or another's, or say why not."""
    staged = channel.staged
    whole = whole_commit(turn, event, staged.envelope if staged else b"")
    if whole is None:
        held = with_item(turn.session.held, channel.channel_id, (event,))
        turn.change_session(held=held)
        return
    event = whole
    own = staged is not None and event.envelope == staged.envelope
    if (commit_state(channel), CommitEvent.ECHO if own else CommitEvent.OTHER) not in TRANSITIONS:
        raise BindingError("a commit came that this device cannot be waiting for")
    try:
        received = _own(turn, channel, event) if own else _other(turn, channel, event)
        if received.next is None:
            _on_removed(turn, channel, received, event)
            return
        _check(turn, channel, received, event)
    except LogBehind as behind:
        _hold(turn, channel, event, behind.size)
        return
    except (RemoteError, TrustError) as error:
        stop(turn, channel, str(error), evidence=sha256(event.envelope, event.next_key))
        return
    _merge(turn, channel, received, event)


def _own(turn: Turn, channel: Channel, event: CommitItem) -> mls.CommitReceived:
    if channel.staged is None:
        raise BindingError("an echo without a commit")
    return mls.CommitReceived(
        committer=channel.group.own_leaf,
        adds=(),
        removes=(),
        updates=(),
        authenticated_data=b"",
        removed_self=False,
        next=mls.Group.decode(channel.staged.next_group),
    )


def _other(turn: Turn, channel: Channel, event: CommitItem) -> mls.CommitReceived:
    received = channel.group.process(event.envelope, now=turn.now)
    if not isinstance(received, mls.CommitReceived):
        raise BindingError("what the relay calls a commit is none")
    return received


def _check(turn: Turn, channel: Channel, received: mls.CommitReceived, event: CommitItem) -> None:
    """C1, C2 and the ladder: raise when the commit may not be merged."""
    group = received.next
    if group is None:
        raise BindingError("there is no group to check")
    key = channel_key(group, turn.session.relay_id, channel.channel_id)
    if event.next_key != key.public:
        raise BindingError("the relay holds another key for the next epoch than the group derives")
    check_group(turn.state, group, minimum=checkpoint_of(channel.group.extensions).size)
    roster = roster_of(turn.state)
    check_rights(roster, channel.group, group, received.committer, channel.leavers)
    check_not_replaced(channel.group, group)
    if channel.kind is ChannelKind.COMMONS:
        check_commons_removals(turn.state, channel.group, group)


def _merge(turn: Turn, channel: Channel, received: mls.CommitReceived, event: CommitItem) -> None:
    group = received.next
    if group is None:
        return
    removed = len(leaves_gone(channel.group, group)) > 0
    inside = set(dids_of(group).values())
    start = chain_start(group.epoch_authenticator)
    turn.put_channel(
        replace(
            channel,
            group=group,
            title=conversation_of(group.extensions).shown_title,
            staged=None,
            leavers=(),
            next_n=event.n + 1,
            chain=start,
            chains={event.n + 1: start},
            wanted=tuple(did for did in channel.wanted if did not in inside),
            dropped=_dropped(turn.state, channel, group),
            counters={did: one for did, one in channel.counters.items() if did in inside},
            seen={did: one for did, one in channel.seen.items() if did in inside},
            sent=in_next_epoch(channel, has_grown=bool(leaves_gone(group, channel.group))),
        )
    )
    exposure.on_merged(turn, channel, channel.group, group, event.n)
    changing.note(turn, channel, received, event)
    turn.change(suspects=without(turn.state.suspects, channel.channel_id))
    session = turn.session
    turn.change_session(
        current=with_item(session.current, channel.channel_id, group.epoch),
        waiting_since=without(session.waiting_since, channel.channel_id),
    )
    if (
        channel.kind is ChannelKind.COMMONS
        and removed
        and not turn.state.is_former_commons(channel)
    ):
        begin_generation(turn, group, own=received.committer == channel.group.own_leaf)
    turn.changed("members")


def leaves_gone(before: mls.Group, after: mls.Group) -> set[DeviceId]:
    """Return the dids whose leaf is in ``before`` and not in ``after``."""
    return set(dids_of(before).values()) - set(dids_of(after).values())


def _dropped(state: State, channel: Channel, after: mls.Group) -> tuple[DeviceId, ...]:
    """Return who has lost its leaf because it was out for a time, and is not in again.

    The commons needs no such list: everybody active belongs there.
    """
    if channel.kind is ChannelKind.COMMONS:
        return ()
    roster = roster_of(state)
    size = checkpoint_of(after.extensions).size
    gone = [
        did
        for did in leaves_gone(channel.group, after)
        if did in roster.devices and not roster.devices[did].was_active_at(size)
    ]
    inside = set(dids_of(after).values())
    known = dict.fromkeys((*channel.dropped, *sorted(gone)))
    return tuple(did for did in known if did not in inside)


def begin_generation(turn: Turn, group: mls.Group, *, own: bool) -> None:
    """A removal or a reset starts a generation: make its key and prepare its entry (flows 2)."""
    previous_generation = max(turn.state.log_keys)
    previous = turn.state.log_keys[previous_generation]
    exported = exported_log_secret(group)
    generation = previous_generation + 1
    content = make_log_key(generation, exported=exported, previous=previous, entropy=turn.entropy)
    turn.change(
        log_keys=with_item(
            turn.state.log_keys, generation, next_log_key(generation, exported, previous)
        ),
        announcements=with_item(turn.state.announcements, generation, content.encode()),
        own_generations=turn.state.own_generations | ({generation} if own else set()),
    )


def exported_log_secret(group: mls.Group) -> Secret:
    """Export what the next log key is made of, 32 bytes."""
    return group.export(LOG_KEY_LABEL, b"", 32)


def _on_removed(
    turn: Turn, channel: Channel, received: mls.CommitReceived, event: CommitItem
) -> None:
    """This device has lost its leaf: for good, for a time, or in one conversation only."""
    roster = roster_of(turn.state)
    is_former = turn.state.is_former_commons(channel)
    is_commons = channel.kind is ChannelKind.COMMONS and not is_former
    standing = standing_of(roster, did_of(turn.state))
    # The log may be further than this commit: out then, and let in again since.
    is_back = standing is Standing.ACTIVE and _was_out_since(roster, turn.state, channel)
    is_out = is_back or standing.is_out
    if standing is Standing.ACTIVE and is_commons and not is_back:
        # C2 holds for the own leaf too: nobody is out before the settled log says so.
        raise LogBehind(roster.size + 1)
    if standing is Standing.ACTIVE and not is_back and not is_caught_up(turn):
        raise LogBehind(roster.size)  # the reason may stand in entries that are on their way
    leaves = _has_left(roster, channel, received, is_out=standing is not Standing.ACTIVE or is_back)
    reason = "this member has left it" if leaves else "this device was removed from it"
    if is_back:
        reason = "this device was out of the circle for a time, and is coming back"
    elif standing is not Standing.ACTIVE:
        reason = WORDS[standing][0]
    state = ChannelState.OUT if is_out else ChannelState.LEFT
    turn.put_channel(
        replace(
            channel,
            state=state,
            reason=reason,
            next_n=event.n + 1,
            staged=None,
            wanted=(),
            dropped=(),
            wishes=(),
            leavers=(),
            leaving=channel.leaving and is_out,
            sent=in_next_epoch(channel, has_grown=True),
        )
    )
    if not is_out:
        fail_all(turn, turn.state.channels[channel.channel_id], reason)
    if is_commons:
        _on_out(turn, standing, reason)
    elif is_back:
        turn.changed("conversations")
    elif standing is Standing.ACTIVE and leaves:
        turn.answer(changing.leaving_key(channel.channel_id), text=reason)
        turn.changed("conversations")
    elif standing is Standing.ACTIVE:
        turn.alarm("removed", "This device has been removed from a conversation.")


def _was_out_since(roster: Roster, state: State, channel: Channel) -> bool:
    """Whether this device was not active for a time after the size that the epoch stands on."""
    size = checkpoint_of(channel.group.extensions).size
    record = roster.devices[did_of(state)]
    return any(span.until_size is not None and span.until_size > size for span in record.spans)


def _has_left(
    roster: Roster, channel: Channel, received: mls.CommitReceived, *, is_out: bool
) -> bool:
    """Whether this device's member had said that it leaves.

    Raises ``BindingError`` when nothing gave the committer a right to take this device out; who
    is or was out of the circle can be taken out by everybody.
    """
    dids = dids_of(channel.group)
    own = roster.devices[dids[channel.group.own_leaf]]
    if not is_out and channel.kind is ChannelKind.CONVERSATION:
        author = roster.devices[dids[received.committer]].member_id
        check_removal(rights_of(roster, channel.group), author, own.member_id, channel.leavers)
    return own.member_id in channel.leavers


def _on_out(turn: Turn, standing: Standing, reason: str) -> None:
    """This device is out of the circle; conversations go on by themselves while it may return."""
    if turn.state.circle is not None:
        turn.change(circle=replace(turn.state.circle, left=True))
    if standing.is_final:
        for other in turn.state.channels.values():
            turn.put_channel(
                replace(
                    other,
                    state=ChannelState.LEFT,
                    reason=other.reason or reason,
                    staged=None,
                    wanted=(),
                    dropped=(),
                )
            )
            fail_all(turn, turn.state.channels[other.channel_id], reason)
    # What was asked of a member is not done by somebody who comes back another day.
    turn.change(intents=())
    for owed in turn.state.owed:
        turn.answer(owed, error=PolicyError(f"this device is out of the circle: {reason}"))
    if standing.is_final:
        turn.alarm("removed", f"This device is out of the circle for good: {reason}.")
    elif standing.is_out and not turn.session.told_out:
        hint = WORDS[standing][1]
        turn.alarm(OUT, f"This device is out of the circle for now: {reason}.  {hint}")
    turn.drop_link("removed")


def _hold(turn: Turn, channel: Channel, event: CommitItem, size: int) -> None:
    session = turn.session
    turn.change_session(
        held=with_item(session.held, channel.channel_id, (event,)),
        heard_size=max(session.heard_size, size),
        waiting_since=with_item(session.waiting_since, channel.channel_id, turn.now)
        if channel.channel_id not in session.waiting_since
        else session.waiting_since,
    )
