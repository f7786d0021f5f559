"""Unlock shares at other relays: a device enrols anew where the circle's relays have changed."""

from __future__ import annotations

from cloister.codec import Struct, layout, vector
from cloister.roster.admission import is_held
from cloister.roster.draft import Act, Draft
from cloister.roster.enrolment import are_receipts_of, handle_keys
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, SharesRenewed
from cloister.roster.rules import Rule
from cloister.roster.share import SHARE_RELAYS, OpenedReceipt, share_relays
from cloister.roster.state import MAX_FORMER_RECEIPTS, changed


@layout
class Shares(Struct):
    """struct { OpenedReceipt receipts<V>; } Shares: of the share relays where the device has none,
    in the order of the relay set."""

    receipts: tuple[OpenedReceipt, ...] = vector(OpenedReceipt, max_items=SHARE_RELAYS)


def on_shares(draft: Draft, act: Act, content: Shares) -> Event:
    """Apply a shares entry: with it the device has a share at each share relay of the set.

    Shares at relays that are none any more stay known: an order still names them.
    """
    device = act.author
    member = draft.members[device.member_id]
    if is_held(draft.governance, draft.devices, member):
        raise RuleViolation(Rule.SHARES_HELD)
    known = {one.receipt.relay_id: one for one in device.receipts}
    new = {one.receipt.relay_id: one for one in content.receipts}
    cards = share_relays(draft.relay_set)
    wanted = tuple(
        one
        for card in cards
        if (one := known.get(card.relay_id) or new.get(card.relay_id)) is not None
    )
    is_needed = bool(new) and known.keys().isdisjoint(new) and len(new) == len(content.receipts)
    former = tuple(one for one in device.receipts if one not in wanted)
    former = (*device.former, *former)
    if (
        not is_needed
        or len(wanted) != len(cards)
        or len(former) > MAX_FORMER_RECEIPTS
        or not new.keys() <= {card.relay_id for card in cards}
        or not are_receipts_of(wanted, draft.relay_set, draft.policy, draft.origin)
    ):
        raise RuleViolation(Rule.SHARES_RECEIPTS)
    fresh = handle_keys(content.receipts)
    if not draft.spent.isdisjoint(fresh):
        raise RuleViolation(Rule.SHARES_NEW)
    draft.spent.update(fresh)
    device = changed(device, receipts=wanted, former=former)
    draft.handles.update(dict.fromkeys(device.handles, device.did))
    # A steward may have locked the handle before anybody knew whose it is.
    draft.put_device(changed(device, locked=draft.is_locked(device)), act.seq)
    return SharesRenewed(seq=act.seq, did=device.did, relays=tuple(new))
