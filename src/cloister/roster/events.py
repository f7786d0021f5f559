"""What an entry changed, for those who watch the fold."""

from __future__ import annotations

import msgspec

from cloister.ids import DeviceId, InviteId, MemberId, RelayId
from cloister.roster.content import (
    Acquaintance,
    ExportScope,
    InviteKind,
    RemovalKind,
    RevokeKind,
    Role,
)
from cloister.roster.policy import Policy
from cloister.roster.rules import Rule


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at entry ``seq``."""

    seq: int


class Invited(Event, frozen=True, kw_only=True):
    """A member invited somebody. ``expires`` in seconds since the Unix epoch."""

    invite_id: InviteId
    inviter: MemberId
    role: Role
    kind: InviteKind
    subject: MemberId | None
    expires: int


class Asked(Event, frozen=True, kw_only=True):
    """A newcomer's request stands in the log; ``poster`` is the member who put it there."""

    request_hash: bytes
    invite_id: InviteId
    name: str
    poster: MemberId


class Contested(Event, frozen=True, kw_only=True):
    """Two requests on one invitation: neither can be admitted any more."""

    invite_id: InviteId
    request_hashes: tuple[bytes, ...]


class Vouched(Event, frozen=True, kw_only=True):
    """A member vouched. ``counts_now`` is false while the voucher is on probation."""

    request_hash: bytes
    voucher: MemberId
    how: Acquaintance
    counts_now: bool


class Admitted(Event, frozen=True, kw_only=True):
    """A newcomer is a member from here, without office; ``role`` is what the invitation hopes."""

    request_hash: bytes
    member_id: MemberId
    did: DeviceId
    role: Role


class RemovalProposed(Event, frozen=True, kw_only=True):
    """A steward proposed to remove a member; ``entry_hash`` is what an approval names."""

    entry_hash: bytes
    member_id: MemberId
    proposer: MemberId
    reason: str
    kind: RemovalKind


class Removed(Event, frozen=True, kw_only=True):
    """A member is out, with all devices. The commons must be rid of them."""

    member_id: MemberId
    dids: tuple[DeviceId, ...]
    proposer: MemberId
    approver: MemberId
    kind: RemovalKind


class Left(Event, frozen=True, kw_only=True):
    """A member went by an act of its own."""

    member_id: MemberId
    dids: tuple[DeviceId, ...]


class InviteRevoked(Event, frozen=True, kw_only=True):
    """An invitation and what came for it are closed."""

    invite_id: InviteId
    by: MemberId


class VouchRevoked(Event, frozen=True, kw_only=True):
    """A voucher took a vouch back."""

    request_hash: bytes
    voucher: MemberId


class DeviceAdded(Event, frozen=True, kw_only=True):
    """A member has one more device."""

    request_hash: bytes
    member_id: MemberId
    did: DeviceId


class Returned(Event, frozen=True, kw_only=True):
    """A member is back on a new device; ``retired`` are those it had."""

    request_hash: bytes
    member_id: MemberId
    did: DeviceId
    retired: tuple[DeviceId, ...]


class DeviceRevoked(Event, frozen=True, kw_only=True):
    """A member gave up one of its devices."""

    member_id: MemberId
    did: DeviceId
    kind: RevokeKind


class DeviceLocked(Event, frozen=True, kw_only=True):
    """No relay serves the unlock shares of a device, and it belongs to no group."""

    member_id: MemberId
    did: DeviceId


class DeviceUnlocked(Event, frozen=True, kw_only=True):
    """A lock of a device is over."""

    member_id: MemberId
    did: DeviceId


class DeviceErased(Event, frozen=True, kw_only=True):
    """A relay destroyed its share of a device at ``at``, its own time in seconds.

    ``complete``: too few shares are left to open the device's vault.
    """

    member_id: MemberId
    did: DeviceId
    relay_id: RelayId
    order_hash: bytes
    at: int
    complete: bool


class Suspended(Event, frozen=True, kw_only=True):
    """A member is out until ``until``, unless a second steward makes it last.

    ``by`` is None and ``entry_hash`` empty where a readable entry suspended the member's key.
    """

    entry_hash: bytes
    member_id: MemberId
    by: MemberId | None
    until: int
    reason: str


