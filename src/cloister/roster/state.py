"""The records a roster is made of. They are layouts, so that a snapshot is their encoding."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.codec import (
    Struct,
    enum8,
    fixed,
    flag,
    layout,
    nested,
    opaque,
    optional,
    text,
    uint64,
    vector,
)
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.ids import DeviceId, Handle, MemberId, RelayId
from cloister.limits import MAX_DEVICES, MAX_NAME_BYTES
from cloister.roster.content import MAX_REASON_BYTES, Acquaintance, Invite, InviteKind, Role
from cloister.roster.device_card import DeviceCard
from cloister.roster.fields import DEVICE_ID, HASH_BYTES, MEMBER_ID, RELAY_ID
from cloister.roster.join_request import JoinRequest
from cloister.roster.orders import Target
from cloister.roster.share import MIN_SHARE_RELAYS, SHARE_RELAYS, OpenedReceipt
from cloister.values import replace

# A record with some fields changed.
changed = replace

MAX_ANNOUNCED_KEYS: Final = 8
"""Steward keys one member may announce; each stays in every roster for ever."""
_MAX_PROPOSAL_BYTES: Final = 1024


class MemberState(IntEnum):
    """Whether a member belongs. Who is removed or has left comes back only as somebody new."""

    ACTIVE = 1
    REMOVED = 2
    LEFT = 3
    SUSPENDED = 4


class RequestState(IntEnum):
    """Where a join request stands. CLOSED: its invitation was revoked."""

    OPEN = 1
    CONTESTED = 2
    ADMITTED = 3
    CLOSED = 4


@layout
class Grant(Struct):
    """A vouch that a membership rests on, made at entry ``seq``.

    ``void``: its author turned out to be compromised then, or lost the own vouches by that.
    """

    voucher: MemberId = MEMBER_ID
    seq: int = uint64()
    void: bool = flag()


@layout
class AnnouncedKey(Struct):
    """A key its member would sign with as steward or officer."""

    key_id: bytes = fixed(HASH_BYTES)
    key: HybridPublic = nested(HybridPublic)


@layout
class Member(Struct):
    """A person. Sizes are sizes of the log, times are log time in seconds since the Unix epoch.

    ``admitted_at_size`` is the size of the log with the admitting entry in it. ``grants`` and
    ``invited_by`` are empty for the founder. ``probation_until`` is 0 for whoever has none.

    A member is suspended by a steward until ``suspended_until`` (0: by none) or, confirmed, until
    it is reinstated; by its steward key (``key_suspended``); or because it was not vouched for
    again by ``revouch_by`` (``revouch_overdue``). ``revouch_by`` is 0 when it need not be.
    """

    member_id: MemberId = MEMBER_ID
    name: str = text(MAX_NAME_BYTES)
    role: Role = enum8(Role)
    state: MemberState = enum8(MemberState)
    admitted_at_size: int = uint64()
    admitted_at_ts: int = uint64()
    probation_until: int = uint64()
    grants: tuple[Grant, ...] = vector(Grant, max_items=MAX_DEVICES)
    needed_at_admission: int = uint64()
    invited_by: MemberId | None = optional(MEMBER_ID)
    devices: tuple[DeviceId, ...] = vector(DEVICE_ID, max_items=MAX_DEVICES)
    announced: tuple[AnnouncedKey, ...] = vector(AnnouncedKey, max_items=MAX_ANNOUNCED_KEYS)
    suspended_until: int = uint64()
    suspension_confirmed: bool = flag()
    key_suspended: bool = flag()
    revouch_by: int = uint64()
    revouch_overdue: bool = flag()

    @property
    def vouchers(self) -> tuple[MemberId, ...]:
        """Whose vouches let the member in, in their order, void ones too."""
        return tuple(grant.voucher for grant in self.grants)

    @property
    def is_active(self) -> bool:
        """Whether the member belongs now and may act."""
        return self.state is MemberState.ACTIVE

    @property
    def is_out(self) -> bool:
        """Whether the member was removed or has left."""
        return self.state in (MemberState.REMOVED, MemberState.LEFT)

    @property
    def needs_revouch(self) -> bool:
        """Whether the vouches behind the member are too few since some of them are void."""
        return self.revouch_by > 0

    @property
    def is_suspended_by_steward(self) -> bool:
        """Whether a sealed suspension stands, confirmed or not."""
        return self.suspended_until > 0 or self.suspension_confirmed

    @property
    def steward_key_id(self) -> bytes | None:
        """The newest key the member announced."""
        return self.announced[-1].key_id if self.announced else None

    def may_vouch(self, ts: int) -> bool:
        """Whether the member's vouches count at log time ``ts``."""
        return self.is_active and ts >= self.probation_until and not self.needs_revouch


@layout
class Span(Struct):
    """Sizes of the log from ``from_size`` up to, not including, ``until_size``."""

    from_size: int = uint64()
    until_size: int | None = optional(uint64())

    def covers(self, size: int) -> bool:
        """Whether ``size`` lies in the span."""
        return self.from_size <= size and (self.until_size is None or size < self.until_size)


MAX_FORMER_RECEIPTS: Final = 24
"""Shares left behind at relays of former sets; beyond, a new device is enrolled."""


