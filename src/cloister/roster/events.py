"""What an entry changed, for those who watch the fold."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at entry ``seq``."""

    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited(Event):
    """A member invited somebody. ``expires`` in seconds since the Unix epoch."""

    invite_id: InviteId
    inviter: MemberId
    role: Role
    kind: InviteKind
    subject: MemberId | None
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Event):
    """A newcomer's request stands in the log; ``poster`` is the member who put it there."""

    request_hash: bytes
    invite_id: InviteId
    name: str
    poster: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class Contested(Event):
    """Two requests on one invitation: neither can be admitted any more."""

    invite_id: InviteId
    request_hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched(Event):
    """A member vouched. ``counts_now`` is false while the voucher is on probation."""

    request_hash: bytes
    voucher: MemberId
    how: Acquaintance
    counts_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted(Event):
    """A newcomer is a member from here, without office; ``role`` is what the invitation hopes."""

    request_hash: bytes
    member_id: MemberId
    did: DeviceId
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalProposed(Event):
    """A steward proposed to remove a member; ``entry_hash`` is what an approval names."""

    entry_hash: bytes
    member_id: MemberId
    proposer: MemberId
    reason: str
    kind: RemovalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed(Event):
    """A member is out, with all devices. The commons must be rid of them."""

    member_id: MemberId
    dids: tuple[DeviceId, ...]
    proposer: MemberId
    approver: MemberId
    kind: RemovalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    """A member went by an act of its own."""

    member_id: MemberId
    dids: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteRevoked(Event):
    """An invitation and what came for it are closed."""

    invite_id: InviteId
    by: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchRevoked(Event):
    """A voucher took a vouch back."""

    request_hash: bytes
    voucher: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAdded(Event):
    """A member has one more device."""

    request_hash: bytes
    member_id: MemberId
    did: DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Event):
    """A member is back on a new device; ``retired`` are those it had."""

    request_hash: bytes
    member_id: MemberId
    did: DeviceId
    retired: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRevoked(Event):
    """A member gave up one of its devices."""

    member_id: MemberId
    did: DeviceId
    kind: RevokeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLocked(Event):
    """No relay serves the unlock shares of a device, and it belongs to no group."""

    member_id: MemberId
    did: DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUnlocked(Event):
    """A lock of a device is over."""

    member_id: MemberId
    did: DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceErased(Event):
    """A relay destroyed its share of a device at ``at``, its own time in seconds.

    ``complete``: too few shares are left to open the device's vault.
    """

    member_id: MemberId
    did: DeviceId
    relay_id: RelayId
    order_hash: bytes
    at: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended(Event):
    """A member is out until ``until``, unless a second steward makes it last.

    ``by`` is None and ``entry_hash`` empty where a readable entry suspended the member's key.
    """

    entry_hash: bytes
    member_id: MemberId
    by: MemberId | None
    until: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionConfirmed(Event):
    """A suspension lasts until the member is reinstated."""

    member_id: MemberId
    by: MemberId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionLapsed(Event):
    """Nobody approved a suspension in time: the member is back."""

    member_id: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinstatementProposed(Event):
    """A steward would end a confirmed suspension; a second must approve."""

    entry_hash: bytes
    member_id: MemberId
    proposer: MemberId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstated(Event):
    """A suspension was ended by stewards."""

    member_id: MemberId
    by: MemberId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsRevouch(Event):
    """Vouches behind a member are void: it needs others by ``revouch_by``."""

    member_id: MemberId
    revouch_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedAgain(Event):
    """A member who needs vouches got one, and needs more."""

    member_id: MemberId
    voucher: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class Revouched(Event):
    """A member who needed vouches has enough again."""

    member_id: MemberId
    voucher: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class RevouchOverdue(Event):
    """A member was not vouched for in time, and is suspended until it is."""

    member_id: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnnounced(Event):
    """A member would sign with this key as steward or officer."""

    member_id: MemberId
    key_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged(Event):
    """The key of a member came into the set of stewards or officers, or went."""

    member_id: MemberId
    before: Role
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyProposed(Event):
    """A steward proposed a policy."""

    entry_hash: bytes
    proposer: MemberId
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyApproved(Event):
    """A proposed policy takes effect at ``due``, by log time."""

    entry_hash: bytes
    by: MemberId
    due: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanged(Event):
    """Another policy is in force."""

    entry_hash: bytes
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Objected(Event):
    """A member objects to an erase; ``pauses``: enough do, and stewards must pause it."""

    entry_hash: bytes
    member_id: MemberId
    reason: str
    pauses: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported(Event):
    """A device takes its history, or one conversation of it, out of its vault."""

    member_id: MemberId
    did: DeviceId
    scope: ExportScope


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatsRenewed(Event):
    """The seats of these devices are paid until ``term_end``."""

    dids: tuple[DeviceId, ...]
    term_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesRenewed(Event):
    """A device has unlock shares at these relays, too."""

    did: DeviceId
    relays: tuple[RelayId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatLapsed(Event):
    """Term and grace of these devices are over."""

    dids: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Event):
    """A legal hold is in force: on these members, or on the whole circle when there are none."""

    entry_hash: bytes
    members: tuple[MemberId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeyAnnounced(Event):
    """A generation began: entries under the one before are invalid from here."""

    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked(Event):
    """Log time passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Event):
    """The entry breaks ``rule``. It changed nothing but the log's size and log time."""

    rule: Rule

    @property
    def reason(self) -> str:
        """The stable reason code."""
        return self.rule.code
