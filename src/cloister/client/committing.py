"""Commits: staged, stored, sent, and merged only on the echo of their own bytes (flows 4.1, 4.2).

    state   event      action          next
    IDLE    NEED       stage           STAGED
    STAGED  ECHO       merge own       IDLE
    STAGED  OTHER      drop, merge it  IDLE
    IDLE    OTHER      merge it        IDLE
    *       BEHIND     hold            unchanged: the commit stands on entries not fetched yet
    *       INVALID    stop            STUCK

Until an epoch has ended a device sends one commit for it and no other; after a restart, the same
bytes.  A commit is checked against C1 and C2 before it is merged, whoever made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Final

from cloister import mls
from cloister.client.binding import (
    LOG_KEY,
    LOG_KEY_LABEL,
    SUITE,
    BindingError,
    GroupLogKey,
    SplitView,
    check_leaf,
    checkpoint_of,
    conversation_of,
    device_of_leaf,
    group_extensions,
)
from cloister.client.content import chain_start
from cloister.client.linking import channel_key, on_common_refusal
from cloister.client.mail import seal_inbox_item
from cloister.client.records import ChannelKind, ChannelState, SealedDelivery, Staged
from cloister.client.state import Channel, Purpose, State, Work, with_item, without
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.secret import Secret
from cloister.errors import RemoteError, TrustError
from cloister.ids import SHORT_ID_BYTES, DeviceId
from cloister.limits import ENVELOPE_SIZES, MAX_TREE_IN_WELCOME
from cloister.roster.log_keys import make_log_key, next_log_key
from cloister.roster.roster import Roster
from cloister.roster.state import DeviceRecord
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.codes import Refusal
from cloister.wire.commands import Commit, Delivery
from cloister.wire.events import CommitItem, Done, Failed

MAX_WAIT_FOR_LOG_S: Final = 600
"""A commit that waits this long for entries brings an alarm (C1)."""


class CommitState(IntEnum):
    """Whether this device has a commit of its own under way in a channel."""

    IDLE = 1
    STAGED = 2


class CommitEvent(IntEnum):
    """What can happen to it."""

    NEED = 1
    ECHO = 2
    OTHER = 3


class LogBehind(RemoteError):
    """The commit stands on log entries that this device has not settled yet."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the commit stands on {size} log entries")
        self.size = size


def commit_state(channel: Channel) -> CommitState:
    """Return the state of the machine; what it needs beyond that is in the channel."""
    return CommitState.IDLE if channel.staged is None else CommitState.STAGED


class PackageError(RemoteError):
    """A key package that must not be used."""


def check_package(package: bytes, record: DeviceRecord, circle_id: bytes, now: int) -> None:
    """Check that a key package is of that device, for this circle, this suite and this time.

    The MLS engine checks the rest when it is added.  Raises ``PackageError``.
    """
    try:
        parsed = mls.KeyPackage.decode(package)
        if parsed.cipher_suite != SUITE:
            raise PackageError("it is of another cipher suite")
        if device_of_leaf(parsed.leaf_node).did != record.did:
            raise PackageError("it is of another device")
        check_leaf(parsed.leaf_node, circle_id, record.card.device_key)
    except (DecodeError, BindingError) as error:
        raise PackageError(str(error)) from None
    lifetime = parsed.leaf_node.lifetime
    if lifetime is None or not lifetime.includes(now):
        raise PackageError("its lifetime is over (or a clock is wrong)")


# --- making ---------------------------------------------------------------------------------------


def stage(
    turn: Turn,
    channel: Channel,
    *,
    packages: Mapping[DeviceId, bytes],
    removes: Sequence[int],
) -> None:
    """Stage a commit: add the devices of ``packages`` (did -> key package), remove leaves.

    The staged commit is stored in this turn and sent by ``advance``.
    """
    if (commit_state(channel), CommitEvent.NEED) not in _TABLE:
        return
    roster = _roster(turn.state)
    old = checkpoint_of(channel.group.extensions)
    info = conversation_of(channel.group.extensions)
    extensions = group_extensions(old.origin, max(roster.size, old.size), roster.root, info)
    adds = list(packages.values())
    leaves = len(channel.group.members()) + len(adds) - len(removes)
    made = channel.group.commit(
        adds=adds,
        removes=removes,
        extensions=extensions,
        group_info_extensions=_group_info_extensions(turn.state, channel) if adds else (),
        tree_in_welcome=leaves <= MAX_TREE_IN_WELCOME,
        pad_to=ENVELOPE_SIZES,
        now=turn.now,
        entropy=turn.entropy,
    )
    deliveries = tuple(
        SealedDelivery(
            inbox_id=roster.devices[did].card.inbox_id,
            item=seal_inbox_item(roster.devices[did].card, channel.channel_id, made.welcome or b""),
        )
        for did in packages
    )
    staged = Staged(
        envelope_id=turn.entropy.random(SHORT_ID_BYTES),
        epoch=channel.group.epoch,
        envelope=made.message,
        next_group=made.next.encode(),
        deliveries=deliveries,
        removes_leaf=bool(removes),
    )
    # Key packages taken for this commit are used up, whether it wins or not.
    kept = {did: one for did, one in turn.session.packages.items() if did not in packages}
    turn.change_session(packages=kept)
    turn.put_channel(replace(channel, group=made.sent, staged=staged))


