"""Acts of power over people and devices: what a steward, an officer or an owner may wish.

Each becomes an entry of the log.  Where two are needed, the first act proposes and ``Approve``
carries it out.  A ``reference`` is a name, a device, or the first six hexadecimal digits of the
entry that is meant; ``cloister pending`` lists them.
"""

from __future__ import annotations

from typing import Final

from cloister.client.inputs import Act
from cloister.values import repr_without

# --- people ---------------------------------------------------------------------------------------


class Suspend(Act, frozen=True, kw_only=True):
    """Suspend a member at once, for seven days or until a second steward makes it last."""

    member: str
    reason: str = ""


class Reinstate(Act, frozen=True, kw_only=True):
    """End a suspension: at once while nobody has confirmed it, else with a second steward."""

    member: str
    reason: str = ""


class WithdrawInvitation(Act, frozen=True, kw_only=True):
    """Close an open invitation: one's own newest, or as a steward that of a member."""

    member: str = ""


class WithdrawVouch(Act, frozen=True, kw_only=True):
    """Take back one's vouch for a request that has not been admitted."""

    request: str
    """The newcomer's name, or the first digits of the fingerprint."""


class Object(Act, frozen=True, kw_only=True):
    """Object to an erasure; two members' objections pause it for three days."""

    reference: str
    reason: str = ""


# --- offices --------------------------------------------------------------------------------------


class OfferStewardKey(Act, frozen=True, kw_only=True):
    """Announce this device's key, so that it can be made a steward's or an officer's."""


class ProposeStewards(Act, frozen=True, kw_only=True):
    """Propose another set of stewards and officers; all by the names of members."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    add_officers: tuple[str, ...] = ()
    drop_officers: tuple[str, ...] = ()


class ProposeRelays(Act, frozen=True, kw_only=True):
    """Propose other entry relays; a second steward approves.  The home relay stays."""

    add: tuple[bytes, ...] = ()
    """Encoded ``RelayCard`` each."""
    drop: tuple[str, ...] = ()
    """Names of relays, as ``cloister circle show`` has them."""


class MoveHome(Act, frozen=True, kw_only=True):
    """Propose another home relay, with the same entry relays; a second steward approves."""

    home_card: bytes
    """Encoded ``RelayCard``."""
    activation_code: str = ""
    """Of the new home's operator: with it this device brings the circle there."""
    lost: bool = False
    """Whether the present home is gone: answered with a notice to carry, in hexadecimal."""

    def __repr__(self) -> str:
        return repr_without(self, "activation_code")


ALREADY_HOME: Final = "that relay is the circle's home already"
FORMER_HOME: Final = "that relay was the circle's home before; its log there has ended"
"""Why ``MoveHome`` is refused."""


class BringCircle(Act, frozen=True, kw_only=True):
    """Bring the circle to the home relay that it has by now; for who has the operator's code."""

    activation_code: str

    def __repr__(self) -> str:
        return repr_without(self, "activation_code")


class FollowHome(Act, frozen=True, kw_only=True):
    """Follow a notice to another home, or add to it what it lacks.  Answered with the notice."""

    notice: bytes
    approve: bool = False
    """Whether this steward is the second person."""


class StopFollowing(Act, frozen=True, kw_only=True):
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


class SetPolicy(Act, frozen=True, kw_only=True):
    """Propose other values of the circle's rules: (field, value) each."""

    changes: tuple[tuple[str, int], ...]


class Approve(Act, frozen=True, kw_only=True):
    """Approve what waits for a second person."""

    reference: str


class Refuse(Act, frozen=True, kw_only=True):
    """Withdraw an own proposal, or stop an erasure or a reset of the commons."""

    reference: str


# --- devices --------------------------------------------------------------------------------------


class LockDevice(Act, frozen=True, kw_only=True):
    """Lock a lost device, or all devices of a member, at every relay at once.

    By a steward any device, by the owner another device of their own.  Answered as soon as the
    order is stored here, with the hash of the order; ``governance_views.locks`` says how far it is.
    """

    device: str


class UnlockDevice(Act, frozen=True, kw_only=True):
    """Let a locked device ask for its shares again: two stewards, or the owner and one."""

    device: str
    consents: tuple[str, ...] = ()
    """Lines that the owner's other device made (``ConsentToUnlock``)."""


class ConsentToUnlock(Act, frozen=True, kw_only=True):
    """Answered with a line for a steward: the owner agrees that a device is unlocked."""

    device: str


class EraseDevice(Act, frozen=True, kw_only=True):
    """Propose to destroy the unlock shares of a device, for good.  Locks it at once."""

    device: str
    reason: int
    """A value of ``roster.orders.EraseReason``."""
    note: str = ""
    """Read by members only."""


class RetireDevice(Act, frozen=True, kw_only=True):
    """Take a device of one's own out of use, for good; its shares stay as they are."""

    device: str


class TakeHistory(Act, frozen=True, kw_only=True):
    """Ask whether history may be taken out of the vault of this device.

    Answered with nothing where the circle's policy leaves it free, else with the hash of the
    entry that tells everybody, once that is settled.
    """

    scope: int
    """A value of ``roster.content.ExportScope``."""


# --- holds ----------------------------------------------------------------------------------------


class PlaceHold(Act, frozen=True, kw_only=True):
    """Place a legal hold: nothing that it covers is erased or deleted until it is released."""

    scope: int
    """A value of ``roster.orders.HoldScope``."""
    subject: str = ""
    """The member's name, or the conversation's."""
    authority_hash: str = ""
    """SHA-256 of the document that demands the hold, 64 hexadecimal digits, or nothing."""
    note: str = ""
    """Read by members only."""


class ReleaseHold(Act, frozen=True, kw_only=True):
    """Propose to release a hold; a second steward approves."""

    reference: str


# --- the commons ----------------------------------------------------------------------------------


class ResetCommons(Act, frozen=True, kw_only=True):
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
