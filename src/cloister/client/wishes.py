"""Wishes: how a change that a person asked for is to be made in a group as it is now."""

from __future__ import annotations

from cloister import mls
from cloister.client.binding import ConversationInfo, Who, dids_of
from cloister.client.identity import did_of
from cloister.client.records import Wish
from cloister.client.rights import Rights
from cloister.client.state import Channel, State
from cloister.ids import MemberId
from cloister.roster.roster import Roster
from cloister.values import replace


def wished_info(info: ConversationInfo, wish: Wish) -> ConversationInfo:
    """Return what a group shall be that is ``info`` now."""
    admins = (set(info.admins) | set(wish.named)) - set(wish.unnamed)
    staying = admins - set(wish.removes)
    return replace(
        info,
        title=wish.title or info.title,
        changing=Who(wish.changing) if wish.changing else info.changing,
        posting=Who(wish.posting) if wish.posting else info.posting,
        admins=tuple(sorted(staying or admins)) if wish.named or wish.unnamed else info.admins,
        lifetime_s=info.lifetime_s if wish.lifetime_s is None else wish.lifetime_s,
    )


def wished_removals(roster: Roster, group: mls.Group, wish: Wish) -> tuple[int, ...]:
    """Return the leaves that a wish wants gone."""
    return tuple(
        leaf
        for leaf, did in dids_of(group).items()
        if roster.devices[did].member_id in wish.removes
    )


def leaves_of_leavers(state: State, channel: Channel) -> tuple[int, ...]:
    """Return the leaves of others who have said in this epoch that they leave."""
    roster = state.roster
    if roster is None or not channel.leavers:
        return ()
    own = roster.devices[did_of(state)].member_id
    return tuple(
        leaf
        for leaf, did in dids_of(channel.group).items()
        if roster.devices[did].member_id in channel.leavers and roster.devices[did].member_id != own
    )


def is_forbidden(rights: Rights, member: MemberId, wish: Wish) -> bool:
    """Whether a commit by this member that made the wish would be refused."""
    rules = wish.changing or wish.posting or wish.named or wish.unnamed
    return (
        bool(rules and not rights.is_admin(member))
        or bool(wish.title and not rights.may_change(member))
        or bool(wish.lifetime_s is not None and not rights.may_change(member))
        or not all(rights.may_remove(member, subject) for subject in wish.removes)
    )
