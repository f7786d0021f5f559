"""Opening conversations: a group of its own for some of the circle's devices (flows 4.2)."""

from __future__ import annotations

from cloister.client.binding import ConversationInfo, Who, dids_of, group_extensions
from cloister.client.changing import NOT_ADMIN, SEE_ADMINS, checked_lifetime, checked_title
from cloister.client.content import chain_start
from cloister.client.identity import did_of, make_group
from cloister.client.inputs import OpenConversation
from cloister.client.linking import channel_key, on_common_refusal, refusal_error
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.rights import rights_of
from cloister.client.safe_text import safe_line
from cloister.client.standing import standing_of
from cloister.client.state import UNPLACED, Channel, Purpose, Work
from cloister.client.turn import Turn
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.ids import SHORT_ID_BYTES, DeviceId
from cloister.limits import STALE_FORBID_S
from cloister.roster.roster import Roster
from cloister.values import replace
from cloister.wire.commands import OpenChannel
from cloister.wire.events import Done, Failed


def on_open(turn: Turn, act: OpenConversation) -> None:
    """Make the group and remember whom it is for; the relay is asked by ``advance``."""
    state = turn.state
    roster = state.roster
    if roster is None or state.commons is None or (state.circle and state.circle.left):
        raise PolicyError("only a member of a circle can open a conversation")
    if turn.now - state.head_time > STALE_FORBID_S:
        raise PolicyError(
            "the newest cosignature of the log is older than a day",
            hint="Connect first (`cloister status`); see that this device's clock is right.",
        )
    title = checked_title(state, act.title)
    wanted = _devices(turn, act.members)
    channel_id = turn.entropy.random(SHORT_ID_BYTES)
    info = ConversationInfo(
        kind=ChannelKind.CONVERSATION,
        title=title,
        changing=Who.ADMINS if act.admins_only else Who.EVERYONE,
        posting=Who.ADMINS if act.announcements else Who.EVERYONE,
        admins=(roster.devices[did_of(state)].member_id,),
        lifetime_s=checked_lifetime(act.lifetime_s),
    )
    extensions = group_extensions(roster.origin, roster.size, roster.root, info)
    group = make_group(state, roster.circle_id, channel_id, extensions, turn.now, turn.entropy)
    turn.put_channel(
        Channel(
            channel_id=channel_id,
            kind=ChannelKind.CONVERSATION,
            state=ChannelState.OPENING,
            title=title,
            group=group,
            next_n=UNPLACED,
            chain=chain_start(group.epoch_authenticator),
            wanted=wanted,
        )
    )
    turn.owe(channel_id, act.ref)


def _devices(turn: Turn, names: tuple[str, ...]) -> tuple[DeviceId, ...]:
    roster = turn.state.roster
    if roster is None or not names:
        raise UsageError("name at least one member to talk to")
    wanted: list[DeviceId] = []
    for name in names:
        member = roster.member_named(name)
        if member is None or not member.is_active:
            raise NotFoundError(
                f"nobody in the circle is called “{safe_line(name)}”",
                hint="See `cloister members`.",
            )
        for did in member.devices:
            if did not in wanted and did != did_of(turn.state):
                wanted.append(did)
    if not wanted:
        raise UsageError("a conversation needs somebody else than yourself")
    return tuple(wanted)


def advance(turn: Turn) -> None:
    """Open channels at the relay; answer when everybody wanted is in."""
    state = turn.state
    if state.circle is None or state.roster is None:
        return
    commons_id = state.circle.commons_id
    for channel in state.channels.values():
        if channel.kind is not ChannelKind.CONVERSATION:
            continue
        wanted = _still_wanted(turn, channel, state.roster)
        # Whoever is out for good has no place left to come back to.
        dropped = tuple(
            did for did in channel.dropped if not standing_of(state.roster, did).is_final
        )
        if (wanted, dropped) != (channel.wanted, channel.dropped):
            turn.put_channel(replace(channel, wanted=wanted, dropped=dropped))
            channel = turn.state.channels[channel.channel_id]
        if channel.state is ChannelState.ACTIVE and not wanted:
            turn.answer(channel.channel_id, text=channel.channel_id.hex())
        if channel.state is not ChannelState.OPENING:
            continue
        if turn.is_current(commons_id):
            _ask_open(turn, commons_id, channel)


def _still_wanted(turn: Turn, channel: Channel, roster: Roster) -> tuple[DeviceId, ...]:
    """Return whom this device still has to bring in, and may."""
    wanted = tuple(did for did in channel.wanted if roster.is_active(did))
    if channel.state is not ChannelState.ACTIVE or not wanted:
        return wanted
    inside = set(dids_of(channel.group).values())
    rights = rights_of(roster, channel.group)
    own = roster.devices[did_of(turn.state)].member_id
    wanted = tuple(did for did in wanted if did not in inside)
    allowed = tuple(did for did in wanted if rights.may_add(own, roster.devices[did].member_id))
    if allowed != wanted:
        turn.answer(channel.channel_id, error=PolicyError(NOT_ADMIN, hint=SEE_ADMINS))
    return allowed


def _ask_open(turn: Turn, commons_id: bytes, channel: Channel) -> None:
    relay_id = turn.session.relay_id
    turn.ask(
        Purpose(Work.OPEN_CHANNEL, channel.channel_id),
        lambda rid: OpenChannel(
            rid=rid,
            commons_id=commons_id,
            channel_id=channel.channel_id,
            channel_key=channel_key(channel.group, relay_id, channel.channel_id).public,
        ),
    )


def on_opened(turn: Turn, purpose: Purpose, event: Done) -> None:
    """The relay has the channel; ``duties`` adds the members."""
    channel = turn.state.channels.get(purpose.subject)
    if channel is not None and channel.state is ChannelState.OPENING:
        turn.put_channel(replace(channel, state=ChannelState.ACTIVE))


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """The relay will not have the channel: say so and leave it closed."""
    if on_common_refusal(turn, purpose, event):
        return
    channel = turn.state.channels.get(purpose.subject)
    if channel is not None:
        error = refusal_error(event, "the conversation")
        turn.put_channel(replace(channel, state=ChannelState.STUCK, reason=str(error)))
        turn.answer(purpose.subject, error=error)
