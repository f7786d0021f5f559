"""What happened at an entry of the log, in words: one clause for each event of the fold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from cloister.ids import DeviceId, MemberId, RelayId
from cloister.roster import events as sealed
from cloister.roster import governance_events as readable
from cloister.roster.content import (
    Acquaintance,
    ExportScope,
    InviteKind,
    RemovalKind,
    RevokeKind,
    Role,
)
from cloister.roster.events import Event
from cloister.roster.orders import EraseReason, HoldScope, Target

EXPORTS: Final = {
    ExportScope.CONVERSATION: "the history of one conversation, readable",
    ExportScope.EVERYTHING: "its whole history, readable",
    ExportScope.BACKUP: "its whole history as a sealed backup",
}
ROLES: Final = {Role.MEMBER: "a member", Role.STEWARD: "a steward", Role.OFFICER: "an officer"}
HOW: Final = {
    Acquaintance.MET: "met face to face",
    Acquaintance.VOICE: "knows the voice",
    Acquaintance.NEITHER: "neither met nor heard",
}
REMOVALS: Final = {
    RemovalKind.DEPARTURE: "departure",
    RemovalKind.MISCONDUCT: "misconduct",
    RemovalKind.COMPROMISE: "compromise",
}
REVOKED: Final = {RevokeKind.RETIRED: "takes out of use", RevokeKind.LOST: "reports as lost"}
ERASURES: Final = {
    EraseReason.LOST: "lost",
    EraseReason.STOLEN: "stolen",
    EraseReason.DEPARTED: "its member is gone",
    EraseReason.REQUESTED: "at the owner's wish",
}


class Names(Protocol):
    """What things are called as of the entry that is told."""

    def member(self, member_id: MemberId | None) -> str:
        """A member's name."""
        ...

    def device(self, did: DeviceId) -> str:
        """``Ada/2``, or ``Ada/2 (a bot)``."""
        ...

    def newcomer(self, member_id: MemberId, did: DeviceId) -> str:
        """``Echo (a bot)``: a member by the device that it comes with."""
        ...

    def key(self, key_id: bytes) -> str:
        """Whose steward key this is."""
        ...

    def request(self, request_hash: bytes) -> str:
        """Who asked in a join request."""
        ...

    def relay(self, relay_id: RelayId) -> str:
        """A relay's name."""
        ...

    def entry(self, entry_hash: bytes) -> str:
        """``entry 12``."""
        ...

    def targets(self, targets: Iterable[Target]) -> str:
        """The devices whose unlock shares these are."""
        ...

    def moment(self, at: int) -> str:
        """A time of the log, given in s since the Unix epoch."""
        ...


def words_of(event: Event, names: Names) -> str:
    """Return what an event is, as a clause without a full stop."""
    if isinstance(event, readable.ReadableEvent):
        return _readable(event, names)
    match event:
        case sealed.Invited():
            whom = {
                InviteKind.MEMBER: "somebody",
                InviteKind.DEVICE: f"a further device of {names.member(event.subject)}",
                InviteKind.RETURN: f"{names.member(event.subject)} back, on a new device",
            }[event.kind]
            hope = "" if event.role is Role.MEMBER else f", to be {ROLES[event.role]}"
            until = names.moment(event.expires)
            return f"{names.member(event.inviter)} invites {whom}{hope}, until {until}"
        case sealed.Asked():
            who, poster = names.request(event.request_hash), names.member(event.poster)
            return f"{who} asks to be let in (put here by {poster})"
        case sealed.Contested():
            return f"{len(event.request_hashes)} requests came on one invitation: none counts"
        case sealed.Vouched():
            later = "" if event.counts_now else "; it counts when the probation is over"
            who, whom = names.member(event.voucher), names.request(event.request_hash)
            return f"{who} vouches for {whom} ({HOW[event.how]}){later}"
        case sealed.VouchRevoked():
            who, whom = names.member(event.voucher), names.request(event.request_hash)
            return f"{who} takes the vouch for {whom} back"
        case sealed.InviteRevoked():
            return f"{names.member(event.by)} closes an invitation"
        case sealed.Admitted():
            return f"{names.newcomer(event.member_id, event.did)} is a member"
        case sealed.DeviceAdded():
            return f"{names.member(event.member_id)} has one more device, {names.device(event.did)}"
        case sealed.Returned():
            gone = _list(names.device(did) for did in event.retired)
            who, now = names.member(event.member_id), names.device(event.did)
            return f"{who} is back on {now}; out of use: {gone}"
        case sealed.DeviceRevoked():
            return (
                f"{names.member(event.member_id)} {REVOKED[event.kind]} {names.device(event.did)}"
            )
        case sealed.DeviceLocked():
            return f"{names.device(event.did)} is locked"
        case sealed.DeviceUnlocked():
            return f"{names.device(event.did)} is unlocked"
        case sealed.DeviceErased():
            relay, device = names.relay(event.relay_id), names.device(event.did)
            end = "; its vault is shut for good" if event.complete else ""
            return f"{relay} destroyed its share of {device} on {names.moment(event.at)}{end}"
        case sealed.RemovalProposed():
            who, whom = names.member(event.proposer), names.member(event.member_id)
            reason = "" if event.reason == REMOVALS[event.kind] else event.reason
            return f"{who} proposes to remove {whom} ({_why(REMOVALS[event.kind], reason)})"
        case sealed.Removed():
            who = f"{names.member(event.proposer)} and {names.member(event.approver)}"
            return f"{names.member(event.member_id)} is removed by {who} ({REMOVALS[event.kind]})"
        case sealed.Left():
            return f"{names.member(event.member_id)} leaves"
        case _:
            return _standing(event, names)


