"""How this device calls the members, and whom its person has blocked.

An own name stands wherever people talk.  Where something is accountable, in the log, in governance
and in requests, everybody reads the circle's name (``naming.shown``).
"""

from __future__ import annotations

from collections.abc import Mapping

from cloister.client.binding import dids_of
from cloister.client.contact_records import UNKNOWN, Contact
from cloister.client.identity import did_of
from cloister.client.records import ChannelKind
from cloister.client.safe_text import safe_line
from cloister.client.state import Channel, State
from cloister.errors import NotFoundError
from cloister.ids import DeviceId, MemberId
from cloister.roster.name import skeleton
from cloister.roster.roster import Roster
from cloister.roster.state import Member


def contact_of(state: State, member_id: MemberId) -> Contact:
    """Return what the person said of a member; ``UNKNOWN``: nothing."""
    return state.contacts.get(member_id, UNKNOWN)


def names_here(state: State) -> Mapping[MemberId, str]:
    """Return what this device calls each member: the own name, else the circle's.

    No two are the same: an own name that somebody else has in the circle by now gets the circle's
    beside it.
    """
    roster = state.roster
    if roster is None:
        return {}
    names = {member_id: safe_line(name) for member_id, name in roster.shown_names().items()}
    named = [(one, said.own_name) for one, said in state.contacts.items() if said.own_name]
    if not named:
        return names
    owners = {skeleton(name): member_id for member_id, name in names.items()}
    here = dict(names)
    for key, own_name in named:
        member_id = MemberId(key)
        if member_id in names:
            is_free = owners.get(skeleton(own_name), member_id) == member_id
            shown = safe_line(own_name)
            here[member_id] = shown if is_free else f"{shown} ({names[member_id]})"
    return here


def author_names(state: State) -> Mapping[DeviceId, str]:
    """Return the name under which each device's texts are shown."""
    roster = state.roster
    if roster is None:
        return {}
    names = names_here(state)
    return {did: names[record.member_id] for did, record in roster.devices.items()}


def member_here(state: State, roster: Roster, name: str) -> Member:
    """Find a member by the circle's name, by an own name, or by id.  Raises ``NotFoundError``."""
    member = roster.member_named(name)
    wanted = skeleton(safe_line(name))
    for key, said in state.contacts.items():
        if member is None and said.own_name and skeleton(said.own_name) == wanted:
            member = roster.members.get(MemberId(key))
    for member_id, one in roster.members.items():
        if member is None and member_id.hex() == wanted:
            member = one
    if member is None:
        raise NotFoundError(
            f"nobody in the circle is called “{safe_line(name)}”", hint="See `cloister members`."
        )
    return member


def others_in(state: State, channel: Channel) -> frozenset[MemberId]:
    """Return whose devices are in a channel besides one's own."""
    roster = state.roster
    if roster is None or state.identity is None:
        return frozenset()
    own = did_of(state)
    records = (roster.devices.get(did) for did in dids_of(channel.group).values())
    found = frozenset(record.member_id for record in records if record is not None)
    return found - {roster.devices[own].member_id} if own in roster.devices else found


def partner_of(state: State, channel: Channel) -> MemberId | None:
    """Return the other of a conversation of two; nothing where there are more.

    Where nobody else is left: the only one who ever was in it."""
    if channel.kind is not ChannelKind.CONVERSATION:
        return None
    others = others_in(state, channel) or _others_before(state, channel)
    return next(iter(others)) if len(others) == 1 else None


def _others_before(state: State, channel: Channel) -> frozenset[MemberId]:
    """Return whose devices were ever in a channel, as far as this device saw, but one's own."""
    roster, exposure = state.roster, state.exposures.get(channel.channel_id)
    if roster is None or exposure is None or state.identity is None:
        return frozenset()
    records = (roster.devices.get(did) for did in (did_of(state), *(s.did for s in exposure.spans)))
    own, *others = (None if record is None else record.member_id for record in records)
    return frozenset(one for one in others if one is not None and one != own)


def is_blocked(state: State, did: DeviceId) -> bool:
    """Tell whether a device belongs to a member whom the person has blocked."""
    record = state.roster.devices.get(did) if state.roster is not None else None
    return record is not None and contact_of(state, record.member_id).is_blocked


def blocked_devices(state: State) -> frozenset[DeviceId]:
    """Return the devices whose texts are folded away."""
    roster = state.roster
    if roster is None:
        return frozenset()
    members = [
        roster.members[MemberId(key)]
        for key, said in state.contacts.items()
        if said.is_blocked and key in roster.members
    ]
    return frozenset(did for member in members for did in member.devices)


def uncounted_devices(state: State) -> frozenset[DeviceId]:
    """Return the devices whose texts are nothing unread: one's own, and those of the blocked."""
    roster, own = state.roster, None
    if roster is not None and state.identity is not None:
        own = roster.devices.get(did_of(state))
    mine = roster.members[own.member_id].devices if roster is not None and own is not None else ()
    return blocked_devices(state) | frozenset(mine)


def is_of_blocked(state: State, channel: Channel) -> bool:
    """Tell whether a conversation is one that only blocked members could want to be seen."""
    if channel.kind is not ChannelKind.CONVERSATION:
        return False
    others = others_in(state, channel)
    return bool(others) and all(contact_of(state, one).is_blocked for one in others)
