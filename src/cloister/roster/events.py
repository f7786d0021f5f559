"""What an entry changed, for those who watch the fold."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.ids import DeviceId, InviteId, MemberId
from cloister.roster.content import Acquaintance, Role
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
    """A newcomer is a member from here; ``role`` as the invitation said."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed(Event):
    """A member is out, with all devices. The commons must be rid of them."""

    member_id: MemberId
    dids: tuple[DeviceId, ...]
    proposer: MemberId
    approver: MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    """A member went by an act of its own."""

    member_id: MemberId
    dids: tuple[DeviceId, ...]


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
