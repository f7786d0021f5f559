"""A lock on receipt: one steward's signature, or the owner's, before any log has it (flows 5.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.errors import RemoteError
from cloister.ids import Handle, RelayId
from cloister.relay.nobody import NO_GOVERNANCE, NO_KEY, obeyed_key
from cloister.relay.shares.rows import Share
from cloister.relay.shares.store import ShareStore
from cloister.relay.storage.writes import Accepted, Refused
from cloister.roster.orders import (
    SignedLock,
    SignerKind,
    verify_lock_by_owner,
    verify_lock_by_steward,
)
from cloister.roster.relay_fold import RelayFold
from cloister.roster.share import bind_of
from cloister.wire.codes import Refusal

MAX_AHEAD: Final = 64
"""Entries by which an owner's order may be ahead of the log that this relay has: its mirror may
lag. An order from further ahead would outlast the unlocks to come."""


class LockTarget(msgspec.Struct, frozen=True):
    """One handle here that an order means.

    ``is_signed`` tells whether the share's owner key signed, or is None when a steward did."""

    handle: Handle
    bind: bytes
    locked_at: int
    is_signed: Callable[[bytes], bool] | None


def judge_lock(
    lock: SignedLock, fold: RelayFold | None, relay_id: RelayId
) -> tuple[LockTarget, ...] | Refused:
    """Check what needs no row: the steward's right and signature, and which targets are here.

    None: this relay keeps no log of that circle.  Who asks about it gets the answer of one who may
    not give orders, after the same checks."""
    order = lock.order
    own = [(i, one) for i, one in enumerate(order.targets) if one.relay_id == relay_id]
    if not own:
        return Refused(Refusal.UNKNOWN_OBJECT)
    if lock.by is SignerKind.STEWARD:
        if not _is_by_steward(lock, fold) or fold is None:
            return Refused(Refusal.UNKNOWN_OBJECT)
        # It goes into the log too, and locks from there; until then it counts as if it were the
        # next entry, so that no steward can name a size that no unlock will ever reach.
        locked_at = min(order.log_size, fold.size)
        return tuple(
            LockTarget(one.handle, bind_of(fold.origin, one.opening), locked_at, None)
            for _, one in own
        )
    if len(lock.signatures) != len(order.targets):
        return Refused(Refusal.MALFORMED)
    # Nobody's share is bound to a circle that is not here, nor locked by an order from the future;
    # both are found out below, as for everybody who is not the owner.
    origin, size = (fold.origin, fold.size) if fold is not None else ("", 0)
    is_timely = fold is not None and order.log_size <= size + MAX_AHEAD

    def is_signed(index: int) -> Callable[[bytes], bool]:
        def check(owner_key: bytes) -> bool:
            try:
                verify_lock_by_owner(lock, index, owner_key)
            except (BadSignature, BadPublicKey):
                return False
            return is_timely

        return check

    return tuple(
        LockTarget(one.handle, bind_of(origin, one.opening), order.log_size, is_signed(i))
        for i, one in own
    )


def apply_lock(store: ShareStore, targets: tuple[LockTarget, ...]) -> Accepted | Refused:
    """Lock durably; ``n`` is how many shares are locked by it, now or by an earlier copy.

    An order from before the last unlock is a replay: EXPIRED when it is that for all of them."""
    locked = stale = 0
    for target in targets:
        share = store.look_up(target.handle)
        if not _is_meant(share, target) or share is None:
            continue
        if target.locked_at <= share.unlocked_at:
            stale += 1
            continue
        locked += 1
        if share.locked_at is None or share.locked_at < target.locked_at:
            store.set_lock(share.handle, target.locked_at, share.unlocked_at)
    if not locked:
        return Refused(Refusal.EXPIRED if stale else Refusal.UNKNOWN_OBJECT)
    return Accepted(locked)


def _is_meant(share: Share | None, target: LockTarget) -> bool:
    """Tell whether an order means this share; whoever owns none is checked for nothing."""
    is_bound = share is not None and share.bind == target.bind
    owner_key = share.owner_key if share is not None and is_bound else NO_KEY
    is_signed = target.is_signed is None or target.is_signed(owner_key)
    return is_bound and is_signed


def _is_by_steward(lock: SignedLock, fold: RelayFold | None) -> bool:
    governance = fold.governance if fold is not None else NO_GOVERNANCE
    try:
        verify_lock_by_steward(lock, obeyed_key(governance, lock.key_id))
    except (RemoteError, BadSignature, BadPublicKey):
        return False
    return True
