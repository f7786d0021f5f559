"""Power over devices: locking, unlocking, erasing, retiring (flows 5.2).

A lock acts on receipt: it goes to every share relay at once and into the log beside.  Unlocking
and erasing need two people, or for an unlock the owner and one steward, and act by the log alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloister.client.appending import intend
from cloister.client.exposure import on_lock as mark_exposure
from cloister.client.foresight import append, check
from cloister.client.identity import did_of, identity_of, steward_key
from cloister.client.matters import REFERENCE_DIGITS, devices_in_words
from cloister.client.naming import (
    device_name,
    devices_named,
    name_of_key,
    one_device,
    own_key_id,
    own_member,
    roster_in_force,
)
from cloister.client.notes import seal_note
from cloister.client.ordering import send_lock
from cloister.client.powers import (
    ConsentToUnlock,
    EraseDevice,
    LockDevice,
    RetireDevice,
    UnlockDevice,
)
from cloister.client.records import OwnLock
from cloister.client.share_keys import owner_key
from cloister.client.state import State, with_item
from cloister.client.turn import Turn
from cloister.client.unlock_consent import consent_line, consents_in
from cloister.errors import PolicyError, UsageError
from cloister.roster.content import DeviceRevoke, RevokeKind
from cloister.roster.entry import SealedType
from cloister.roster.orders import (
    Erase,
    EraseReason,
    HoldScope,
    LockOrder,
    SignedLock,
    Target,
    Unlock,
    sign_lock_as_owner,
    sign_lock_as_steward,
)
from cloister.roster.policy import DAY_S
from cloister.roster.readable import ReadableType
from cloister.roster.roster import Roster
from cloister.roster.state import DeviceRecord

NO_SHARES = "this circle keeps no unlock shares: there is nothing to lock at a relay"


# --- lost -----------------------------------------------------------------------------------------


def on_lock(turn: Turn, act: LockDevice) -> None:
    """Order the lock, send it to every relay, and write it into the log."""
    roster = roster_in_force(turn.state)
    records = _lockable(turn.state, roster, act.device)
    dids = tuple(record.did for record in records)
    targets = _targets(records)
    if is_obeyed(turn.state):
        if not targets:
            raise PolicyError(NO_SHARES, hint="Suspend the member: `cloister suspend`.")
        order = _order(turn, roster, targets)
        lock = sign_lock_as_steward(order, steward_key(identity_of(turn.state)), _key_id(turn))
        check(turn, ReadableType.ORDER_LOCK, lock.encode())
        intend(turn, ReadableType.ORDER_LOCK, lock.encode())
    else:
        _demand_owner(turn.state, records)
        revokes = [DeviceRevoke(did=did, kind=RevokeKind.LOST).encode() for did in dids]
        for content in revokes:
            check(turn, SealedType.DEVICE_REVOKE, content)
        for content in revokes:
            intent_id = intend(turn, SealedType.DEVICE_REVOKE, content)
            if not targets:
                turn.owe(intent_id, act.ref)
        mark_exposure(turn, dids, turn.now)
        if not targets:
            return
        secret = identity_of(turn.state).owner_secret
        keys = tuple(owner_key(secret, one.receipt.bind) for r in records for one in r.all_receipts)
        lock = sign_lock_as_owner(_order(turn, roster, targets), keys)
    _keep(turn, lock, records)
    mark_exposure(turn, dids, turn.now)
    turn.owe(lock.order.order_hash, act.ref)
    turn.answer(lock.order.order_hash, text=lock.order.order_hash.hex())


def _lockable(state: State, roster: Roster, name: str) -> tuple[DeviceRecord, ...]:
    found = devices_named(roster, name)
    records = tuple(one for one in found if not (one.locked or one.retired or one.erased))
    if not records:
        raise PolicyError(f"{devices_in_words(roster, [one.did for one in found])}: locked already")
    if did_of(state) in {one.did for one in records}:
        raise PolicyError(
            "a device does not lock itself as lost",
            hint="Close its vault with `cloister lock`; or name the other device.",
        )
    return records


def _targets(records: Sequence[DeviceRecord]) -> tuple[Target, ...]:
    return tuple(target for record in records for target in record.targets)


def _order(turn: Turn, roster: Roster, targets: tuple[Target, ...]) -> LockOrder:
    return LockOrder(
        circle_id=roster.circle_id,
        log_size=roster.size,
        ts=max(turn.now, roster.ts),
        targets=targets,
    )


def _keep(turn: Turn, lock: SignedLock, records: Sequence[DeviceRecord]) -> None:
    """Store the order before it is sent, and what became of it for whoever asks."""
    send_lock(turn, lock)
    kept = OwnLock(order=lock.encode(), dids=tuple(one.did for one in records), answers=())
    turn.change(locks=with_item(turn.state.locks, lock.order.order_hash, kept))


def _demand_owner(state: State, records: Sequence[DeviceRecord]) -> None:
    own = own_member(state)
    if any(record.member_id != own.member_id for record in records):
        raise PolicyError(
            "only a steward can lock somebody else's device",
            hint="Ask any steward: `cloister steward list`.  One is enough.",
        )


def is_obeyed(state: State) -> bool:
    """Whether relays obey this device's key as a steward's now."""
    governance = roster_in_force(state).governance
    key_id = own_key_id(state)
    return key_id in governance.steward_keys and governance.obeys(key_id)


def _key_id(turn: Turn) -> bytes:
    return own_key_id(turn.state)


# --- unlock ---------------------------------------------------------------------------------------


def on_unlock(turn: Turn, act: UnlockDevice) -> None:
    """Propose an unlock; with the owner's consent it takes effect by itself."""
    roster = roster_in_force(turn.state)
    records = _locked(roster, act.device)
    targets = _targets(records)
    consents = consents_in(act.consents, [record.did for record in records])
    unlock = Unlock(targets=targets, consents=consents)
    append(turn, act.ref, ReadableType.ORDER_UNLOCK, unlock.encode())


