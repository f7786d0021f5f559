"""What people call members and devices in commands, and how both are shown."""

from __future__ import annotations

from typing import Final

from cloister.client.identity import did_of, identity_of, own_steward_key_id
from cloister.client.safe_text import safe_line
from cloister.client.state import State
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.ids import DeviceId, MemberId
from cloister.roster.roster import Roster
from cloister.roster.state import DeviceRecord, Member

SHORT_DID_DIGITS: Final = 8
"""Hexadecimal digits of a did that lists show."""
MIN_DID_DIGITS: Final = 6


def roster_in_force(state: State) -> Roster:
    """Return the roster of the circle that this device is in.  Raises ``PolicyError``."""
    identity_of(state)
    roster, circle = state.roster_ahead, state.circle
    if roster is None:
        raise PolicyError(
            "this device is not in the circle yet", hint="`cloister status` says what it waits for."
        )
    if circle is not None and circle.left:
        raise PolicyError("this device is not in the circle any more")
    return roster


# --- members --------------------------------------------------------------------------------------


def own_member(state: State) -> Member:
    """Return the member whose device this is.  Raises ``PolicyError``."""
    roster = roster_in_force(state)
    return roster.members[roster.devices[did_of(state)].member_id]


def member_named(roster: Roster, name: str) -> Member:
    """Find a member by the name it is shown under.  Raises ``NotFoundError``."""
    member = roster.member_named(name)
    if member is None:
        raise NotFoundError(
            f"nobody in the circle is called “{safe_line(name)}”", hint="See `cloister members`."
        )
    return member


def shown(roster: Roster, member_id: MemberId) -> str:
    """Return a member's name for people."""
    return safe_line(roster.shown_names()[member_id])


def name_of_key(roster: Roster, key_id: bytes) -> str:
    """Return the name of whoever signs with a steward's or officer's key."""
    owner = roster.key_owners.get(key_id)
    return shown(roster, owner) if owner is not None else f"key {key_id.hex()[:SHORT_DID_DIGITS]}"


def own_key_id(state: State) -> bytes:
    """Return the name of this device's steward key, whether it is anybody's office or not."""
    return own_steward_key_id(identity_of(state))


# --- devices --------------------------------------------------------------------------------------


def device_name(roster: Roster, did: DeviceId) -> str:
    """Return ``Ada/2``: the member's second device, in the order of their admission."""
    record = roster.devices[did]
    number = roster.members[record.member_id].devices.index(did) + 1
    return f"{shown(roster, record.member_id)}/{number}"


def devices_named(roster: Roster, name: str) -> tuple[DeviceRecord, ...]:
    """Find devices: ``Ada`` all that are in use, ``Ada/2`` one, or the first digits of a did.

    Raises ``NotFoundError``, ``UsageError`` when the digits fit several.
    """
    wanted = safe_line(name)
    member = roster.member_named(wanted)
    if member is not None:
        devices = tuple(roster.devices[did] for did in member.devices)
        in_use = tuple(one for one in devices if not (one.retired or one.erased))
        return in_use or devices
    owner, _, number = wanted.rpartition("/")
    member = roster.member_named(owner) if owner else None
    if member is not None and number.isdecimal() and 1 <= int(number) <= len(member.devices):
        return (roster.devices[member.devices[int(number) - 1]],)
    digits = wanted.casefold()
    found = [record for did, record in roster.devices.items() if did.hex().startswith(digits)]
    if len(digits) >= MIN_DID_DIGITS and found:
        if len(found) > 1:
            raise UsageError(f"several devices begin with {digits}", hint="Give more digits.")
        return (found[0],)
    raise NotFoundError(
        f"no device is called “{wanted}”",
        hint="Name it MEMBER, MEMBER/2 or by the first digits of its id: `cloister device list`.",
    )


def one_device(roster: Roster, name: str) -> DeviceRecord:
    """Find one device.  Raises ``NotFoundError``, ``UsageError`` when the member has several."""
    found = devices_named(roster, name)
    if len(found) > 1:
        names = ", ".join(device_name(roster, one.did) for one in found)
        raise UsageError(f"there are several: {names}", hint="Name the one you mean.")
    return found[0]