class SuspensionConfirmed(Event, frozen=True, kw_only=True):
    """A suspension lasts until the member is reinstated."""

    member_id: MemberId
    by: MemberId | None


class SuspensionLapsed(Event, frozen=True, kw_only=True):
    """Nobody approved a suspension in time: the member is back."""

    member_id: MemberId


class ReinstatementProposed(Event, frozen=True, kw_only=True):
    """A steward would end a confirmed suspension; a second must approve."""

    entry_hash: bytes
    member_id: MemberId
    proposer: MemberId
    reason: str


class Reinstated(Event, frozen=True, kw_only=True):
    """A suspension was ended by stewards."""

    member_id: MemberId
    by: MemberId | None


class NeedsRevouch(Event, frozen=True, kw_only=True):
    """Vouches behind a member are void: it needs others by ``revouch_by``."""

    member_id: MemberId
    revouch_by: int


class VouchedAgain(Event, frozen=True, kw_only=True):
    """A member who needs vouches got one, and needs more."""

    member_id: MemberId
    voucher: MemberId


class Revouched(Event, frozen=True, kw_only=True):
    """A member who needed vouches has enough again."""

    member_id: MemberId
    voucher: MemberId


class RevouchOverdue(Event, frozen=True, kw_only=True):
    """A member was not vouched for in time, and is suspended until it is."""

    member_id: MemberId


class KeyAnnounced(Event, frozen=True, kw_only=True):
    """A member would sign with this key as steward or officer."""

    member_id: MemberId
    key_id: bytes


class RoleChanged(Event, frozen=True, kw_only=True):
    """The key of a member came into the set of stewards or officers, or went."""

    member_id: MemberId
    before: Role
    role: Role


class PolicyProposed(Event, frozen=True, kw_only=True):
    """A steward proposed a policy."""

    entry_hash: bytes
    proposer: MemberId
    policy: Policy


class PolicyApproved(Event, frozen=True, kw_only=True):
    """A proposed policy takes effect at ``due``, by log time."""

    entry_hash: bytes
    by: MemberId
    due: int


class PolicyChanged(Event, frozen=True, kw_only=True):
    """Another policy is in force."""

    entry_hash: bytes
    policy: Policy


class PolicyDropped(Event, frozen=True, kw_only=True):
    """An approved policy does not take effect: one of the two is no steward any more."""

    entry_hash: bytes


class Objected(Event, frozen=True, kw_only=True):
    """A member objects to an erase; ``pauses``: enough do, and stewards must pause it."""

    entry_hash: bytes
    member_id: MemberId
    reason: str
    pauses: bool


class Exported(Event, frozen=True, kw_only=True):
    """A device takes its history, or one conversation of it, out of its vault."""

    member_id: MemberId
    did: DeviceId
    scope: ExportScope


class SeatsRenewed(Event, frozen=True, kw_only=True):
    """The seats of these devices are paid until ``term_end``."""

    dids: tuple[DeviceId, ...]
    term_end: int


class SharesRenewed(Event, frozen=True, kw_only=True):
    """A device has unlock shares at these relays, too."""

    did: DeviceId
    relays: tuple[RelayId, ...]


class SeatLapsed(Event, frozen=True, kw_only=True):
    """Term and grace of these devices are over."""

    dids: tuple[DeviceId, ...]


class Held(Event, frozen=True, kw_only=True):
    """A legal hold is in force: on these members, or on the whole circle when there are none."""

    entry_hash: bytes
    members: tuple[MemberId, ...]


class LogKeyAnnounced(Event, frozen=True, kw_only=True):
    """A generation began: entries under the one before are invalid from here."""

    generation: int


class Ticked(Event, frozen=True, kw_only=True):
    """Log time passed."""


class Ignored(Event, frozen=True, kw_only=True):
    """The entry breaks ``rule``. It changed nothing but the log's size and log time."""

    rule: Rule

    @property
    def reason(self) -> str:
        """The stable reason code."""
        return self.rule.code
