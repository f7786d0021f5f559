"""A device that its own member gives up: lost, until it is unlocked, or retired for good."""

from __future__ import annotations

from cloister.roster.content import DeviceRevoke, RevokeKind
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import DeviceRevoked, Event
from cloister.roster.rules import Rule
from cloister.roster.state import changed


def on_device_revoke(draft: Draft, act: Act, revoke: DeviceRevoke) -> Event:
    """Apply a device_revoke entry."""
    device = draft.devices.get(revoke.did)
    if device is None or device.member_id != act.author.member_id:
        raise RuleViolation(Rule.REVOKE_OWN)
    if revoke.did == act.author.did and revoke.kind is not RevokeKind.RETIRED:
        raise RuleViolation(Rule.REVOKE_SELF)
    # Not ``lost_at`` alone: who was unlocked since may be lost again.
    is_lost = device.lost_at > 0 and device.locked
    if device.retired or (is_lost and revoke.kind is RevokeKind.LOST):
        raise RuleViolation(Rule.REVOKE_AGAIN)
    if revoke.kind is RevokeKind.RETIRED:
        device = changed(device, retired=True)
    else:
        device = changed(device, lost_at=act.seq, locked=True)
    draft.put_device(device, act.seq)
    return DeviceRevoked(seq=act.seq, member_id=device.member_id, did=device.did, kind=revoke.kind)
