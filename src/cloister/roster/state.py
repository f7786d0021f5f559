"""The records a roster is made of, and the draft that the fold works on.

Records are layouts, so that a snapshot is their encoding. A draft is the only mutable value: it
lives inside one call of the fold, which thaws a roster, applies entries and freezes it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from cloister.codec import (
    Struct,
    enum8,
    fixed,
    layout,
    nested,
    optional,
    text,
    uint64,
    vector,
)
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.crypto.secret import Secret
from cloister.ids import CircleId, DeviceId, InviteId, MemberId
from cloister.limits import MAX_DEVICES, MAX_NAME_BYTES
from cloister.roster.content import MAX_REASON_BYTES, Acquaintance, Invite, Role
from cloister.roster.device_card import DeviceCard
from cloister.roster.fields import DEVICE_ID, HASH_BYTES, MEMBER_ID
from cloister.roster.join_request import JoinRequest
from cloister.roster.policy import Policy, vouches_needed

# A record with some fields changed.
changed = replace


class MemberState(IntEnum):
    """Whether a member belongs. Who is out comes back only as somebody new."""

    ACTIVE = 1
    REMOVED = 2
    LEFT = 3


class RequestState(IntEnum):
    """Where a join request stands."""

    OPEN = 1
    CONTESTED = 2
    ADMITTED = 3


@layout
class Member(Struct):
    """A person. Sizes are sizes of the log, times are log time in seconds since the Unix epoch.

    ``admitted_at_size`` is the size of the log with the admitting entry in it. ``vouchers`` and
    ``invited_by`` are empty for the founder. ``probation_until`` is 0 for whoever has none.
    """

    member_id: MemberId = MEMBER_ID
    name: str = text(MAX_NAME_BYTES)
    role: Role = enum8(Role)
    state: MemberState = enum8(MemberState)
    admitted_at_size: int = uint64()
    admitted_at_ts: int = uint64()
    probation_until: int = uint64()
    vouchers: tuple[MemberId, ...] = vector(MEMBER_ID, max_items=MAX_DEVICES)
    invited_by: MemberId | None = optional(MEMBER_ID)
    devices: tuple[DeviceId, ...] = vector(DEVICE_ID, max_items=MAX_DEVICES)

    @property
    def is_active(self) -> bool:
        """Whether the member belongs now."""
        return self.state is MemberState.ACTIVE


@layout
class DeviceRecord(Struct):
    """A device, active at the sizes from ``active_from`` up to, not including, ``active_until``."""

    did: DeviceId = DEVICE_ID
    card: DeviceCard = nested(DeviceCard)
    member_id: MemberId = MEMBER_ID
    active_from: int = uint64()
    active_until: int | None = optional(uint64())

    def was_active_at(self, size: int) -> bool:
        """Whether the device belonged to the circle when the log had ``size`` entries."""
        return self.active_from <= size and (self.active_until is None or size < self.active_until)


@layout
class InviteRecord(Struct):
    """An invitation in the log, and the requests that came for it, in their order."""

    invite: Invite = nested(Invite)
    inviter: MemberId = MEMBER_ID
    seq: int = uint64()
    ts: int = uint64()
    requests: tuple[bytes, ...] = vector(fixed(HASH_BYTES))
    admitted: bytes | None = optional(fixed(HASH_BYTES))

    @property
    def is_contested(self) -> bool:
        """Whether more than one request came before an admission."""
        return len(self.requests) > 1

    def is_open(self, ts: int) -> bool:
        """Whether the invitation waits for an admission at log time ``ts``."""
        return ts <= self.invite.expires and self.admitted is None and not self.is_contested


@layout
class VouchRecord(Struct):
    """The newest vouch of one member for one request."""

    voucher: MemberId = MEMBER_ID
    how: Acquaintance = enum8(Acquaintance)
    ts: int = uint64()


@layout
class OpenRequest(Struct):
    """A join request in the log, in whatever state.

    ``needed`` is how many vouches must count, as the circle stands at the newest entry; it stays
    as it was once the request is not open any more.
    """

    request: JoinRequest = nested(JoinRequest)
    request_hash: bytes = fixed(HASH_BYTES)
    seq: int = uint64()
    ts: int = uint64()
    vouches: tuple[VouchRecord, ...] = vector(VouchRecord, max_items=MAX_DEVICES)
    needed: int = uint64()
    state: RequestState = enum8(RequestState)


@layout
class Proposal(Struct):
    """A removal a steward proposed and nobody has approved yet."""

    entry_hash: bytes = fixed(HASH_BYTES)
    seq: int = uint64()
    ts: int = uint64()
    member_id: MemberId = MEMBER_ID
    proposer: MemberId = MEMBER_ID
    reason: str = text(MAX_REASON_BYTES)


@dataclass(frozen=True, slots=True)
class Act:
    """A sealed entry whose author and signature have been checked."""

    seq: int
    ts: int
    entry_hash: bytes
    author: DeviceRecord
    generation: int
    log_key: Secret


@dataclass(slots=True)
class Draft:
    """A roster being changed. Dictionaries are its own copies; records in them are frozen."""

    circle_id: CircleId
    policy: Policy
    steward_keys: Mapping[bytes, HybridPublic]
    forming: bool
    generation: int
    log_key_commitment: bytes
    active_members: int
    members: dict[MemberId, Member]
    devices: dict[DeviceId, DeviceRecord]
    device_keys: dict[bytes, DeviceId]
    invites: dict[InviteId, InviteRecord]
    requests: dict[bytes, OpenRequest]
    proposals: dict[bytes, Proposal]
    spent: set[bytes]
    """Keys, inboxes, boxes and member ids that have stood in a valid entry."""
    waiting: dict[bytes, None]
    """Hashes of open requests with a vouch that may still count."""
    open_invites: dict[MemberId, tuple[InviteId, ...]]
    """By inviter: all invitations that are open, and some that are not any more."""

    @property
    def vouches_needed(self) -> int:
        """How many members must vouch for a newcomer now."""
        return vouches_needed(self.policy, forming=self.forming, active_members=self.active_members)

    def active_member(self, member_id: MemberId) -> Member | None:
        """The member, if it belongs now."""
        member = self.members.get(member_id)
        return member if member is not None and member.is_active else None

    def refresh_needed(self) -> None:
        """Bring ``needed`` of the open requests up to date, after members came or went."""
        needed = self.vouches_needed
        for request_hash, asked in self.requests.items():
            if asked.state is RequestState.OPEN and asked.needed != needed:
                self.requests[request_hash] = changed(asked, needed=needed)

    def add_member(self, member: Member, device: DeviceRecord) -> None:
        """Let a member in, with one device."""
        self.members[member.member_id] = member
        self.devices[device.did] = device
        self.device_keys[device.card.device_key] = device.did
        self.active_members += 1
