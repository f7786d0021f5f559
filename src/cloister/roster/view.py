"""What can be asked of a roster."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, Literal

import msgspec

from cloister.crypto.hybrid_signature import HybridPublic
from cloister.ids import ChannelId, CircleId, DeviceId, Handle, InviteId, MemberId, RelayId
from cloister.limits import SEAT_GRACE_S
from cloister.roster.admission import counted_vouches, is_held
from cloister.roster.content import InviteKind, Role
from cloister.roster.governance import Governance
from cloister.roster.name import skeleton
from cloister.roster.orders import Target
from cloister.roster.policy import Policy, vouches_needed
from cloister.roster.relay_card import RelaySet
from cloister.roster.state import (
    DeviceRecord,
    InviteRecord,
    Member,
    Objections,
    OpenRequest,
    Proposal,
    RequestState,
    VouchRecord,
)
from cloister.transparency.merkle import Frontier
from cloister.values import repr_without

SeatState = Literal["active", "grace", "lapsed", "unlimited"]


DERIVED: Final = frozenset(
    {
        "active_members",
        "active_device_count",
        "device_keys",
        "handles",
        "key_owners",
        "spent",
        "waiting",
        "open_invites",
        "next_due",
    }
)
"""Fields of a view that are derived from the others; they are not compared and not shown."""


class RosterView(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Everything the log says about a circle, at one size of the log.

    ``governance`` is what readable entries say; ``policy`` is the newest, of which relays apply
    what the genesis fixed. ``ts`` is log time: that of the newest entry, in seconds since the Unix
    epoch. ``generation`` is the number of the current log key. ``requests`` are all join requests
    by their hash, ``sealed_proposals`` what stewards proposed in sealed entries and is not in
    force in full, by the hash of its entry. Mappings are not to be changed.
    """

    circle_id: CircleId
    origin: str
    commons_channel: ChannelId
    policy: Policy
    governance: Governance
    frontier: Frontier
    root: bytes
    ts: int
    forming: bool
    generation: int
    log_key_commitment: bytes
    members: Mapping[MemberId, Member]
    devices: Mapping[DeviceId, DeviceRecord]
    invites: Mapping[InviteId, InviteRecord]
    requests: Mapping[bytes, OpenRequest]
    sealed_proposals: Mapping[bytes, Proposal]
    objections: Mapping[bytes, Objections]
    # What follows is derived from the fields above (``DERIVED``); it is here so that nothing is
    # searched for.
    active_members: int
    active_device_count: int
    device_keys: Mapping[bytes, DeviceId]
    handles: Mapping[tuple[RelayId, Handle], DeviceId]
    key_owners: Mapping[bytes, MemberId]
    spent: frozenset[bytes]
    waiting: tuple[bytes, ...]
    open_invites: Mapping[MemberId, tuple[InviteId, ...]]
    next_due: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and all(
            getattr(self, name) == getattr(other, name) for name in said_fields()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr_without(self, *DERIVED)

    # --- questions ---------------------------------------------------------------------------

    @property
    def relay_set(self) -> RelaySet:
        """The relays of the circle now."""
        return self.governance.relay_set

    @property
    def steward_keys(self) -> Mapping[bytes, HybridPublic]:
        """The keys of all stewards, by key id, suspended ones too."""
        return self.governance.steward_keys

    @property
    def size(self) -> int:
        """The number of entries in the log."""
        return self.frontier.size

    def active_devices(self) -> tuple[DeviceRecord, ...]:
        """The devices that belong now, in the order of their admission."""
        return tuple(device for device in self.devices.values() if device.is_active)

    def is_active(self, did: DeviceId) -> bool:
        """Whether a device belongs now."""
        device = self.devices.get(did)
        return device is not None and device.is_active

    def was_active_at(self, did: DeviceId, size: int) -> bool:
        """Whether a device belonged when the log had ``size`` entries, if it has had so many."""
        device = self.devices.get(did)
        return device is not None and size <= self.size and device.was_active_at(size)

    def did_of_key(self, device_key: bytes) -> DeviceId | None:
        """The device whose Ed25519 device key this is, if it ever belonged."""
        return self.device_keys.get(device_key)

    def vouches_needed(self) -> int:
        """How many members must vouch for a newcomer now."""
        return vouches_needed(self.policy, forming=self.forming, active_members=self.active_members)

    def counted_vouches(self, request_hash: bytes) -> tuple[VouchRecord, ...]:
        """The vouches for a request that count at log time ``ts``; empty when it is unknown."""
        asked = self.requests.get(request_hash)
        if asked is None:
            return ()
        return counted_vouches(self.policy, self.members, asked, self.ts)

    def is_steward(self, member_id: MemberId) -> bool:
        """Whether a member holds a steward's office and may act in it now."""
        return self._holds(member_id, Role.STEWARD)

    def is_officer(self, member_id: MemberId) -> bool:
        """Whether a member holds an officer's office and may act in it now."""
        return self._holds(member_id, Role.OFFICER)

    def _holds(self, member_id: MemberId, role: Role) -> bool:
        member = self.members.get(member_id)
        return member is not None and member.is_active and member.role is role

    def member_of_key(self, key_id: bytes) -> Member | None:
        """Who announced a steward key, in office or not."""
        member_id = self.key_owners.get(key_id)
        return None if member_id is None else self.members[member_id]

    def announced_key(self, member_id: MemberId) -> HybridPublic | None:
        """The newest steward key a member announced: the one to put into a steward_set."""
        announced = self.members[member_id].announced
        return announced[-1].key if announced else None

    def request_of_member(self, member_id: MemberId) -> bytes | None:
        """The hash of the request the membership rests on: what a new vouch names."""
        newest = None
        for request_hash, asked in self.requests.items():
            is_own = asked.request.member_id == member_id
            if is_own and asked.state is RequestState.ADMITTED and not _is_further(asked):
                newest = request_hash
        return newest

    def device_of_handle(self, relay_id: RelayId, handle: Handle) -> DeviceRecord | None:
        """The device that a relay knows by this handle."""
        did = self.handles.get((relay_id, handle))
        return None if did is None else self.devices[did]

    def targets_of(self, did: DeviceId) -> tuple[Target, ...]:
        """A device's unlock shares, as an order names them."""
        return self.devices[did].targets

    def targets_of_member(self, member_id: MemberId) -> tuple[Target, ...]:
        """The unlock shares of all devices of a member that are not retired."""
        devices = (self.devices[did] for did in self.members[member_id].devices)
        return tuple(target for one in devices if not one.retired for target in one.targets)

    def is_held_member(self, member_id: MemberId) -> bool:
        """Whether a member, or the whole circle, is under a legal hold."""
        return is_held(self.governance, self.devices, self.members[member_id])

    def seat_state(self, did: DeviceId, ts: int) -> SeatState:
        """How a device's seat stands at ``ts``; unlimited where none is sold to it."""
        device = self.devices[did]
        if not device.term_end:
            return "unlimited"
        if ts <= device.term_end:
            return "active"
        stays = self.members[device.member_id].role is not Role.MEMBER
        return "grace" if stays or ts <= device.term_end + SEAT_GRACE_S else "lapsed"

    def shown_names(self) -> Mapping[MemberId, str]:
        """A name for each member that nobody else in the circle has.

        Who was admitted first keeps the plain name; a reader would take the later ones for the
        same person, so they get a number: ``Ada (2)``. Names of members who are out stay taken.
        """
        taken: set[str] = set()
        names: dict[MemberId, str] = {}
        for member_id, member in self.members.items():
            shown, number = member.name, 1
            while skeleton(shown) in taken:
                number += 1
                shown = f"{member.name} ({number})"
            taken.add(skeleton(shown))
            names[member_id] = shown
        return names

    def member_named(self, name: str) -> Member | None:
        """The member shown under this name, whatever case or form it is typed in."""
        wanted = skeleton(name)
        for member_id, shown in self.shown_names().items():
            if skeleton(shown) == wanted:
                return self.members[member_id]
        return None


def _is_further(asked: OpenRequest) -> bool:
    return asked.kind is InviteKind.DEVICE


@cache
def said_fields() -> tuple[str, ...]:
    """Return the fields of a view that the log says itself, in order."""
    return tuple(name for name in RosterView.__struct_fields__ if name not in DERIVED)
