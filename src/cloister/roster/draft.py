"""The draft the fold works on: the only mutable value of a roster.

It lives inside one call of the fold, which thaws a roster, applies entries and freezes it again.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from cloister.crypto.secret import Secret
from cloister.ids import ChannelId, CircleId, DeviceId, Handle, InviteId, MemberId, RelayId
from cloister.limits import SEAT_GRACE_S
from cloister.roster.content import InviteKind, Role
from cloister.roster.governance import Governance
from cloister.roster.policy import FORMING_MEMBERS, Policy, vouches_needed
from cloister.roster.relay_card import RelaySet
from cloister.roster.state import (
    DeviceRecord,
    InviteRecord,
    Member,
    MemberState,
    Objections,
    OpenRequest,
    Proposal,
    RequestState,
    Span,
    changed,
)


class Act(msgspec.Struct, frozen=True):
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
    origin: str
    policy: Policy
    governance: Governance
    commons_channel: ChannelId
    forming: bool
    generation: int
    log_key_commitment: bytes
    active_members: int
    active_devices: int
    members: dict[MemberId, Member]
    devices: dict[DeviceId, DeviceRecord]
    device_keys: dict[bytes, DeviceId]
    handles: dict[tuple[RelayId, Handle], DeviceId]
    key_owners: dict[bytes, MemberId]
    """By key id: who announced the steward key."""
    invites: dict[InviteId, InviteRecord]
    requests: dict[bytes, OpenRequest]
    proposals: dict[bytes, Proposal]
    objections: dict[bytes, Objections]
    spent: set[bytes]
    """Keys, inboxes, boxes, handles and member ids that have stood in a valid entry."""
    waiting: dict[bytes, None]
    """Hashes of open requests that may be admitted by the passing of log time."""
    open_invites: dict[MemberId, tuple[InviteId, ...]]
    """By inviter: all invitations that are open, and some that are not any more."""
    next_due: int
    """No log time before this changes anybody's standing; it may be too early, never too late."""

    @property
    def vouches_needed(self) -> int:
        """How many members must vouch for a newcomer now."""
        return vouches_needed(self.policy, forming=self.forming, active_members=self.active_members)

    @property
    def relay_set(self) -> RelaySet:
        """The relays of the circle now."""
        return self.governance.relay_set

    def is_locked(self, device: DeviceRecord) -> bool:
        """Whether a share of the device is locked, or its owner called it lost.

        The owner's word stands until an unlock of each share that came after it.
        """
        if any(place in self.governance.locked for place in device.handles):
            return True
        unlocked_at = self.governance.unlocked_at
        return device.lost_at > 0 and not (
            device.handles
            and all(unlocked_at.get(place, 0) > device.lost_at for place in device.handles)
        )

    def needed_for(self, kind: InviteKind) -> int:
        """How many must vouch for a request of this kind now.

        A member's further device needs one other member, and none where there is no other.
        """
        if kind is InviteKind.DEVICE:
            return 0 if self.active_members <= 1 else 1
        return self.vouches_needed

    def active_member(self, member_id: MemberId) -> Member | None:
        """The member, if it belongs now and may act."""
        member = self.members.get(member_id)
        return member if member is not None and member.is_active else None

    def steward(self, member_id: MemberId) -> Member | None:
        """The member, if it is active and holds a steward's office."""
        member = self.active_member(member_id)
        return member if member is not None and member.role is Role.STEWARD else None

    def expect(self, ts: int) -> None:
        """Note that something falls due at log time ``ts``."""
        self.next_due = min(self.next_due, ts)

    def refresh_needed(self) -> None:
        """Bring ``needed`` of the open requests up to date, after members came or went."""
        for request_hash, asked in self.requests.items():
            if asked.state is not RequestState.OPEN:
                continue
            needed = self.needed_for(asked.kind)
            if asked.needed != needed:
                self.requests[request_hash] = changed(asked, needed=needed)
            if needed == 0:
                self.waiting[request_hash] = None

    def add_member(self, member: Member) -> None:
        """Let a member in, who has no device yet."""
        needs = self._needs
        self.members[member.member_id] = member
        self.active_members += 1
        if self.active_members >= FORMING_MEMBERS:
            self.forming = False
        if self._needs != needs:
            self.refresh_needed()

    def add_device(self, device: DeviceRecord, seq: int) -> None:
        """Give a member a device at entry ``seq``; it is active if nothing keeps it out."""
        member = self.members[device.member_id]
        self.members[member.member_id] = changed(member, devices=(*member.devices, device.did))
        self.device_keys[device.card.device_key] = device.did
        self.handles.update(dict.fromkeys(device.handles, device.did))
        if device.term_end and member.role is Role.MEMBER:
            self.expect(device.term_end + SEAT_GRACE_S + 1)
        # A steward may have locked the handle before anybody knew whose it is.
        self.put_device(changed(device, locked=self.is_locked(device)), seq)

    def put_device(self, device: DeviceRecord, seq: int) -> None:
        """Store a device as it is after entry ``seq``; its span opens or closes there."""
        is_wanted = device.is_fit and self.members[device.member_id].is_active
        spans = device.spans
        if is_wanted and not device.is_active:
            spans = (*spans, Span(from_size=seq + 1, until_size=None))
            self.active_devices += 1
        elif device.is_active and not is_wanted:
            spans = (*spans[:-1], changed(spans[-1], until_size=seq + 1))
            self.active_devices -= 1
        self.devices[device.did] = changed(device, spans=spans)

    def put_member(self, member: Member, seq: int) -> None:
        """Store a member as it is after entry ``seq``; state and devices follow from it."""
        needs = self._needs
        was_active = self.members[member.member_id].is_active
        if not member.is_out:
            is_kept_out = (
                member.is_suspended_by_steward or member.key_suspended or member.revouch_overdue
            )
            state = MemberState.SUSPENDED if is_kept_out else MemberState.ACTIVE
            member = changed(member, state=state)
        self.members[member.member_id] = member
        if member.is_active == was_active:
            return
        self.active_members += 1 if member.is_active else -1
        for did in member.devices:
            self.put_device(self.devices[did], seq)
        if self._needs != needs:
            self.refresh_needed()

    @property
    def _needs(self) -> tuple[int, ...]:
        return tuple(self.needed_for(kind) for kind in InviteKind)