def _standing(event: Event, names: Names) -> str:
    """Suspensions, vouches that fell away, offices, rules, seats, time."""
    match event:
        case sealed.Suspended():
            by = names.member(event.by) if event.by else "a steward"
            whom, until = names.member(event.member_id), names.moment(event.until)
            return _why(f"{by} suspends {whom} until {until}", event.reason)
        case sealed.SuspensionConfirmed():
            by = names.member(event.by) if event.by else "a second steward"
            return f"{by} makes the suspension of {names.member(event.member_id)} last"
        case sealed.SuspensionLapsed():
            return f"the suspension of {names.member(event.member_id)} has lapsed"
        case sealed.ReinstatementProposed():
            who, whom = names.member(event.proposer), names.member(event.member_id)
            return _why(f"{who} proposes to reinstate {whom}", event.reason)
        case sealed.Reinstated():
            by = names.member(event.by) if event.by else "stewards"
            return f"{names.member(event.member_id)} is reinstated by {by}"
        case sealed.NeedsRevouch():
            who, until = names.member(event.member_id), names.moment(event.revouch_by)
            return f"vouches for {who} are void: others are needed until {until}"
        case sealed.VouchedAgain():
            who, whom = names.member(event.voucher), names.member(event.member_id)
            return f"{who} vouches for {whom} again; more are needed"
        case sealed.Revouched():
            who, whom = names.member(event.voucher), names.member(event.member_id)
            return f"{who} vouches for {whom} again: that is enough"
        case sealed.RevouchOverdue():
            return f"nobody vouched for {names.member(event.member_id)} in time: suspended"
        case sealed.KeyAnnounced():
            return f"{names.member(event.member_id)} offers a steward's key"
        case sealed.RoleChanged():
            before, role = ROLES[event.before], ROLES[event.role]
            return f"{names.member(event.member_id)} is {role}, and was {before}"
        case sealed.PolicyProposed():
            return f"{names.member(event.proposer)} proposes other rules"
        case sealed.PolicyApproved():
            what, since = names.entry(event.entry_hash), names.moment(event.due)
            return f"{names.member(event.by)} approves the rules of {what}, from {since}"
        case sealed.PolicyChanged():
            return f"the rules of {names.entry(event.entry_hash)} are in force"
        case sealed.PolicyDropped():
            what = names.entry(event.entry_hash)
            return f"the rules of {what} are dropped: one of the two is no steward any more"
        case sealed.Objected():
            pauses = "; enough do that stewards must pause it" if event.pauses else ""
            who, what = names.member(event.member_id), names.entry(event.entry_hash)
            return _why(f"{who} objects to the erasure of {what}{pauses}", event.reason)
        case sealed.Exported():
            return f"{names.device(event.did)} takes out {EXPORTS[event.scope]}"
        case sealed.SeatsRenewed():
            who = _list(names.device(did) for did in event.dids)
            return f"seats are paid until {names.moment(event.term_end)}: {who}"
        case sealed.SharesRenewed():
            relays = _list(names.relay(one) for one in event.relays)
            return f"{names.device(event.did)} has unlock shares at {relays}"
        case sealed.SeatLapsed():
            return f"not paid for any more: {_list(names.device(did) for did in event.dids)}"
        case sealed.Held():
            whom = _list(names.member(member) for member in event.members)
            return f"nothing of {whom if event.members else 'the circle'} is destroyed from here"
        case sealed.LogKeyAnnounced():
            return f"log key {event.generation} begins; keys before it open nothing from here"
        case sealed.Ticked():
            return "time passes"
        case sealed.Ignored():
            return f"ignored ({event.rule.rule_id}): {event.rule.demand}"
        case _:
            raise TypeError(f"no words for {type(event).__name__}")


