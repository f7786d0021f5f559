"""Which devices a program reads on: it stands on their cards, for which members have vouched.

A card never changes, and the roster keeps those of former devices.  So no row of a timeline has to
remember it; it is told of the roster whenever rows are read.
"""

from __future__ import annotations

from cloister.client.binding import dids_of
from cloister.client.contacts import names_here
from cloister.client.state import Channel, State
from cloister.ids import DeviceId
from cloister.roster.roster import Roster
from cloister.roster.state import Member


def is_bot(roster: Roster | None, did: bytes) -> bool:
    """Whether the card of a device says so; of an unknown device nothing is said."""
    record = roster.devices.get(DeviceId(did)) if roster is not None else None
    return record is not None and record.card.bot


def bots_of(roster: Roster, member: Member) -> tuple[DeviceId, ...]:
    """Return the bots among a member's devices that are not out of use."""
    return tuple(did for did in _in_use(roster, member) if is_bot(roster, did))


def is_only_bots(roster: Roster, member: Member) -> bool:
    """Whether a member has no device at which a person reads."""
    in_use = _in_use(roster, member)
    return bool(in_use) and all(is_bot(roster, did) for did in in_use)


def bot_devices(state: State) -> frozenset[bytes]:
    """Return the dids of all bots, former ones too."""
    devices = state.roster.devices if state.roster is not None else {}
    return frozenset(bytes(did) for did, record in devices.items() if record.card.bot)


def bot_names(state: State, channel: Channel) -> list[str]:
    """Return those members, as they are called here, who are in a channel with bots only."""
    roster = state.roster
    if roster is None:
        return []
    names = names_here(state)
    people: set[str] = set()
    bots: set[str] = set()
    for did in dids_of(channel.group).values():
        record = roster.devices.get(did)
        if record is not None:
            (bots if record.card.bot else people).add(names[record.member_id])
    return sorted(bots - people)


def _in_use(roster: Roster, member: Member) -> list[DeviceId]:
    """All of them, of a member who has none in use."""
    in_use = [did for did in member.devices if not roster.devices[did].retired]
    return in_use or list(member.devices)