@layout
class DeviceRecord(Struct):
    """A device, active at the sizes of its ``spans``: in the last of them now, if it is open.

    ``receipts`` are of its unlock shares, ``former`` of those at relays that are no share relays
    any more, where they may still lie. ``term_end`` is when its seat is paid until, 0 where
    none was sold to it: in a circle without seats, and after a move. What keeps it out is
    ``locked``, ``lapsed``, ``retired``, ``erased``, or that its member is not active. ``lost_at``
    is the seq of the owner's own word that it is lost, or of an unlock on a false consent, and 0
    without; ``erased_by`` are the relays that destroyed their share.
    """

    did: DeviceId = DEVICE_ID
    card: DeviceCard = nested(DeviceCard)
    member_id: MemberId = MEMBER_ID
    spans: tuple[Span, ...] = vector(Span)
    receipts: tuple[OpenedReceipt, ...] = vector(OpenedReceipt, max_items=SHARE_RELAYS)
    former: tuple[OpenedReceipt, ...] = vector(OpenedReceipt, max_items=MAX_FORMER_RECEIPTS)
    term_end: int = uint64()
    locked: bool = flag()
    lapsed: bool = flag()
    retired: bool = flag()
    lost_at: int = uint64()
    erased_by: tuple[RelayId, ...] = vector(RELAY_ID, max_items=SHARE_RELAYS + MAX_FORMER_RECEIPTS)

    @property
    def is_active(self) -> bool:
        """Whether the device belongs now."""
        return bool(self.spans) and self.spans[-1].until_size is None

    @property
    def erased(self) -> bool:
        """Whether too few unlock shares are left to open its vault."""
        left = sum(one.receipt.relay_id not in self.erased_by for one in self.receipts)
        return left < min(MIN_SHARE_RELAYS, len(self.receipts))

    @property
    def all_receipts(self) -> tuple[OpenedReceipt, ...]:
        """Of every share that a relay may hold."""
        return (*self.receipts, *self.former)

    @property
    def is_fit(self) -> bool:
        """Whether nothing about the device itself keeps it out."""
        return not (self.locked or self.lapsed or self.retired or self.erased)

    @property
    def handles(self) -> tuple[tuple[RelayId, Handle], ...]:
        """Under which handle each share relay knows the device."""
        return tuple((one.receipt.relay_id, one.receipt.handle) for one in self.all_receipts)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The same with openings, for an order."""
        return tuple(
            Target(relay_id=one.receipt.relay_id, handle=one.receipt.handle, opening=one.opening)
            for one in self.all_receipts
        )

    def was_active_at(self, size: int) -> bool:
        """Whether the device belonged to the circle when the log had ``size`` entries."""
        return any(span.covers(size) for span in self.spans)


@layout
class InviteRecord(Struct):
    """An invitation in the log, and the requests that came for it, in their order."""

    invite: Invite = nested(Invite)
    inviter: MemberId = MEMBER_ID
    seq: int = uint64()
    ts: int = uint64()
    requests: tuple[bytes, ...] = vector(fixed(HASH_BYTES))
    admitted: bytes | None = optional(fixed(HASH_BYTES))
    revoked: bool = flag()

    @property
    def is_contested(self) -> bool:
        """Whether more than one request came before an admission."""
        return len(self.requests) > 1

    def is_open(self, ts: int) -> bool:
        """Whether the invitation waits for an admission at log time ``ts``."""
        return (
            ts <= self.invite.expires
            and self.admitted is None
            and not self.is_contested
            and not self.revoked
        )


@layout
class VouchRecord(Struct):
    """The newest vouch of one member for one request, made at entry ``seq``."""

    voucher: MemberId = MEMBER_ID
    how: Acquaintance = enum8(Acquaintance)
    seq: int = uint64()
    ts: int = uint64()


@layout
class OpenRequest(Struct):
    """A join request in the log, in whatever state.

    ``kind`` is the invitation's. ``needed`` is how many vouches must count, as the circle stands
    at the newest entry; it stays as it was once the request is not open any more.
    """

    request: JoinRequest = nested(JoinRequest)
    request_hash: bytes = fixed(HASH_BYTES)
    kind: InviteKind = enum8(InviteKind)
    seq: int = uint64()
    ts: int = uint64()
    vouches: tuple[VouchRecord, ...] = vector(VouchRecord, max_items=MAX_DEVICES)
    needed: int = uint64()
    state: RequestState = enum8(RequestState)


class ProposalKind(IntEnum):
    """What a sealed proposal would do when a second member approves it."""

    REMOVE = 1
    SUSPEND = 2
    """The suspension is in force; the approval makes it last."""
    REINSTATE = 3
    POLICY = 4


@layout
class Proposal(Struct):
    """What a steward proposed in a sealed entry, and what has not taken effect in full yet.

    ``member_id`` is the subject, none for a policy. ``content`` is the entry's, encoded. ``due``
    is when an approved policy takes effect, in seconds since the Unix epoch; 0 before approval.
    ``approver`` is the second steward of an approved policy.
    """

    entry_hash: bytes = fixed(HASH_BYTES)
    kind: ProposalKind = enum8(ProposalKind)
    seq: int = uint64()
    ts: int = uint64()
    member_id: MemberId | None = optional(MEMBER_ID)
    proposer: MemberId = MEMBER_ID
    reason: str = text(MAX_REASON_BYTES)
    content: bytes = opaque(max_bytes=_MAX_PROPOSAL_BYTES)
    due: int = uint64()
    approver: MemberId | None = optional(MEMBER_ID)


@layout
class Objections(Struct):
    """Who objected to an order_erase, in the order of their entries."""

    entry_hash: bytes = fixed(HASH_BYTES)
    members: tuple[MemberId, ...] = vector(MEMBER_ID, max_items=MAX_DEVICES)