def _readable(event: readable.ReadableEvent, names: Names) -> str:
    """What readable entries bring about; ``who`` is whose key signed."""
    who = names.key(event.key_id) if event.key_id else "the course of time"
    what = names.entry(event.entry_hash)
    match event:
        case readable.Approved():
            return f"{who} approves {what}"
        case readable.ProposalRefused():
            return f"{who} refuses {what}"
        case readable.ProposalLapsed():
            return f"the proposal of {what} has lapsed"
        case readable.StewardSetProposed():
            how = ", as officer: the stewards are silent" if event.is_recovery else ""
            return f"{who} proposes other stewards{how}"
        case readable.StewardSetChanged():
            stewards = _list(names.key(key) for key in event.stewards)
            officers = _list(names.key(key) for key in event.officers)
            return f"stewards are {stewards}; officers: {officers}"
        case readable.KeySuspended():
            until = f"until {names.moment(event.until)}" if event.until else "until it is lifted"
            return f"the key of {names.key(event.suspended)} is not obeyed, {until}"
        case readable.KeyReinstated():
            return f"the key of {names.key(event.suspended)} is obeyed again"
        case readable.LiftProposed():
            return f"{who} proposes to obey the key of {names.key(event.suspended)} again"
        case readable.RelaySetProposed():
            return f"{who} proposes other relays"
        case readable.RelaySetChanged():
            return f"the relays of {what} are in force"
        case readable.ResetProposed():
            return f"{who} proposes a new commons"
        case readable.ResetDone():
            return f"the commons moves to a new group, from log key {event.generation} on"
        case _:
            return _orders(event, names, who, what)


def _orders(event: readable.ReadableEvent, names: Names, who: str, what: str) -> str:
    match event:
        case readable.Locked():
            by = who if event.key_id else "the owner"
            return f"{by} locks the shares of {names.targets(event.targets)}"
        case readable.UnlockProposed():
            return f"{who} proposes to unlock {names.targets(event.targets)}"
        case readable.Unlocked():
            owner = ", with the owner's consent" if event.consents else ""
            return f"the shares of {names.targets(event.targets)} are served again{owner}"
        case readable.EraseProposed():
            devices, why = names.targets(event.targets), ERASURES[event.reason]
            return f"{who} proposes to destroy the shares of {devices} ({why})"
        case readable.EraseApproved():
            return f"{who} approves the erasure of {what}, due {names.moment(event.due)}"
        case readable.ErasePaused():
            return f"the erasure of {what} pauses until {names.moment(event.until)}"
        case readable.EraseStopped():
            by = "a hold stops" if event.by_hold else f"{who} stops"
            return f"{by} the erasure of {what}"
        case readable.EraseDue():
            return f"relays destroy the shares of {names.targets(event.targets)} from here"
        case readable.HoldPlaced():
            whole = {
                HoldScope.CIRCLE: "the whole circle",
                HoldScope.MEMBER: names.targets(event.targets),
                HoldScope.CONVERSATION: "a conversation",
            }[event.scope]
            return f"{who} places a legal hold on {whole}"
        case readable.HoldReleaseProposed():
            return f"{who} proposes to release the hold of {names.entry(event.hold)}"
        case readable.HoldReleased():
            return f"the hold of {names.entry(event.hold)} is over"
        case _:
            raise TypeError(f"no words for {type(event).__name__}")


def _why(text: str, reason: str) -> str:
    return f"{text}: {reason}" if reason else text


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