def on_consent(turn: Turn, act: ConsentToUnlock) -> None:
    """Make the line with which the owner agrees; it goes to a steward by any way."""
    roster = roster_in_force(turn.state)
    records = _locked(roster, act.device)
    own = own_member(turn.state)
    if any(record.member_id != own.member_id for record in records):
        raise PolicyError("only the owner consents", hint="As a steward: `cloister unlock-device`.")
    if did_of(turn.state) in {record.did for record in records}:
        raise PolicyError("a locked device cannot consent to its own unlock")
    line = consent_line(turn.state, records)
    key = b"consent" + records[0].did
    turn.owe(key, act.ref)
    turn.answer(key, text=line)


def _locked(roster: Roster, name: str) -> tuple[DeviceRecord, ...]:
    found = devices_named(roster, name)
    words = devices_in_words(roster, [one.did for one in found])
    records = tuple(one for one in found if one.locked and not (one.retired or one.erased))
    if not records:
        raise PolicyError(f"{words}: not locked", hint="See `cloister device list`.")
    if not _targets(records):
        raise PolicyError(NO_SHARES)
    return records


# --- erase and retire -----------------------------------------------------------------------------


def on_erase(turn: Turn, act: EraseDevice) -> None:
    """Propose to destroy the shares; the device is locked by the proposal itself."""
    roster = roster_in_force(turn.state)
    try:
        reason = EraseReason(act.reason)
    except ValueError:
        raise UsageError("say why: lost, stolen, departed or requested") from None
    found = devices_named(roster, act.device)
    records = tuple(one for one in found if not one.erased)
    if not records:
        raise PolicyError("its shares are destroyed already", hint="cloister erase --status")
    if did_of(turn.state) in {record.did for record in records}:
        raise PolicyError("a device does not erase itself", hint="Name the device that is lost.")
    targets = _targets(records)
    if not targets:
        raise PolicyError(NO_SHARES, hint="Remove the member, or retire the device.")
    demand_no_hold(roster, records)
    erase = Erase(
        targets=targets,
        reason=reason,
        sealed_note=seal_note(turn.state, act.note, turn.entropy),
    )
    append(turn, act.ref, ReadableType.ORDER_ERASE, erase.encode())


def demand_no_hold(roster: Roster, records: Sequence[DeviceRecord]) -> None:
    """Raise ``PolicyError`` with who placed the hold, and when, if one covers a device."""
    places = {place for record in records for place in record.handles}
    for entry_hash, hold in roster.governance.holds.items():
        covered = {(target.relay_id, target.handle) for target in hold.targets}
        if hold.scope is HoldScope.CIRCLE or places & covered:
            reference = entry_hash.hex()[:REFERENCE_DIGITS]
            days = (roster.ts - hold.ts) // DAY_S
            when = f"{days} days ago" if days else "less than a day ago"
            raise PolicyError(
                f"there is a legal hold, placed by {name_of_key(roster, hold.placer)} {when}: "
                "nothing that it covers is destroyed",
                hint=f"Two release it: `cloister hold release {reference}`.",
            )


def on_retire(turn: Turn, act: RetireDevice) -> None:
    """Take an own device out of use, for good."""
    roster = roster_in_force(turn.state)
    record = one_device(roster, act.device)
    if record.member_id != own_member(turn.state).member_id:
        raise PolicyError(
            "only its owner retires a device", hint="A steward locks it: `cloister lost`."
        )
    if record.retired:
        raise PolicyError(f"{device_name(roster, record.did)} is retired already")
    content = DeviceRevoke(did=record.did, kind=RevokeKind.RETIRED)
    append(turn, act.ref, SealedType.DEVICE_REVOKE, content.encode())
