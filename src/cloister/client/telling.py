"""Every act of power is told: aloud to stewards and to those it concerns, and to all in words.

What somebody has to decide, or takes this device out, is an alarm; the rest is news.  What this
device's own person has just done is not told back to it, and nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cloister.client.bots import is_bot
from cloister.client.contacting import is_compared
from cloister.client.effects import BACK_IN, NEWS, OUT
from cloister.client.event_words import EXPORTS
from cloister.client.identity import did_of
from cloister.client.matters import (
    REFERENCE_DIGITS,
    devices_in_words,
    dids_of_targets,
    holder_in_words,
    set_in_words,
)
from cloister.client.naming import device_name, name_of_key, own_member, shown
from cloister.client.safe_text import safe_line
from cloister.client.standing import WORDS, Standing, standing_of
from cloister.client.turn import SettledEntry, Turn
from cloister.ids import DeviceId, MemberId
from cloister.roster import events as sealed
from cloister.roster import governance_events as readable
from cloister.roster.content import RevokeKind, Role
from cloister.roster.entry import SealedType
from cloister.roster.orders import HoldScope, StewardSet
from cloister.roster.roster import Roster

POWER: Final = "power"
"""Code of the alarms about acts of power, and name of the notices that nobody is told aloud."""


def tell(turn: Turn, settled: SettledEntry) -> None:
    """Tell what an entry did, as far as it was an act of power."""
    roster = turn.state.roster
    if roster is None or did_of(turn.state) not in roster.devices:
        return
    is_own = any(
        intent.entry == settled.entry and not intent.is_of(SealedType.TICK)
        for intent in turn.state.intents
    )
    own = own_member(turn.state)
    for event in settled.events:
        words = in_words(roster, event)
        if not words or (is_own and isinstance(event, sealed.Exported)):
            continue
        concerned = own.member_id in subjects_of(roster, event) or _is_for_all(event)
        is_aloud = concerned or (own.role is not Role.MEMBER and not is_own)
        if not is_aloud or (is_own and isinstance(event, _DONE_HERE)) or is_compared(turn, event):
            turn.changed(POWER, words)
        elif _is_about_standing(event, did_of(turn.state), own.member_id):
            _tell_standing(turn, standing_of(roster, did_of(turn.state)), words)
        elif isinstance(event, _TO_DECIDE):
            turn.alarm(POWER, words)
        else:
            turn.changed(NEWS, words)


_DONE_HERE: Final = (
    sealed.DeviceLocked,
    sealed.DeviceUnlocked,
    sealed.DeviceRevoked,
    readable.HoldPlaced,
)
"""What follows at once from an act, and never from the time of the log."""
_TO_DECIDE: Final = (
    sealed.RemovalProposed,
    sealed.ReinstatementProposed,
    sealed.Suspended,
    sealed.NeedsRevouch,
    sealed.PolicyProposed,
    sealed.Objected,
    readable.StewardSetProposed,
    readable.KeySuspended,
    readable.LiftProposed,
    readable.RelaySetProposed,
    readable.UnlockProposed,
    readable.EraseProposed,
    readable.EraseApproved,
    readable.ErasePaused,
    readable.EraseDue,
    readable.HoldReleaseProposed,
    readable.ResetProposed,
)
"""What waits for somebody, or can still be stopped; and what cannot any more and is for ever."""


def _is_about_standing(event: sealed.Event, did: DeviceId, member_id: MemberId) -> bool:
    """Whether an event takes this very device out, or lets it in again."""
    match event:
        case sealed.DeviceLocked() | sealed.DeviceUnlocked() | sealed.DeviceRevoked():
            return event.did == did
        case (
            sealed.Suspended()
            | sealed.RevouchOverdue()
            | sealed.SuspensionLapsed()
            | sealed.Reinstated()
        ):
            return event.member_id == member_id
        case _:
            return False


def _tell_standing(turn: Turn, standing: Standing, words: str) -> None:
    """Say what this device's person has of it; that it is out for good is said where it leaves."""
    if standing.is_out:
        hint = WORDS[standing][1]
        turn.alarm(OUT, f"This device is out of the circle for now: {words}  {hint}")
        turn.change_session(told_out=True)
    elif standing.is_final:
        turn.changed(POWER, words)
    else:
        turn.changed(BACK_IN, f"This device belongs to the circle again: {words}")


