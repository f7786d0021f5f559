"""Taking up Welcomes into conversations, new ones and those this device was out of."""

from __future__ import annotations

from typing import Final

from cloister import mls
from cloister.client.binding import BindingError, conversation_of
from cloister.client.checking import LogBehind, check_group
from cloister.client.content import chain_start
from cloister.client.linking import prove_welcome, unprove
from cloister.client.placing import has_fallen_behind
from cloister.client.putting_again import in_next_epoch
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.state import UNPLACED, Channel, with_item, without
from cloister.client.trees import TreeNotYet, tree_for
from cloister.client.turn import Turn
from cloister.client.welcomes import Waiting, in_order, leads_to_new_commons
from cloister.errors import RemoteError
from cloister.wire.auth import ObjectKind

FIRST_UPDATE_WITHIN_S: Final = 600
"""A device commits its first own update within this time, so that its leaf is merged (3.6.4)."""


def advance(turn: Turn) -> None:
    """Take up what can be taken up, one Welcome of a channel after the other; the rest waits."""
    busy: set[bytes] = set()
    for waiting in in_order(turn):
        channel_id = waiting.item.channel_id
        if channel_id not in busy and _is_under_way(turn, waiting):
            busy.add(channel_id)


def _is_under_way(turn: Turn, waiting: Waiting) -> bool:
    """Go on with a Welcome; return whether others for its channel have to wait for it."""
    key, channel_id, opened = waiting.key, waiting.item.channel_id, waiting.opened
    if leads_to_new_commons(turn.state, waiting):
        return False  # see ``returning``
    known = turn.state.channels.get(channel_id)
    if known is not None and known.state is ChannelState.ACTIVE:
        # Later than this device is: it was removed and added again while it was away, and has
        # yet to see the removal.  Anything else has been taken up before.
        if opened.epoch <= known.group.epoch:
            turn.change(welcomes=without(turn.state.welcomes, key))
        return False
    if known is not None and known.kind is ChannelKind.COMMONS and has_fallen_behind(known):
        return False  # see ``returning``
    roster = turn.state.roster
    if roster is None or turn.session.behind.get(key, 0) > roster.size:
        return False
    try:
        if not prove_welcome(turn, opened, channel_id):
            return True
        group = opened.join(tree_for(turn, channel_id, opened), now=turn.now)
        if group.group_id != channel_id:
            raise BindingError("the Welcome is for another channel than it says")
        if conversation_of(group.extensions).kind != ChannelKind.CONVERSATION:
            raise BindingError("the Welcome is not for a conversation")
        check_group(turn.state, group, minimum=1)
    except TreeNotYet:
        return True
    except LogBehind as behind:
        turn.change_session(
            heard_size=max(turn.session.heard_size, behind.size),
            behind=with_item(turn.session.behind, key, behind.size),
        )
        return False
    except RemoteError as error:
        turn.alarm("welcome", f"An invitation into a conversation was refused: {error}.")
        turn.change(welcomes=without(turn.state.welcomes, key))
        return False
    turn.change(
        welcomes=without(turn.state.welcomes, key),
        key_packages=without(turn.state.key_packages, waiting.reference),
    )
    add_channel(turn, channel_id, group)
    turn.changed("conversations")
    return True


def add_channel(turn: Turn, channel_id: bytes, group: mls.Group) -> None:
    """Put a group that has been checked in place, before the first item of its epoch.

    Back in a channel that this device was out of, its timeline goes on where it stood, and what
    waits to be sent goes out: under its old id, so that the relay can tell what it has already.
    """
    info = conversation_of(group.extensions)
    wait = int.from_bytes(turn.entropy.random(2), "big") % FIRST_UPDATE_WITHIN_S
    before = turn.state.channels.get(channel_id)
    turn.put_channel(
        Channel(
            channel_id=channel_id,
            kind=ChannelKind(info.kind),
            state=ChannelState.ACTIVE,
            title=info.shown_title,
            group=group,
            next_n=UNPLACED,
            chain=chain_start(group.epoch_authenticator),
            update_at=turn.now + 1 + wait,
            position=before.position if before else 0,
            own_counter=before.own_counter if before else 0,
            outbox=before.outbox if before else (),
            sent=in_next_epoch(before, has_grown=True) if before else (),
            leaving=before.leaving if before else False,
        )
    )
    unprove(turn, ObjectKind.CHANNEL, channel_id)
