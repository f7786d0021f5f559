"""Commits: staged, stored, sent, and merged only on the echo of their own bytes (flows 4.1, 4.2).

    state   event      action          next
    IDLE    NEED       stage           STAGED
    STAGED  ECHO       merge own       IDLE
    STAGED  OTHER      drop, merge it  IDLE
    IDLE    OTHER      merge it        IDLE

Until an epoch has ended a device sends one commit for it and no other; after a restart, the same
bytes.  What happens to commits that come in is in ``merging``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from cloister import mls
from cloister.client.binding import (
    LOG_KEY,
    ConversationInfo,
    GroupLogKey,
    checkpoint_of,
    conversation_of,
    dids_of,
    group_extensions,
)
from cloister.client.checking import roster_of
from cloister.client.linking import channel_key, on_common_refusal
from cloister.client.mail import seal_inbox_item
from cloister.client.objects import COMMIT_SIZES, forget_parts, is_large, stage_parts
from cloister.client.records import ChannelKind, ChannelState, SealedDelivery, Staged
from cloister.client.state import Channel, Purpose, State, Work
from cloister.client.trees import seal_tree
from cloister.client.turn import Turn
from cloister.crypto.hashing import sha256
from cloister.ids import SHORT_ID_BYTES, DeviceId
from cloister.limits import MAX_TREE_IN_WELCOME
from cloister.values import replace
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.codes import Refusal
from cloister.wire.commands import Commit, Delivery
from cloister.wire.events import Done, Failed


class CommitState(IntEnum):
    """Whether this device has a commit of its own under way in a channel."""

    IDLE = 1
    STAGED = 2


class CommitEvent(IntEnum):
    """What can happen to it."""

    NEED = 1
    ECHO = 2
    OTHER = 3


TRANSITIONS: Final[Mapping[tuple[CommitState, CommitEvent], CommitState]] = {
    (CommitState.IDLE, CommitEvent.NEED): CommitState.STAGED,
    (CommitState.IDLE, CommitEvent.OTHER): CommitState.IDLE,
    (CommitState.STAGED, CommitEvent.ECHO): CommitState.IDLE,
    (CommitState.STAGED, CommitEvent.OTHER): CommitState.IDLE,
}
"""The machine.  What is not here does not happen: nobody stages twice for one epoch."""


def commit_state(channel: Channel) -> CommitState:
    """Return the state of the machine; what it needs beyond that is in the channel."""
    return CommitState.IDLE if channel.staged is None else CommitState.STAGED


# --- making ---------------------------------------------------------------------------------------


def stage(
    turn: Turn,
    channel: Channel,
    *,
    packages: Mapping[DeviceId, bytes],
    removes: Sequence[int],
    info: ConversationInfo | None = None,
) -> None:
    """Stage a commit: add the devices of ``packages`` (did -> key package), remove leaves.

    ``info`` is what the group shall be from then on; ``None``: what it is.

    The staged commit is stored in this turn and sent by ``advance``.
    """
    if (commit_state(channel), CommitEvent.NEED) not in TRANSITIONS:
        return
    roster = roster_of(turn.state)
    old = checkpoint_of(channel.group.extensions)
    info = info or conversation_of(channel.group.extensions)
    extensions = group_extensions(old.origin, max(roster.size, old.size), roster.root, info)
    adds = list(packages.values())
    outside = len(dids_of(channel.group)) + len(adds) - len(removes) > MAX_TREE_IN_WELCOME
    made = channel.group.commit(
        adds=adds,
        removes=removes,
        extensions=extensions,
        group_info_extensions=_group_info_extensions(turn.state, channel) if adds else (),
        tree_in_welcome=not outside,
        pad_to=COMMIT_SIZES,
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
        tree=seal_tree(made.next, made.ratchet_tree, turn.entropy) if packages and outside else b"",
    )
    # Key packages taken for this commit are used up, whether it wins or not.
    kept = {did: one for did, one in turn.session.packages.items() if did not in packages}
    turn.change_session(packages=kept)
    turn.put_channel(replace(channel, group=made.sent, staged=staged))


def _group_info_extensions(state: State, channel: Channel) -> tuple[mls.Extension, ...]:
    if channel.kind is not ChannelKind.COMMONS:
        return ()
    generation = roster_of(state).generation
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
        if purpose in turn.session.done or not stage_parts(turn, channel.channel_id, staged):
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
            envelope=b"" if is_large(staged.envelope) else staged.envelope,
            staged=sha256(staged.envelope) if is_large(staged.envelope) else b"",
            next_key=key.public,
            proof=prove(
                key,
                session.relay_id,
                ObjectKind.CHANNEL,
                channel.channel_id,
                staged.epoch + 1,
                session.nonce,
            ),
            tree=sha256(staged.tree) if staged.tree else b"",
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
    elif event.code == Refusal.PARTS_MISSING:
        forget_parts(turn, purpose.subject)
    elif event.code == Refusal.NOT_PROVEN:
        turn.delay(purpose)
    else:
        channel = turn.state.channels.get(purpose.subject)
        if channel is not None:
            # Nothing was stored under this id: the device may think again about the whole commit.
            turn.put_channel(replace(channel, staged=None))
            turn.delay(purpose)
        turn.alarm("commit", f"The home relay refused a change of members (code {event.code}).")