def _is_for_all(event: sealed.Event) -> bool:
    """Whether everybody is told aloud: a hold on the circle is a hold on each."""
    return isinstance(event, readable.HoldPlaced) and event.scope is HoldScope.CIRCLE


def subjects_of(roster: Roster, event: sealed.Event) -> Collection[MemberId]:
    """Return the members whom an event is about."""
    match event:
        case (
            sealed.DeviceLocked()
            | sealed.DeviceUnlocked()
            | sealed.DeviceErased()
            | sealed.DeviceRevoked()
            | sealed.Suspended()
            | sealed.SuspensionConfirmed()
            | sealed.SuspensionLapsed()
            | sealed.Reinstated()
            | sealed.ReinstatementProposed()
            | sealed.NeedsRevouch()
            | sealed.Revouched()
            | sealed.RevouchOverdue()
            | sealed.RemovalProposed()
            | sealed.RoleChanged()
            | sealed.Exported()
        ):
            return (event.member_id,)
        case readable.HoldPlaced() | readable.EraseProposed() | readable.EraseDue():
            dids = dids_of_targets(roster, event.targets)
            return {roster.devices[did].member_id for did in dids}
        case _:
            return ()


def in_words(roster: Roster, event: sealed.Event) -> str:
    """Say what happened; empty for what is no act of power."""
    if isinstance(event, readable.ReadableEvent):
        return _readable_in_words(roster, event)
    return _sealed_in_words(roster, event)


def _sealed_in_words(roster: Roster, event: sealed.Event) -> str:
    match event:
        case sealed.RemovalProposed():
            proposer, name = shown(roster, event.proposer), shown(roster, event.member_id)
            return f"{proposer} proposes to remove {name}. {_reference(event.entry_hash)}"
        case sealed.Removed():
            name = shown(roster, event.member_id)
            by = f"{shown(roster, event.proposer)} and {shown(roster, event.approver)}"
            return f"{name} was removed by {by}."
        case sealed.Left():
            return f"{shown(roster, event.member_id)} has left the circle."
        case sealed.Suspended() if event.by is not None:
            name, by = shown(roster, event.member_id), shown(roster, event.by)
            reason = f" ({safe_line(event.reason)})" if event.reason else ""
            return f"{by} suspended {name}{reason}. {_reference(event.entry_hash)}"
        case sealed.SuspensionConfirmed():
            return f"The suspension of {shown(roster, event.member_id)} lasts now."
        case sealed.SuspensionLapsed():
            return (
                f"The suspension of {shown(roster, event.member_id)} is over: nobody confirmed it."
            )
        case sealed.ReinstatementProposed():
            proposer, name = shown(roster, event.proposer), shown(roster, event.member_id)
            return f"{proposer} proposes to reinstate {name}. {_reference(event.entry_hash)}"
        case sealed.Reinstated():
            return f"{shown(roster, event.member_id)} was reinstated."
        case sealed.NeedsRevouch():
            return f"{shown(roster, event.member_id)} must be vouched for anew within a week."
        case sealed.RevouchOverdue():
            return f"Nobody vouched anew for {shown(roster, event.member_id)}: suspended."
        case sealed.Revouched():
            return f"{shown(roster, event.member_id)} has been vouched for anew."
        case sealed.DeviceLocked():
            return f"{device_name(roster, event.did)} is locked."
        case sealed.DeviceUnlocked():
            return f"{device_name(roster, event.did)} is unlocked."
        case sealed.DeviceRevoked():
            word = "retired" if event.kind is RevokeKind.RETIRED else "lost"
            return (
                f"{shown(roster, event.member_id)} says: {device_name(roster, event.did)} {word}."
            )
        case sealed.DeviceErased() if event.complete:
            return f"The unlock shares of {device_name(roster, event.did)} are destroyed."
        case sealed.DeviceAdded():
            kind = ", a bot" if is_bot(roster, event.did) else ""
            return f"{shown(roster, event.member_id)} has one more device{kind}."
        case sealed.Returned():
            kind = ", a bot" if is_bot(roster, event.did) else ""
            return f"{shown(roster, event.member_id)} is back on a new device{kind}."
        case sealed.RoleChanged():
            return f"{shown(roster, event.member_id)} is {event.role.name.lower()} now."
        case sealed.PolicyProposed():
            proposer = shown(roster, event.proposer)
            return f"{proposer} proposes other rules. {_reference(event.entry_hash)}"
        case sealed.PolicyChanged():
            return "Other rules are in force: cloister policy."
        case sealed.PolicyDropped():
            return f"Approved rules do not take effect. {_reference(event.entry_hash)}"
        case sealed.Exported():
            return f"{device_name(roster, event.did)} takes out {EXPORTS[event.scope]}."
        case sealed.Objected():
            pauses = " Stewards pause it." if event.pauses else ""
            return f"{shown(roster, event.member_id)} objects to an erasure.{pauses}"
        case _:
            return ""


