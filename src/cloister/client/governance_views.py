"""What people see of governance: what waits, devices, holds, erasures, locks, offices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from cloister.client.binding import dids_of
from cloister.client.exposure import windows_of
from cloister.client.home_views import home_view
from cloister.client.matters import (
    REFERENCE_DIGITS,
    Matter,
    devices_in_words,
    dids_of_targets,
    keys_named,
    matters_of,
)
from cloister.client.naming import (
    SHORT_DID_DIGITS,
    device_name,
    devices_named,
    name_of_key,
    shown,
)
from cloister.client.notes import read_note
from cloister.client.powers import COVER_FIELD, EXPORT_FIELD, POLICY_FIELDS
from cloister.client.records import OwnLock
from cloister.client.safe_text import safe_line
from cloister.client.standing import standing_of
from cloister.client.state import State
from cloister.client.views import View, requests_view
from cloister.errors import NotFoundError
from cloister.ids import DeviceId, RelayId
from cloister.roster.governance_state import Erasure, ErasureState, HoldRecord
from cloister.roster.orders import HoldScope, SignedLock
from cloister.roster.roster import Roster
from cloister.roster.state import DeviceRecord
from cloister.wire.codes import Refusal


def pending_view(state: State, _about: str = "") -> list[View]:
    """Everything that waits for somebody, in words, with its reference."""
    roster = state.roster
    if roster is None:
        return []
    return [
        *(_waiting(matter) for matter in matters_of(state)),
        *(_asked(view) for view in requests_view(state)),
        *_revouches(roster),
        *_offers(roster, state.named_keys),
    ]


def _waiting(matter: Matter) -> View:
    return {
        "reference": matter.reference,
        "kind": matter.kind.value,
        "text": matter.text,
        "by": matter.by,
        "waits_for": matter.waits_for,
        "until": matter.until or None,
    }


VETO_WORDS: Final = "the veto time to pass, or vouches of members past probation"


def _asked(view: View) -> View:
    vouches = view["vouches"]
    given = len(vouches) if isinstance(vouches, list) else 0
    is_short = not isinstance(view["needed"], int) or given < view["needed"]
    as_whom = f" as {view['asks_as']}" if view["asks_as"] else ""
    return {
        "reference": view["name"],
        "kind": "request",
        "text": f"{view['name']} asks to be let in{as_whom}: {given} of {view['needed']} vouches",
        "by": view["name"],
        "waits_for": "members who vouch: cloister vouch" if is_short else VETO_WORDS,
        "until": None,
    }


def _revouches(roster: Roster) -> list[View]:
    return [
        {
            "reference": shown(roster, member.member_id),
            "kind": "vouch anew",
            "text": f"vouches for {shown(roster, member.member_id)} do not count any more",
            "by": "",
            "waits_for": "members who vouch: cloister vouch",
            "until": member.revouch_by,
        }
        for member in roster.members.values()
        if member.needs_revouch and not member.is_out
    ]


def _offers(roster: Roster, known: Collection[bytes]) -> list[View]:
    """Offers that nobody has taken up; ``known``: keys that have held an office before."""
    named = {*known, *keys_named(roster)}
    return [
        {
            "reference": shown(roster, member.member_id),
            "kind": "offer",
            "text": f"{shown(roster, member.member_id)} offers to hold an office",
            "by": shown(roster, member.member_id),
            "waits_for": "a steward: cloister steward add, cloister officer add",
            "until": None,
        }
        for member in roster.members.values()
        if member.is_active and member.announced and member.announced[-1].key_id not in named
    ]


# --- devices --------------------------------------------------------------------------------------


def devices_view(state: State, about: str = "") -> list[View]:
    """Every device, or those of one member: number, id, state, seat."""
    roster = state.roster
    if roster is None:
        return []
    if about:
        dids = [record.did for record in devices_named(roster, about)]
    else:
        dids = [did for member in roster.members.values() for did in member.devices]
    commons = state.commons
    inside = set(dids_of(commons.group).values()) if commons else set()
    return [_device(state, roster, roster.devices[did], did in inside) for did in dids]


def _device(state: State, roster: Roster, record: DeviceRecord, in_commons: bool) -> View:
    return {
        "device": device_name(roster, record.did),
        "member": shown(roster, record.member_id),
        "id": record.did.hex(),
        "short_id": record.did.hex()[:SHORT_DID_DIGITS],
        "bot": record.card.bot,
        "state": standing_of(roster, record.did).name.lower(),
        "seat": seat_in_words(roster, record),
        "seat_until": record.term_end or None,
        "shares": sum(one.receipt.relay_id not in record.erased_by for one in record.receipts),
        "held": any(roster.governance.is_held(*pair) for pair in record.handles),
        "in_commons": in_commons,
    }


def seat_in_words(roster: Roster, record: DeviceRecord) -> str:
    """Say whether a device's seat is paid for."""
    if not record.term_end:
        return "none needed"
    if record.lapsed:
        return "lapsed"
    return "paid" if record.term_end > roster.ts else "over, in grace"


