"""Changes of a conversation: its name, who is in it, who may do what, and leaving it.

What a person asks for is kept as a ``Wish`` until a commit has made it, whoever's commit that is;
a commit of somebody else that comes first changes nothing about the wish.  Members are brought in
by ``duties``, as when a conversation is opened.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloister import mls
from cloister.client.binding import (
    MAX_ADMINS,
    MAX_LIFETIME_S,
    MIN_LIFETIME_S,
    Who,
    checkpoint_of,
    dids_of,
)
from cloister.client.content import ContentKind, Notice, NoticeType
from cloister.client.effects import Message, MessageKind, MessageState
from cloister.client.identity import did_of
from cloister.client.inputs import ChangeConversation, LeaveConversation
from cloister.client.naming import member_named, own_member, roster_in_force, shown
from cloister.client.outbox import fail_all, queue
from cloister.client.records import COMMONS_NAME, ChannelKind, ChannelState, Wish
from cloister.client.rights import Rights, rights_of
from cloister.client.safe_text import safe_line
from cloister.client.spans import span_in_words
from cloister.client.state import Channel, State
from cloister.client.turn import Turn
from cloister.client.views import channel_named, channel_titles
from cloister.client.wishes import is_forbidden, wished_info
from cloister.crypto.hashing import sha256
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.ids import SHORT_ID_BYTES, MemberId
from cloister.limits import MAX_NAME_BYTES
from cloister.roster.roster import Roster
from cloister.values import replace
from cloister.wire.events import CommitItem

NOT_ADMIN = "only admins of the conversation can do that"
SEE_ADMINS = "`cloister conversation list` shows who they are."


# --- what a person asks for -----------------------------------------------------------------------


def on_change(turn: Turn, act: ChangeConversation) -> None:
    """Keep a wish; answered when a commit has made it, or when it cannot be any more."""
    roster = roster_in_force(turn.state)
    channel = _open_conversation(turn.state, act.conversation)
    rights = rights_of(roster, channel.group)
    wish = Wish(
        wish_id=turn.entropy.random(SHORT_ID_BYTES),
        title=checked_title(turn.state, act.title) if act.title else "",
        changing=act.changing,
        posting=act.posting,
        named=_members(roster, rights, act.admins_named),
        unnamed=_members(roster, rights, act.admins_unnamed),
        removes=_members(roster, rights, act.remove),
        lifetime_s=None if act.lifetime_s is None else checked_lifetime(act.lifetime_s),
    )
    newcomers = tuple(member_named(roster, name) for name in act.add)
    own = own_member(turn.state).member_id
    if own in wish.removes:
        raise UsageError("nobody removes themselves", hint="Use `cloister conversation leave`.")
    for newcomer in newcomers:
        if not newcomer.is_active:
            raise PolicyError(f"{shown(roster, newcomer.member_id)} is not active in the circle")
        if not rights.may_add(own, newcomer.member_id):
            raise PolicyError(NOT_ADMIN, hint=SEE_ADMINS)
    if is_forbidden(rights, own, wish):
        raise PolicyError(NOT_ADMIN, hint=SEE_ADMINS)
    info = wished_info(rights.info, wish)
    if not info.admins:
        raise PolicyError("a conversation needs an admin", hint="Name another one first.")
    if len(info.admins) > MAX_ADMINS:
        raise PolicyError(f"a conversation has at most {MAX_ADMINS} admins")
    if newcomers:
        inside = set(dids_of(channel.group).values())
        wanted = [did for one in newcomers for did in one.devices if roster.is_active(did)]
        wanted = [did for did in wanted if did not in inside and did not in channel.wanted]
        turn.put_channel(replace(channel, wanted=(*channel.wanted, *wanted)))
        turn.owe(channel.channel_id, act.ref)
        return
    turn.put_channel(replace(channel, wishes=(*channel.wishes, wish)))
    turn.owe(wish.wish_id, act.ref)


def on_leave(turn: Turn, act: LeaveConversation) -> None:
    """Leave a conversation: nobody can take out their own leaf, so the others are asked to."""
    roster_in_force(turn.state)
    channel = _open_conversation(turn.state, act.conversation)
    turn.put_channel(replace(channel, leaving=True, wishes=(), wanted=(), dropped=()))
    turn.owe(leaving_key(channel.channel_id), act.ref)


def checked_title(state: State, given: str) -> str:
    """Return a title that a conversation may get.  Raises ``UsageError``, ``PolicyError``."""
    title = safe_line(given)
    if len(title.encode()) > MAX_NAME_BYTES:
        raise UsageError(f"a title may have {MAX_NAME_BYTES} bytes")
    if not title:
        raise UsageError("a conversation needs a title")
    if title.casefold() in {one.casefold() for one in channel_titles(state)} | {COMMONS_NAME}:
        raise PolicyError(f"there is a conversation called “{title}” already")
    return title


def checked_lifetime(seconds: int) -> int:
    """Return how long texts may be kept, 0: for good.  Raises ``UsageError``."""
    if seconds and not MIN_LIFETIME_S <= seconds <= MAX_LIFETIME_S:
        raise UsageError("texts are kept for a minute at least and a year at most, or for good")
    return seconds


def leaving_key(channel_id: bytes) -> bytes:
    """Return the key under which the wish to leave a conversation is owed an answer."""
    return b"leave" + channel_id


def _open_conversation(state: State, name: str) -> Channel:
    channel = channel_named(state, name)
    if channel.kind is ChannelKind.COMMONS:
        raise PolicyError("the commons belongs to everybody in the circle and does not change")
    if channel.state is not ChannelState.ACTIVE or channel.leaving:
        raise PolicyError("this device is not in that conversation, or about to leave it")
    return channel


def _members(roster: Roster, rights: Rights, names: Sequence[str]) -> tuple[MemberId, ...]:
    found = []
    for name in names:
        member = member_named(roster, name)
        if member.member_id not in rights.members and member.member_id not in rights.info.admins:
            raise NotFoundError(
                f"{shown(roster, member.member_id)} is not in the conversation",
                hint="`cloister conversation list` shows who is.",
            )
        found.append(member.member_id)
    return tuple(sorted(set(found)))


# --- what becomes of it ---------------------------------------------------------------------------


def advance(turn: Turn) -> None:
    """Drop wishes that are made or have become impossible; say that this device leaves."""
    roster = turn.state.roster
    if roster is None or turn.state.circle is None or turn.state.circle.left:
        return
    own = roster.devices[did_of(turn.state)].member_id
    for channel in turn.state.channels.values():
        if channel.kind is not ChannelKind.CONVERSATION or channel.state is not ChannelState.ACTIVE:
            continue
        if channel.wishes:
            _drop_wishes(turn, channel, rights_of(roster, channel.group), own)
        if channel.leaving:
            _leave(turn, channel, roster, own)


def _drop_wishes(turn: Turn, channel: Channel, rights: Rights, own: MemberId) -> None:
    kept = []
    for wish in channel.wishes:
        info = wished_info(rights.info, wish)
        if info == rights.info and not rights.members & set(wish.removes):
            turn.answer(wish.wish_id, text=channel.channel_id.hex())
        elif is_forbidden(rights, own, wish) or not 0 < len(info.admins) <= MAX_ADMINS:
            turn.answer(wish.wish_id, error=PolicyError(NOT_ADMIN, hint=SEE_ADMINS))
        else:
            kept.append(wish)
    if len(kept) != len(channel.wishes):
        turn.put_channel(replace(channel, wishes=tuple(kept)))


def _leave(turn: Turn, channel: Channel, roster: Roster, own: MemberId) -> None:
    members = rights_of(roster, channel.group).members
    if members == {own} and channel.staged is None:
        reason = "this member has left it"
        left = replace(channel, state=ChannelState.LEFT, reason=reason, leaving=False)
        turn.put_channel(left)
        fail_all(turn, left, reason)
        turn.answer(leaving_key(channel.channel_id), text=reason)
        return
    is_said = any(one.kind == ContentKind.NOTICE for one in channel.outbox)
    if own not in channel.leavers and not is_said:
        # Said anew in each epoch: whoever came in since has not heard it.
        queue(turn, channel, ContentKind.NOTICE, Notice(type=NoticeType.LEAVING).encode())


# --- what others see of it ------------------------------------------------------------------------


def note(turn: Turn, channel: Channel, received: mls.CommitReceived, event: CommitItem) -> None:
    """Write into the timeline what a commit changed that people care about, and who did it."""
    roster, after = turn.state.roster, received.next
    if roster is None or after is None or channel.kind is ChannelKind.COMMONS:
        return
    did = dids_of(channel.group)[received.committer]
    author = shown(roster, roster.devices[did].member_id)
    lines = _differences(roster, channel, after)
    if not lines:
        return
    merged = turn.state.channels[channel.channel_id]
    position = merged.position + 1
    turn.put_channel(replace(merged, position=position))
    turn.store_message(
        Message(
            channel_id=channel.channel_id,
            message_id=event.envelope_id,
            position=position,
            sender=did,
            sender_name=author,
            own=received.committer == channel.group.own_leaf,
            kind=MessageKind.NOTICE,
            state=MessageState.RECEIVED,
            counter=0,
            n=event.n,
            at=turn.now,
            text=f"{author}: " + "; ".join(lines) + ".",
            envelope_hash=sha256(event.envelope),
        )
    )


def _differences(roster: Roster, channel: Channel, after: mls.Group) -> list[str]:
    old, new = rights_of(roster, channel.group), rights_of(roster, after)
    lines = []
    if new.info.title != old.info.title:
        lines.append(f"the conversation is called “{new.info.shown_title}” now")
    if new.info.changing is not old.info.changing:
        who = "everybody" if new.info.changing is Who.EVERYONE else "admins only"
        lines.append(f"members and name are changed by {who}")
    if new.info.posting is not old.info.posting:
        lines.append(
            "everybody posts here" if new.info.posting is Who.EVERYONE else "only admins post here"
        )
    if new.info.lifetime_s != old.info.lifetime_s:
        lines.append(lifetime_words(new.info.lifetime_s))
    before, since = set(old.info.admins), set(new.info.admins)
    lines += _named(roster, since - before, "is an admin")
    lines += _named(roster, before - since, "is no admin any more")
    size = checkpoint_of(after.extensions).size
    gone = [
        member
        for member in old.members - new.members
        if any(roster.devices[did].was_active_at(size) for did in roster.members[member].devices)
    ]
    lines += _named(roster, gone, "is not in the conversation any more")
    return lines


def lifetime_words(seconds: int) -> str:
    """Say how long texts are kept."""
    if not seconds:
        return "texts are kept for good from now on"
    return f"new texts are deleted {span_in_words(seconds)} after they were read"


def _named(roster: Roster, members: Sequence[MemberId] | set[MemberId], what: str) -> list[str]:
    return [f"{name} {what}" for name in sorted(shown(roster, member) for member in members)]
