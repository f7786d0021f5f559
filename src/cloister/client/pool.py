"""This device's key packages at the relay, so that others can add it while it is away."""

from __future__ import annotations

from typing import Final

from cloister.client.identity import identity_of, make_key_package
from cloister.client.linking import on_common_refusal
from cloister.client.state import Purpose, Work
from cloister.client.turn import Turn
from cloister.crypto.hashing import sha256
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import PublishKeyPackages
from cloister.wire.events import Done, Failed

POOL_SIZE: Final = 20
"""Key packages kept at the relay: conversations that can be opened while the device is away."""
POOL_LOW: Final = 10
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
    if event.n <= POOL_LOW:
        publish(turn, circle_id, POOL_SIZE - event.n)


def publish(turn: Turn, circle_id: bytes, count: int) -> None:
    """Make ``count`` key packages and publish them."""
    identity = identity_of(turn.state)
    made = [make_key_package(turn.state, circle_id, turn.now, turn.entropy) for _ in range(count)]
    kept = {**turn.state.key_packages, **{one.reference: one for one in made}}
    while len(kept) > MAX_UNUSED:
        kept.pop(next(iter(kept)))
    turn.change(key_packages=kept)
    packages = tuple(one.key_package for one in made)
    number = int.from_bytes(sha256(*packages)[:4], "big")
    turn.ask(
        Purpose(Work.PUBLISH, number=number),
        lambda rid: PublishKeyPackages(rid=rid, inbox_id=identity.inbox_id, packages=packages),
    )


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """The pool is looked at again later; what was not taken stays unused."""
    if not on_common_refusal(turn, purpose, event):
        turn.delay(purpose, 60)
