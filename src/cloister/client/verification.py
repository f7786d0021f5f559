"""Whether a member's keys are the ones that two people compared, and what they compare.

Both see the same: a hash of who they are and of the devices that each has in use.  What is kept of
a comparison is the other's devices.  A device of one's own more, or one of theirs less, takes
nothing back; one of theirs more does, and says by whose word it came.
"""

from __future__ import annotations

import base64
from enum import Enum
from typing import Final

import msgspec

from cloister.client.contacts import contact_of
from cloister.client.identity import did_of
from cloister.client.naming import device_name, own_member, roster_in_force, shown
from cloister.client.state import State
from cloister.codec import Struct, layout, nested, vector
from cloister.errors import PolicyError, UsageError
from cloister.ids import CircleId, DeviceId, MemberId
from cloister.roster.digits import sixty_digits
from cloister.roster.fields import CIRCLE_ID, DEVICE_ID, MEMBER_ID
from cloister.roster.labels import labelled_hash
from cloister.roster.roster import Roster
from cloister.roster.state import Member, RequestState

View = dict[str, object]

COMPARED_LABEL: Final = b"compared keys"
"""Of the hash and of the digits."""
CODE_PREFIX: Final = "CL1:"
CODE_BYTES: Final = 20
"""Of the hash that a code carries: what a QR code of 25 modules holds in capitals."""


@layout
class Side(Struct):
    """One of two people, and the devices in use."""

    member_id: MemberId = MEMBER_ID
    dids: tuple[DeviceId, ...] = vector(DEVICE_ID)
    """Ascending."""


@layout
class Compared(Struct):
    """What two people compare; ``lower`` has the lower member id."""

    circle_id: CircleId = CIRCLE_ID
    lower: Side = nested(Side)
    higher: Side = nested(Side)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What two people compare, in the forms that can be read out or drawn."""

    fingerprint: bytes
    """SHA-256, 32 bytes."""
    digits: str
    """Twelve groups of five, with spaces between."""
    code: str
    """``CL1:`` and 32 characters of base32: for a QR code, or to paste."""


class Trust(Enum):
    """What stands behind a member's keys, for this person."""

    OWN = "own"
    VERIFIED = "verified"
    CHANGED = "changed"
    """Verified, and there is a device that was not there then."""
    VOUCHED = "vouched"
    FOUNDER = "founder"
    """Nobody's word but the circle's own."""


def in_use(roster: Roster, member: Member) -> tuple[DeviceId, ...]:
    """Return a member's devices that are neither retired nor erased, ascending."""
    records = (roster.devices[did] for did in member.devices)
    return tuple(sorted(one.did for one in records if not (one.retired or one.erased)))


def compared_with(state: State, member: Member) -> Compared:
    """Return what this person and another compare.

    Raises ``UsageError`` for oneself, ``PolicyError`` for who has no device in use.
    """
    roster, own = roster_in_force(state), own_member(state)
    if member.member_id == own.member_id:
        raise UsageError(
            "that is you", hint="Your own devices are vouched for: `cloister device list`."
        )
    if not in_use(roster, member):
        raise PolicyError(f"{shown(roster, member.member_id)} has no device in use")
    lower, higher = sorted((own, member), key=lambda one: one.member_id)
    return Compared(
        circle_id=roster.circle_id,
        lower=Side(member_id=lower.member_id, dids=in_use(roster, lower)),
        higher=Side(member_id=higher.member_id, dids=in_use(roster, higher)),
    )


def fingerprint_of(compared: Compared) -> bytes:
    """Return the hash that a person notes having compared, 32 bytes."""
    return labelled_hash(COMPARED_LABEL, compared.encode())


def comparison_of(compared: Compared) -> Comparison:
    """Return the forms of what is compared."""
    fingerprint = fingerprint_of(compared)
    code = base64.b32encode(fingerprint[:CODE_BYTES]).decode("ascii")
    return Comparison(
        fingerprint=fingerprint,
        digits=sixty_digits(COMPARED_LABEL, compared.encode(), fingerprint),
        code=CODE_PREFIX + code,
    )


# --- trust ----------------------------------------------------------------------------------------


def added_devices(state: State, member: Member) -> tuple[DeviceId, ...]:
    """Return the devices that a verified member has in use and that were not compared."""
    said, roster = contact_of(state, member.member_id), state.roster
    if roster is None or not said.verified:
        return ()
    return tuple(did for did in in_use(roster, member) if did not in said.verified)


def trust_in(state: State, member: Member) -> Trust:
    """Return what stands behind a member's keys."""
    said = contact_of(state, member.member_id)
    if state.identity is not None and did_of(state) in member.devices:
        return Trust.OWN
    if said.verified:
        return Trust.CHANGED if added_devices(state, member) else Trust.VERIFIED
    return Trust.VOUCHED if member.grants else Trust.FOUNDER


def vouchers_of_device(roster: Roster, did: DeviceId) -> tuple[str, ...]:
    """Return the names of those whose word let a device in."""
    for asked in roster.requests.values():
        if asked.state is RequestState.ADMITTED and asked.request.device.did == did:
            return tuple(shown(roster, one.voucher) for one in asked.vouches)
    return ()


def trust_view(state: State, roster: Roster, member: Member) -> View:
    """What stands behind a member's keys, and what the person has not been told of it yet."""
    said = contact_of(state, member.member_id)
    added = added_devices(state, member)
    is_untold = not member.is_active and said.told_state != int(member.state)
    return {
        "trust": trust_in(state, member).value,
        "verified_at": said.verified_at,
        "replaced": bool(added) and not set(said.verified) & set(in_use(roster, member)),
        "added_devices": [
            {
                "device": device_name(roster, did),
                "vouched_by": list(vouchers_of_device(roster, did)),
                "told": did in said.told,
            }
            for did in added
        ],
        "untold_state": is_untold,
    }