def _group_info_extensions(state: State, channel: Channel) -> tuple[mls.Extension, ...]:
    if channel.kind is not ChannelKind.COMMONS:
        return ()
    generation = _roster(state).generation
    key = GroupLogKey(generation=generation, key=state.log_keys[generation].expose())
    return (mls.Extension(extension_type=LOG_KEY, data=key.encode()),)


def advance(turn: Turn) -> None:
    """Send staged commits, the same bytes each time."""
    for channel in turn.state.channels.values():
        staged = channel.staged
        if staged is None or channel.state is not ChannelState.ACTIVE:
            continue
        key = (int(ObjectKind.CHANNEL), channel.channel_id)
        if turn.session.proven.get(key) != staged.epoch:
            continue
        purpose = Purpose(Work.COMMIT, channel.channel_id, staged.epoch)
        if purpose in turn.session.done:
            continue
        turn.ask(purpose, _request(turn, channel, staged))


def _request(turn: Turn, channel: Channel, staged: Staged) -> Callable[[int], Commit]:
    session = turn.session

    def make(rid: int) -> Commit:
        group = mls.Group.decode(staged.next_group)
        key = channel_key(group, session.relay_id, channel.channel_id)
        return Commit(
            rid=rid,
            channel_id=channel.channel_id,
            epoch=staged.epoch,
            envelope_id=staged.envelope_id,
            envelope=staged.envelope,
            next_key=key.public,
            proof=prove(
                key,
                session.relay_id,
                ObjectKind.CHANNEL,
                channel.channel_id,
                staged.epoch + 1,
                session.nonce,
            ),
            deliveries=tuple(
                Delivery(inbox_id=one.inbox_id, item=one.item) for one in staged.deliveries
            ),
        )

    return make


def on_done(turn: Turn, purpose: Purpose, event: Done) -> None:
    """The relay took the commit; it is merged when it comes back in the channel."""
    turn.mark_done(purpose)


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Another commit was first (it arrives in the channel), or the relay wants time."""
    if on_common_refusal(turn, purpose, event):
        return
    if event.code == Refusal.STALE_EPOCH:
        turn.mark_done(purpose)
    elif event.code == Refusal.NOT_PROVEN:
        turn.delay(purpose)
    else:
        channel = turn.state.channels.get(purpose.subject)
        if channel is not None:
            # Nothing was stored under this id: the device may think again about the whole commit.
            turn.put_channel(replace(channel, staged=None))
            turn.delay(purpose)
        turn.alarm("commit", f"The home relay refused a change of members (code {event.code}).")


# --- taking ---------------------------------------------------------------------------------------


def on_commit(turn: Turn, channel: Channel, event: CommitItem) -> None:
    """Merge the commit that ended this epoch, ours or another's, or say why not."""
    staged = channel.staged
    own = staged is not None and event.envelope == staged.envelope
    machine = (commit_state(channel), CommitEvent.ECHO if own else CommitEvent.OTHER)
    try:
        received = _TABLE[machine](turn, channel, event)
        if received.next is None:
            _on_removed(turn, channel, event)
            return
        _check(turn, channel, received, event)
    except LogBehind as behind:
        _hold(turn, channel, event, behind.size)
        return
    except (RemoteError, TrustError) as error:
        _stop(turn, channel, str(error))
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


def _stage_event(turn: Turn, channel: Channel, event: CommitItem) -> mls.CommitReceived:
    raise BindingError("a commit cannot be staged by an item")


_TABLE: Final[
    Mapping[
        tuple[CommitState, CommitEvent],
        Callable[[Turn, Channel, CommitItem], mls.CommitReceived],
    ]
] = {
    (CommitState.IDLE, CommitEvent.NEED): _stage_event,
    (CommitState.IDLE, CommitEvent.OTHER): _other,
    (CommitState.STAGED, CommitEvent.ECHO): _own,
    (CommitState.STAGED, CommitEvent.OTHER): _other,
}


def _check(turn: Turn, channel: Channel, received: mls.CommitReceived, event: CommitItem) -> None:
    """C1, C2 and the ladder: raise when the commit may not be merged."""
    group = received.next
    if group is None:
        raise BindingError("there is no group to check")
    key = channel_key(group, turn.session.relay_id, channel.channel_id)
    if event.next_key != key.public:
        raise BindingError("the relay holds another key for the next epoch than the group derives")
    check_group(turn.state, group, minimum=checkpoint_of(channel.group.extensions).size)
    if conversation_of(group.extensions) != conversation_of(channel.group.extensions):
        raise BindingError("a commit changed what the group is")
    if channel.kind is ChannelKind.COMMONS:
        _check_commons_removals(turn.state, channel.group, group)