# --- holds and erasures ---------------------------------------------------------------------------


def holds_view(state: State, _about: str = "") -> list[View]:
    """Holds in force: what they cover, who placed them, when."""
    roster = state.roster
    if roster is None:
        return []
    return [
        {
            "reference": entry_hash.hex()[:REFERENCE_DIGITS],
            "scope": hold.scope.name.lower(),
            "subject": hold_subject(state, roster, hold),
            "placed_by": name_of_key(roster, hold.placer),
            "placed_at": hold.ts,
            "authority": hold.authority_hash.hex() if any(hold.authority_hash) else "",
            "note": read_note(state, hold.sealed_note),
        }
        for entry_hash, hold in roster.governance.holds.items()
    ]


def hold_subject(state: State, roster: Roster, hold: HoldRecord) -> str:
    """Say in words what a hold covers."""
    match hold.scope:
        case HoldScope.CIRCLE:
            return "the circle"
        case HoldScope.MEMBER:
            dids = dids_of_targets(roster, hold.targets)
            owners = dict.fromkeys(roster.devices[did].member_id for did in dids)
            return ", ".join(shown(roster, owner) for owner in owners) or "unknown devices"
        case HoldScope.CONVERSATION:
            channel = state.channels.get(bytes(hold.channel or b""))
            if channel is None:
                return "a conversation that this device is not in"
            return safe_line(channel.title)


def erasures_view(state: State, about: str = "") -> list[View]:
    """Erasures: asked, approved, cooling off, carried out, refused, held; one device's or all."""
    roster = state.roster
    if roster is None:
        return []
    wanted = {one.did for one in devices_named(roster, about)} if about else None
    views = []
    for entry_hash, erasure in roster.governance.erasures.items():
        dids = dids_of_targets(roster, erasure.targets)
        if wanted is None or wanted.intersection(dids):
            views.append(_erasure(state, roster, entry_hash, erasure, dids))
    return views


def _erasure(
    state: State,
    roster: Roster,
    entry_hash: bytes,
    erasure: Erasure,
    dids: tuple[DeviceId, ...],
) -> View:
    relays = _relay_names(state)
    names = sorted({relays.get(one.relay_id, "a former relay") for one in erasure.targets})
    gone = {
        name
        for name in names
        if all(
            relay_id in roster.devices[did].erased_by
            for did in dids
            for relay_id, _ in roster.devices[did].handles
            if relays.get(relay_id, "a former relay") == name
        )
    }
    lines = [f"asked by {name_of_key(roster, erasure.author)}"]
    if erasure.approver is not None:
        lines.append(f"approved by {name_of_key(roster, erasure.approver)}")
    match erasure.state:
        case ErasureState.STOPPED:
            lines.append("stopped: nothing is destroyed")
        case ErasureState.HELD:
            lines.append("under legal hold: nothing is destroyed")
        case ErasureState.LAPSED:
            lines.append("lapsed: nobody approved it in time")
        case ErasureState.DUE:
            lines += [f"{'erased' if name in gone else 'asked'} at {name}" for name in names]
        case ErasureState.PROPOSED | ErasureState.APPROVED:
            pass
    objectors = roster.objections.get(entry_hash)
    if objectors is not None:
        lines.append("objected to by " + ", ".join(shown(roster, one) for one in objectors.members))
    return {
        "reference": entry_hash.hex()[:REFERENCE_DIGITS],
        "devices": devices_in_words(roster, dids),
        "reason": erasure.reason.name.lower(),
        "state": "erased" if gone == set(names) else erasure.state.name.lower(),
        "asked_at": erasure.proposed_ts,
        "approved_at": erasure.approved_ts or None,
        "due": erasure.executes_at if erasure.due else None,
        "paused_until": erasure.paused_until or None,
        "erased_at": sorted(gone),
        "progress": lines,
    }


# --- locks ----------------------------------------------------------------------------------------