def _readable_in_words(roster: Roster, event: readable.ReadableEvent) -> str:
    by = name_of_key(roster, event.key_id) if event.key_id else "log time"
    reference = _reference(event.entry_hash)
    match event:
        case readable.StewardSetProposed():
            proposal = roster.governance.proposals.get(event.entry_hash)
            what = "another set of stewards"
            if proposal is not None:
                what = set_in_words(roster, StewardSet.decode(proposal.content))
            return f"{by} proposes: {what}. {reference}"
        case readable.KeySuspended():
            return f"{by} suspended {holder_in_words(roster, event.suspended)}. {reference}"
        case readable.KeyReinstated():
            holder = holder_in_words(roster, event.suspended)
            return f"{holder[0].upper()}{holder[1:]} is reinstated."
        case readable.LiftProposed():
            holder = holder_in_words(roster, event.suspended)
            return f"{by} proposes to reinstate {holder}. {reference}"
        case readable.RelaySetProposed():
            return f"{by} proposes other relays. {reference}"
        case readable.RelaySetChanged():
            return "The circle has other relays now."
        case readable.UnlockProposed():
            return f"{by} proposes to unlock {_devices(roster, event)}. {reference}"
        case readable.EraseProposed():
            reason = event.reason.name.lower()
            return f"{by} proposes to erase {_devices(roster, event)} ({reason}). {reference}"
        case readable.EraseApproved():
            return f"{by} approved an erasure; it cools off first. {reference}"
        case readable.ErasePaused():
            return f"An erasure is paused after objections. {reference}"
        case readable.EraseStopped():
            return f"An erasure is stopped{' by a hold' if event.by_hold else ''}. {reference}"
        case readable.EraseDue():
            return f"The relays destroy the unlock shares of {_devices(roster, event)}. {reference}"
        case readable.HoldPlaced():
            return f"{by} placed a legal hold on {hold_in_words(roster, event)}. {reference}"
        case readable.HoldReleaseProposed():
            return f"{by} proposes to release a hold. {reference}"
        case readable.HoldReleased():
            return "A legal hold is released."
        case readable.ResetProposed():
            return f"{by} proposes to reset the commons. {reference}"
        case readable.ProposalRefused():
            return f"{by} refused or withdrew a proposal. {reference}"
        case _:
            return ""


_ABOUT_DEVICES = readable.UnlockProposed | readable.EraseProposed | readable.EraseDue


def _devices(roster: Roster, event: _ABOUT_DEVICES) -> str:
    return devices_in_words(roster, dids_of_targets(roster, event.targets))


def hold_in_words(roster: Roster, event: readable.HoldPlaced) -> str:
    """Say what a new hold covers."""
    match event.scope:
        case HoldScope.CIRCLE:
            return "the circle"
        case HoldScope.MEMBER:
            return devices_in_words(roster, dids_of_targets(roster, event.targets))
        case HoldScope.CONVERSATION:
            return "a conversation"


def _reference(entry_hash: bytes) -> str:
    return f"[{entry_hash.hex()[:REFERENCE_DIGITS]}]"
