"""Acts of power over people and devices: what a steward, an officer or an owner may wish.

Each becomes an entry of the log.  Where two are needed, the first act proposes and ``Approve``
carries it out.  A ``reference`` is a name, a device, or the first six hexadecimal digits of the
entry that is meant; ``cloister pending`` lists them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cloister.client.inputs import Act

# --- people ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend(Act):
    """Suspend a member at once, for seven days or until a second steward makes it last."""

    member: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstate(Act):
    """End a suspension: at once while nobody has confirmed it, else with a second steward."""

    member: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawInvitation(Act):
    """Close an open invitation: one's own newest, or as a steward that of a member."""

    member: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawVouch(Act):
    """Take back one's vouch for a request that has not been admitted."""

    request: str
    """The newcomer's name, or the first digits of the fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Object(Act):
    """Object to an erasure; two members' objections pause it for three days."""

    reference: str
    reason: str = ""


# --- offices --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferStewardKey(Act):
    """Announce this device's key, so that it can be made a steward's or an officer's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeStewards(Act):
    """Propose another set of stewards and officers; all by the names of members."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    add_officers: tuple[str, ...] = ()
    drop_officers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeRelays(Act):
    """Propose other entry relays; a second steward approves.  The home relay stays."""

    add: tuple[bytes, ...] = ()
    """Encoded ``RelayCard`` each."""
    drop: tuple[str, ...] = ()
    """Names of relays, as ``cloister circle show`` has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveHome(Act):
    """Propose another home relay, with the same entry relays; a second steward approves."""

    home_card: bytes
    """Encoded ``RelayCard``."""
    activation_code: str = field(default="", repr=False)
    """Of the new home's operator: with it this device brings the circle there."""
    lost: bool = False
    """Whether the present home is gone: answered with a notice to carry, in hexadecimal."""


ALREADY_HOME: Final = "that relay is the circle's home already"
FORMER_HOME: Final = "that relay was the circle's home before; its log there has ended"
"""Why ``MoveHome`` is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BringCircle(Act):
    """Bring the circle to the home relay that it has by now; for who has the operator's code."""

    activation_code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowHome(Act):
    """Follow a notice to another home, or add to it what it lacks.  Answered with the notice."""

    notice: bytes
    approve: bool = False
    """Whether this steward is the second person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopFollowing(Act):
    """Follow the notice no more: it led nowhere, or the old home is back."""


POLICY_FIELDS: Final = (
    "vouches",
    "vouches_large",
    "probation_s",
    "vouch_lifetime_s",
    "veto_s",
    "max_open_invites",
)
"""Numbers of the policy that two stewards may change; what relays apply the genesis fixed."""
EXPORT_FIELD: Final = "export"
"""What becomes of exports, a value of ``roster.policy.ExportRule``: they may change that, too."""
COVER_FIELD: Final = "cover_per_day"
"""The least rate of cover traffic, one of ``roster.policy.COVER_RATES``: that, too."""
CHANGEABLE: Final = (*POLICY_FIELDS, EXPORT_FIELD, COVER_FIELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy(Act):
    """Propose other values of the circle's rules: (field, value) each."""

    changes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve(Act):
    """Approve what waits for a second person."""

    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(Act):
    """Withdraw an own proposal, or stop an erasure or a reset of the commons."""

    reference: str


# --- devices --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LockDevice(Act):
    """Lock a lost device, or all devices of a member, at every relay at once.

    By a steward any device, by the owner another device of their own.  Answered as soon as the
    order is stored here, with the hash of the order; ``governance_views.locks`` says how far it is.
    """

    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockDevice(Act):
    """Let a locked device ask for its shares again: two stewards, or the owner and one."""

    device: str
    consents: tuple[str, ...] = ()
    """Lines that the owner's other device made (``ConsentToUnlock``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentToUnlock(Act):
    """Answered with a line for a steward: the owner agrees that a device is unlocked."""

    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseDevice(Act):
    """Propose to destroy the unlock shares of a device, for good.  Locks it at once."""

    device: str
    reason: int
    """A value of ``roster.orders.EraseReason``."""
    note: str = ""
    """Read by members only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireDevice(Act):
    """Take a device of one's own out of use, for good; its shares stay as they are."""

    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeHistory(Act):
    """Ask whether history may be taken out of the vault of this device.

    Answered with nothing where the circle's policy leaves it free, else with the hash of the
    entry that tells everybody, once that is settled.
    """

    scope: int
    """A value of ``roster.content.ExportScope``."""


# --- holds ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold(Act):
    """Place a legal hold: nothing that it covers is erased or deleted until it is released."""

    scope: int
    """A value of ``roster.orders.HoldScope``."""
    subject: str = ""
    """The member's name, or the conversation's."""
    authority_hash: str = ""
    """SHA-256 of the document that demands the hold, 64 hexadecimal digits, or nothing."""
    note: str = ""
    """Read by members only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold(Act):
    """Propose to release a hold; a second steward approves."""

    reference: str


# --- the commons ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetCommons(Act):
    """Propose that the commons, which stands still on this device, goes on in a new group."""


Power = (
    Suspend
    | Reinstate
    | WithdrawInvitation
    | WithdrawVouch
    | Object
    | OfferStewardKey
    | ProposeStewards
    | ProposeRelays
    | MoveHome
    | BringCircle
    | FollowHome
    | StopFollowing
    | SetPolicy
    | Approve
    | Refuse
    | LockDevice
    | UnlockDevice
    | ConsentToUnlock
    | EraseDevice
    | RetireDevice
    | TakeHistory
    | PlaceHold
    | ReleaseHold
    | ResetCommons
)

POWERS: Final[tuple[type[Act], ...]] = (
    Suspend,
    Reinstate,
    WithdrawInvitation,
    WithdrawVouch,
    Object,
    OfferStewardKey,
    ProposeStewards,
    ProposeRelays,
    MoveHome,
    BringCircle,
    FollowHome,
    StopFollowing,
    SetPolicy,
    Approve,
    Refuse,
    LockDevice,
    UnlockDevice,
    ConsentToUnlock,
    EraseDevice,
    RetireDevice,
    TakeHistory,
    PlaceHold,
    ReleaseHold,
    ResetCommons,
)
