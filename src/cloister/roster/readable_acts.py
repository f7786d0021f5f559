"""What readable entries mean for members and devices.

Relays and members apply a readable entry alike, in ``governance``, where people are keys and
devices are handles. Here the members' side puts names to both: whose office it was, whose device.
"""

from __future__ import annotations

from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.ids import MemberId
from cloister.roster.draft import Draft
from cloister.roster.entry import Entry
from cloister.roster.events import (
    DeviceLocked,
    DeviceUnlocked,
    Event,
    Held,
    Ignored,
    Reinstated,
    Suspended,
    SuspensionConfirmed,
)
from cloister.roster.governance import Governance
from cloister.roster.governance_events import ReadableEvent, ResetDone, Unlocked
from cloister.roster.governance_state import HoldRecord, Place, SuspendedKey, place_of
from cloister.roster.office import derive_roles
from cloister.roster.orders import CarriedConsent, HoldScope, verify_unlock_consent
from cloister.roster.rules import Rule
from cloister.roster.seats import forget_seats
from cloister.roster.state import changed


def apply_readable(draft: Draft, entry: Entry) -> tuple[Event, ...]:
    """Apply a readable entry. Raises RuleViolation, UpdateNeeded.

    An unlock on a consent that is not the owner's has its place in the governance, which is the
    relays' too and cannot know better; for members it unlocks nothing, and is Ignored.
    """
    governance, events = draft.governance.apply(entry)
    seq = entry.header.seq
    unlocks = [event for event in events if isinstance(event, Unlocked)]
    false = [event for event in unlocks if not _is_consented(draft, event)]
    for event in false:
        _keep_locked(draft, event)
    return (
        *(Ignored(seq=seq, rule=Rule.CONSENT) for _ in false),
        *(event for event in events if event not in false),
        *_follow(draft, governance, events, seq),
    )


def derive_governance(draft: Draft, seq: int, ts: int) -> tuple[Event, ...]:
    """Let everything of the governance happen that is due at log time ``ts``."""
    governance, events = draft.governance.mature(seq, ts)
    if governance is draft.governance:
        return ()
    return (*events, *_follow(draft, governance, events, seq))


def _is_consented(draft: Draft, unlocked: Unlocked) -> bool:
    """Whether an owner's consents are the owner's: relays know the owner keys of their own shares
    only, and not who holds a steward's key.

    A steward who is the owner too is one person, not two.  The consents must be newer than the
    owner's own word that the device is lost, too, which relays cannot read.
    """
    for target, carried in zip(unlocked.targets, unlocked.consents, strict=False):
        did = draft.handles.get(place_of(target))
        if did is None:
            return False
        device = draft.devices[did]
        if draft.key_owners.get(unlocked.key_id) == device.member_id:
            return False
        receipt = next(
            one.receipt for one in device.all_receipts if one.receipt.relay_id == target.relay_id
        )
        try:
            consent = CarriedConsent.decode(carried)
            verify_unlock_consent(consent, target, draft.circle_id, receipt.owner_key)
        except (DecodeError, BadSignature, BadPublicKey):
            return False
        if device.lost_at and consent.log_size <= device.lost_at:
            return False
    return True


def _keep_locked(draft: Draft, unlocked: Unlocked) -> None:
    """What was locked counts as lost from here, until an unlock that comes after."""
    for target in unlocked.targets:
        did = draft.handles.get(place_of(target))
        if did is not None and draft.devices[did].locked:
            draft.put_device(changed(draft.devices[did], lost_at=unlocked.seq), unlocked.seq)


def _follow(
    draft: Draft, governance: Governance, events: tuple[ReadableEvent, ...], seq: int
) -> list[Event]:
    """Bring members and devices up to date with a governance that has changed."""
    before, draft.governance = draft.governance, governance
    for event in events:
        if isinstance(event, ResetDone) and event.old_id == draft.commons_channel:
            draft.commons_channel = event.new_id
    if len(governance.moves) > len(before.moves):
        forget_seats(draft, seq)
    return [
        *_follow_sets(draft, before, seq),
        *_follow_suspensions(draft, before, seq),
        *_follow_locks(draft, before, seq),
        *_follow_holds(draft, before, seq),
    ]


def _follow_sets(draft: Draft, before: Governance, seq: int) -> list[Event]:
    after = draft.governance
    touched = (before.steward_keys.keys() ^ after.steward_keys.keys()) | (
        before.officer_keys.keys() ^ after.officer_keys.keys()
    )
    if not touched:
        return []
    owners = [member_id for key_id, member_id in draft.key_owners.items() if key_id in touched]
    return derive_roles(draft, dict.fromkeys(owners), seq)


def _follow_suspensions(draft: Draft, before: Governance, seq: int) -> list[Event]:
    after = draft.governance
    events: list[Event] = []
    for key_id in dict.fromkeys((*before.suspended, *after.suspended)):
        member_id = draft.key_owners.get(key_id)
        now = after.suspended.get(key_id)
        if member_id is None or now == before.suspended.get(key_id):
            continue
        member = draft.members[member_id]
        was_suspended = member.key_suspended
        is_suspended = any(one.key_id in after.suspended for one in member.announced)
        draft.put_member(changed(member, key_suspended=is_suspended), seq)
        if now is not None and (not was_suspended or now.until):
            events.append(_suspended(draft, now, seq))
        elif now is not None:
            events.append(SuspensionConfirmed(seq=seq, member_id=member_id, by=None))
        elif not is_suspended:
            events.append(Reinstated(seq=seq, member_id=member_id, by=None))
    return events


def _suspended(draft: Draft, key: SuspendedKey, seq: int) -> Suspended:
    return Suspended(
        seq=seq,
        entry_hash=key.entry_hash,
        member_id=draft.key_owners[key.key_id],
        by=draft.key_owners.get(key.author),
        until=key.until,
        reason="",
    )


def _follow_locks(draft: Draft, before: Governance, seq: int) -> list[Event]:
    after = draft.governance
    if before.locked is after.locked and before.unlocked_at is after.unlocked_at:
        return []
    touched: set[Place] = before.locked.keys() ^ after.locked.keys()
    touched |= {
        place for place, at in after.unlocked_at.items() if before.unlocked_at.get(place) != at
    }
    dids = [did for place, did in draft.handles.items() if place in touched]
    events: list[Event] = []
    for did in dict.fromkeys(dids):
        device = draft.devices[did]
        locked = draft.is_locked(device)
        if locked is device.locked:
            continue
        draft.put_device(changed(device, locked=locked), seq)
        event = DeviceLocked if locked else DeviceUnlocked
        events.append(event(seq=seq, member_id=device.member_id, did=did))
    return events


def _follow_holds(draft: Draft, before: Governance, seq: int) -> list[Event]:
    placed = draft.governance.holds.keys() - before.holds.keys()
    return [
        Held(seq=seq, entry_hash=entry_hash, members=_members_under(draft, record))
        for entry_hash, record in draft.governance.holds.items()
        if entry_hash in placed and record.scope is not HoldScope.CONVERSATION
    ]


def _members_under(draft: Draft, hold: HoldRecord) -> tuple[MemberId, ...]:
    """Whose devices a hold names; nobody in particular when it is on the circle."""
    dids = (draft.handles.get(place_of(target)) for target in hold.targets)
    return tuple(dict.fromkeys(draft.devices[did].member_id for did in dids if did is not None))
