"""Erased unlock shares as members see them: who objects, and the relays' receipts."""

from __future__ import annotations

from typing import Final

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.roster.content import Objection
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import DeviceErased, Event, Objected
from cloister.roster.governance_state import ErasureState, place_of
from cloister.roster.rules import Rule
from cloister.roster.share import ErasureReceipt, verify_by_relay
from cloister.roster.state import Objections, changed

PAUSING_OBJECTIONS: Final = 2
"""Members whose objections pause an erase: one alone could stop every erase for ever."""


def on_objection(draft: Draft, act: Act, objection: Objection) -> Event:
    """Apply an objection entry. Relays cannot read it: stewards' devices carry it to them."""
    erasure = draft.governance.erasures.get(objection.entry_hash)
    if erasure is None or not erasure.is_open:
        raise RuleViolation(Rule.OBJECTION_ORDER)
    known = draft.objections.get(objection.entry_hash)
    members = () if known is None else known.members
    author = act.author.member_id
    if author in members:
        raise RuleViolation(Rule.OBJECTION_AGAIN)
    members = (*members, author)
    draft.objections[objection.entry_hash] = Objections(
        entry_hash=objection.entry_hash, members=members
    )
    return Objected(
        seq=act.seq,
        entry_hash=objection.entry_hash,
        member_id=author,
        reason=objection.reason,
        pauses=len(members) >= PAUSING_OBJECTIONS,
    )


def on_erase_receipt(draft: Draft, act: Act, receipt: ErasureReceipt) -> Event:
    """Apply an erase_receipt entry: one relay's share of a device is gone for good."""
    erasure = draft.governance.erasures.get(receipt.order_hash)
    place = (receipt.relay_id, receipt.handle)
    did = draft.handles.get(place)
    if erasure is None or erasure.state is not ErasureState.DUE:
        raise RuleViolation(Rule.ERASED_ORDER)
    if did is None or place not in map(place_of, erasure.targets):
        raise RuleViolation(Rule.ERASED_TARGET)
    cards = draft.governance.known_relays()
    card = next((one for one in cards if one.relay_id == receipt.relay_id), None)
    if card is None:
        raise RuleViolation(Rule.ERASED_RELAY)
    try:
        verify_by_relay(receipt, card.key)
    except (BadSignature, BadPublicKey):
        raise RuleViolation(Rule.ERASED_RELAY) from None
    device = draft.devices[did]
    if receipt.relay_id in device.erased_by:
        raise RuleViolation(Rule.ERASED_AGAIN)
    device = changed(device, erased_by=(*device.erased_by, receipt.relay_id))
    draft.put_device(device, act.seq)
    return DeviceErased(
        seq=act.seq,
        did=did,
        member_id=device.member_id,
        relay_id=receipt.relay_id,
        order_hash=receipt.order_hash,
        at=receipt.at,
        complete=device.erased,
    )
