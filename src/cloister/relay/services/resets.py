"""The reset of the commons at its home (flows 4.3): stewards read, and the commons moves.

Whoever broke the commons may be the only one who can prove it.  So a steward's key opens the log
for reading, and the log alone says which channel is the commons from when on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.relay.nobody import NO_GOVERNANCE, obeyed_key
from cloister.relay.services.context import Context
from cloister.relay.services.live_log import LiveLog
from cloister.relay.session import Session, State
from cloister.relay.storage.writes import Accepted, MoveCommons, Outcome
from cloister.roster.governance_state import Reset
from cloister.roster.voiding import promised_ids
from cloister.wire import commands
from cloister.wire.auth import verify_steward
from cloister.wire.codes import Refusal


class Resets:
    """What the home does about resets.  ``on_moved`` is told when a commons has ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.on_moved: Callable[[MoveCommons], None] = _nobody

    def prove_steward(
        self, live: LiveLog | None, session: Session, request: commands.ProveSteward
    ) -> None:
        """Check a proof of a steward's key; it opens the log as long as the key is obeyed."""
        governance = live.fold.governance if live is not None else NO_GOVERNANCE
        key = obeyed_key(governance, request.key_id)
        try:
            verify_steward(
                key, self._context.relay_id, request.origin, session.nonce, request.signature
            )
        except (BadSignature, BadPublicKey, DecodeError):
            # An unknown log, a key that it does not name and a bad signature look the same, and
            # cost the same.
            self._context.count_wrong(session)
            session.refuse(request.rid, Refusal.UNKNOWN_OBJECT)
            return
        session.steward_keys[request.origin] = request.key_id
        session.state = State.PROVEN
        session.done(request.rid)

    def carry_out(self, origin: str, reset: Reset | None) -> None:
        """Move the commons as the log says; once, however often it is asked."""
        if reset is None or self._context.store.channel(reset.new_id) is not None:
            return
        # The entry by which it took effect is the last that the old commons opens.
        write = MoveCommons(origin, reset.old_id, reset.new_id, reset.key, reset.seq + 1)
        self._context.store.submit(write, partial(self._on_carried_out, write))

    def _on_carried_out(self, write: MoveCommons, outcome: Outcome) -> None:
        if isinstance(outcome, Accepted):
            self.on_moved(write)


def is_stewards(session: Session, live: LiveLog) -> bool:
    """Tell whether a connection has proved a key of this log that is obeyed now."""
    key_id = session.steward_keys.get(live.origin)
    return key_id is not None and live.fold.governance.obeys(key_id)


def is_promised(live: LiveLog | None, channel_id: bytes) -> bool:
    """Tell whether a reset that waits would make this channel the commons: whoever owns the old
    one reads the id in the log, and must not take it first."""
    return live is not None and channel_id in promised_ids(live.fold.governance)


def _nobody(_write: MoveCommons) -> None:
    """Nobody is told yet."""