def check_group(state: State, group: mls.Group, *, minimum: int) -> None:
    """C1 and C2: the checkpoint is in the settled log, and every leaf active at its size.

    Raises ``LogBehind`` when the log must be fetched first, ``SplitView``, ``BindingError``.
    """
    roster = _roster(state)
    checkpoint = checkpoint_of(group.extensions)
    if checkpoint.origin != roster.origin or checkpoint.size < minimum:
        raise BindingError("a commit stands on an older checkpoint than its epoch")
    if checkpoint.size > roster.size:
        raise LogBehind(checkpoint.size)
    if state.root_at(checkpoint.size) != checkpoint.root:
        raise SplitView("the group stands on another history of the circle's log")
    seen: set[bytes] = set()
    for member in group.members():
        binding = device_of_leaf(member.leaf)
        record = roster.devices.get(binding.did)
        if record is None or not record.was_active_at(checkpoint.size):
            raise BindingError("a leaf belongs to a device that is not active in the circle")
        if binding.did in seen:
            raise BindingError("a device has two leaves")
        seen.add(binding.did)
        check_leaf(member.leaf, roster.circle_id, record.card.device_key)


def _check_commons_removals(state: State, before: mls.Group, after: mls.Group) -> None:
    """A commons commit removes no leaf but those of devices that are not active (C2)."""
    roster = _roster(state)
    size = checkpoint_of(after.extensions).size
    left = {device_of_leaf(member.leaf).did for member in after.members()}
    for member in before.members():
        did = device_of_leaf(member.leaf).did
        if did in left:
            continue
        record = roster.devices.get(did)
        if record is not None and record.was_active_at(size):
            raise BindingError("a commit removed an active member's device from the commons")


def _merge(turn: Turn, channel: Channel, received: mls.CommitReceived, event: CommitItem) -> None:
    group = received.next
    if group is None:
        return
    removed = len(leaves_gone(channel.group, group)) > 0
    inside = {device_of_leaf(member.leaf).did for member in group.members()}
    start = chain_start(group.epoch_authenticator)
    turn.put_channel(
        replace(
            channel,
            group=group,
            staged=None,
            next_n=event.n + 1,
            chain=start,
            chains={event.n + 1: start},
            wanted=tuple(did for did in channel.wanted if did not in inside),
            counters={did: one for did, one in channel.counters.items() if did in inside},
        )
    )
    session = turn.session
    turn.change_session(
        current=with_item(session.current, channel.channel_id, group.epoch),
        waiting_since=without(session.waiting_since, channel.channel_id),
    )
    if channel.kind is ChannelKind.COMMONS and removed:
        _begin_generation(turn, group, own=received.committer == channel.group.own_leaf)
    turn.changed("members")


def leaves_gone(before: mls.Group, after: mls.Group) -> set[DeviceId]:
    """Return the dids whose leaf is in ``before`` and not in ``after``."""
    left = {device_of_leaf(member.leaf).did for member in after.members()}
    return {device_of_leaf(member.leaf).did for member in before.members()} - left


def _begin_generation(turn: Turn, group: mls.Group, *, own: bool) -> None:
    """A removal starts a generation: derive its log key and prepare its entry (flows 2)."""
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


def _on_removed(turn: Turn, channel: Channel, event: CommitItem) -> None:
    reason = "this device was removed from it"
    turn.put_channel(
        replace(
            channel,
            state=ChannelState.LEFT,
            reason=reason,
            next_n=event.n + 1,
            staged=None,
            wanted=(),
        )
    )
    if channel.kind is ChannelKind.COMMONS and turn.state.circle is not None:
        turn.change(circle=replace(turn.state.circle, left=True))
        turn.alarm("removed", "This device has been removed from the circle.")
        turn.drop_link("removed")
    else:
        turn.alarm("removed", "This device has been removed from a conversation.")


def _hold(turn: Turn, channel: Channel, event: CommitItem, size: int) -> None:
    session = turn.session
    turn.change_session(
        held=with_item(session.held, channel.channel_id, (event,)),
        tail_hint=max(session.tail_hint, size),
        waiting_since=with_item(session.waiting_since, channel.channel_id, turn.now)
        if channel.channel_id not in session.waiting_since
        else session.waiting_since,
    )


def _stop(turn: Turn, channel: Channel, reason: str) -> None:
    turn.put_channel(replace(channel, state=ChannelState.STUCK, reason=reason))
    turn.alarm(
        "stuck", f"A change of members cannot be accepted: {reason}.  Nothing is posted there."
    )


def _roster(state: State) -> Roster:
    if state.roster is None:
        raise BindingError("there is no roster yet")
    return state.roster
