"""This device's key packages at the relay, so that others can add it while it is away.

A key package is valid for 80 days.  Well before that the device publishes fresh ones and takes the
old ones out of its own pool, so that whoever adds it after a long absence finds one that still
holds.  The relay hands out the oldest first, so what is pooled are the newest of those made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloister import mls
from cloister.client.binding import KEY_PACKAGE_LIFETIME_S
from cloister.client.identity import identity_of, make_key_package
from cloister.client.linking import on_common_refusal
from cloister.client.state import Purpose, Work, without
from cloister.client.turn import Turn
from cloister.crypto.hashing import sha256
from cloister.limits import RETENTION_S
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import PublishKeyPackages, TakeKeyPackage
from cloister.wire.events import Done, Failed, Package

POOL_SIZE: Final = 20
"""Key packages kept at the relay: conversations that can be opened while the device is away."""
POOL_LOW: Final = 10
STALE_BEFORE_END_S: Final = KEY_PACKAGE_LIFETIME_S // 2
"""A key package with less to live than this is replaced: the device may be away for as long."""
LOOK_AGAIN_S: Final = 300
"""A connection looks at the pool this often: others may have used it up, or wasted it."""
MAX_UNUSED: Final = 200
"""Private halves kept; the oldest go first.  More would mean that others waste key packages."""


def advance(turn: Turn, circle_id: bytes) -> bool:
    """Look at the pool now and then and fill it up; return whether it is known to be full."""
    identity = identity_of(turn.state)
    if (int(ObjectKind.INBOX), identity.inbox_id) not in turn.session.proven:
        return False
    look = Purpose(Work.POOL_SIZE)
    if look in turn.session.done and turn.now - turn.session.pool_seen_at >= LOOK_AGAIN_S:
        turn.change_session(done=turn.session.done - {look})
    turn.ask_once(
        look,
        lambda rid: PublishKeyPackages(rid=rid, inbox_id=identity.inbox_id, packages=()),
    )
    return look in turn.session.done and Purpose(Work.PUBLISH) not in turn.session.asked


def on_pool_size(turn: Turn, purpose: Purpose, event: Done, circle_id: bytes) -> None:
    """Make and publish as many as are missing; their private halves are stored first."""
    turn.mark_done(purpose)
    turn.change_session(pool_seen_at=turn.now)
    ends = _ends(turn.state.key_packages)
    pooled = sorted(ends.values())[-event.n :] if event.n else []
    fresh = sum(end - turn.now >= STALE_BEFORE_END_S for end in pooled)
    turn.change_session(pool_stale=len(pooled) - fresh)
    if fresh <= POOL_LOW:
        publish(turn, circle_id, POOL_SIZE - fresh)


def _ends(made: Mapping[bytes, mls.KeyPackageSecrets]) -> dict[bytes, int]:
    """Return reference -> end of the lifetime, s, of key packages that this device made."""
    ends = {}
    for reference, one in made.items():
        lifetime = one.parsed().leaf_node.lifetime
        ends[reference] = lifetime.not_after if lifetime is not None else 0
    return ends


def publish(turn: Turn, circle_id: bytes, count: int) -> None:
    """Make ``count`` key packages and publish them."""
    identity = identity_of(turn.state)
    made = [make_key_package(turn.state, circle_id, turn.now, turn.entropy) for _ in range(count)]
    turn.change(
        key_packages={
            **_still_useful(turn.state.key_packages, turn.now, MAX_UNUSED - count),
            **{one.reference: one for one in made},
        }
    )
    packages = tuple(one.key_package for one in made)
    number = int.from_bytes(sha256(*packages)[:4], "big")
    turn.ask(
        Purpose(Work.PUBLISH, number=number),
        lambda rid: PublishKeyPackages(rid=rid, inbox_id=identity.inbox_id, packages=packages),
    )


def _still_useful(
    made: Mapping[bytes, mls.KeyPackageSecrets], now: int, most: int
) -> dict[bytes, mls.KeyPackageSecrets]:
    """Return the newest that a Welcome may still come for: made in time and kept by the relay."""
    ends = _ends(made)
    newest = sorted(ends, key=lambda reference: ends[reference])[-most:]
    return {one: made[one] for one in newest if ends[one] + RETENTION_S >= now}


def advance_stale(turn: Turn) -> None:
    """Take the own old key packages out of the pool, one after the other."""
    circle = turn.state.circle
    if not turn.session.pool_stale or circle is None or not turn.is_current(circle.commons_id):
        return
    inbox_id, commons_id = identity_of(turn.state).inbox_id, circle.commons_id
    turn.ask(
        Purpose(Work.WITHDRAW),
        lambda rid: TakeKeyPackage(rid=rid, commons_id=commons_id, inbox_id=inbox_id),
    )


def on_withdrawn(turn: Turn, event: Package) -> None:
    """Nobody else has seen this one: its private half is of no use any more."""
    turn.change_session(pool_stale=max(turn.session.pool_stale - 1, 0))
    for reference, one in turn.state.key_packages.items():
        if one.key_package == event.package:
            turn.change(key_packages=without(turn.state.key_packages, reference))
            return


def on_withdraw_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Others have emptied the pool, or the relay wants time."""
    if not on_common_refusal(turn, purpose, event):
        turn.change_session(pool_stale=0)


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """The pool is looked at again later; what was not taken stays unused."""
    if not on_common_refusal(turn, purpose, event):
        turn.delay(purpose, 60)
