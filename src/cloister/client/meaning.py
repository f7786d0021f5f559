"""Is what was to be appended still meant, after another entry came first (flows 2, step 3)?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloister.client.records import Intent
from cloister.codec import DecodeError
from cloister.errors import CloisterError, PolicyError
from cloister.ids import Handle, MemberId, RelayId
from cloister.roster.content import (
    Approve,
    DeviceRevoke,
    LogKey,
    Objection,
    Reinstate,
    Remove,
    RevokeKind,
    StewardKey,
    Suspend,
    Vouch,
)
from cloister.roster.entry import EntryKind, SealedType
from cloister.roster.join_request import JoinRequest
from cloister.roster.orders import (
    ChannelReset,
    EntryReference,
    Erase,
    SignedLock,
    StewardSet,
    StewardSuspend,
    Target,
    Unlock,
)
from cloister.roster.policy import Policy
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.relay_card import RelaySet
from cloister.roster.roster import Roster
from cloister.roster.share import ErasureReceipt, SeatTerm
from cloister.roster.share_renewal import Shares
from cloister.roster.state import RequestState


class Pointless(PolicyError):
    """Somebody else has done it, or it can no longer be done."""


def why_pointless(roster: Roster, intent: Intent) -> CloisterError | None:
    """Return why an intent should not be signed any more, or ``None`` when it is still meant."""
    is_readable = intent.kind is EntryKind.READABLE
    try:
        words = _of_readable(roster, intent) if is_readable else _of_sealed(roster, intent)
    except DecodeError:
        return Pointless("a queued entry cannot be read any more")
    return Pointless(words) if words else None


def _of_sealed(roster: Roster, intent: Intent) -> str:
    match intent.entry_type:
        case SealedType.JOIN_REQUEST:
            request_hash = JoinRequest.decode(intent.content).request_hash
            return "the request is in the log already" if request_hash in roster.requests else ""
        case SealedType.VOUCH:
            asked = roster.requests.get(Vouch.decode(intent.content).request_hash)
            if asked is None or asked.state is not RequestState.ADMITTED:
                return ""
            member = roster.members.get(asked.request.member_id)
            is_wanted = member is not None and member.needs_revouch
            return "" if is_wanted else "the newcomer is a member already"
        case SealedType.REMOVE:
            return _gone(roster, Remove.decode(intent.content).member_id)
        case SealedType.SUSPEND:
            member_id = Suspend.decode(intent.content).member_id
            if roster.members[member_id].is_suspended_by_steward:
                return "another steward has suspended them already"
            return _gone(roster, member_id)
        case SealedType.REINSTATE:
            member_id = Reinstate.decode(intent.content).member_id
            if not roster.members[member_id].is_suspended_by_steward:
                return "the suspension is over already"
            return _gone(roster, member_id)
        case SealedType.APPROVE:
            is_open = Approve.decode(intent.content).entry_hash in roster.sealed_proposals
            return "" if is_open else _OVER
        case SealedType.DEVICE_REVOKE:
            revoke = DeviceRevoke.decode(intent.content)
            device = roster.devices[revoke.did]
            is_lost = device.lost_at > 0 and device.locked
            is_done = device.retired or (revoke.kind is RevokeKind.LOST and is_lost)
            return "the device has been given up already" if is_done else ""
        case SealedType.STEWARD_KEY:
            key_id = steward_key_id(StewardKey.decode(intent.content).key)
            return "the key has been announced already" if key_id in roster.key_owners else ""
        case SealedType.POLICY:
            is_so = Policy.decode(intent.content) == roster.policy
            return "these rules are in force already" if is_so else ""
        case SealedType.OBJECTION:
            erasure = roster.governance.erasures.get(Objection.decode(intent.content).entry_hash)
            return "" if erasure is not None and erasure.is_open else _OVER
        case SealedType.ERASE_RECEIPT:
            receipt = ErasureReceipt.decode(intent.content)
            did = roster.handles.get((receipt.relay_id, receipt.handle))
            is_known = did is not None and receipt.relay_id in roster.devices[did].erased_by
            return "the receipt is in the log already" if is_known else ""
        case SealedType.SEAT:
            is_news = term_grows(roster, SeatTerm.decode(intent.content))
            return "" if is_news else "the circle knows that term already"
        case SealedType.SHARES:
            receipts = (one.receipt for one in Shares.decode(intent.content).receipts)
            is_known = all((one.relay_id, one.handle) in roster.handles for one in receipts)
            return "the log has these shares already" if is_known else ""
        case SealedType.LOG_KEY:
            is_old = LogKey.decode(intent.content).generation <= roster.generation
            return "another member has announced the log key" if is_old else ""
        case _:
            return ""  # INVITE, INVITE_REVOKE, VOUCH_REVOKE, LEAVE, TICK: meant until refused


def _of_readable(roster: Roster, intent: Intent) -> str:
    governance = roster.governance
    match intent.entry_type:
        case ReadableType.STEWARD_SET:
            wanted = StewardSet.decode(intent.content)
            stewards = {steward_key_id(key) for key in wanted.stewards}
            officers = {steward_key_id(key) for key in wanted.officers}
            is_so = stewards == set(governance.steward_keys) and officers == set(
                governance.officer_keys
            )
            return "this set is in force already" if is_so else ""
        case ReadableType.STEWARD_SUSPEND:
            order = StewardSuspend.decode(intent.content)
            if order.lift is (order.key_id not in governance.suspended):
                return "another steward has done it already"
            return ""
        case ReadableType.RELAY_SET:
            is_so = RelaySet.decode(intent.content) == governance.relay_set
            return "these relays are in force already" if is_so else ""
        case ReadableType.APPROVE | ReadableType.REFUSE:
            entry_hash = EntryReference.decode(intent.content).entry_hash
            suspensions = {one.entry_hash for one in governance.suspended.values() if one.until}
            erasure = governance.erasures.get(entry_hash)
            is_open = entry_hash in governance.proposals or entry_hash in suspensions
            return "" if is_open or (erasure is not None and erasure.is_open) else _OVER
        case ReadableType.PAUSE:
            erasure = governance.erasures.get(EntryReference.decode(intent.content).entry_hash)
            is_wanted = erasure is not None and erasure.is_open and not erasure.paused_until
            return "" if is_wanted else "another steward has paused it already, or it is over"
        case ReadableType.ORDER_LOCK:
            places = _places(SignedLock.decode(intent.content).order.targets)
            is_done = all(governance.is_locked(*place) for place in places)
            return "the device is locked already" if is_done else ""
        case ReadableType.ORDER_UNLOCK:
            places = _places(Unlock.decode(intent.content).targets)
            # The owner's word that a device is lost locks it too, without an order in the log.
            devices = {roster.handles[place] for place in places if place in roster.handles}
            is_locked = any(governance.is_locked(*place) for place in places) or any(
                roster.devices[did].locked for did in devices
            )
            return "" if is_locked else "the device is unlocked already"
        case ReadableType.ORDER_ERASE:
            devices = {
                roster.handles[place]
                for place in _places(Erase.decode(intent.content).targets)
                if place in roster.handles
            }
            is_done = bool(devices) and all(roster.devices[did].erased for did in devices)
            return "the shares are destroyed already" if is_done else ""
        case ReadableType.HOLD_RELEASE:
            is_over = EntryReference.decode(intent.content).entry_hash not in governance.holds
            return "the hold has been released already" if is_over else ""
        case ReadableType.CHANNEL_RESET:
            reset = ChannelReset.decode(intent.content)
            if reset.old_id != roster.commons_channel:
                return "the commons has been reset already"
            is_behind = reset.generation < roster.generation
            return "the log has gone on since: propose it again" if is_behind else ""
        case _:
            return ""  # HOLD: two holds are two demands


_OVER: Final = "it has been carried out or stopped, or has lapsed"


def _gone(roster: Roster, member_id: MemberId) -> str:
    member = roster.members.get(member_id)
    is_gone = member is None or member.is_out
    return "that person is not a member any more" if is_gone else ""


def _places(targets: Sequence[Target]) -> tuple[tuple[RelayId, Handle], ...]:
    return tuple((target.relay_id, target.handle) for target in targets)


def term_grows(roster: Roster, term: SeatTerm) -> bool:
    """Whether a term is newer than what the roster has for any of its devices."""
    home = roster.relay_set.home.relay_id
    named = {(home, handle) for handle in term.handles}
    return any(
        device.term_end < term.term_end and named.intersection(device.handles)
        for device in roster.devices.values()
    )