def locks_view(state: State, about: str = "") -> list[View]:
    """Locks that this device ordered; ``about``: the hash of one.

    Raises ``NotFoundError`` when this device has not ordered that one.
    """
    if state.roster is None:
        return []
    found = [
        _lock(state, state.roster, order_hash, lock)
        for order_hash, lock in state.locks.items()
        if not about or order_hash.hex() == about
    ]
    if about and not found:
        raise NotFoundError("this device has ordered no such lock")
    return found


def _lock(state: State, roster: Roster, order_hash: bytes, lock: OwnLock) -> View:
    order = SignedLock.decode(lock.order).order
    relays = _relay_names(state)
    answers = {answer.relay_id: answer for answer in lock.answers}
    wanted = tuple(dict.fromkeys(target.relay_id for target in order.targets))
    progress = []
    for relay_id in wanted:
        answer, name = answers.get(relay_id), relays.get(relay_id, "a former relay")
        if answer is None:
            progress.append({"step": f"not yet locked at {name}", "done": False, "at": None})
        elif answer.code:
            word = Refusal(answer.code).name if answer.code in set(Refusal) else str(answer.code)
            progress.append({"step": f"refused by {name} ({word})", "done": True, "at": answer.at})
        else:
            progress.append({"step": f"locked at {name}", "done": True, "at": answer.at})
    in_log = all(roster.devices[did].locked for did in lock.dids)
    progress.append(
        {"step": "in the log" if in_log else "not yet in the log", "done": in_log, "at": None}
    )
    were, still = _groups_of(state, lock.dids)
    dropped = f"dropped from {were - still} of {were} groups that this device is in"
    progress.append({"step": dropped, "done": still == 0, "at": None})
    return {
        "order": order_hash.hex(),
        "devices": devices_in_words(roster, lock.dids),
        "ordered_at": order.ts,
        "locked_at": [
            relays.get(one.relay_id, "a former relay") for one in lock.answers if not one.code
        ],
        "in_log": in_log,
        "groups": were,
        "groups_left": still,
        "done": all(bool(step["done"]) for step in progress),
        "progress": progress,
    }


def _groups_of(state: State, dids: tuple[DeviceId, ...]) -> tuple[int, int]:
    """How many groups a lost device was in when it was locked, and how many it is in still."""
    were, still = set(), set()
    for did in dids:
        for window in windows_of(state, did):
            if window.is_still_inside:
                still.add(window.channel.channel_id)
                were.add(window.channel.channel_id)
            elif window.until_n is None or window.lock_n is None:
                continue  # in a channel that this device has left, or gone before any lock
            elif window.until_n >= window.lock_n:
                were.add(window.channel.channel_id)
    return len(were), len(still)


def _relay_names(state: State) -> dict[RelayId, str]:
    if state.roster is None:
        return {}
    cards = state.roster.governance.known_relays()
    return {card.relay_id: safe_line(card.name) for card in cards}


# --- offices --------------------------------------------------------------------------------------


def stewards_view(state: State, _about: str = "") -> list[View]:
    """Who holds an office, by which key, and whether relays obey it now."""
    roster = state.roster
    if roster is None:
        return []
    governance = roster.governance
    return [
        {
            "name": name_of_key(roster, key_id),
            "office": office,
            "key": key_id.hex(),
            "obeyed": governance.obeys(key_id),
            "suspended_until": governance.suspended[key_id].until
            if key_id in governance.suspended
            else None,
        }
        for office, keys in (
            ("steward", governance.steward_keys),
            ("officer", governance.officer_keys),
        )
        for key_id in keys
    ]


def policy_view(state: State, _about: str = "") -> list[View]:
    """The rules in force, field by field, and which of them two stewards can change."""
    roster = state.roster
    if roster is None:
        return []
    policy = roster.policy
    numbers = policy.as_dict() | {"flags": policy.fixed_flags}
    rows = [
        {"field": name, "value": value, "can_change": name in POLICY_FIELDS}
        for name, value in numbers.items()
    ]
    said = {EXPORT_FIELD: policy.export.name.lower(), COVER_FIELD: policy.cover_per_day}
    return rows + [{"field": one, "value": said[one], "can_change": True} for one in said]


VIEWS: Final[Mapping[str, Callable[[State, str], list[View]]]] = {
    "pending": pending_view,
    "devices": devices_view,
    "holds": holds_view,
    "erasures": erasures_view,
    "locks": locks_view,
    "stewards": stewards_view,
    "policy": policy_view,
    "home": home_view,
}
"""By the name under which a program asks for it."""


def governance_view(state: State, what: str, about: str) -> list[View]:
    """Return the view of that name.  Raises ``NotFoundError``."""
    view = VIEWS.get(what)
    if view is None:
        raise NotFoundError("there is no such view")
    return view(state, about)
